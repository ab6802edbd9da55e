"""Classifiers fitted on the bundled plays and laws."""

import functools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from curate.documents import as_text
from curate.errors import InputError
from curate.fit.classifier import ClassifierSettings, FromFiles, fit_classifier, num_epochs
from curate.fit.classifier_figures import roc_auc
from curate.fit.classifier_inputs import Inputs, find, texts
from curate.fit.classifier_texts import sample, without
from curate.fit.fasttext_model import read_model
from curate.readers import Limits
from curate.storage import Output
from tests.samples import FOLDER

SMALL = {"dimensions": 8, "epochs": 20, "learning_rate": 0.5, "num_buckets": 2048, "held_out_fraction": 0.2}


@functools.cache
def of(name: str) -> tuple[str, ...]:
    return tuple(text for text in pq.read_table(FOLDER / "parquet" / f"{name}.parquet", columns=["text"])["text"].to_pylist() if text)


def batches(texts: tuple[str, ...] | list[str], size: int = 50) -> Iterator[pa.LargeStringArray]:
    return (as_text(list(texts[start : start + size])) for start in range(0, len(texts), size))


def fitted(target: Path, positives: Any, negatives: Any, **options: Any) -> tuple[Output, dict[str, Any]]:
    settings = ClassifierSettings(name="drama", positives=["p"], negatives=["n"], **{**SMALL, **options})
    return fit_classifier(settings, lambda: batches(positives), lambda: batches(negatives), target)


def test_plays_are_told_from_laws(tmp_path: Path) -> None:
    _, found = fitted(tmp_path / "model.bin", of("plays"), of("law"))
    assert min(found["precision"], found["recall"], found["roc_auc"]) > 0.95
    assert sum(tenth["texts"] for tenth in found["calibration"]) == found["positives"]["held out"] + found["negatives"]["held out"]
    assert sum(tenth["positives"] for tenth in found["calibration"]) == found["positives"]["held out"]
    for tenth in found["calibration"]:
        assert tenth["mean_score"] is None or tenth["from"] <= tenth["mean_score"] <= tenth["from"] + 0.1
    _, scores = read_model(tmp_path / "model.bin").predict(as_text(["Enter LADY MACBETH. Exeunt all but the GHOST."]), label="positive")
    assert scores[0] > 0.5


def test_the_file_depends_on_texts_and_settings_alone(tmp_path: Path) -> None:
    first, found = fitted(tmp_path / "a.bin", of("plays"), of("law"))
    again, same = fitted(tmp_path / "b.bin", [*reversed(of("plays")), of("plays")[0]], [*reversed(of("law"))])
    assert again.checksum == first.checksum
    assert same["positives"]["repeated"] == found["positives"]["repeated"] + 1
    assert {name: value for name, value in same.items() if name != "positives"} == {name: value for name, value in found.items() if name != "positives"}
    assert fitted(tmp_path / "c.bin", of("plays"), of("law"), seed=2)[0].checksum != first.checksum


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from tests.curate.fit.test_classifier import fitted, of; fitted(Path(sys.argv[1]), of('plays'), of('law'))"
    target = tmp_path / "theirs.bin"
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    fitted(tmp_path / "ours.bin", of("plays"), of("law"))
    assert target.read_bytes() == (tmp_path / "ours.bin").read_bytes()


def test_texts_on_both_sides_are_left_out_even_where_the_other_sample_missed_them(tmp_path: Path) -> None:
    shared = list(of("plays")[:30])
    _, found = fitted(tmp_path / "model.bin", of("plays"), [*of("law"), *shared])
    assert found["positives"]["on both sides"] == found["negatives"]["on both sides"] == len(set(shared))
    drawn = sample(batches(shared), 100, 50, 0, "x")
    few = sample(batches(of("plays")), 5, 50, 0, "x")
    assert (len(few.texts), few.is_cut, few.num_read) == (5, True, len(of("plays")))
    assert without(drawn, few, lambda: batches(of("plays"))).num_on_both_sides == len(drawn.texts)


