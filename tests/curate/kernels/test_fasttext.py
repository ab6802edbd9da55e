"""Prediction against the library itself and against its plain definition, with every kind of model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.errors import InputError
from curate.kernels import fasttext as kernel
from curate.measures.language import load_model
from tests.corpus import TEXTS, documents
from tests.fasttext_models import KINDS, library_answer, trained
from tests.naive.fasttext import Naive, fnv

TRAPS = [
    "",
    " ",
    "\n",
    "</s>",
    "a </s> b",
    "x</s>",
    "</s> x",
    "__label__l0",
    "b __label__l0 c",
    "__label__unseen d",
    "x __label__",
    "<",
    ">",
    "\x00",
    "\t\v\f\r",
]
DEEP = settings(max_examples=150, deadline=None)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_library_s_and_scores_within_a_hundred_thousandth(kind: str) -> None:
    _, library, ours = trained(kind)
    texts = [*TRAPS, *(text[:700] for text in documents()[::4]), *(f"{trap} {text[:40]} {trap}" for trap in TRAPS for text in documents()[:800:100])]
    labels, scores = ours.predict(as_text(texts))
    for text, label, score in zip(texts, labels.tolist(), scores.tolist(), strict=True):
        expected = library_answer(library, text)
        assert expected is not None
        assert ours.labels[label] == expected[1], text
        assert score == pytest.approx(expected[0], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@DEEP
@given(text=TEXTS, limit=st.integers(0, 40))
def test_a_fuzzed_text_gets_the_library_s_answer(kind: str, text: str, limit: int) -> None:
    _, library, ours = trained(kind)
    (label,), (score,) = ours.predict(as_text([text]), limit)
    expected = library_answer(library, text[: limit or None])
    assert expected is not None
    assert (ours.labels[label], float(score)) == (expected[1], pytest.approx(expected[0], abs=1e-5))


@pytest.mark.parametrize("kind", KINDS)
@DEEP
@given(text=TEXTS, limit=st.integers(0, 40))
def test_a_fuzzed_text_has_the_probabilities_of_the_plain_definition(kind: str, text: str, limit: int) -> None:
    _, _, ours = trained(kind)
    expected = Naive(ours.arrays, ours.labels).probabilities(text, limit)
    assert expected is not None
    # Sigmoids come from a table of 32 steps a unit, whose steepest slope is 1/4.
    tolerance = 1 / 128 if ours.arrays.loss in (kernel.ONE_VS_ALL, kernel.NEGATIVE_SAMPLING) else 3e-5
    for label, probability in expected.items():
        _, (score,) = ours.predict(as_text([text]), limit, label)
        assert float(score) == pytest.approx(probability, abs=tolerance)
    (best,), (score,) = ours.predict(as_text([text]), limit)
    assert float(score) == pytest.approx(max(expected.values()), abs=tolerance)
    assert expected[ours.labels[best]] == pytest.approx(max(expected.values()), abs=tolerance)


def test_the_probability_of_a_named_label_is_the_one_the_library_gives_it() -> None:
    for kind in KINDS:
        _, library, ours = trained(kind)
        for text in documents()[:60:7]:
            found = {label.removeprefix("__label__"): score for score, label in library.predict(" ".join(text.split()) + "\n", -1, 0.0, "strict")}
            for label in ours.labels:
                _, (score,) = ours.predict(as_text([" ".join(text.split())]), label=label)
                assert float(score) == pytest.approx(found.get(label, 0.0), abs=2e-5)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(InputError, match="no label 'l99'"):
        trained("words")[2].predict(as_text(["x"]), label="l99")


def test_a_model_that_knows_nothing_of_a_text_says_so() -> None:
    ours = trained("words")[2]
    names = bytearray(ours.arrays.word_bytes.tobytes())
    place = names.index(b"</s>")
    names[place : place + 4] = b"eos!"
    word_table, hashes = np.full_like(ours.arrays.word_table, -1), np.zeros_like(ours.arrays.word_hashes)
    arrays = ours.arrays._replace(word_bytes=np.frombuffer(bytes(names), np.uint8).copy(), word_table=word_table, word_hashes=hashes)
    kernel.fill_word_table(arrays)
    data, offsets = np.frombuffer(b"zzqx!zzqx", np.uint8), np.array([0, 4, 9], np.int64)
    offsets.flags.writeable = False
    labels, scores = np.empty(2, np.int32), np.empty(2, np.float32)
    kernel.predict(data, offsets, arrays, 0, kernel.BEST, labels, scores)
    assert labels.tolist() == [kernel.NO_LABEL] * 2
    assert scores.tolist() == [0.0, 0.0]


def test_a_limit_counts_characters_and_a_slice_is_predicted_like_its_own_column() -> None:
    model = load_model()
    texts = as_text(["日本語の文章です。 It goes on in English for a while, and on and on.", "Ceci n'est pas une pipe.", "Ελληνικά"])
    assert model.predict(texts.slice(0, 1), 9)[0].tolist() == model.predict(as_text(["日本語の文章です。"]))[0].tolist()
    assert model.predict(texts.slice(1, 1))[1].tolist() == model.predict(texts)[1].tolist()[1:2]
    assert model.predict(texts.slice(0, 0))[0].tolist() == []


def test_hashes_are_those_of_signed_bytes() -> None:
    names = trained("characters")[2].arrays
    ends = names.word_ends.tolist()
    words = [names.word_bytes[start:end].tobytes() for start, end in zip([0, *ends], ends, strict=False)]
    assert any(byte > 127 for word in words for byte in word)
    assert names.word_hashes.tolist() == [fnv(word) for word in words]
