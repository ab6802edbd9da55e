"""What is predicted at each place of a row, and the table that says which task trains which model how."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from curate.errors import RecipeError
from train.cross_entropy import summed_cross_entropy, token_cross_entropy
from train.loader import Batch
from train.models.decoder import Decoder
from train.models.dimensions import ModelConfig
from train.models.encoder import Encoder
from train.rows import NOT_A_TARGET

Model = Decoder | Encoder


@dataclass(frozen=True)
class Objective:
    """One loss. `targets` gives the word to be predicted at each place (rows, context), −100 where there is none."""

    model: type[Decoder] | type[Encoder]
    targets: Callable[[Batch], Tensor]


def next_tokens(batch: Batch) -> Tensor:
    """Causal: at each place the following token of the same segment.

    A segment begins with BOS, so BOS is never a target; padding is no segment's, so it is neither. EOS is one.
    """
    targets = torch.full_like(batch.input_ids, NOT_A_TARGET)
    follows = (batch.segment_ids[:, 1:] == batch.segment_ids[:, :-1]) & (batch.segment_ids[:, 1:] >= 0)
    targets[:, :-1] = torch.where(follows, batch.input_ids[:, 1:], NOT_A_TARGET)
    return targets


def hidden_tokens(batch: Batch) -> Tensor:
    """Masked: at each chosen place the token that stood there before it was masked, as the row says."""
    assert batch.labels is not None
    return batch.labels


OBJECTIVES: dict[str, Objective] = {
    "causal": Objective(Decoder, next_tokens),
    "masked": Objective(Encoder, hidden_tokens),
}


def objective_of(task: str) -> Objective:
    """The objective of a task. Raises RecipeError for one that no model is trained on."""
    if task not in OBJECTIVES:
        raise RecipeError(f"no objective trains on rows of the task {task!r}; there is one for {', '.join(OBJECTIVES)}")
    return OBJECTIVES[task]


def build(config: ModelConfig, seed: int) -> Model:
    """A model with its first weights. The generator that belongs to everyone is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return Decoder(config, seed) if config.architecture == "decoder" else Encoder(config, seed)


def summed_loss(model: Model, batch: Batch, targets: Tensor) -> Tensor:
    """Summed loss in nats over the targets of a batch, with gradients. Only places with a target pass the head."""
    features, words = _scored(model, batch, targets)
    return summed_cross_entropy(features, model.output_weight, model.output_bias, words)


@torch.no_grad()
def token_losses(model: Model, batch: Batch, targets: Tensor) -> Tensor:
    """Loss in nats of each target of a batch, float32, row after row."""
    features, words = _scored(model, batch, targets)
    return token_cross_entropy(features, model.output_weight, model.output_bias, words)


@torch.no_grad()
def logits(model: Model, batch: Batch) -> Tensor:
    """All logits (rows, context, vocabulary) in float32; for comparisons and small inputs, not for training."""
    features = model.features(model(batch.input_ids, batch.segment_ids, batch.position_ids))
    result = features @ model.output_weight.T
    return result if model.output_bias is None else result + model.output_bias


def _scored(model: Model, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
    hidden = model(batch.input_ids, batch.segment_ids, batch.position_ids)
    places = torch.nonzero(targets.reshape(-1) != NOT_A_TARGET)[:, 0]
    return model.features(hidden.reshape(-1, hidden.shape[-1])[places]), targets.reshape(-1)[places]
