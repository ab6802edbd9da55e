"""Attention that stays inside a segment, and the rotation that tells positions apart."""

import torch
import torch.nn.functional as functional
from torch import Tensor


def segment_bias(segment_ids: Tensor, *, causal: bool) -> Tensor:
    """What is added to attention scores: 0 within a segment (and not after it, if causal), −infinity elsewhere.

    segment_ids is (rows, context), −1 on padding; the result (rows, 1, context, context) in the type attention runs in.
    Padding sees padding and, always, itself, so no row of scores is empty and nothing becomes NaN; no segment sees it.
    Made once a batch: a boolean mask would be turned into these numbers anew in every layer.
    """
    device = segment_ids.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    seen = segment_ids[:, :, None] == segment_ids[:, None, :]
    if causal:
        seen = seen.tril()
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))[:, None]


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention; query (rows, heads, context, width of a head), key and value with as many or fewer heads."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def rotation(position_ids: Tensor, head_size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (rows, 1, context, head_size) of rotary position embeddings (Su et al. 2021), float32.

    Pairs are (i, i + head_size / 2) as in the stock Llama; the second half of the sines is for the rotated half.
    """
    steps = torch.arange(0, head_size, 2, dtype=torch.float32, device=position_ids.device) / head_size
    angles = position_ids[..., None].float() * (1.0 / theta**steps)
    angles = torch.cat((angles, angles), -1)[:, None]
    return angles.cos(), angles.sin()


def rotate(values: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair of `values` (rows, heads, context, head_size) by its position's angle."""
    first, second = values.chunk(2, -1)
    return values * cosines + torch.cat((-second, first), -1) * sines
