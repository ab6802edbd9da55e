from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.index import NEAR_RUN, merge
from curate.dedup.near import Linked, NearSettings, link_curve, link_near, match_curve, near_run
from curate.dedup.numbering import EarlierRows, number_parts
from curate.dedup.signatures import Signatures
from curate.documents import as_text
from curate.errors import DamageError
from curate.kernels.union_find import flatten, singletons
from curate.measures import signature
from tests.corpus import documents
from tests.naive import clusters as naive


def measured(signatures: np.ndarray, num_shingles: np.ndarray | None = None, rows_per_chunk: int = 7) -> pa.Table:
    """A signature measure of given values, in small batches."""
    chosen = signature.Settings(num_perm=signatures.shape[1])
    flat = pa.array(signatures.astype(np.uint32).ravel())
    column = pa.FixedSizeListArray.from_arrays(flat, type=signature.schema(chosen).field("signature").type)
    shingles = np.ones(len(signatures), np.int64) if num_shingles is None else num_shingles
    table = pa.table([column, pa.array(shingles)], schema=signature.schema(chosen))
    return pa.Table.from_batches(table.to_batches(max_chunksize=rows_per_chunk), table.schema)


def link(tables: dict[int, pa.Table], chosen: NearSettings, included: np.ndarray | None = None, total_ranges: int = 3) -> tuple[list[int], Linked]:
    """Clusters of the documents of several parts' signature measures, through runs and buckets."""
    numbering = number_parts([(part, len(table)) for part, table in tables.items()])
    runs = {part: near_run(table, chosen) for part, table in tables.items()}
    buckets = [merge(NEAR_RUN, runs, index, total_ranges) for index in range(total_ranges)]
    parents = singletons(numbering.num_documents)
    included = np.ones(len(parents), bool) if included is None else included
    linked = link_near(buckets, numbering, Signatures(tables.values(), chosen.num_perm), included, chosen, parents)
    flatten(parents)
    return parents.tolist(), linked


def parts_of(table: pa.Table) -> dict[int, pa.Table]:
    """The table as three parts whose ids do not follow their order."""
    cuts = [0, len(table) // 5, len(table) // 2, len(table)]
    return {part: table.slice(start, end - start) for part, start, end in zip((50, 3, 20), cuts, cuts[1:], strict=False)}


@pytest.fixture(scope="module")
def corpus() -> pa.Table:
    table = signature.measure(as_text([*documents(), "", "four words are few", "four words are few"]), signature.Settings())
    return pa.Table.from_batches(table.to_batches(max_chunksize=100), table.schema)


def values(table: pa.Table) -> np.ndarray:
    return np.concatenate([chunk.flatten().to_numpy().reshape(-1, 112) for chunk in table["signature"].chunks])


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (28, 4), (56, 2), (9, 12)])
def test_unverified_clusters_are_the_components_of_datasketch_lsh(corpus: pa.Table, bands: int, rows: int) -> None:
    index = MinHashLSH(num_perm=112, params=(bands, rows))
    sketches = [
        MinHash(num_perm=112, scheme="affine32", hashvalues=row) if shingles else None
        for row, shingles in zip(values(corpus), corpus["num_shingles"].to_pylist(), strict=True)
    ]
    for document, sketch in enumerate(sketches):
        if sketch is not None:
            index.insert(document, sketch)
    pairs = [(document, other) for document, sketch in enumerate(sketches) if sketch is not None for other in index.query(sketch)]
    found, linked = link(parts_of(corpus), NearSettings(bands=bands, rows=rows, min_similarity=None))
    assert found == naive.components(len(corpus), pairs)
    assert len(set(found)) < len(found) - 50
    assert linked.num_comparisons == 0


