import numba as nb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import union_find
from tests.naive import clusters as naive

PAIRS = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40)


@nb.njit
def unite_all(parents, pairs):  # type: ignore[no-untyped-def]
    """How many of the pairs joined two sets."""
    joined = 0
    for i in range(len(pairs)):
        joined += union_find.unite(parents, pairs[i, 0], pairs[i, 1])
    return joined


def united(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, int]:
    parents = union_find.singletons(30)
    joined = unite_all(parents, np.array(pairs, np.uint32).reshape(-1, 2))
    assert (parents <= np.arange(30)).all()
    union_find.flatten(parents)
    return parents, joined


@settings(deadline=None)
@given(PAIRS, st.randoms(use_true_random=False))
def test_sets_are_the_connected_components_whatever_the_order_of_pairs(pairs: list[tuple[int, int]], random) -> None:  # type: ignore[no-untyped-def]
    parents, joined = united(pairs)
    assert parents.dtype == np.uint32
    assert parents.tolist() == naive.components(30, pairs)
    assert joined == 30 - len(np.unique(parents))
    random.shuffle(pairs)
    assert united(pairs)[0].tolist() == parents.tolist()


@settings(deadline=None)
@given(
    PAIRS,
    st.lists(st.booleans(), min_size=30, max_size=30),
    st.lists(st.lists(st.sampled_from([-(2**63), -1, 0, 2, 2**63 - 1]), min_size=30, max_size=30), max_size=3),
)
def test_the_representative_is_the_one_preferred_key_by_key(pairs: list[tuple[int, int]], eligible: list[bool], keys: list[list[int]]) -> None:
    parents, _ = united(pairs)
    chosen = np.empty_like(parents)
    union_find.choose(parents, np.array(eligible), np.array(keys, np.int64).reshape(-1, 30), chosen)
    assert chosen.tolist() == naive.representatives(parents.tolist(), eligible, keys)
