"""A whole run that cuts repeated lines and substrings: the ledger, the rows, what it tells, and what is done again when a setting changes."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from curate.storage import checksum, read_table
from pipelines.context import Context
from pipelines.explain import as_json, as_text, explain_document
from pipelines.journal import Journal
from pipelines.runs import open_run, run
from pipelines.summary import Summary
from tests.pipelines.corpora import RECIPE, document, letter, write_jsonl

LINE = "This very line stands below each and every letter of the club."
LONG = letter(500, 80).rstrip(".")
CUTTING = RECIPE + "slice_bytes: 4096\ndedup:\n  lines: {}\n  substrings: {}\n  min_words_after_cuts: 20\n"
PLAIN = ["dedup.lines=null", "dedup.substrings=null"]


def texts() -> dict[str, str]:
    """Letters: odd ones with the line, every third with the long passage; one with little besides it, which is kept unless cut."""
    found = {f"letter-{n}": letter(n) + (f"\n{LINE}\n" if n % 2 else "\n") + (f"x{chr(97 + n)} {LONG} y{chr(97 + n)}" if n % 3 == 0 else "") for n in range(24)}
    return found | {"short": f"Some few words of the letter's own. {LONG}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("cuts")
    write_jsonl(folder / "archives" / "letters.jsonl", [{"id": name, "text": text} for name, text in texts().items()])
    (folder / "recipe.yaml").write_text(CUTTING, encoding="utf8")
    return folder, run(folder / "recipe.yaml", folder / "run", workers=1, until="manufacture")


@pytest.fixture(scope="module")
def context(made: tuple[Path, Summary]) -> Context:
    return open_run(made[0] / "run")


def columns(folder: Path, *names: str) -> dict[str, Any]:
    """Values by the letters' own ids, over all parts: text, keep, reason, spans, num_words."""
    found: dict[str, Any] = {}
    for file in sorted((folder / "documents").glob("*.arrow")):
        table: dict[str, list[Any]] = {"text": read_table(file)["text"].to_pylist()}
        for kind in ("ledger", "cuts"):
            if (folder / kind / file.name).exists():
                table |= read_table(folder / kind / file.name).to_pydict()
        for row, name in enumerate(read_table(file)["identifier"].to_pylist()):
            found[name] = tuple(table[column][row] for column in names) if len(names) > 1 else table[names[0]][row]
    return found


def without(text: str, spans: list[Mapping[str, Any]]) -> str:
    data, at, kept = text.encode(), 0, b""
    for span in spans:
        kept, at = kept + data[at : span["start"]], span["end"]
    return (kept + data[at:]).decode()


def test_each_repeat_is_left_once_and_each_letter_keeps_its_own_words(made: tuple[Path, Summary]) -> None:
    found = columns(made[0] / "run", "text", "spans", "keep")
    left = {name: without(text, spans) for name, (text, spans, _) in found.items()}
    trained = [text for name, text in left.items() if found[name][2]]
    assert sum(LINE in text for text in trained) == sum(LONG in text for text in trained) == 1
    for name, (_, _, keep) in found.items():
        assert not name.startswith("letter") or not keep or left[name].startswith(letter(int(name.split("-")[1])))


def test_a_document_with_too_little_left_is_dropped_and_the_sums_hold(made: tuple[Path, Summary]) -> None:
    folder, summary = made
    (source,) = summary.sources
    reasons = columns(folder / "run", "reason", "keep", "num_words")
    assert reasons["short"][:2] == ("too_short_after_cuts", False)
    assert reasons["short"][2] < 20
    assert source.dropped == {"too_short_after_cuts": 1}
    assert source.num_records == 25 == source.num_kept + source.num_held_out + 1
    assert source.funnel[-1].name == "too_short_after_cuts"
    kept = [without(text, spans) for text, spans, keep in columns(folder / "run", "text", "spans", "keep").values() if keep]
    assert source.num_kept_bytes == sum(len(text.encode()) for text in kept)
    assert sum(source.languages.values()) == source.num_kept == len(kept)
    made_of = [entry.counts for entry in open_run(folder / "run").entries("manufacture/causal/train-")]
    assert sum(counts["num_bytes"] for counts in made_of) == source.num_kept_bytes


