"""Edits in whole runs: what they change, what they must not move, and what is told of them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from curate.documents import as_text, content_ids
from curate.errors import RecipeError
from curate.storage import read_table
from pipelines.explain import as_text as told
from pipelines.explain import explain_document
from pipelines.explain_edits import MAX_TOLD
from pipelines.recipe import load
from pipelines.runs import open_run, run
from tests.pipelines.corpora import RECIPE, document, letter, write_jsonl

EDITED = ["edits.c4={}", "edits.personal_data={}"]
LIMIT = ["rules.dclm={max_cut_words_fraction: 0.4}"]
MENU = "Home\nAbout us\nContact"


def page(number: int) -> str:
    return f"{MENU}\n{letter(number)}\nWrite to anna{number}@example.org about it."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages with a menu above and an address below, one without prose, one that is mostly menu, and a plain run and an edited one of them."""
    folder = tmp_path_factory.mktemp("edits")
    records = [{"id": f"page-{number}", "text": page(number)} for number in range(60)]
    records += [{"id": "menu", "text": MENU}, {"id": "mostly", "text": f"{'Menu entry '.join(' ' * 60)}\n" + letter(77)}]
    write_jsonl(folder / "archives" / "letters.jsonl", records)
    (folder / "recipe.yaml").write_text(RECIPE.replace("fraction: 0.05", "fraction: 0.2"), encoding="utf8")
    run(folder / "recipe.yaml", folder / "plain", workers=1)
    run(folder / "recipe.yaml", folder / "edited", changes=EDITED, workers=1)
    return folder


def texts(folder: Path) -> dict[str, str]:
    tables = [read_table(file, ["identifier", "text"]) for file in sorted((folder / "documents").glob("*.arrow"))]
    return {row["identifier"]: row["text"] for table in tables for row in table.to_pylist()}


def keys(folder: Path, stage: str) -> dict[str, str]:
    return {entry.unit: entry.key for entry in open_run(folder).entries(stage)}


def frozen(folder: Path) -> list[dict[str, Any]]:
    return read_table(folder / "held_out" / "letters.arrow", ["text", "content_id", "passed", "identifier"]).to_pylist()


def test_documents_are_edited_and_held_out_ones_are_not(folder: Path) -> None:
    plain, edited = texts(folder / "plain"), texts(folder / "edited")
    held = {row["identifier"] for row in frozen(folder / "edited")}
    assert 3 < len(held) < 30
    for name, text in edited.items():
        assert text == (plain[name] if name in held else edited_page(name))
    assert plain.keys() - edited.keys() == {"menu"} - held


def edited_page(name: str) -> str:
    number = name.partition("-")[2]
    return f"{letter(int(number))}\nWrite to <EMAIL> about it." if number else letter(77)


def test_the_frozen_documents_are_those_of_a_run_without_edits(folder: Path) -> None:
    before, after = frozen(folder / "plain"), frozen(folder / "edited")
    assert before == after
    assert [row["content_id"] for row in after] == content_ids(as_text([row["text"] for row in after])).to_pylist()


def test_an_edited_copy_of_a_document_that_another_run_froze_is_not_trained_on(folder: Path, tmp_path: Path) -> None:
    frozen_pages = {row["identifier"] for row in frozen(folder / "plain")}
    reuse = f"held_out.reuse={folder / 'plain/held_out'}"
    run(folder / "recipe.yaml", tmp_path / "run", changes=[*EDITED, reuse], until="select", workers=1)
    opened = open_run(tmp_path / "run")
    assert frozen_pages - {"menu"}
    for name in sorted(frozen_pages - {"menu"}):
        found = explain_document(opened, name)
        assert (found["reason"], len(found["edits"])) == ("near_held_out", 61 if name == "mostly" else 4), name
    others = [explain_document(opened, f"page-{number}")["reason"] for number in range(60) if f"page-{number}" not in frozen_pages]
    assert set(others) == {None}


def test_every_record_is_accounted_for(folder: Path) -> None:
    summary = run(folder / "recipe.yaml", folder / "edited", changes=EDITED, workers=1)
    (source,) = summary.sources
    assert source.dropped["empty_after_edits"] == 1
    assert source.num_records == 62 == source.num_kept + source.num_held_out + source.num_dropped
    counts = {edit.name: edit for edit in source.edits}
    num_edited = 61 - source.num_held_out
    assert source.num_edited == num_edited
    assert counts["c4.unended_lines"].num_documents == num_edited
    assert counts["personal_data.email"].num_cuts == counts["personal_data.email"].num_documents
    for name, edit in counts.items():
        spans = [
            span for file in (folder / "edited/measures/edits").glob("*.arrow") for row in read_table(file, ["spans"]).to_pylist() for span in row["spans"]
        ]
        mine = [span["end"] - span["start"] for span in spans if span["edit"] == name]
        assert (edit.num_cuts, edit.num_bytes) == (len(mine), sum(mine))


