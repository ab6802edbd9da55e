import numpy as np
import pyarrow as pa
import pytest

import curate
from curate.dedup.near import NearSettings
from curate.errors import RecipeError
from tests.corpus import documents, edited
from tests.naive import clusters as naive

BASE = " ".join(f"word{i}" for i in range(300))


def test_duplicates_are_clustered_and_the_longest_is_kept() -> None:
    found = curate.deduplicate([BASE, "short", f"{BASE} end", "short", "SHORT!", ""])
    assert found.to_pydict() == {"cluster": [0, 1, 0, 1, 4, 5], "representative": [2, 1, 2, 1, 4, 5], "keep": [False, True, True, False, True, True]}
    assert curate.deduplicate([BASE, f"{BASE} end"], representative="earliest")["keep"].to_pylist() == [True, False]


def test_case_and_punctuation_make_near_not_exact_duplicates() -> None:
    found = curate.deduplicate([BASE, BASE.upper(), BASE.replace(" ", ", ")])
    assert found["cluster"].to_pylist() == [0, 0, 0]


def test_edited_copies_are_found_and_different_documents_are_not() -> None:
    texts = [text for text in documents() if len(text.split()) > 250][:60]
    texts = [text for text, kept in zip(texts, curate.deduplicate(texts)["keep"].to_pylist(), strict=True) if kept]
    found = curate.deduplicate([*texts, *(edited(text, 1, 2) for text in texts)])
    clusters = np.array(found["cluster"])
    assert (clusters[: len(texts)] == np.arange(len(texts))).all()
    assert (clusters[len(texts) :] == np.arange(len(texts))).all()


def test_every_cluster_keeps_exactly_one_text() -> None:
    found = curate.deduplicate(list(documents()), min_similarity=0.5, bands=28, rows=4)
    clusters, keep, representatives = (np.array(found[name]) for name in ("cluster", "keep", "representative"))
    assert (np.bincount(clusters[keep], minlength=len(keep)) == (np.bincount(clusters, minlength=len(keep)) > 0)).all()
    assert (np.flatnonzero(keep) == np.unique(representatives)).all()
    assert (clusters[representatives] == clusters).all()


def test_settings_come_as_an_object_or_as_keywords() -> None:
    texts = list(documents()[:100])
    assert curate.deduplicate(texts, NearSettings(min_similarity=None)).equals(curate.deduplicate(texts, min_similarity=None))
    assert curate.deduplicate(pa.array(texts)).equals(curate.deduplicate(texts))
    assert curate.deduplicate([]).to_pydict() == {"cluster": [], "representative": [], "keep": []}


def test_what_cannot_be_done_is_refused_with_the_reason() -> None:
    with pytest.raises(RecipeError, match=r"min_simlarity: Extra inputs.*Known options: .*min_similarity"):
        curate.deduplicate(["a"], min_simlarity=0.3)
    with pytest.raises(RecipeError, match="both as an object and as keywords"):
        curate.deduplicate(["a"], NearSettings(), bands=3)
    with pytest.raises(RecipeError, match="'shortest'"):
        curate.deduplicate(["a"], representative="shortest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        curate.deduplicate(["a", None])  # type: ignore[list-item]


def test_verified_by_shingles_exactly_the_similar_pairs_are_linked() -> None:
    """28 bands of 4 miss one pair of similarity 0.7 in two thousand; none of these."""
    texts = [text for text in documents() if len(text.split()) > 60][:150]
    texts += [edited(text, seed, 1 + seed % 12) for seed, text in enumerate(texts)]
    hashes = [set(curate.shingle_hashes(text).tolist()) for text in texts]
    pairs = [(i, j) for i, one in enumerate(hashes) for j, other in enumerate(hashes[:i]) if one & other and 10 * len(one & other) >= 7 * len(one | other)]
    by_shingles = curate.deduplicate(texts, bands=28, rows=4, verify="shingles")["cluster"].to_pylist()
    assert by_shingles == naive.components(len(texts), pairs)
    assert 150 < len(set(by_shingles)) < 300
    assert curate.deduplicate(texts, bands=28, rows=4)["cluster"].to_pylist() != by_shingles
