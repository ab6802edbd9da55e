"""Model files: read whole, refused when damaged, and never believed."""

import random
import struct
from pathlib import Path

import fasttext_pybind
import numpy as np
import pytest

from curate.documents import as_text
from curate.errors import InputError
from curate.fit.fasttext_model import read_model
from tests.fasttext_models import KINDS, trained

TEXTS = as_text(["some words of a text", "日本語 ελληνικά", ""])


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_and_labels_are_the_library_s(kind: str) -> None:
    _, library, ours = trained(kind)
    labels, _ = library.getLabels("strict")
    assert [f"__label__{label}" for label in ours.labels] == labels
    if not library.isQuant():
        assert np.array_equal(ours.arrays.input, np.array(library.getInputMatrix(), copy=False))
        assert np.array_equal(ours.arrays.output, np.array(library.getOutputMatrix(), copy=False))


@pytest.mark.parametrize("kind", ["bigrams", "tree", "quantised"])
def test_a_file_cut_anywhere_is_refused(kind: str, tmp_path: Path) -> None:
    content = trained(kind)[0]
    places = {*range(200), *random.Random(1).sample(range(len(content)), 100), len(content) - 1}
    for place in places:
        with pytest.raises(InputError, match="no fastText model that can be used"):
            read_model(written(tmp_path, content[:place]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_or_answers_with_what_it_holds(kind: str, tmp_path: Path) -> None:
    content, rng = trained(kind)[0], random.Random(2)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(min(len(content), 400)) if rng.random() < 0.7 else rng.randrange(len(content))
            damaged[place] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        try:
            model = read_model(written(tmp_path, bytes(damaged)))
            labels, scores = model.predict(TEXTS)
        except InputError:
            refused += 1
            continue
        assert -1 <= labels.min() <= labels.max() < len(model.labels)
        assert not np.isnan(scores).any()
    assert refused > 10


def test_numbers_that_claim_too_much_are_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    content = trained("words")[0]
    huge = content[:64] + struct.pack("<3iq", 2**31 - 1, 2**31 - 8, 7, 0) + content[84:]
    with pytest.raises(InputError, match="cannot stand in its"):
        read_model(written(tmp_path, huge))
    rows, columns = trained("words")[2].arrays.input.shape
    place = content.index(struct.pack("<2q", rows, columns))
    with pytest.raises(InputError, match="would take more than 4 GiB"):
        read_model(written(tmp_path, content[:place] + struct.pack("<q", 2**40) + content[place + 8 :]))


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [(0, 7, "does not begin as one"), (4, 13, "of version 13"), (32, 9, "its loss is number 9"), (36, 1, "holds word vectors"), (8, 0, "not all possible")],
)
def test_a_wrong_setting_is_named(place: int, value: int, why: str, tmp_path: Path) -> None:
    content = trained("words")[0]
    with pytest.raises(InputError, match=why):
        read_model(written(tmp_path, content[:place] + struct.pack("<i", value) + content[place + 4 :]))


def test_weights_that_are_no_numbers_or_overflow_are_refused(tmp_path: Path) -> None:
    content = trained("words")[0]
    with pytest.raises(InputError, match="not finite"):
        read_model(written(tmp_path, content[:-4] + struct.pack("<f", float("nan"))))
    matrix = trained("words")[2].arrays.output
    great = np.full(matrix.shape, 3e38, np.float32).tobytes()
    model = read_model(written(tmp_path, content[: -len(great)] + great))
    model.arrays.input[:] = 3e38
    with pytest.raises(InputError, match="overflow"):
        model.predict(TEXTS)


def test_bytes_behind_the_end_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 bytes follow its end"):
        read_model(written(tmp_path, trained("words")[0] + b"x"))
    with pytest.raises(InputError, match="cannot be read"):
        read_model(tmp_path / "nothing.bin")


def test_a_model_without_character_ngrams_of_an_older_version_is_read(tmp_path: Path) -> None:
    content = trained("words")[0]
    older = content[:4] + struct.pack("<i", 11) + content[8:]
    path = written(tmp_path, older)
    library = fasttext_pybind.fasttext()
    library.loadModel(str(path))
    (label,), _ = read_model(path).predict(as_text(["some words"]))
    assert f"__label__{read_model(path).labels[label]}" == library.predict("some words\n", 1, 0.0, "strict")[0][1]
