"""Why a document is in the corpus or not, asked in every way it can be named."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from curate.errors import InputError
from curate.storage import read_table
from pipelines.context import Context
from pipelines.explain import MAX_MATCHES, as_json, as_text, explain_document, explain_row
from pipelines.runs import open_run, run
from tests.pipelines.corpora import QUESTION, corpus, document, letter, letters, run_of_every_fate, write_jsonl


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_every_fate(tmp_path_factory.getbasetemp()) / "run"


@pytest.fixture(scope="module")
def opened(folder: Path) -> Context:
    return open_run(folder)


def told(context: Context, query: str) -> dict[str, Any]:
    """The answer, which must also be sayable in text and in strict JSON."""
    found = explain_document(context, query)
    assert as_text(found)
    json.loads(as_json(found), parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    return found


def test_a_document_is_found_under_each_of_its_names(opened: Context, folder: Path) -> None:
    by_id = told(opened, "letter-5")
    place = document(folder, "letter-5")
    names = [place, by_id["content_id"], "https://letters.example/5", f"letters.jsonl:{by_id['offset']}"]
    assert by_id["document"] == place
    assert by_id["path"] == "letters.jsonl"
    assert [told(opened, name) for name in names] == [by_id] * 4


def test_a_kept_document_shows_every_measure_and_rule_with_its_limit(opened: Context) -> None:
    found = told(opened, "letter-5")
    assert (found["keep"], found["reason"], found["representative"]) == (True, None, found["document"])
    assert found["cluster"] == {"size": 1, "members": [found["document"]]}
    rules = {rule["rule"]: rule for rule in found["rules"]}
    assert len(rules) == 10
    assert {rule["verdict"] for rule in rules.values()} == {"pass"}
    words = rules["gopher_quality.min_words"]
    assert (words["value"], words["comparison"], words["limit"]) == (60, ">=", 20)
    assert found["measures"]["words"]["num_words"] == 60
    assert found["measures"]["identity"]["num_bytes"] == len(letter(5).encode())
    assert found["measures"].keys() == {"identity", "language", "lines", "words"}


def test_a_document_that_failed_a_rule_names_it(opened: Context) -> None:
    found = told(opened, "short")
    assert (found["keep"], found["reason"], found["representative"]) == (False, "gopher_quality.min_words", None)
    (failed,) = [rule for rule in found["rules"] if rule["rule"] == "gopher_quality.min_words"]
    assert (failed["value"], failed["limit"], failed["verdict"]) == (6, 20, "fail")
    assert "verdict: gopher_quality.min_words\n" in as_text(found)


@pytest.mark.parametrize(("copy", "reason", "original"), [("copy", "exact_duplicate", "letter-0"), ("long", "near_duplicate", "near")])
def test_a_duplicate_names_the_document_that_stands_for_it(opened: Context, folder: Path, copy: str, reason: str, original: str) -> None:
    found, kept = told(opened, copy), document(folder, original)
    assert (found["keep"], found["reason"], found["representative"]) == (False, reason, kept)
    assert found["cluster"]["size"] == 2
    assert sorted(found["cluster"]["members"]) == sorted([found["document"], kept])
    assert f"verdict: {reason}, in favour of {kept}" in as_text(found)
    assert told(opened, original)["keep"] is True


def test_a_contaminated_document_shows_the_item_it_holds(opened: Context) -> None:
    found = told(opened, "leaked")
    assert found["reason"] == "contaminated"
    num_ngrams = len(QUESTION.split()) - 13 + 1
    hit = {"benchmark": "sums", "item": "apples", "fields": "question", "form": "written", "matched": num_ngrams, "of": num_ngrams}
    assert found["benchmarks"] == [hit | {"covered_fraction": 1.0, "contaminates": True}]
    assert f"benchmark sums item apples: {num_ngrams} of {num_ngrams} n-grams, 100% of the words in one place" in as_text(found)
    assert told(opened, "letter-5")["benchmarks"] == []


def test_a_held_out_document_says_so(opened: Context) -> None:
    assert told(opened, "letter-26")["reason"] == "held_out"


def test_an_infinite_share_is_said_in_json_that_every_program_can_read(opened: Context) -> None:
    found = told(opened, "signs")
    (rule,) = [rule for rule in found["rules"] if rule["rule"] == "gopher_quality.max_hash_signs_per_word"]
    assert (rule["value"], rule["verdict"]) == (float("inf"), "fail")
    (written,) = [rule for rule in json.loads(as_json(found))["rules"] if rule["rule"] == "gopher_quality.max_hash_signs_per_word"]
    assert written["value"] == "Infinity"


def test_several_documents_of_one_name_are_listed(opened: Context, folder: Path) -> None:
    found = told(opened, "https://letters.example/twins")
    assert [match["document"] for match in found["matches"]] == [document(folder, "twin-1"), document(folder, "twin-2")]
    assert found["more"] is False
    assert as_text(found).startswith("2 documents fit")


def test_a_long_list_is_cut_and_says_so(opened: Context) -> None:
    found = told(opened, "letters.jsonl")
    assert (len(found["matches"]), found["more"]) == (MAX_MATCHES, True)
    assert as_text(found).startswith(f"{MAX_MATCHES} or more documents fit")


def test_equal_texts_are_both_found_by_their_content(opened: Context, folder: Path) -> None:
    content_id = told(opened, "letter-0")["content_id"]
    assert [match["document"] for match in told(opened, content_id)["matches"]] == [document(folder, "letter-0"), document(folder, "copy")]


def test_an_own_id_may_look_like_a_content_id(opened: Context, folder: Path) -> None:
    name = "0123456789abcdef0123456789abcdef"
    assert told(opened, name)["document"] == document(folder, name)


def test_a_quarantined_record_is_shown_with_its_reason(opened: Context, folder: Path) -> None:
    (file,) = (folder / "quarantine").glob("*.arrow")
    (record,) = read_table(file).to_pylist()
    found = told(opened, f"letters.jsonl:{record['offset']}")
    assert found == {"query": f"letters.jsonl:{record['offset']}", "refused": [record]}
    assert record["reason"] == "bad_json"
    assert f"letters.jsonl at {record['offset']}: quarantined, bad_json" in as_text(found)


@pytest.mark.parametrize(
    "query",
    [
        "nobody",
        "",
        ":",
        "ffffffff:0",
        "f" * 32,
        "letters.jsonl:1",
        "letters.jsonl:²",
        "letters.jsonl:99999999999999999999",
        "https://letters.example/nobody",
        "\x00",
    ],
)
def test_a_name_that_fits_nothing_is_an_error_that_says_what_fits(opened: Context, query: str) -> None:
    with pytest.raises(InputError, match="give part:row as in the report, a content id"):
        explain_document(opened, query)


def test_a_row_past_the_end_of_its_part_is_nothing(opened: Context, folder: Path) -> None:
    with pytest.raises(InputError, match="no document or record"):
        explain_document(opened, document(folder, "letter-0").replace(":0", ":5000"))


def test_a_training_row_names_its_documents_and_their_tokens(opened: Context, folder: Path) -> None:
    (shard,) = (folder / "shards" / "causal" / "data").glob("train-*.arrow")
    table = read_table(shard, ["segments"])
    for row in (0, table.num_rows - 1):
        found = explain_row(opened, f"{shard.relative_to(folder)}:{row}")
        segments = table["segments"][row].as_py()
        assert (found["row"], found["source"], found["task"], found["shard"]) == (row, "letters", "causal", shard.name)
        assert [item["document"] for item in found["documents"]] == [f"{one['part']:08x}:{one['document']}" for one in segments]
        assert [item["tokens"] for item in found["documents"]] == [[one["start"], one["start"] + one["length"]] for one in segments]
        assert all(explain_document(opened, item["document"])["keep"] for item in found["documents"])
        assert found["documents"][0]["path"] == "letters.jsonl"
        assert json.loads(as_json(found))["documents"]
        assert f"{shard.name} row {row}: causal rows of source letters" in as_text(found)


def test_a_held_out_row_names_held_out_documents(opened: Context, folder: Path) -> None:
    (shard,) = (folder / "shards" / "causal" / "data").glob("held_out-*.arrow")
    found = explain_row(opened, f"{shard}:0")
    assert {item["document"] for item in found["documents"]} == {document(folder, "letter-26")}


@pytest.mark.parametrize("query", ["", "7", "nowhere.arrow:7", "shards/causal/data/SHARD", "shards/causal/data/SHARD:x", "shards/causal/data/SHARD:²"])
def test_a_row_that_is_badly_named_is_refused_with_an_example(opened: Context, folder: Path, query: str) -> None:
    (shard,) = (folder / "shards" / "causal" / "data").glob("train-*.arrow")
    with pytest.raises(InputError, match=r"give SHARD:ROW, such as shards/causal/data/train-0a1b2c3d\.arrow:7"):
        explain_row(opened, query.replace("SHARD", shard.name))


def test_a_row_past_the_end_of_its_shard_is_refused_with_its_length(opened: Context, folder: Path) -> None:
    (shard,) = (folder / "shards" / "causal" / "data").glob("train-*.arrow")
    with pytest.raises(InputError, match=r"the shard has \d+ rows, counted from 0"):
        explain_row(opened, f"{shard}:100000")


def test_without_rules_near_duplicates_or_benchmarks_a_document_is_explained_all_the_same(tmp_path: Path) -> None:
    recipe = corpus(tmp_path)
    write_jsonl(tmp_path / "archives" / "letters.jsonl", [*letters(3), {"id": "copy", "text": letter(0)}])
    run(recipe, tmp_path / "run", changes=["rules.gopher_quality=null", "dedup.near=null"], workers=1, until="select")
    shutil.rmtree(tmp_path / "archives")  # answers come from the run alone
    found = told(open_run(tmp_path / "run"), "copy")
    assert (found["rules"], found["benchmarks"], found["reason"]) == ([], [], "exact_duplicate")


@pytest.mark.parametrize(
    ("hit", "line"),
    [
        ({"form": "written", "covered_fraction": 0.5, "contaminates": True}, "benchmark b item 1: 3 of 4 n-grams, 50% of the words in one place"),
        ({"form": "joined", "covered_fraction": None, "contaminates": True}, "benchmark b item 1 (its joined form): 3 of 4 n-grams"),
        ({"form": "joined", "covered_fraction": None, "contaminates": False}, "benchmark b item 1 (its joined form): 3 of 4 n-grams; too little to count"),
    ],
)
def test_a_hit_tells_which_form_of_the_item_it_is_and_whether_it_counts(opened: Context, hit: dict[str, Any], line: str) -> None:
    found = explain_document(opened, "leaked") | {"benchmarks": [{"benchmark": "b", "item": "1", "matched": 3, "of": 4, **hit}]}
    assert line in as_text(found).splitlines()


def test_long_values_and_lists_of_limits_are_short_in_the_answer_for_people(opened: Context) -> None:
    found = explain_document(opened, "letter-5")
    rule = found["rules"][0]
    found["rules"] = [
        rule | {"value": "en", "comparison": "in", "limit": ("en", "de")},
        rule | {"value": 0.5, "comparison": ">=", "limit": 0.0049148802645504475},
    ]
    lines = [line.split() for line in as_text(found).splitlines()]
    assert [rule["rule"], "en", "in", "en,", "de", "pass"] in lines
    assert [rule["rule"], "0.5", ">=", "0.004915", "pass"] in lines