@pytest.mark.parametrize(("bands", "rows", "min_similarity"), [(14, 8, 0.7), (28, 4, 0.7), (37, 3, 0.5), (37, 3, 0.875), (14, 8, 1.0)])
def test_verified_clusters_are_the_components_of_the_pairs_that_pass(corpus: pa.Table, bands: int, rows: int, min_similarity: float) -> None:
    signatures = values(corpus).tolist()
    assert corpus["num_shingles"].to_pylist()[-3:] == [0, 0, 0]
    assert min(corpus["num_shingles"].to_pylist()[:-3]) > 0
    candidates = naive.candidate_pairs(signatures[:-3], bands, rows)
    passing = [pair for pair in candidates if naive.num_equal(signatures[pair[0]], signatures[pair[1]]) / 112 >= min_similarity]
    found, linked = link(parts_of(corpus), NearSettings(bands=bands, rows=rows, min_similarity=min_similarity))
    assert found == naive.components(len(corpus), passing)
    assert linked.num_giant_buckets == 0
    assert len(passing) >= 15
    if min_similarity < 1:
        assert linked.num_comparisons <= bands * len(candidates)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 45), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([None, 0.2, 0.5, 0.7, 1.0]), st.integers(0, 10**6))
def test_clusters_agree_with_the_definition(num: int, bands: int, rows: int, num_values: int, min_similarity: float | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    signatures = rng.integers(0, num_values, (num, bands * rows + 1))
    included, num_shingles = rng.random(num) < 0.8, rng.integers(0, 5, num)
    chosen = NearSettings(num_perm=bands * rows + 1, bands=bands, rows=rows, min_similarity=min_similarity)
    found, linked = link(parts_of(measured(signatures, num_shingles)), chosen, included)
    present = included & (num_shingles > 0)
    pairs = [(i, j) for i, j in naive.candidate_pairs(signatures.tolist(), bands, rows) if present[i] and present[j]]
    if min_similarity is not None:
        pairs = [(i, j) for i, j in pairs if naive.num_equal(signatures[i], signatures[j]) / signatures.shape[1] >= min_similarity]
    assert found == naive.components(num, pairs)
    assert linked.num_giant_buckets == 0


def alike_in_the_first_band(num: int, num_perm: int = 16) -> np.ndarray:
    """Distinct signatures that share one band of 4 values and nothing else."""
    signatures = np.arange(num * num_perm, dtype=np.uint32).reshape(num, num_perm)
    signatures[:, :4] = 0
    return signatures


def test_a_giant_bucket_takes_linear_work_and_is_counted() -> None:
    chosen = NearSettings(num_perm=16, bands=4, rows=4, min_similarity=0.5, max_bucket=10)
    comparisons = []
    for num in (500, 1000, 2000):
        found, linked = link(parts_of(measured(alike_in_the_first_band(num))), chosen)
        assert found == list(range(num))
        assert linked == Linked(num_buckets=1, num_comparisons=10 * num - 55, num_giant_buckets=1)
        comparisons.append(linked.num_comparisons)


def test_a_giant_bucket_links_equal_signatures_and_what_passes_with_a_leader() -> None:
    signatures = alike_in_the_first_band(300)
    signatures[200] = signatures[150]  # equal, though neither is a leader
    signatures[250, 4:12] = signatures[3, 4:12]  # passes with the fourth leader, by 12 of 16
    signatures[280, 4:15:2] = signatures[290, 4:15:2]  # passes with no leader; no band but the first in common
    chosen = NearSettings(num_perm=16, bands=1, rows=4, min_similarity=0.5, max_bucket=10)
    found, linked = link({1: measured(signatures)}, chosen)
    assert found == naive.components(300, [(150, 200), (3, 250)])
    assert linked.num_giant_buckets == 1
    assert link({1: measured(signatures)}, chosen.model_copy(update={"max_bucket": 299}))[0] == naive.components(300, [(150, 200), (3, 250), (280, 290)])


def test_many_copies_of_a_few_signatures_are_no_giant_and_take_few_comparisons() -> None:
    signatures = alike_in_the_first_band(5).repeat(1000, axis=0)
    found, linked = link({1: measured(signatures)}, NearSettings(num_perm=16, bands=1, rows=4, min_similarity=0.5, max_bucket=10))
    assert found == [document // 1000 * 1000 for document in range(5000)]
    assert linked == Linked(num_buckets=1, num_comparisons=10, num_giant_buckets=0)


def test_the_order_of_documents_does_not_change_who_is_clustered_with_whom(corpus: pa.Table) -> None:
    order = np.random.default_rng(3).permutation(len(corpus))
    found, _ = link({1: corpus}, NearSettings())
    shuffled, _ = link({1: corpus.take(order)}, NearSettings())
    together = {frozenset(np.flatnonzero(np.array(found) == cluster).tolist()) for cluster in set(found)}
    assert together == {frozenset(order[np.array(shuffled) == cluster].tolist()) for cluster in set(shuffled)}


@pytest.mark.parametrize(
    ("min_similarity", "num_perm", "min_equal"), [(0.7, 112, 79), (0.75, 112, 84), (0.1, 30, 3), (0.7, 10, 7), (0.29, 100, 29), (1.0, 112, 112)]
)
def test_the_least_number_of_equal_values_is_exact(min_similarity: float, num_perm: int, min_equal: int) -> None:
    assert NearSettings(num_perm=num_perm, bands=1, rows=1, min_similarity=min_similarity).min_equal == min_equal


def test_the_match_curve_is_the_share_of_candidates_among_random_signatures() -> None:
    chosen, rng = NearSettings(), np.random.default_rng(4)
    for similarity, probability in match_curve(chosen, [0.5, 0.72, 0.8]):
        equal = rng.random((20_000, chosen.bands, chosen.rows)) < similarity
        share = equal.all(axis=2).any(axis=1).mean()
        assert abs(share - probability) < 5 * 0.5 / 20_000**0.5
    curve = [probability for _, probability in match_curve(chosen)]
    assert all(later > earlier for earlier, later in pairwise(curve))
    assert curve[-1] == 1


@pytest.mark.parametrize("options", [{}, {"threshold": 0.8, "num_perm": 128}, {"min_similarity": None}, {"bands": 56, "rows": 2, "min_similarity": 0.6}])
def test_the_link_curve_is_the_share_of_linked_pairs_among_random_signatures(options: dict[str, Any]) -> None:
    chosen, rng = NearSettings(**options), np.random.default_rng(5)
    for similarity, probability in link_curve(chosen, [0.55, 0.7, 0.8]):
        equal = rng.random((20_000, chosen.num_perm)) < similarity
        candidate = equal[:, : chosen.bands * chosen.rows].reshape(20_000, chosen.bands, chosen.rows).all(axis=2).any(axis=1)
        share = (candidate & (equal.sum(axis=1) >= (chosen.min_equal or 0))).mean()
        assert abs(share - probability) < 5 * 0.5 / 20_000**0.5
    for (_, linked), (_, matched) in zip(link_curve(chosen), match_curve(chosen), strict=True):
        assert linked <= matched + 1e-9
    assert link_curve(chosen, [1.0]) == [(1.0, 1.0)]


def test_buckets_of_earlier_documents_alone_are_left_alone() -> None:
    table = measured(np.repeat(np.arange(4), 3)[:, None].repeat(8, axis=1))  # four buckets of three
    earlier, new = table.slice(0, 7), table.slice(7)
    chosen = NearSettings(num_perm=8, bands=2, rows=4)
    numbering = number_parts([(5, len(new))], [EarlierRows(9, len(earlier), 0, 5)])
    buckets = [merge(NEAR_RUN, {9: near_run(earlier, chosen), 5: near_run(new, chosen)}, 0, 1)]
    parents = singletons(12)
    link_near(buckets, numbering, Signatures([earlier, new], 8), np.ones(12, bool), chosen, parents)
    flatten(parents)
    assert parents.tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 9, 9, 9]


def test_bands_that_need_more_values_than_there_are_are_refused() -> None:
    with pytest.raises(ValidationError, match="15 bands of 8 rows need 120 values, but num_perm is 112"):
        NearSettings(bands=15)


def test_signatures_of_another_length_are_noticed(corpus: pa.Table) -> None:
    with pytest.raises(DamageError, match="112 values a document where 128 were expected"):
        near_run(corpus, NearSettings(num_perm=128))


def test_signatures_are_gathered_by_number_in_any_order(corpus: pa.Table) -> None:
    wanted = np.random.default_rng(5).integers(0, len(corpus), 500).astype(np.uint32)
    gathered = Signatures(parts_of(corpus).values(), 112).gather(wanted)
    np.testing.assert_array_equal(gathered, values(corpus)[wanted])


def test_the_plain_definition_sees_all_pairs_of_a_band() -> None:
    assert naive.candidate_pairs([[1, 2], [1, 3], [1, 2]], 2, 1) == set(combinations(range(3), 2))


@pytest.mark.parametrize(("num_perm", "similarity"), [(112, 0.7), (64, 0.3), (112, 0.95), (256, 0.5), (12, 0.7)])
def test_what_signatures_leave_open_misjudges_one_pair_in_four_thousand_at_most(num_perm: int, similarity: float) -> None:
    """By drawing the equal values of a million pairs of exactly that similarity."""
    lowest, sure = NearSettings(num_perm=num_perm, bands=3, rows=4, min_similarity=similarity, verify="shingles").limits
    equal = np.random.default_rng(1).binomial(num_perm, similarity, 10**6)
    assert (equal < lowest).mean() < 0.00023 + 5 * 0.00023**0.5 / 1000
    assert (equal >= sure).mean() < 0.00023 + 5 * 0.00023**0.5 / 1000
    assert lowest == 0 or (equal <= lowest).mean() > 0.0001
    assert (equal >= sure - 1).mean() > 0.0001


def test_limits_are_one_number_where_signatures_verify() -> None:
    assert NearSettings().limits == (79, 79)
    assert NearSettings(min_similarity=None).limits == (0, 0)
    assert NearSettings(min_similarity=1.0, verify="shingles").limits == (112, 113)


def test_verifying_by_shingles_needs_a_similarity_it_can_compare_with() -> None:
    with pytest.raises(ValidationError, match="which is null"):
        NearSettings(verify="shingles", min_similarity=None)
    with pytest.raises(ValidationError, match="at most nine"):
        NearSettings(verify="shingles", min_similarity=0.1 + 0.2)
    with pytest.raises(ValueError, match="none were given"):
        link_near([], number_parts([]), Signatures([], 112), np.ones(0, bool), NearSettings(verify="shingles"), singletons(0))


def test_a_threshold_verified_by_shingles_takes_bands_that_miss_less() -> None:
    assert [(chosen.bands, chosen.rows) for chosen in (NearSettings(threshold=0.7), NearSettings(threshold=0.7, verify="shingles"))] == [(12, 9), (22, 5)]
    for threshold in (0.5, 0.6, 0.7, 0.8):
        chosen = NearSettings(threshold=threshold, verify="shingles")
        assert match_curve(chosen, [threshold])[0][1] > 0.95


def test_the_link_curve_of_shingles_is_a_step_but_for_missed_candidates() -> None:
    chosen = NearSettings(threshold=0.7, verify="shingles")
    curve = dict(link_curve(chosen, [0.5, 0.65, 0.69, 0.7, 0.75, 0.9]))
    candidates = dict(match_curve(chosen, [0.7, 0.75, 0.9]))
    assert max(curve[0.5], curve[0.65], curve[0.69]) < 0.001
    assert all(abs(curve[one] - candidates[one]) < 0.001 for one in candidates)