def test_a_recipe_without_edits_has_the_keys_it_always_had(folder: Path) -> None:
    entry = next(iter(open_run(folder / "plain").entries("gather/part/")))
    assert entry.ingredients["settings"].keys() == {"source", "limits", "slice"}
    assert not (folder / "plain" / "measures" / "edits").exists()
    other = next(iter(open_run(folder / "edited").entries("gather/part/")))
    assert other.ingredients["settings"]["edits"].keys() == {"version", "unedited", "c4", "personal_data"}


def test_edits_switched_off_again_leave_nothing_behind(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "edited", tmp_path / "run")
    assert list((tmp_path / "run/measures/edits").glob("*.arrow"))
    run(folder / "recipe.yaml", tmp_path / "run", workers=1, reuse=folder / "plain")
    assert not (tmp_path / "run/measures/edits").exists()
    for stage in ("gather/part/", "measure/", "select/"):
        assert keys(tmp_path / "run", stage) == keys(folder / "plain", stage)
    assert texts(tmp_path / "run") == texts(folder / "plain")


def test_a_rule_may_ask_how_much_was_cut_and_is_explained(folder: Path, tmp_path: Path) -> None:
    summary = run(
        folder / "recipe.yaml", tmp_path / "run", changes=[*EDITED, "rules.dclm={max_cut_words_fraction: 0.4, min_words: 5}"], until="select", workers=1
    )
    found = explain_document(open_run(tmp_path / "run"), "mostly")
    (rule,) = [rule for rule in found["rules"] if rule["rule"] == "dclm.max_cut_words_fraction"]
    counts = found["measures"]["edits"]
    assert rule["value"] == counts["num_cut_words"] / counts["num_words_before"] > 0.4
    assert rule["verdict"] == "fail"
    assert any(reason.startswith("dclm.") for source in summary.sources for reason in source.dropped)


def test_a_rule_over_cuts_is_refused_where_no_edit_is_on(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"dclm\.max_cut_words_fraction .*edits\.num_cut_words.* no edit is on"):
        load(folder / "recipe.yaml", LIMIT)
    load(folder / "recipe.yaml", [*LIMIT, "edits.dclm={}"])
    load(folder / "recipe.yaml", ["rules.dclm={max_cut_words_fraction: null}"])


def test_an_unknown_source_of_edits_is_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"edits\.sources names bills"):
        load(folder / "recipe.yaml", ["edits.sources=[bills]"])


def test_explain_tells_what_was_cut_and_finds_a_document_by_the_text_it_had(folder: Path) -> None:
    opened = open_run(folder / "edited")
    held = {row["identifier"] for row in frozen(folder / "edited")}
    name = next(f"page-{number}" for number in range(60) if f"page-{number}" not in held)
    number = int(name.partition("-")[2])
    found = explain_document(opened, name)
    assert [edit["edit"] for edit in found["edits"]] == ["c4.unended_lines"] * 3 + ["personal_data.email"]
    data = page(number).encode()
    assert data[slice(*found["edits"][3]["bytes"])] == f"anna{number}@example.org".encode()
    assert found["edits"][3]["replaced_by_bytes"] == len("<EMAIL>")
    assert found["original_id"] == content_ids(as_text([page(number)]))[0].as_py().hex()
    assert explain_document(opened, found["original_id"]) == found == explain_document(opened, found["content_id"])
    said = told(found)
    assert f"in 4 places of the text {found['original_id']}" in said
    assert "c4.unended_lines bytes 0–5, 5 cut" in said
    assert "edits" not in explain_document(open_run(folder / "plain"), name)


def test_explain_lists_the_first_cuts_and_counts_the_others(folder: Path) -> None:
    found = explain_document(open_run(folder / "edited"), document(folder / "edited", "page-1"))
    many = {**found, "edits": [{"edit": "c4.short_lines", "bytes": [k, k + 1], "replaced_by_bytes": 0} for k in range(MAX_TOLD + 3)]}
    assert "and 3 more (--json lists all)" in told({**many, "original_id": "00"})


def test_card_and_report_tell_of_edits_only_where_there_are_some(folder: Path) -> None:
    for name, there in (("plain", False), ("edited", True)):
        card = (folder / name / "shards/causal/README.md").read_text()
        assert ("### Edits inside documents" in card) == there
        assert ("`personal_data.email`" in card) == there
        assert ('id="edits"' in (folder / name / "report.html").read_text()) == there


def test_workers_and_order_change_no_byte(folder: Path, tmp_path: Path) -> None:
    two = run(folder / "recipe.yaml", tmp_path / "run", changes=[*EDITED, "slice_bytes=4096"], workers=2, until="gather")
    alone = run(folder / "recipe.yaml", tmp_path / "alone", changes=[*EDITED, "slice_bytes=4096"], workers=1, until="gather")
    assert two.sources == alone.sources
    files = {path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*.arrow")}
    assert any(path.parts[:2] == ("measures", "edits") for path in files)
    assert all((tmp_path / "run" / path).read_bytes() == (tmp_path / "alone" / path).read_bytes() for path in files)
