"""The decoder: Llama's architecture with Llama's parameter names (Touvron et al. 2023), for the causal objective."""

import torch.nn.functional as functional
from torch import Tensor, nn

from train.models.attention import attend, rotate, rotation, segment_bias
from train.models.dimensions import ModelConfig
from train.models.initial import initialise

ROPE_THETA = 10_000.0
NORM_EPSILON = 1e-5


class Attention(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.dimensions.hidden_size
        self.head_size = width // config.dimensions.num_heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, config.num_key_value_heads * self.head_size, bias=False)
        self.v_proj = nn.Linear(width, config.num_key_value_heads * self.head_size, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, bias: Tensor) -> Tensor:
        def heads(values: Tensor) -> Tensor:
            return values.view(*x.shape[:2], -1, self.head_size).transpose(1, 2)

        query, key = rotate(heads(self.q_proj(x)), cosines, sines), rotate(heads(self.k_proj(x)), cosines, sines)
        out = attend(query, key, heads(self.v_proj(x)), bias)
        return self.o_proj(out.transpose(1, 2).reshape(x.shape))


class Mlp(nn.Module):
    def __init__(self, width: int, intermediate: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, intermediate, bias=False)
        self.up_proj = nn.Linear(width, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.dimensions.hidden_size
        self.self_attn = Attention(config)
        self.mlp = Mlp(width, config.intermediate_size)
        self.input_layernorm = nn.RMSNorm(width, NORM_EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(width, NORM_EPSILON)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, bias: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cosines, sines, bias)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.dimensions.hidden_size
        self.embed_tokens = nn.Embedding(config.vocabulary_size, width)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.dimensions.num_layers))
        self.norm = nn.RMSNorm(width, NORM_EPSILON)


class Decoder(nn.Module):
    """A causal language model over packed rows."""

    def __init__(self, config: ModelConfig, seed: int) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        if not config.dimensions.tie_embeddings:
            self.lm_head = nn.Linear(config.dimensions.hidden_size, config.vocabulary_size, bias=False)
        initialise(self, seed, config.dimensions.num_layers, ("o_proj.weight", "down_proj.weight"))

    def forward(self, input_ids: Tensor, segment_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Hidden states (rows, context, width) from int64 (rows, context) each; see `train.rows.Rows`."""
        bias = segment_bias(segment_ids, causal=True)
        dimensions = self.config.dimensions
        cosines, sines = (angles.to(bias.dtype) for angles in rotation(position_ids, dimensions.hidden_size // dimensions.num_heads, ROPE_THETA))
        x = self.model.embed_tokens(input_ids)
        for layer in self.model.layers:
            x = layer(x, cosines, sines, bias)
        return self.model.norm(x)

    def features(self, hidden: Tensor) -> Tensor:
        """What the output matrix is multiplied with, for chosen hidden states (n, width)."""
        return hidden

    @property
    def output_weight(self) -> Tensor:
        """(vocabulary, width)."""
        return self.model.embed_tokens.weight if self.config.dimensions.tie_embeddings else self.lm_head.weight

    @property
    def output_bias(self) -> Tensor | None:
        """None: a decoder has no biases."""
        return None
