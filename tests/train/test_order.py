import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive import order as naive
from train.order import NUM_ROUNDS, permute


@given(st.integers(1, 5000), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_every_row_is_visited_once(num_rows: int, seed: int) -> None:
    visited = permute(np.arange(num_rows), num_rows, seed, "order")
    assert np.array_equal(np.sort(visited), np.arange(num_rows))


@given(st.integers(1, 10**12), st.integers(0, 2**63), st.text(max_size=5), st.data())
@settings(max_examples=100, deadline=None)
def test_it_agrees_with_the_plain_definition(num_rows: int, seed: int, purpose: str, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, num_rows - 1), min_size=1, max_size=5))
    expected = [naive.permute(index, num_rows, seed, purpose, NUM_ROUNDS) for index in indices]
    assert permute(np.array(indices), num_rows, seed, purpose).tolist() == expected


def test_a_sample_of_a_trillion_rows_meets_no_row_twice_and_covers_the_range_evenly() -> None:
    num_rows = 10**12
    indices = np.unique(np.random.default_rng(5).integers(0, num_rows, 200_000))
    visited = permute(indices, num_rows, 3, "order")
    assert len(np.unique(visited)) == len(indices)
    assert visited.min() >= 0
    assert visited.max() < num_rows
    counts = np.bincount(visited * 50 // num_rows, minlength=50)
    expected = len(indices) / 50
    assert ((counts - expected) ** 2 / expected).sum() < 95  # chi-square, 49 degrees of freedom: 85 is passed once in a thousand


@pytest.mark.parametrize("num_rows", [97, 1000, 4096])
def test_neighbours_do_not_stay_neighbours(num_rows: int) -> None:
    visited = permute(np.arange(num_rows), num_rows, 1, "order")
    assert (np.abs(np.diff(visited)) == 1).mean() < 0.06
    assert abs(np.corrcoef(np.arange(num_rows), visited)[0, 1]) < 0.2


def test_another_seed_or_purpose_gives_another_order() -> None:
    indices = np.arange(1000)
    orders = [permute(indices, 1000, seed, purpose).tolist() for seed in (1, 2) for purpose in ("order/web/0", "order/web/1")]
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize(("num_rows", "num_orders", "limit"), [(4, 24, 50), (5, 120, 173)])
def test_all_orders_of_a_few_rows_are_about_equally_likely(num_rows: int, num_orders: int, limit: int) -> None:
    orders = [permute(np.arange(num_rows), num_rows, seed, "order").tolist() for seed in range(6000)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    expected = 6000 / num_orders
    assert len(counts) == num_orders
    assert ((counts - expected) ** 2 / expected).sum() < limit  # chi-square that a uniform draw passes once in a thousand