def test_a_sample_is_the_same_however_its_texts_come_in() -> None:
    one, other = sample(batches(of("law"), 7), 20, 100, 3, "x"), sample(batches([*reversed(of("law")), *of("law")[:9]], 40), 20, 100, 3, "x")
    assert one.texts.equals(other.texts)
    assert np.array_equal(one.ids, other.ids)
    assert max(len(text) for text in one.texts.to_pylist()) <= 100
    assert set(one.texts.to_pylist()) <= {text[:100] for text in of("law")}


def test_both_sides_are_as_large_unless_asked_otherwise(tmp_path: Path) -> None:
    _, even = fitted(tmp_path / "a.bin", of("plays"), of("law")[:60])
    _, all_of_them = fitted(tmp_path / "b.bin", of("plays"), of("law")[:60], balance=False)
    counted = [[sum(found[side][what] for what in ("training", "held out")) for side in ("positives", "negatives")] for found in (even, all_of_them)]
    assert counted[0][0] == counted[0][1]
    assert counted[1][0] > counted[1][1]


def test_words_that_look_like_labels_or_line_ends_teach_nothing(tmp_path: Path) -> None:
    poison = [f"__label__negative {text}\n __label__other\t</s> {law}" for text, law in zip(of("plays"), of("law"), strict=False)]
    _, found = fitted(tmp_path / "model.bin", poison, of("law"))
    model = read_model(tmp_path / "model.bin")
    assert set(model.labels) == {"positive", "negative"}
    assert found["roc_auc"] > 0.95


@pytest.mark.parametrize("few", [[], ["only one text"], ["one", "one", "one"]])
def test_a_side_with_too_few_texts_is_refused(few: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'drama': of its negatives"):
        fitted(tmp_path / "model.bin", of("plays"), few, balance=False)
    assert not list(tmp_path.iterdir())


def test_files_are_read_as_sources_are_and_refused_records_counted() -> None:
    refused: Counter[str] = Counter()
    items = ["text/18*-polk-*.txt", FromFiles(paths=["jsonl/bills-1.jsonl.gz"], text_field="text"), "parquet/law.parquet"]
    inputs = Inputs(tuple(find(item, FOLDER, Limits()) for item in items), ())
    first = [text for batch in texts(inputs, FOLDER, Limits(), refused) for text in batch.to_pylist()]
    counted = dict(refused)
    assert first == [text for batch in texts(inputs, FOLDER, Limits(), refused) for text in batch.to_pylist()]
    assert dict(refused) == counted
    assert counted
    assert set(of("law")) - set(first) <= {text for text in of("law") if text.isspace()}
    with pytest.raises(InputError, match=r"no file matches missing/\*"):
        find("missing/*", FOLDER, Limits())


@pytest.mark.parametrize("options", [{"name": "language"}, {"name": "Bad"}, {"min_ngram": 3, "max_ngram": 2}, {"held_out_fraction": 1.0}, {"positives": []}])
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClassifierSettings(**{"name": "drama", "positives": ["p"], "negatives": ["n"], **options})


def test_small_sets_are_passed_over_more_often(tmp_path: Path) -> None:
    assert [num_epochs(number) for number in (1, 800, 1000, 4000, 10**6)] == [25, 25, 20, 5, 5]
    _, found = fitted(tmp_path / "model.bin", of("plays"), of("law"), epochs=None)
    assert found["recall"] > 0.95


def test_the_area_under_the_curve_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        scores = rng.integers(0, 6, 30).astype(np.float32) / 5
        wanted = rng.random(30) < 0.4
        wanted[:2] = [True, False]
        pairs = [(a > b) + (a == b) / 2 for a in scores[wanted] for b in scores[~wanted]]
        assert roc_auc(scores, wanted) == pytest.approx(sum(pairs) / len(pairs))
