from itertools import pairwise

import pytest
from pydantic import ValidationError

from tests.train.models_made import settings
from train.schedule import learning_rate


def rates(**changes: object) -> list[float]:
    made = settings(num_steps=100, learning_rate=1.0, warmup_fraction=0.1, final_learning_rate_fraction=0.1, **changes)
    return [learning_rate(made, step) for step in range(100)]


@pytest.mark.parametrize("decay", ["cosine", "linear", "wsd"])
def test_it_rises_in_a_line_and_falls_to_the_last_rate(decay: str) -> None:
    all_rates = rates(decay=decay)
    assert all_rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert all_rates[-1] == pytest.approx(0.1)
    assert all(later <= earlier for earlier, later in pairwise(all_rates[9:]))


def test_the_middle_of_the_decay() -> None:
    assert rates(decay="linear")[54] == pytest.approx(0.55)
    assert rates(decay="cosine")[54] == pytest.approx(0.55)
    wsd = rates(decay="wsd", cooldown_fraction=0.2)
    assert wsd[10:80] == [1.0] * 70
    assert wsd[84] == pytest.approx(0.1 + 0.9 * (1 - 0.25**0.5))


def test_no_warm_up_and_a_single_step_are_defined() -> None:
    assert learning_rate(settings(num_steps=1, warmup_fraction=0.0), 0) == pytest.approx(1e-3)
    assert learning_rate(settings(num_steps=1, warmup_fraction=1.0), 0) == pytest.approx(1e-2)


def test_a_schedule_that_does_not_fit_its_steps_is_refused() -> None:
    with pytest.raises(ValidationError, match="sum to more than 1"):
        settings(decay="wsd", warmup_fraction=0.9, cooldown_fraction=0.2)
