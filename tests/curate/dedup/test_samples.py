"""Signatures and clusters of the bundled archives, against datasketch."""

import re

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH

import curate
from tests.naive import clusters as naive
from tests.samples import FOLDER, sample_texts


@pytest.fixture(scope="module")
def sketches() -> list[MinHash]:
    found = []
    for text in sample_texts():
        sketch = MinHash(num_perm=112, scheme="affine32", hashfunc=int)
        sketch.update_batch(curate.shingle_hashes(text).tolist())
        found.append(sketch)
    return found


def test_the_samples_are_many_and_in_several_scripts() -> None:
    everything = "".join(sample_texts())
    assert len(sample_texts()) > 1500
    assert all(len(re.findall(letters, everything)) > 1000 for letters in ("[a-z]", "[а-я]", "[\u4e00-\u9fff]", "[\u3040-\u30ff]"))


def test_signatures_of_the_samples_are_those_of_datasketch(sketches: list[MinHash]) -> None:
    np.testing.assert_array_equal(curate.signatures(sample_texts()), np.stack([sketch.hashvalues for sketch in sketches]))


def test_unverified_clusters_of_the_samples_are_the_components_of_datasketch_lsh(sketches: list[MinHash]) -> None:
    """Equal texts apart: those too short for a shingle are linked as exact duplicates, and by us alone."""
    index = MinHashLSH(num_perm=112, params=(14, 8))
    signed = [document for document, sketch in enumerate(sketches) if not sketch.is_empty()]
    for document in signed:
        index.insert(document, sketches[document])
    pairs = [(document, other) for document in signed for other in index.query(sketches[document])]
    texts = sample_texts()
    first = {text: document for document, text in reversed(list(enumerate(texts)))}
    found = curate.deduplicate(texts, min_similarity=None)["cluster"].to_pylist()
    assert found == naive.components(len(texts), pairs + [(first[text], document) for document, text in enumerate(texts)])
    assert len(set(found)) < len(texts) - 100


def test_edited_editions_of_a_page_are_found() -> None:
    pages = sorted((FOLDER / "html" / "edition-15.18").glob("*.html"))
    texts = [path.read_text("utf-8") for page in pages for path in (page, page.parents[1] / page.name)]
    found = curate.deduplicate(texts)
    clusters = found["cluster"].to_pylist()
    assert len(pages) == 17
    together = sum(old == new for old, new in zip(clusters[::2], clusters[1::2], strict=True))
    assert together >= 14
    assert found["keep"].to_pylist().count(True) == len(set(clusters)) >= 17
