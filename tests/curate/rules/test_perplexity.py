"""Buckets by perplexity: which limits a choice of buckets becomes."""

import polars as pl
import pytest
from pydantic import ValidationError

from curate.rules.perplexity import PerplexityRules
from curate.rules.settings import RuleSettings
from curate.rules.verdicts import judge

VALUES = {"perplexity.bits_per_word bottom 0.25": 2.0, "perplexity.bits_per_word bottom 0.75": 6.0}
FRAME = pl.DataFrame({"bits_per_word": [1.0, 2.0, 2.5, 6.0, 7.0]})


def kept(**chosen: object) -> list[float]:
    rules = RuleSettings(perplexity=PerplexityRules(head_fraction=0.25, middle_fraction=0.5, **chosen)).with_cutoffs(VALUES)  # type: ignore[arg-type]
    return FRAME.filter(judge(FRAME, rules).is_null())["bits_per_word"].to_list()


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (["head"], [1.0, 2.0]),
        (["middle"], [2.5, 6.0]),
        (["tail"], [7.0]),
        (["head", "middle"], [1.0, 2.0, 2.5, 6.0]),
        (["tail", "middle"], [2.5, 6.0, 7.0]),
    ],
)
def test_buckets_divide_the_corpus_at_its_cut_offs(keep: list[str], expected: list[float]) -> None:
    assert kept(keep=keep) == expected


def test_limits_need_no_cut_off() -> None:
    assert kept(min_bits_per_word=2.0, max_bits_per_word=6.0) == [2.5, 6.0]


def test_only_the_cut_offs_that_a_choice_needs_are_looked_for() -> None:
    names = {limit: cutoff.fraction for limit, cutoff in PerplexityRules(keep=("head", "middle")).cutoffs().items()}
    assert names == {"max_bits_per_word": 0.66}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({}, "nothing would be dropped"),
        ({"keep": ["head", "tail"]}, "neighbouring"),
        ({"keep": ["head", "middle", "tail"]}, "neighbouring"),
        ({"keep": ["head"], "head_fraction": 0.6, "middle_fraction": 0.4}, "leave no tail"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(chosen: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PerplexityRules(**chosen)  # type: ignore[arg-type]
