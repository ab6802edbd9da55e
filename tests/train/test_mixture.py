from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import RecipeError
from tests.naive import order as naive
from train.mixture import MAX_PERIOD, Mixture, MixtureSettings, MixtureSource, Seen, SourceShare, mixture_sources, plan_turns, whole_quotas


def source(name: str, num_rows: int, weight: float, capacity: int | None = None) -> MixtureSource:
    return MixtureSource(name, num_rows, Fraction(weight), capacity)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_turns_agree_with_the_plain_assignment(quotas: list[int]) -> None:
    assert plan_turns(quotas).tolist() == naive.turns(quotas)


@given(st.lists(st.integers(1, 3000), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_no_source_is_ever_a_whole_row_off_its_share(quotas: list[int]) -> None:
    turns = plan_turns(quotas)
    given_so_far = np.cumsum(np.eye(len(quotas))[turns], axis=0)
    ideal = np.arange(1, len(turns) + 1)[:, None] * (np.array(quotas) / sum(quotas))
    assert np.abs(given_so_far - ideal).max() <= 1 - 1 / (2 * len(quotas) - 2) + 1e-9


def test_one_heavy_source_and_many_light_ones_keep_within_a_row_too() -> None:
    quotas = [5000, *[3] * 40]
    turns = plan_turns(quotas)
    ideal = np.arange(1, len(turns) + 1)[:, None] * (np.array(quotas) / sum(quotas))
    assert np.abs(np.cumsum(np.eye(len(quotas))[turns], axis=0) - ideal).max() < 1


def test_weights_are_exact_where_their_whole_numbers_are_small_and_rounded_where_not() -> None:
    assert whole_quotas([Fraction(7, 10), Fraction(2, 10), Fraction(1, 10)]) == [7, 2, 1]
    assert whole_quotas([Fraction(30), Fraction(10)]) == [3, 1]
    rounded = whole_quotas([Fraction(10**9 + 7), Fraction(10**9), Fraction(1)])
    assert rounded == [32768, 32767, 1]
    assert sum(rounded) == MAX_PERIOD


def test_any_stretch_of_the_stream_is_the_same_however_it_is_asked_for() -> None:
    def fresh() -> Mixture:
        return Mixture([source("a", 50, 3, 100), source("b", 20, 2, 20), source("c", 7, 1)])

    owners, before = fresh().turns(0, 400)
    for start, stop in ((399, 400), (0, 1), (37, 45), (100, 320)):
        some, earlier = fresh().turns(start, stop)
        assert some.tolist() == owners[start:stop].tolist()
        assert earlier.tolist() == before[start:stop].tolist()
    for number in range(3):  # each source counts its own turns 0, 1, 2 …
        assert before[owners == number].tolist() == list(range((owners == number).sum()))


def test_counts_at_any_position_are_the_turns_before_it() -> None:
    mixture = Mixture([source("a", 50, 3, 100), source("b", 20, 2, 20), source("c", 7, 1)])
    owners, _ = mixture.turns(0, 400)
    for position in (0, 1, 6, 39, 40, 41, 59, 60, 61, 250, 400):
        assert mixture.counts(position).tolist() == np.bincount(owners[:position], minlength=3).tolist()


def test_a_source_at_its_cap_leaves_and_the_others_share_anew() -> None:
    mixture = Mixture([source("a", 100, 1), source("b", 10, 1, 20), source("c", 100, 2)])
    owners, _ = mixture.turns(0, 1000)
    assert (owners == 1).sum() == 20
    last = np.flatnonzero(owners == 1).max()
    assert (owners[: last + 1] == 1).sum() == 20
    after = owners[last + 1 :]
    shares = np.cumsum(np.eye(3)[after], axis=0) - np.arange(1, len(after) + 1)[:, None] * np.array([1 / 3, 0, 2 / 3])
    assert np.abs(shares).max() < 1
    assert mixture.seen(1000)["b"] == Seen(20, 10)
    assert mixture.seen(20)["b"] == Seen(5, 0)


def test_by_default_one_epoch_takes_each_row_once() -> None:
    sources = mixture_sources(MixtureSettings(), ["a", "b", "c"], [700, 41, 1], [7000, 410, 10])
    assert Mixture(sources).seen(742) == {"a": Seen(700, 0), "b": Seen(41, 0), "c": Seen(1, 0)}


def test_a_stream_that_the_caps_end_is_an_error_before_training() -> None:
    sources = mixture_sources(MixtureSettings(max_epochs=2), ["a", "b"], [10, 5], [100, 50])
    Mixture(sources).check_budget(30)
    with pytest.raises(RecipeError, match="end after 30 rows, but training needs at least 31"):
        Mixture(sources).check_budget(31)


def test_a_cap_in_tokens_is_a_cap_in_whole_rows() -> None:
    table = {"a": SourceShare(weight=1.0, max_tokens=255), "b": SourceShare(weight=1.0, max_epochs=0.5, max_tokens=10_000)}
    sources = mixture_sources(MixtureSettings(sources=table, max_epochs=9), ["a", "b"], [100, 7], [1000, 70])
    assert [entry.capacity for entry in sources] == [25, 3]


def test_weight_zero_leaves_a_source_out() -> None:
    table = {"a": SourceShare(weight=0.0), "b": SourceShare(weight=1.0)}
    mixture = Mixture(mixture_sources(MixtureSettings(sources=table), ["a", "b"], [9, 5], [9, 5]))
    assert mixture.seen(12) == {"a": Seen(0, 0), "b": Seen(12, 7)}


def test_a_table_that_does_not_fit_the_sources_is_refused_by_name() -> None:
    one = {"web": SourceShare(weight=1.0)}
    with pytest.raises(RecipeError, match="no line for books"):
        mixture_sources(MixtureSettings(sources=one), ["books", "web"], [5, 5], [5, 5])
    with pytest.raises(RecipeError, match="names web, but the training rows come from books"):
        mixture_sources(MixtureSettings(sources=one), ["books"], [5], [5])
    with pytest.raises(RecipeError, match="nothing to train on"):
        mixture_sources(MixtureSettings(), ["web"], [0], [0])
