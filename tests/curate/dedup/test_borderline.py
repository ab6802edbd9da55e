"""Near-duplicates by exact Jaccard where signatures leave it open: against every candidate pair by sets."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.borderline import Borderline
from curate.dedup.shingles import Shingles
from curate.dedup.signatures import Signatures
from curate.dedup.verify import Check, Checked, link_checked
from curate.kernels.union_find import flatten, singletons
from curate.measures.shingles import SCHEMA
from tests.naive import clusters, jaccard

NUM_PERM, LEAST, LOWEST, SURE = 12, Fraction("0.6"), 4, 9


def made(num: int) -> tuple[np.ndarray, list[list[int]]]:
    """Documents in families, and signatures that follow them loosely; a seventh of the signatures are equal though the documents differ."""
    rng = np.random.default_rng(3)
    families = rng.integers(0, 60, (num // 8, 20))
    documents = []
    for number in range(num):
        words = families[number % len(families)].copy()
        words[rng.random(20) < 0.3 * rng.random()] = rng.integers(0, 60)
        documents.append(words.tolist())
    signatures = np.array([document[:NUM_PERM] for document in documents], np.uint32)
    signatures[::7] = signatures[0]
    return signatures, documents


def buckets(num: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    sizes = np.tile(np.arange(2, 40), 3)
    return np.concatenate([rng.permutation(num)[:size] for size in sizes]).astype(np.uint32), np.concatenate([[0], np.cumsum(sizes)])


def linked(num: int, check: Check, max_pairs: int, batch_shingles: int = 1 << 20) -> tuple[list[int], Checked, int]:
    signatures, documents = made(num)
    members, bounds = buckets(num)
    borderline = Borderline(Shingles([pa.table([pa.array(documents, SCHEMA.field(0).type)], schema=SCHEMA)]), LEAST, LOWEST, max_pairs, batch_shingles)
    parents = singletons(num)
    column = pa.FixedSizeListArray.from_arrays(pa.array(signatures.ravel()), NUM_PERM)
    found = link_checked(parents, members, bounds, Signatures([pa.table({"signature": column})], NUM_PERM), check._replace(borderline=borderline))
    borderline.settle(parents)
    assert borderline.num_pairs == 0
    flatten(parents)
    return parents.tolist(), found, borderline.num_counted


def expected(num: int, sure: int) -> list[int]:
    """The components of all candidate pairs that pass, by plain sets."""
    signatures, documents = made(num)
    members, bounds = buckets(num)
    passing = []
    for start, end in pairwise(bounds):
        group = members[start:end].tolist()
        for i in group:
            for j in group:
                equal = clusters.num_equal(signatures[i], signatures[j])
                if i < j and (equal >= sure or (equal >= LOWEST and jaccard.similar(documents[i], documents[j], LEAST))):
                    passing.append((i, j))
    return clusters.components(num, passing)


@pytest.mark.parametrize("sure", [SURE, NUM_PERM, NUM_PERM + 1])
@pytest.mark.parametrize("max_pairs", [1, 50, 10**5])
@pytest.mark.parametrize("batch_members", [3, 64, 10**6])
def test_clusters_are_the_components_of_all_candidate_pairs_that_pass(sure: int, max_pairs: int, batch_members: int) -> None:
    found, checked, num_counted = linked(300, Check(sure, 40, batch_members), max_pairs)
    assert found == expected(300, sure)
    assert 5 < len(set(found)) < 250
    assert checked.num_giant_buckets == 0
    assert num_counted > 20


def test_neither_the_room_for_pairs_nor_the_batch_decides_in_giant_buckets() -> None:
    clusters_found = {tuple(linked(300, Check(SURE, 5), max_pairs, batch)[0]) for max_pairs in (1, 7, 1000) for batch in (1, 100, 10**6)}
    assert len(clusters_found) == 1
    assert linked(300, Check(SURE, 5), 1000)[1].num_giant_buckets > 0


def test_a_pair_of_several_bands_is_counted_once_and_one_of_a_set_not_at_all() -> None:
    shingles = Shingles([pa.table([pa.array([[1, 2], [1, 3], [1, 2], [9]], SCHEMA.field(0).type)], schema=SCHEMA)])
    borderline = Borderline(shingles, Fraction("0.9"), 1)
    parents = np.array([0, 1, 0, 3], np.uint32)
    borderline.pairs[:6] = [(0, 1), (1, 0), (0, 1), (0, 2), (2, 0), (3, 1)]
    borderline.num_pairs = 6
    borderline.settle(parents)
    assert borderline.num_counted == 2
    assert parents.tolist() == [0, 1, 0, 3]
