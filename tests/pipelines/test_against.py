"""A run against an earlier one, and texts looked up in a run: what is already there, and which document it is."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pipelines
from curate.errors import DamageError, InputError, RecipeError
from curate.storage import read_table
from pipelines.context import Context
from pipelines.earlier import earlier_parts
from pipelines.explain import as_text, explain_document
from pipelines.lookup import as_lines, lookup
from pipelines.recipe import load
from pipelines.runs import open_run, run
from tests.pipelines.corpora import RECIPE, document, letter, letters, write_jsonl
from tests.pipelines.test_cli import output

LONG = letter(100, 300)
LONG_NEAR = LONG.rstrip(".") + " postscript."
LONG_NEARER = LONG.rstrip(".") + " postscript and more."
FIRST = [*letters(12), {"id": "long", "text": LONG}, {"id": "shorter", "text": "Far too short to be kept."}, {"id": "twice", "text": letter(3)}]
SECOND = [
    {"id": "seen", "text": letter(5)},  # kept there
    {"id": "nearly-seen", "text": LONG_NEAR},
    {"id": "nearly-seen-again", "text": LONG_NEARER},
    {"id": "short", "text": "Far too short to be kept."},  # dropped by both
    *({"id": f"new-{number}", "text": letter(number)} for number in range(30, 36)),
    {"id": "new-copy", "text": letter(30)},
]
WHOLE = RECIPE.replace("fraction: 0.05", "fraction: 0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of letters under the same file name, so that their parts have equal ids, and the second run against the first."""
    base = tmp_path_factory.mktemp("against")
    for month, records in (("first", FIRST), ("second", SECOND)):
        write_jsonl(base / month / "archives" / "letters.jsonl", records)
        (base / month / "recipe.yaml").write_text(WHOLE + ("dedup: {against: ../../first/run}\n" if month == "second" else ""), encoding="utf8")
        pipelines.run(base / month / "recipe.yaml", base / month / "run", workers=1, until="manufacture")
    return base


@pytest.fixture(scope="module")
def second(folder: Path) -> Context:
    return open_run(folder / "second" / "run")


def fates(run: Path) -> dict[str, str]:
    """What became of each letter, by its own id."""
    found: dict[str, str] = {}
    for file in sorted((run / "documents").glob("*.arrow")):
        reasons = read_table(run / "ledger" / file.name, ["reason"])["reason"].to_pylist()
        found |= dict(zip(read_table(file, ["identifier"])["identifier"].to_pylist(), [reason or "kept" for reason in reasons], strict=True))
    return found


def test_what_the_earlier_run_kept_is_not_kept_again(folder: Path) -> None:
    expected = {"seen": "exact_duplicate", "nearly-seen": "near_duplicate", "nearly-seen-again": "near_duplicate", "short": "gopher_quality.min_words"}
    expected |= {f"new-{number}": "kept" for number in range(30, 36)} | {"new-copy": "exact_duplicate"}
    assert fates(folder / "second" / "run") == expected


def test_the_kept_documents_are_those_of_one_run_over_both(folder: Path, tmp_path: Path) -> None:
    for month in ("first", "second"):
        shutil.copytree(folder / month / "archives", tmp_path / "archives" / month)
    sources = "  - {name: letters, paths: [first/letters.jsonl], format: jsonl}\n  - {name: later, paths: [second/letters.jsonl], format: jsonl}\n"
    recipe = WHOLE.replace("  - {name: letters, paths: [letters.jsonl], format: jsonl}\n", sources) + "dedup: {representative: {sources: [letters]}}\n"
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf8")
    run(tmp_path / "recipe.yaml", tmp_path / "run", workers=1, until="select")
    apart = Counter(fates(folder / "first" / "run").values()) + Counter(fates(folder / "second" / "run").values())
    assert Counter(fates(tmp_path / "run").values())["kept"] == apart["kept"]
    assert {name for name, fate in fates(tmp_path / "run").items() if fate == "kept"} == {
        name for month in ("first", "second") for name, fate in fates(folder / month / "run").items() if fate == "kept"
    }


