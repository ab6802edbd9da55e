"""Which document of a cluster is preferred."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.representative import LEAST, Representative, ordered, preferences, rank, require_column
from curate.errors import RecipeError

LENGTHS = np.array([3, 9, 5], np.int64)


@given(st.lists(st.one_of(st.floats(), st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324]))), st.booleans())
def test_floats_become_integers_of_their_order(values: list[float], highest: bool) -> None:
    found = ordered(np.array(values, np.float64), highest=highest).tolist()
    for one, its in zip(values, found, strict=True):
        assert (its == LEAST) == math.isnan(one)
        for other, others in zip(values, found, strict=True):
            if not math.isnan(one) and not math.isnan(other):
                assert (its > others) == (one > other if highest else one < other)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.booleans())
def test_integers_keep_or_turn_their_order_exactly(values: list[int], highest: bool) -> None:
    found = ordered(np.array(values, np.int64), highest=highest).tolist()
    for one, its in zip(values, found, strict=True):
        for other, others in zip(values, found, strict=True):
            assert (its > others) == (one > other if highest else one < other)


def test_a_name_stands_for_a_policy_and_reads_back_as_one() -> None:
    assert Representative.model_validate("earliest") == Representative(then="earliest")
    assert Representative.model_validate_json('"longest"').model_dump(mode="json") == "longest"
    mapping = {"measure": "words.num_words", "order": "lowest", "sources": None, "then": "longest"}
    assert Representative.model_validate({"measure": "words.num_words", "order": "lowest"}).model_dump(mode="json") == mapping


def test_keys_of_the_policies() -> None:
    assert preferences(Representative(), LENGTHS).tolist() == [[3, 9, 5]]
    assert preferences(Representative(then="earliest"), LENGTHS).tolist() == [[0, 0, 0]]
    assert preferences(Representative(sources=["a"]), LENGTHS, np.array([0, -1, 0])).tolist() == [[0, -1, 0], [3, 9, 5]]


def test_sources_rank_in_the_order_they_are_named_the_others_last() -> None:
    policy = Representative(sources=["books", "web"])
    assert [rank(policy, name) for name in ("books", "web", "mail", "crawl")] == [0, -1, -2, -2]


@pytest.mark.parametrize(
    "given",
    [
        "shortest",
        {"measure": "num_words"},
        {"measure": "words.num_words", "sources": ["a"]},
        {"order": "lowest"},
        {"sources": []},
        {"sources": ["a", "a"]},
        {"mesure": "words.num_words"},
        {"measure": "words.num_words", "order": "best"},
    ],
)
def test_what_says_nothing_or_two_things_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        Representative.model_validate(given)


def test_a_measure_that_is_no_number_is_refused_with_those_that_are() -> None:
    schema = pa.schema([("language", pa.string()), ("score", pa.float32())])
    require_column(Representative(measure="language.score"), schema)
    with pytest.raises(RecipeError, match=r"language\.language.*its numbers are score"):
        require_column(Representative(measure="language.language"), schema)
    with pytest.raises(RecipeError, match="it has no column of single numbers"):
        require_column(Representative(measure="odd.one"), pa.schema([]))
