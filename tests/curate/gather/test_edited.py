"""A slice gathered with edits: what is written, what stands beside it, and what is refused because nothing was left."""

from pathlib import Path

import pytest

from curate.contamination.held_out import HeldOutSettings, select_held_out
from curate.documents import as_text, content_ids
from curate.edits.edit import COUNTS, EDITS
from curate.edits.gathered import Editing
from curate.edits.settings import C4EditSettings, EditSettings
from curate.gather.files import find_files
from curate.gather.gather import Beside, GatherCounts, gather
from curate.gather.slices import slices
from curate.readers import Limits, SourceSettings
from curate.storage import checksum, read_table
from tests.pipelines.corpora import write_jsonl

LIMITS = Limits()
SOURCE = SourceSettings(name="pages", paths=["*.jsonl"])
NONE_HELD = HeldOutSettings(fraction=0)
C4 = EditSettings(c4=C4EditSettings())


def page(number: int) -> str:
    return f"Menu {number}\nThis is the one line of page {number}.\nShare [1] it with everybody."


def gathered(root: Path, editing: Editing | None, name: str) -> GatherCounts:
    (one,) = slices(find_files(SOURCE, root, LIMITS), 1 << 30)
    beside = Beside(editing, root / name / "edits.arrow") if editing else None
    return gather(one, SOURCE, LIMITS, root, root / name / "documents.arrow", root / name / "quarantine.arrow", beside)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    records = [{"text": page(number)} for number in range(3000)]
    records[7], records[2500] = {"text": "Menu\nHome"}, {"text": "Links"}
    write_jsonl(tmp_path / "a.jsonl", [*records, "no json", {"text": " "}])
    return tmp_path


def test_edited_documents_stand_row_by_row_beside_what_was_cut_from_them(root: Path) -> None:
    counts = gathered(root, Editing(C4, NONE_HELD, "pages"), "out")
    documents, edits = read_table(root / "out/documents.arrow"), read_table(root / "out/edits.arrow")
    assert edits.schema.equals(EDITS)
    assert documents.num_rows == edits.num_rows == counts.documents == 2998
    kept = [number for number in range(3000) if number not in (7, 2500)]
    assert documents["text"].to_pylist() == [page(number).split("\n", 1)[1].replace("[1]", "") for number in kept]
    assert edits["original_id"].combine_chunks().equals(content_ids(as_text([page(number) for number in kept])))
    assert set(edits["num_cut_lines"].to_pylist()) == {1}
    assert counts.edits is not None
    assert counts.edits.plain() == {
        "edited": 2998,
        "by_edit": {
            "c4.citation_marks": {"documents": 2998, "cuts": 2998, "bytes": 3 * 2998},
            "c4.unended_lines": {"documents": 2998, "cuts": 2998, "bytes": sum(len(f"Menu {number}\n") for number in kept)},
        },
    }
    assert [(output.path.name, checksum(output.path)) for output in counts.outputs] == [
        (name, checksum(root / "out" / name)) for name in ("documents.arrow", "quarantine.arrow", "edits.arrow")
    ]


def test_a_document_left_blank_is_refused_with_its_reason_and_sums_reconcile(root: Path) -> None:
    counts = gathered(root, Editing(C4, NONE_HELD, "pages"), "out")
    refused = read_table(root / "out/quarantine.arrow").to_pylist()
    assert counts.dropped == {"empty": 1, "empty_after_edits": 2}
    assert counts.quarantined == {"bad_json": 1}
    assert counts.records == 3002 == counts.documents + len(refused)
    blank = [row for row in refused if row["reason"] == "empty_after_edits"]
    assert [(row["fate"], row["path"], row["detail"]) for row in blank] == [
        ("dropped", "a.jsonl", "c4.unended_lines 2"),
        ("dropped", "a.jsonl", "c4.unended_lines 1"),
    ]
    assert blank[0]["offset"] == sum(len((f'{{"text": "{page(number)}"}}').replace("\n", "\\n")) + 1 for number in range(7))


def test_held_out_documents_stay_as_they_came_whatever_is_edited(root: Path) -> None:
    held_out = HeldOutSettings(fraction=0.1)
    counts = gathered(root, Editing(C4, held_out, "pages"), "out")
    documents, edits = read_table(root / "out/documents.arrow"), read_table(root / "out/edits.arrow")
    mark = select_held_out(edits["original_id"].combine_chunks(), "pages", held_out)
    assert 200 < mark.sum() < 400
    for text, is_held, row in zip(documents["text"].to_pylist(), mark, edits.select(COUNTS).to_pylist(), strict=True):
        assert text.startswith("Menu") == is_held
        assert (row["num_cut_bytes"] == 0) == is_held
    assert counts.edits is not None
    assert counts.edits.edited == counts.documents - mark.sum()


def test_a_source_that_is_not_named_is_not_edited(root: Path) -> None:
    chosen = EditSettings(c4=C4EditSettings(), sources=("other",))
    gathered(root, Editing(chosen, NONE_HELD, "pages"), "out")
    gathered(root, None, "plain")
    assert (root / "out/documents.arrow").read_bytes() == (root / "plain/documents.arrow").read_bytes()
    assert (root / "out/quarantine.arrow").read_bytes() == (root / "plain/quarantine.arrow").read_bytes()
    assert not (root / "plain/edits.arrow").exists()
    assert set(read_table(root / "out/edits.arrow")["num_cut_bytes"].to_pylist()) == {0}


def test_the_same_slice_gives_the_same_bytes_again(root: Path) -> None:
    for name in ("out", "again"):
        gathered(root, Editing(C4, HeldOutSettings(fraction=0.1), "pages"), name)
    for name in ("documents.arrow", "quarantine.arrow", "edits.arrow"):
        assert (root / "out" / name).read_bytes() == (root / "again" / name).read_bytes()
