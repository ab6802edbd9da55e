import numpy as np
import pytest

from curate.seeds import draw, fractions, generator


def test_a_draw_is_fixed_for_ever() -> None:
    """Golden values: a change here moves every held-out set and every mask."""
    assert draw(1, "x", np.arange(3, dtype=np.uint64)).tolist() == [6080216607553997687, 8266493808232582984, 1739974919167866174]
    assert generator(1, "a", 3).integers(10, size=3).tolist() == [0, 4, 1]


def test_seed_purpose_and_every_word_of_an_id_matter() -> None:
    ids = np.array([[1, 2], [1, 3], [2, 2], [2, 1]], np.uint64)
    assert len(set(draw(1, "a", ids).tolist() + draw(2, "a", ids).tolist() + draw(1, "b", ids).tolist())) == 12


def test_a_row_is_drawn_alike_wherever_it_stands() -> None:
    ids = np.random.default_rng(0).integers(0, 2**63, (50, 2)).astype(np.uint64)
    assert (draw(3, "p", ids)[::-1] == draw(3, "p", ids[::-1])).all()


def test_fractions_are_uniform_in_0_to_1() -> None:
    values = fractions(5, "p", np.arange(100_000, dtype=np.uint64))
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, 20, (0, 1))[0]
    assert ((counts - 5000) ** 2 / 5000).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001


def test_generators_of_different_ids_differ() -> None:
    assert generator(1, "mask", 1).random() != pytest.approx(generator(1, "mask", 2).random())


def test_no_rows_draw_nothing() -> None:
    assert draw(1, "p", np.zeros((0, 2), np.uint64)).size == 0
    assert fractions(1, "p", np.zeros(0, np.uint64)).size == 0
