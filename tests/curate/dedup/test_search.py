"""Texts looked up in the sorted runs of a part."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.exact import exact_run
from curate.dedup.near import NearSettings, near_run
from curate.dedup.search import Sides, find_exact, find_near
from curate.dedup.signatures import Signatures
from curate.documents import as_text, content_ids, content_words
from curate.measures import identity, signature
from curate.measures.shingles import measure_with_signatures
from tests.corpus import TEXTS, documents, edited
from tests.naive import clusters as naive
from tests.naive import jaccard


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, max_size=12), st.lists(TEXTS, max_size=6), st.integers(0, 12))
def test_exact_copies_are_those_of_equal_text(held: list[str], asked: list[str], repeated: int) -> None:
    asked = [*asked, *held[:repeated]]
    run = exact_run(identity.measure(as_text(held), identity.Settings()))
    found = find_exact(run, content_words(content_ids(as_text(asked))))
    expected = [(query, row) for query, text in enumerate(asked) for row, other in enumerate(held) if text == other]
    assert list(zip(found.queries.tolist(), found.rows.tolist(), strict=True)) == expected


def test_near_matches_are_the_candidates_that_pass_with_their_similarity() -> None:
    texts = list(documents())
    chosen = NearSettings(bands=28, rows=4, min_similarity=0.6)
    table = signature.measure(as_text([*texts, "", "few words"]), chosen.signature)
    held, asked = table.slice(0, 900), table.slice(850)
    values = asked["signature"].combine_chunks().flatten().to_numpy().reshape(-1, 112)
    found = find_near(near_run(held, chosen), Signatures([held], 112), values, asked["num_shingles"].to_numpy(), chosen)
    signatures = [tuple(row) for row in table["signature"].to_pylist()]
    expected = {
        (query - 850, row): share
        for row, query in naive.candidate_pairs(signatures[:-2], 28, 4) | {(place, place) for place in range(850, 900)}
        for query, row in ((query, row), (row, query))
        if query >= 850 and row < 900 and (share := naive.num_equal(signatures[query], signatures[row]) / 112) >= 0.6
    }
    pairs = list(zip(found.queries.tolist(), found.rows.tolist(), strict=True))
    assert dict(zip(pairs, found.similarities.tolist(), strict=True)) == expected
    assert pairs == sorted(set(pairs))
    assert len(pairs) > 60


def test_near_matches_verified_by_shingles_have_their_exact_similarity_where_it_decided() -> None:
    texts = [text for text in documents() if len(text.split()) > 60][:80]
    asked = [edited(text, seed, 1 + seed % 12) for seed, text in enumerate(texts)]
    chosen = NearSettings(bands=28, rows=4, verify="shingles")
    (held, held_hashes), (signed, asked_hashes) = (measure_with_signatures(as_text(some), chosen.signature) for some in (texts, asked))
    values = signed["signature"].combine_chunks().flatten().to_numpy().reshape(-1, 112)
    arguments = near_run(held, chosen), Signatures([held], 112), values, signed["num_shingles"].to_numpy(), chosen
    found = find_near(*arguments, Sides(held_hashes, asked_hashes))
    own, others = held_hashes["shingles"].to_pylist(), asked_hashes["shingles"].to_pylist()
    exact = {(query, row): jaccard.shared(others[query], own[row]) for query in range(80) for row in range(80)}
    pairs = list(zip(found.queries.tolist(), found.rows.tolist(), strict=True))
    assert pairs == sorted(pair for pair, (shared, together) in exact.items() if 10 * shared >= 7 * together)
    similarities = dict(zip(pairs, found.similarities.tolist(), strict=True))
    told = [pair for pair in pairs if similarities[pair] == exact[pair][0] / exact[pair][1]]
    assert len(told) > 10
    with pytest.raises(ValueError, match="none were given"):
        find_near(*arguments)


def test_nothing_is_found_in_nothing() -> None:
    nothing = as_text([])
    run = exact_run(identity.measure(nothing, identity.Settings()))
    assert len(find_exact(run, content_words(content_ids(as_text(["a"])))).rows) == 0
    table = signature.measure(nothing, signature.Settings())
    asked = signature.measure(as_text(["one two three four five six"]), signature.Settings())
    values = asked["signature"].combine_chunks().flatten().to_numpy().reshape(-1, 112)
    found = find_near(near_run(table, NearSettings()), Signatures([table], 112), values, np.array([2]), NearSettings())
    assert [len(column) for column in found] == [0, 0, 0]
    assert pa.array(found.similarities).type == pa.float64()
