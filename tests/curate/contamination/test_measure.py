"""The measure: all hits of every document, whatever the batches, from the index that was asked for."""

from pathlib import Path

import pytest

from curate.contamination.index import IndexSettings, index_key, read_index, write_index
from curate.documents import as_text
from curate.errors import DamageError
from curate.measures import benchmarks
from tests.curate.contamination.items import ARITHMETIC, SHORT, write_benchmark


def _settings(folder: Path) -> benchmarks.Settings:
    quiz = [write_benchmark(folder, "quiz", [*ARITHMETIC, *SHORT])]
    write_index(folder / "index.arrow", quiz, IndexSettings())
    return benchmarks.Settings(index=str(folder / "index.arrow"), key=index_key(quiz, IndexSettings()))


def test_hits_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(tmp_path)
    texts = as_text(["", *ARITHMETIC, "clean", " ".join(ARITHMETIC), *SHORT, ""])
    whole = benchmarks.measure(texts, settings)
    assert whole.schema == benchmarks.SCHEMA
    assert [len(hits) > 0 for hits in whole["hits"].to_pylist()] == [False, True, True, True, True, False, True, True, True, False]
    for size in (1, 100, 700):
        monkeypatch.setattr(benchmarks, "_BYTES_A_BATCH", size)
        assert benchmarks.measure(texts, settings).equals(whole)
    assert benchmarks.measure(texts.slice(3, 4), settings)["hits"].to_pylist() == whole["hits"].to_pylist()[3:7]


def test_no_documents_have_no_hits(tmp_path: Path) -> None:
    assert benchmarks.measure(as_text([]), _settings(tmp_path)).equals(benchmarks.SCHEMA.empty_table())


def test_the_number_matched_is_that_of_the_item_when_all_of_it_is_there(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    items = read_index(tmp_path / "index.arrow").items
    (hits,) = benchmarks.measure(as_text([ARITHMETIC[1] * 3]), settings)["hits"].to_pylist()
    (hit,) = [hit for hit in hits if items["item_id"][hit["item"]].as_py() == "quiz/1"]
    assert hit["num_matched"] == items["num_ngrams"][hit["item"]].as_py() == len(ARITHMETIC[1].split()) - 12


def test_another_index_than_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with pytest.raises(DamageError, match=r"not 0{32}.*build it again"):
        benchmarks.measure(as_text(["x"]), settings.model_copy(update={"key": "0" * 32}))