def test_records_of_the_earlier_run_are_not_counted(folder: Path) -> None:
    summary = run(folder / "second" / "recipe.yaml", folder / "second" / "run", workers=1, until="manufacture")
    (source,) = summary.sources
    assert (source.num_records, source.num_kept, source.num_dropped) == (len(SECOND), 6, 5)
    assert {stage.name: stage.num_units_run for stage in summary.stages}["select"] == 0
    assert summary.earlier == ("../../first/run",)


def test_explain_names_the_document_of_the_earlier_run_with_its_place(folder: Path, second: Context) -> None:
    found = explain_document(second, "nearly-seen")
    assert found["representative"] == document(folder / "first" / "run", "long")
    assert found["earlier"]["run"] == str((folder / "first" / "run").resolve())
    assert found["earlier"]["identifier"] == "long"
    assert found["cluster"]["size"] == 2
    assert f"of the earlier run {found['earlier']['run']}, letters.jsonl at {found['earlier']['offset']}" in as_text(found)
    seen = explain_document(second, "seen")
    assert (seen["reason"], seen["representative"]) == ("exact_duplicate", document(folder / "first" / "run", "letter-5"))
    assert seen["earlier"]["uri"] == "https://letters.example/5"
    own = explain_document(second, "new-copy")
    assert (own["earlier"], own["representative"]) == (None, document(folder / "second" / "run", "new-30"))


def test_parts_of_equal_id_are_told_apart(folder: Path, second: Context) -> None:
    (earlier,) = earlier_parts(second)
    assert earlier.own.hex == document(folder / "second" / "run", "seen").partition(":")[0]
    assert earlier.id != earlier.own.id
    (cluster,) = [
        item for item in read_table(folder / "second" / "run" / "ledger" / "largest_clusters.arrow").to_pylist() if item["size"] == 2 and item["num_texts"] == 2
    ]
    assert cluster["representative"] == {"part": earlier.own.id, "row": 12, "run": 0}