def test_rows_decode_to_the_texts_as_they_were_cut(made: tuple[Path, Summary]) -> None:
    """Read as `datasets` reads them: row by row, each segment the token range of one document."""
    from datasets import Dataset

    run_folder = made[0] / "run"
    tokenizer = Tokenizer.from_file(str(run_folder / "fitted" / "tokenizer.json"))
    pieces: dict[str, list[tuple[int, list[int]]]] = {}
    for file in sorted((run_folder / "shards" / "causal" / "data").glob("train-*.arrow")):
        for row in Dataset(read_table(file)):
            at = 0
            for segment in row["segments"]:
                place = f"{segment['part']:08x}:{segment['document']}"
                pieces.setdefault(place, []).append((segment["start"], row["input_ids"][at + 1 : at + 1 + segment["length"]]))
                at += 1 + segment["length"]
    decoded = {place: tokenizer.decode([token for _, some in sorted(held) for token in some]) for place, held in pieces.items()}
    found = columns(run_folder, "text", "spans", "keep")
    assert decoded == {document(run_folder, name): without(text, spans) for name, (text, spans, keep) in found.items() if keep}


def test_explain_names_kind_bytes_and_the_first_occurrence(made: tuple[Path, Summary], context: Context) -> None:
    folder = made[0] / "run"
    spans = columns(folder, "spans", "text")
    first = {span["kind"]: f"{span['first_part']:08x}:{span['first_row']}" for held, _ in spans.values() for span in held}
    name = next(name for name, (held, _) in spans.items() if {span["kind"] for span in held} == {"lines", "substrings"})
    found = explain_document(context, name)
    assert [cut["kind"] for cut in found["cuts"]] == ["lines", "substrings"]
    for cut in found["cuts"]:
        assert cut["first"] == first[cut["kind"]] != found["document"]
        start, end = cut["bytes"]
        assert spans[name][1].encode()[start:end].decode().strip() in (LINE, f"{LONG} ", LONG)
        assert f"cut {cut['kind']} bytes {start}–{end}, first in {cut['first']}" in as_text(found)
    assert json.loads(as_json(found))["cuts"] == found["cuts"]


def test_summary_and_report_tell_documents_and_bytes_by_kind(made: tuple[Path, Summary]) -> None:
    folder, summary = made
    told = {cut.kind: cut for cut in summary.cuts}
    kept = [spans for spans, keep in columns(folder / "run", "spans", "keep").values() if keep]
    for kind in ("lines", "substrings"):
        lengths = [[span["end"] - span["start"] for span in spans if span["kind"] == kind] for spans in kept]
        assert (told[kind].num_documents, told[kind].num_spans, told[kind].num_bytes) == (
            sum(map(bool, lengths)),
            sum(map(len, lengths)),
            sum(map(sum, lengths)),
        )
    page = (folder / "run" / "report.html").read_text()
    assert "Cross-document cuts" in page
    assert f'<td>substrings</td><td class="n">{told["substrings"].num_documents}</td>' in page


def test_files_do_not_depend_on_how_many_workers_made_them(made: tuple[Path, Summary], tmp_path: Path) -> None:
    folder = made[0]
    assert len(list((folder / "run" / "documents").glob("*.arrow"))) > 1
    run(folder / "recipe.yaml", tmp_path / "run", workers=2, until="select")
    for kind in ("cuts", "ledger"):
        files = sorted(path.relative_to(tmp_path / "run") for path in (tmp_path / "run" / kind).rglob("*.arrow"))
        assert files
        assert [checksum(tmp_path / "run" / file) for file in files] == [checksum(folder / "run" / file) for file in files]


def test_an_edited_limit_decides_again_and_reads_no_text_and_without_cuts_nothing_of_them_is_left(made: tuple[Path, Summary], tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(made[0], folder, ignore=shutil.ignore_patterns(".lock"))
    before = {name: entry.key for name, entry in Journal(folder / "run" / "journal.jsonl").live.items()}
    summary = run(folder / "recipe.yaml", folder / "run", changes=["dedup.min_words_after_cuts=1"], workers=1, until="select")
    after = {name: entry.key for name, entry in Journal(folder / "run" / "journal.jsonl").live.items()}
    assert {name for name in before if name.startswith("select/") and after[name] != before[name]} == {"select/ledger"}
    assert summary.sources[0].dropped == {}
    plain = run(folder / "recipe.yaml", folder / "run", changes=PLAIN, workers=1, until="select")
    assert (plain.cuts, plain.sources[0].num_kept) == ((), summary.sources[0].num_kept)
    assert not [*(folder / "run" / "cuts").rglob("*.arrow"), *(folder / "run" / "ledger" / "decided").rglob("*")]
    other = run(folder / "recipe.yaml", tmp_path / "fresh", changes=PLAIN, workers=1, until="select")
    assert other.sources == plain.sources
    for file in sorted((tmp_path / "fresh" / "ledger").rglob("*.arrow")):
        assert checksum(file) == checksum(folder / "run" / file.relative_to(tmp_path / "fresh"))
