"""AdamW, and its state as named tensors that a checkpoint can hold without pickle."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from curate.errors import DamageError
from train.settings import TrainSettings

_PARTS = ("exp_avg", "exp_avg_sq", "step")


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) in its fused form, on CPU and CUDA alike; matrices decay, vectors do not."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.beta_1, settings.beta_2), eps=1e-8, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the coming step, for all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(optimizer: torch.optim.AdamW, model: nn.Module) -> dict[str, Tensor]:
    """Its state as `part/parameter name`: both memories and the number of steps; empty before the first step."""
    return {
        f"{part}/{name}": optimizer.state[parameter][part] for name, parameter in model.named_parameters() if parameter in optimizer.state for part in _PARTS
    }


def load_optimizer_tensors(optimizer: torch.optim.AdamW, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """The reverse of `optimizer_tensors`. Raises DamageError unless exactly the tensors of this model are there."""
    expected = set(_names(model)) if tensors else set()
    if expected != set(tensors):
        raise DamageError(f"the optimizer state of a checkpoint does not fit the model; first difference: {sorted(expected ^ set(tensors))[0]}")
    for name, parameter in model.named_parameters() if tensors else ():
        # The step stays where the fused kernel wants it: beside the parameter.
        optimizer.state[parameter] = {part: tensors[f"{part}/{name}"].to(parameter.device).clone() for part in _PARTS}


def _names(model: nn.Module) -> Iterator[str]:
    return (f"{part}/{name}" for name, _ in model.named_parameters() for part in _PARTS)
