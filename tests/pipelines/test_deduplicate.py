"""`corpuscle dedup` as its user meets it."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curate.dedup.files import Fields
from curate.storage import read_table
from pipelines.cli import app
from pipelines.deduplicate import deduplicate_files, near_settings
from tests.pipelines.corpora import corpuscle

BASE = " ".join(f"word{k}" for k in range(200))
OTHER = " ".join(f"other{k}" for k in range(20))
RECORDS = [
    {"id": "a", "text": BASE},
    {"id": 2, "text": f"{BASE} {OTHER}"},
    {"text": "something else"},
    {"id": "d", "text": "something else"},
    {"id": "e", "text": "alone"},
]


def dedup(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dedup", *map(str, arguments)])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


def offset_of(path: Path, number: int) -> int:
    return sum(len(line) for line in path.read_bytes().splitlines(keepends=True)[:number])


def test_kept_ids_go_to_stdout_and_the_rest_of_the_story_to_stderr(corpus: Path) -> None:
    result = dedup(corpus)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["2", f"{corpus}:{offset_of(corpus, 2)}", "e"]
    assert result.stderr.splitlines() == ["5 lines: 3 documents kept, 1 exact and 1 near-duplicates"]


def test_the_earliest_or_stricter_similarity_can_be_asked_for(corpus: Path) -> None:
    assert dedup(corpus, "--earliest").stdout.splitlines()[0] == "a"
    assert dedup(corpus, "--threshold", "0.999").stdout.splitlines()[:2] == ["a", "2"]


def test_counts_as_json_add_up_and_name_refused_lines(corpus: Path) -> None:
    with corpus.open("a") as file:
        file.write('broken\n{"text": 5}')
    result = dedup(corpus, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["lines"] == told["documents"] + sum(told["refused"].values()) == 7
    assert told["documents"] == told["kept"] + told["exact_duplicates"] + told["near_duplicates"] == 5
    assert told["refused"] == {"bad_json": 1, "no_text_field": 1}
    assert [(one["path"], one["offset"], one["reason"]) for one in told["first_refused"]] == [
        (str(corpus), offset_of(corpus, 5), "bad_json"),
        (str(corpus), offset_of(corpus, 6), "no_text_field"),
    ]
    assert f"{corpus} at {offset_of(corpus, 5)}: bad_json" in result.stderr
    assert result.stderr.splitlines()[-1].endswith(", 2 refused")


def test_kept_lines_and_verdicts_are_written_on_request(corpus: Path, tmp_path: Path) -> None:
    out, verdicts = tmp_path / "new" / "kept.jsonl", tmp_path / "verdicts.arrow"
    assert dedup(corpus, "--lines", out, "--verdicts", verdicts).exit_code == 0
    lines = corpus.read_bytes().splitlines(keepends=True)
    assert out.read_bytes() == lines[1] + lines[2] + lines[4]
    assert read_table(verdicts)["verdict"].to_pylist() == ["near_duplicate", "kept", "kept", "exact_duplicate", "kept"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["kept.jsonl"], "no scratch is left beside it"


def test_compressed_files_and_several_are_read_as_one_corpus(corpus: Path, tmp_path: Path) -> None:
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps({"key": "z", "body": "alone"}).encode()))
    assert dedup(corpus, packed, "--workers", "1").stdout.splitlines() == dedup(corpus).stdout.splitlines(), "it has no field text"
    assert dedup(packed, "--text-field", "body", "--id-field", "key").stdout == "z\n"


def test_a_file_given_twice_or_to_be_overwritten_is_refused(corpus: Path) -> None:
    for arguments, told in (((corpus, corpus.parent / "." / corpus.name), "is given twice"), ((corpus, "--lines", corpus), "would be overwritten")):
        before = corpus.read_bytes()
        code, out, error = run(*arguments)
        assert (code, out) == (1, "")
        assert told in error
        assert corpus.read_bytes() == before


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """The command in a process of its own, where errors become messages and exit codes."""
    done = corpuscle("dedup", *map(str, arguments))
    return done.returncode, done.stdout, done.stderr


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    code, out, error = run(tmp_path / "none.jsonl")
    assert code == 1
    assert out == ""
    assert "none.jsonl cannot be read" in error
    assert "Traceback" not in error


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    result = dedup(tmp_path / "a.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == ["0 lines: 0 documents kept, 0 exact and 0 near-duplicates"]


def test_the_library_gives_what_the_command_gives(corpus: Path) -> None:
    given: list[str] = []

    counts = deduplicate_files([corpus], near_settings(threshold=0.7), fields=Fields(), representative="longest", threads=1, ids=given.append)
    assert counts["kept"] == 3
    assert "\n".join(given).splitlines()[0] == "2"
