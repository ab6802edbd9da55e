"""The index holds what stands for each item, and its key says what it was made of."""

import json
import shutil
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest

from curate import storage
from curate.contamination.benchmark import BenchmarkSettings
from curate.contamination.index import INDEX, IndexSettings, build_index, index_key, joined, read_index, write_index
from curate.contamination.index import index_of as loaded
from curate.documents import as_text
from curate.errors import DamageError, InputError, RecipeError
from curate.measures.benchmarks import find_hits
from tests.curate.contamination.items import ARITHMETIC, CODE, SHORT, TOO_SHORT, write_benchmark


def test_a_written_index_finds_what_the_built_one_finds(tmp_path: Path) -> None:
    benchmarks = [write_benchmark(tmp_path, "sums", ARITHMETIC + TOO_SHORT), write_benchmark(tmp_path, "code", CODE + SHORT)]
    built = build_index(benchmarks, IndexSettings())
    write_index(tmp_path / "index.arrow", benchmarks, IndexSettings())
    stored = read_index(tmp_path / "index.arrow")
    pages = as_text([*ARITHMETIC, *CODE, *SHORT, " ".join(ARITHMETIC + CODE), "nothing of the kind"])
    found = find_hits(pages, stored)
    assert found.equals(find_hits(pages, loaded(built)))
    assert [bool(hits) for hits in found["hits"].to_pylist()] == [True] * 9 + [False]
    assert stored.items.num_rows == built.num_rows


def test_the_file_depends_on_nothing_but_items_and_settings(tmp_path: Path) -> None:
    here, there = write_benchmark(tmp_path, "sums", ARITHMETIC), tmp_path / "elsewhere"
    there.mkdir()
    moved = here.model_copy(update={"path": shutil.copy(here.path, there / "a.b.jsonl"), "license": "CC0"})
    written = [write_index(tmp_path / f"{number}.arrow", [b], IndexSettings()) for number, b in enumerate([here, moved])]
    assert written[0].checksum == written[1].checksum


def test_the_key_changes_with_content_fields_and_settings_only(tmp_path: Path) -> None:
    benchmark, settings = write_benchmark(tmp_path, "sums", ARITHMETIC), IndexSettings()
    key = index_key([benchmark], settings)
    keys = {key, index_key([benchmark], IndexSettings(max_items_per_ngram=3)), index_key([], settings)}
    keys |= {index_key([benchmark.model_copy(update=change)], settings) for change in ({"fields": ["id"]}, {"id_field": None}, {"name": "other"})}
    write_benchmark(tmp_path, "sums", ARITHMETIC[:-1])
    keys.add(index_key([benchmark], settings))
    assert len(keys) == 7
    assert index_key([benchmark.model_copy(update={"origin": "elsewhere"})], settings) in keys
    with pytest.raises(InputError, match="is missing"):
        index_key([benchmark.model_copy(update={"path": "/nowhere.jsonl"})], settings)


def test_items_whose_words_grow_together_without_punctuation_have_a_second_form(tmp_path: Path) -> None:
    index = build_index([write_benchmark(tmp_path, "quiz", [ARITHMETIC[0], ARITHMETIC[3], "Isn't it what's left of a day's?"])], IndexSettings())
    assert list(zip(index["item_id"].to_pylist(), index["form"].to_pylist(), strict=True)) == [
        ("quiz/0", "written"),
        ("quiz/0", "joined"),
        ("quiz/1", "written"),
        ("quiz/2", "written"),  # joined it has seven words
    ]
    assert joined("Marta's 3.50, naïve e\u0301 x_y 漢。字") == "Martas 350 naïve e\u0301 xy 漢字"


def test_a_phrase_of_many_items_is_no_evidence_and_an_item_of_nothing_else_is_untestable(tmp_path: Path) -> None:
    phrase = "Read the passage below with care and answer the question that follows it in one word only."
    texts = [phrase, *(f"{phrase} Number {number} asks about the colour of house {number} in row {number}." for number in range(12))]
    index = build_index([write_benchmark(tmp_path, "quiz", texts)], IndexSettings())
    assert index["untestable"].to_pylist() == ["only phrases that many items share", *[None] * 12]
    assert index["num_ngrams"].to_pylist() == [0, *[11] * 12]  # the 11 n-grams that reach the number
    hits = find_hits(as_text([f"Instructions: {phrase} Begin.", texts[5]]), loaded(index))["hits"].to_pylist()
    assert [[(hit["item"], hit["num_matched"]) for hit in page] for page in hits] == [[], [(5, 11)]]
    lenient = build_index([write_benchmark(tmp_path, "quiz", texts)], IndexSettings(max_items_per_ngram=13))
    assert lenient["untestable"].null_count == 13


