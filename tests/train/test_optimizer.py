import pytest
import torch

from curate.errors import DamageError
from tests.train.models_made import batch, model, settings
from tests.train.rows_made import documents
from train.objectives import next_tokens, summed_loss
from train.optimizer import load_optimizer_tensors, make_optimizer, optimizer_tensors, set_learning_rate


def step(made: torch.nn.Module, optimizer: torch.optim.AdamW) -> None:
    rows = batch(documents(1, 6))
    summed_loss(made, rows, next_tokens(rows)).backward()  # type: ignore[arg-type]
    optimizer.step()
    optimizer.zero_grad()


def test_only_matrices_decay() -> None:
    made = model("decoder")
    optimizer = make_optimizer(made, settings(weight_decay=0.5))
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    set_learning_rate(optimizer, 0.1)
    for parameter in made.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in made.named_parameters():
        torch.testing.assert_close(parameter, before[name] * (0.95 if parameter.dim() > 1 else 1.0))


def test_state_goes_out_as_tensors_and_in_again_and_steps_go_on_to_the_same_bits() -> None:
    made, twin = model("decoder"), model("decoder")
    optimizer, other = make_optimizer(made, settings()), make_optimizer(twin, settings())
    assert optimizer_tensors(optimizer, made) == {}
    step(made, optimizer)
    tensors = {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer, made).items()}
    assert len(tensors) == 3 * len(list(made.parameters()))
    twin.load_state_dict(made.state_dict())
    load_optimizer_tensors(other, twin, tensors)
    step(made, optimizer)
    step(twin, other)
    assert all(torch.equal(one, another) for one, another in zip(made.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("missing", ["exp_avg/model.norm.weight", "exp_avg_sq/model.norm.weight", "step/model.norm.weight"])
def test_each_missing_piece_of_state_is_an_error(missing: str) -> None:
    made = model("decoder")
    optimizer = make_optimizer(made, settings())
    step(made, optimizer)
    tensors = optimizer_tensors(optimizer, made)
    del tensors[missing]
    with pytest.raises(DamageError, match=missing):
        load_optimizer_tensors(make_optimizer(made, settings()), made, tensors)
