"""Cut-offs against sorting, and what they make of a rule."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import DamageError
from curate.rules.cutoffs import Cutoff, value_at
from curate.rules.settings import RuleSettings
from curate.rules.verdicts import families, judge

NUMBERS = st.floats(allow_nan=False, width=32) | st.integers(-(2**40), 2**40).map(float) | st.sampled_from([0.0, -0.0, 1e-45, 0.1])


@given(pieces=st.lists(st.lists(NUMBERS, max_size=8), min_size=1, max_size=5), data=st.data())
def test_a_value_is_the_one_that_sorting_finds(pieces: list[list[float]], data: st.DataObject) -> None:
    values = sorted(value for piece in pieces for value in piece)
    batches = lambda: (np.array(piece, np.float64) for piece in pieces)  # noqa: E731
    if values:
        rank = data.draw(st.integers(0, len(values) - 1))
        assert value_at(batches, rank) == values[rank]
    for rank in (len(values), -1):
        with pytest.raises(ValueError, match="no value at place"):
            value_at(batches, rank)


def test_columns_of_float32_and_integers_are_exact() -> None:
    scores = np.random.default_rng(1).random(1000).astype(np.float32)
    assert value_at(lambda: [scores[:300], scores[300:]], 17) == float(np.partition(scores, 17)[17])
    assert value_at(lambda: [np.array([2**53, -5, 7])], 1) == 7
    with pytest.raises(ValueError, match="no number"):
        value_at(lambda: [np.array([1.0, math.nan])], 0)


@pytest.mark.parametrize(
    ("fraction", "number", "top", "bottom"), [(0.1, 10, 9, 0), (0.1, 30, 27, 2), (0.1, 11, 9, 1), (0.0001, 50, 49, 0), (1.0, 7, 0, 6), (0.7, 10, 3, 6)]
)
def test_a_share_is_rounded_up_in_decimals(fraction: float, number: int, top: int, bottom: int) -> None:
    assert Cutoff("quality.x_score", fraction, "top").rank(number) == top
    assert Cutoff("quality.x_score", fraction, "bottom").rank(number) == bottom


def test_a_share_becomes_a_least_score_that_keeps_ties() -> None:
    rules = RuleSettings.model_validate_json('{"classifiers": {"x": {"keep_top_fraction": 0.25}, "y": {"min_score": 0.3, "languages": ["de"]}}}')
    (wanted,) = rules.cutoffs()
    assert families(rules) == {"quality", "language"}
    scores = np.array([0.1, 0.9, 0.4, 0.9, 0.9, 0.2, 0.0, 0.3], np.float32)
    frame = pl.DataFrame({"x_score": scores, "y_score": np.zeros(8, np.float32), "language": ["en"] * 4 + ["de"] * 4})
    with pytest.raises(DamageError, match="no limit"):
        judge(frame, rules)
    found = rules.with_cutoffs({wanted.name: value_at(lambda: [scores], wanted.rank(8))})
    assert judge(frame, found).to_list() == ["classifiers.x", None, "classifiers.x", None, "classifiers.y", *["classifiers.x"] * 3]
    assert RuleSettings.model_validate(found.model_dump(mode="json")) == found
    assert found.described()["classifiers.x"] == ("quality.x_score >= 0.9", "of this recipe: the best-scoring 25% of all documents")


def test_a_rule_that_asks_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="give min_score or keep_top_fraction"):
        RuleSettings.model_validate({"classifiers": {"x": {}}})