def test_the_same_item_in_many_benchmarks_stays_evidence_for_each(tmp_path: Path) -> None:
    benchmarks = [write_benchmark(tmp_path, f"copy{number}", ARITHMETIC) for number in range(12)]
    table = loaded(build_index(benchmarks, IndexSettings()))
    (hits,) = find_hits(as_text([ARITHMETIC[3]]), table)["hits"].to_pylist()
    assert len(hits) == 12
    assert len({hit["num_matched"] for hit in hits}) == 1


def test_two_benchmarks_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two benchmarks are called 'quiz'"):
        build_index([write_benchmark(tmp_path, "quiz", SHORT)] * 2, IndexSettings())


def test_no_benchmark_at_all_makes_an_index_that_finds_nothing(tmp_path: Path) -> None:
    write_index(tmp_path / "index.arrow", [], IndexSettings())
    index = read_index(tmp_path / "index.arrow")
    assert find_hits(as_text([ARITHMETIC[0], ""]), index)["hits"].to_pylist() == [[], []]


@pytest.mark.parametrize("about", [None, {"version": 0, "unicode": unicodedata.unidata_version}, {"version": 2, "unicode": "1.0"}])
def test_an_index_of_another_version_or_unicode_is_refused(tmp_path: Path, about: dict[str, object] | None) -> None:
    metadata = None if about is None else {"corpuscle": json.dumps(about)}
    storage.write_table(tmp_path / "index.arrow", INDEX.empty_table().replace_schema_metadata(metadata))
    with pytest.raises(DamageError, match="build it again"):
        read_index(tmp_path / "index.arrow")


def test_another_arrow_file_is_refused(tmp_path: Path) -> None:
    storage.write_table(tmp_path / "index.arrow", pa.table({"x": [1]}))
    with pytest.raises(DamageError, match="no benchmark index"):
        read_index(tmp_path / "index.arrow")


def test_n_is_the_number_of_words_clipped_to_eight_and_thirteen(tmp_path: Path) -> None:
    texts = [" ".join(f"{chr(97 + count)}{number}" for number in range(count)) for count in range(16)]
    index = build_index([write_benchmark(tmp_path, "quiz", texts)], IndexSettings())
    assert index["n"].to_pylist() == [0] * 8 + [8, 9, 10, 11, 12, 13, 13, 13]
    assert index["untestable"].to_pylist() == ["fewer than 8 words"] * 8 + [None] * 8
    five = build_index([write_benchmark(tmp_path, "quiz", texts)], IndexSettings(min_evidence_words=5))
    assert five["untestable"].to_pylist() == ["fewer than 8 words"] * 5 + [None] * 11


def test_a_short_question_is_testable_through_its_options(tmp_path: Path) -> None:
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps({"q": "Which of them floats?", "options": ["a dry cork", "an iron nail", "a wet stone"]}) + "\n")
    index = build_index([BenchmarkSettings(name="quiz", path=str(path), fields=["q", "options"])], IndexSettings())
    assert index["untestable"].to_pylist() == [None, "fewer than 8 words"]
    reordered = "Which of them floats?\n1) an iron nail\n2) a wet stone\n3) a dry cork"
    (found,) = find_hits(as_text([reordered]), loaded(index))["hits"].to_pylist()
    assert found == []  # no five words in a row are left to begin with; the bench counts how often that is so
    asked = "Which of them floats: a dry cork, or a wet stone, or an iron nail?"
    (found,) = find_hits(as_text([asked]), loaded(index))["hits"].to_pylist()
    assert [(hit["item"], hit["covered_weight"]) for hit in found] == [(0, index["weight"][0].as_py())]


def test_common_words_weigh_less_and_numbers_are_counted(tmp_path: Path) -> None:
    texts = [f"the wooden bridge over river {name} carries {number} cars every single day" for name, number in zip("abcdefgh", range(8), strict=True)]
    index = build_index([write_benchmark(tmp_path, "quiz", texts)], IndexSettings())
    assert index["weights"][0].as_py() == [1, 1, 1, 1, 1, 4, 1, 4, 1, 1, 1, 1]
    assert index["weight"].to_pylist() == [18] * 8
    assert index["num_numbers"].to_pylist() == [1] * 8