def test_the_earlier_run_decides_by_what_it_kept_and_a_changed_ledger_decides_anew(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    first, later = tmp_path / "copy" / "first", tmp_path / "copy" / "second"
    before = (later / "run" / "ledger").glob("*.arrow")
    assert list(before)
    changed = ["rules.gopher_quality.min_words=100"]
    run(first / "recipe.yaml", first / "run", workers=1, until="select", changes=changed)
    run(later / "recipe.yaml", later / "run", workers=1, until="select")
    assert fates(later / "run")["seen"] == "kept"
    assert fates(later / "run")["nearly-seen"] == "near_duplicate"


def test_bytes_do_not_depend_on_the_number_of_workers_or_the_place_of_the_earlier_run(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "first", tmp_path / "first")
    shutil.copytree(folder / "second", tmp_path / "second", ignore=shutil.ignore_patterns("run"))
    run(tmp_path / "second" / "recipe.yaml", tmp_path / "second" / "run", workers=2, until="manufacture")
    for kind in ("ledger", "index", "shards"):
        files = sorted(path.relative_to(folder / "second" / "run") for path in (folder / "second" / "run" / kind).rglob("*.arrow"))
        assert files
        for file in files:
            assert (tmp_path / "second" / "run" / file).read_bytes() == (folder / "second" / "run" / file).read_bytes(), file


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["dedup.near.num_perm=128"], "num_perm 112 there, 128 here"),
        (["dedup.near.bands=7"], "bands 14 there, 7 here"),
        (["dedup.against=nowhere"], "is no run"),
        (["dedup.against=../../second/run"], "this run itself"),
        (["dedup.against=[../../first/run, ../../first/../first/run]"], "named twice"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_before_anything_is_read(folder: Path, changes: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        earlier_parts(Context.open(load(folder / "second" / "recipe.yaml", changes), folder / "second" / "run"))


def test_an_earlier_run_without_near_duplicates_serves_a_recipe_without_them(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "first", tmp_path / "first", ignore=shutil.ignore_patterns("run"))
    run(tmp_path / "first" / "recipe.yaml", tmp_path / "first" / "run", workers=1, until="select", changes=["dedup.near=null"])
    shutil.copytree(folder / "second", tmp_path / "second", ignore=shutil.ignore_patterns("run"))
    with pytest.raises(RecipeError, match="looked for no near-duplicates"):
        earlier_parts(Context.open(load(tmp_path / "second" / "recipe.yaml"), tmp_path / "second" / "run"))
    run(tmp_path / "second" / "recipe.yaml", tmp_path / "second" / "run", workers=1, until="select", changes=["dedup.near=null"])
    assert {name for name, fate in fates(tmp_path / "second" / "run").items() if fate == "exact_duplicate"} == {"seen", "new-copy"}


def test_a_file_of_the_earlier_run_that_was_changed_is_noticed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (ledger,) = list((tmp_path / "copy" / "first" / "run" / "ledger").glob("????????.arrow"))
    ledger.write_bytes(ledger.read_bytes()[:-1] + b"?")
    with pytest.raises(DamageError, match="is not what its run wrote"):
        run(tmp_path / "copy" / "second" / "recipe.yaml", tmp_path / "copy" / "second" / "run", workers=1, until="select")


# ---- lookup


def asked(tmp_path: Path, texts: dict[str, str]) -> Path:
    write_jsonl(tmp_path / "asked.jsonl", [{"id": name, "text": text} for name, text in texts.items()])
    return tmp_path / "asked.jsonl"


def answers(context: Context, file: Path) -> dict[str, list[dict[str, Any]]]:
    found = lookup(context, file)
    assert as_lines(found)
    return {item["identifier"]: item["matches"] for item in json.loads(json.dumps(found))["documents"]}


def test_texts_are_found_with_what_became_of_them_best_first(folder: Path, second: Context, tmp_path: Path) -> None:
    texts = {"copied": letter(30), "like": LONG.rstrip(".") + " postscript by another hand.", "gone": "Far too short to be kept.", "unknown": letter(777)}
    found = answers(second, asked(tmp_path, texts))
    assert [(match["document"], match["fate"], match["exact"]) for match in found["copied"]] == [
        (document(folder / "second" / "run", "new-30"), "kept", True),
        (document(folder / "second" / "run", "new-copy"), "exact_duplicate", True),
    ]
    assert {match["identifier"] for match in found["like"]} == {"nearly-seen", "nearly-seen-again"}
    assert {match["fate"] for match in found["like"]} == {"near_duplicate"}
    assert all(0.7 <= match["similarity"] < 1 for match in found["like"])
    assert [match["fate"] for match in found["gone"]] == ["gopher_quality.min_words"]
    assert found["unknown"] == []


def test_a_plain_text_is_one_document_whatever_it_is_called(second: Context, tmp_path: Path) -> None:
    (tmp_path / "page").write_text(letter(31), encoding="utf8")
    (item,) = lookup(second, tmp_path / "page")["documents"]
    assert (item["kept"], item["num_matches"]) == (True, 1)
    assert "in the corpus: 1 match" in as_lines(lookup(second, tmp_path / "page"))[0]


def test_a_text_is_found_though_the_run_edited_it(tmp_path: Path) -> None:
    texts = [f"{letter(number)} Write to person-{number}@mail.example today." for number in range(4)]
    write_jsonl(tmp_path / "archives" / "letters.jsonl", [{"id": str(number), "text": text} for number, text in enumerate(texts)])
    (tmp_path / "recipe.yaml").write_text(WHOLE + "edits: {personal_data: {}}\n", encoding="utf8")
    run(tmp_path / "recipe.yaml", tmp_path / "run", workers=1, until="select")
    found = answers(open_run(tmp_path / "run"), asked(tmp_path, {"raw": texts[2]}))
    assert [(match["identifier"], match["exact"]) for match in found["raw"]] == [("2", True)]


def test_lines_that_hold_no_text_are_told(second: Context, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "asked.jsonl", ["{broken", {"id": "fine", "text": letter(32)}])
    found = lookup(second, tmp_path / "asked.jsonl")
    assert ([item["reason"] for item in found["refused"]], len(found["documents"])) == (["bad_json"], 1)
    with pytest.raises(InputError, match="is no file"):
        lookup(second, tmp_path / "nowhere.jsonl")


def test_the_command_answers_in_text_and_json(folder: Path, tmp_path: Path) -> None:
    file = asked(tmp_path, {"copied": letter(33)})
    assert "exact copy" in output("lookup", folder / "second" / "run", file)
    found = json.loads(output("lookup", folder / "second" / "run", file, "--json"))
    assert found["documents"][0]["matches"][0]["fate"] == "kept"
