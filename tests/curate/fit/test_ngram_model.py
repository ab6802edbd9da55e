"""The n-gram model: a distribution, equal to its plain twin, the same however its reference is cut into batches."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.errors import DamageError, InputError
from curate.fit.ngram_model import fit_ngram_model, load_ngram_model
from curate.kernels.ngram_model import UNITS_PER_BIT, information, logarithms
from curate.measures import perplexity
from curate.storage import checksum, write_table
from tests.naive.ngram_model import Model
from tests.samples import sample_texts

WORDS = ["a", "b", "the", "çà", "語", "١٢"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=6)


def measured(path: Path, texts: list[str]) -> pa.Table:
    return perplexity.measure(as_text(texts), perplexity.Settings(path=str(path), checksum=checksum(path)))


def fitted(folder: Path, texts: list[str], order: int, *, max_words: int = 10**9, cuts: int = 1) -> Path:
    path = folder / f"model-{order}-{cuts}.arrow"
    bounds = np.linspace(0, len(texts), cuts + 1).astype(int).tolist()
    fit_ngram_model((as_text(texts[start:end]) for start, end in pairwise(bounds)), order, max_words, path)
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reference=TEXTS, others=TEXTS, order=st.integers(1, 5))
def test_information_agrees_with_the_plain_model(reference: list[list[str]], others: list[list[str]], order: int, tmp_path: Path) -> None:
    different = list({tuple(words): words for words in reference}.values())
    if not any(different):
        return
    plain = Model(different, order)
    path = fitted(tmp_path, [" ".join(words) for words in reference], order)
    unseen = [[*words, "new"] for words in others]
    table = measured(path, [" ".join(words) for words in unseen])
    assert table["num_scored_words"].to_pylist() == [len(words) for words in unseen]
    for words, units in zip(unseen, table["num_bit_units"].to_pylist(), strict=True):
        assert units / UNITS_PER_BIT == pytest.approx(plain.bits(words), abs=1e-4 * len(words))


@settings(max_examples=30, deadline=None)
@given(reference=TEXTS, history=st.lists(st.sampled_from(WORDS), max_size=4), order=st.integers(1, 4))
def test_the_plain_model_is_a_distribution(reference: list[list[str]], history: list[str], order: int) -> None:
    if any(reference):
        plain = Model(reference, order)
        assert sum(plain.probability(word, history) for word in [*plain.vocabulary, "new"]) == pytest.approx(1)


def test_the_file_does_not_depend_on_how_the_reference_comes(tmp_path: Path) -> None:
    texts = sample_texts()[:60]
    files = [fitted(tmp_path, order, 3, cuts=cuts, max_words=5000).read_bytes() for cuts, order in ((1, texts), (7, texts), (3, texts[::-1]))]
    assert files[0] == files[1] == files[2]


def test_a_text_like_the_reference_surprises_less_than_its_words_shuffled(tmp_path: Path) -> None:
    texts = sample_texts()
    words = texts[1].split()
    shuffled = " ".join(np.random.default_rng(1).permutation(words).tolist())
    path = fitted(tmp_path, [text for text in texts if text != texts[1]], 3)
    as_written, mixed, nothing = measured(path, [" ".join(words), shuffled, ""])["bits_per_word"].to_pylist()
    assert 0 == nothing < as_written < mixed


def test_a_sample_holds_no_more_words_than_asked_for(tmp_path: Path) -> None:
    texts = [f"word{number} " * 10 for number in range(100)]
    _, counts = fit_ngram_model([as_text(texts)], 2, 95, tmp_path / "m.arrow")
    assert (counts["texts"], counts["words"], counts["vocabulary"]) == (100, 90, 9)


def test_equal_texts_of_the_reference_count_once(tmp_path: Path) -> None:
    _, counts = fit_ngram_model([as_text(["a b c"] * 5)], 2, 1000, tmp_path / "m.arrow")
    assert counts["words"] == 3


def test_information_is_minus_the_binary_logarithm() -> None:
    logs = logarithms()
    for probability in np.concatenate([np.geomspace(1e-300, 1, 500), [0.5, 0.25, 1.0, np.nextafter(1, 0)]]):
        assert information(probability, logs) / UNITS_PER_BIT == pytest.approx(-np.log2(probability), abs=1e-4)


def test_a_reference_without_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no word"):
        fit_ngram_model([as_text(["...", ""])], 3, 100, tmp_path / "m.arrow")


def test_another_model_or_another_file_is_refused(tmp_path: Path) -> None:
    path = fitted(tmp_path, ["a b c"], 2)
    with pytest.raises(DamageError, match="another reference"):
        perplexity.measure(as_text(["a"]), perplexity.Settings(path=str(path), checksum="0" * 32))
    other = tmp_path / "other.arrow"
    write_table(other, pa.table({"x": [1]}))
    with pytest.raises(DamageError, match="is no n-gram model"):
        load_ngram_model(other)
