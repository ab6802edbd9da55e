"""Every way a command can end, from outside: the code, one clear message, and nothing lost."""

import html
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.journal import Journal
from pipelines.lock import locked
from pipelines.runs import open_run, run
from tests.pipelines.corpora import ROOT, corpus, corpuscle, environment, letters, run_of_every_fate, write_jsonl
from tests.torture.harness import assert_same, fingerprints

BEFORE_FIT = ("documents/", "quarantine/", "measures/", "index/", "ledger/", "held_out/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_every_fate(tmp_path_factory.getbasetemp())


@pytest.fixture
def signals() -> Iterator[None]:
    """`main` sets handlers of its own; a test that calls it in this process puts the others back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def assert_ends(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    """That code, that message, no results and no traceback."""
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def code_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> tuple[int, str, str]:
    """As `corpuscle`, in this process: the code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["corpuscle", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    return left.value.code, *capsys.readouterr()


USAGE = [
    ((), r"Usage: .* COMMAND \[ARGS\]"),
    (("run",), "Missing argument"),
    (("frobnicate",), "No such command 'frobnicate'"),
    (("run", "recipe.yaml", "--bogus"), "No such option: --bogus"),
    (("run", "recipe.yaml", "--workers", "0"), "greater than or equal to 1"),
    (("run", "recipe.yaml", "--workers", "many"), "many|integer"),
    (("run", "nowhere.yaml"), "nowhere.yaml: the recipe cannot be read: No such file"),
    (("run", "recipe.yaml", "--until", "fly"), "--until fly: no such stage; the stages are gather, measure"),
    (("run", "recipe.yaml", "--set", "rules.c4.min_wrods=1"), "--set rules.c4.min_wrods: unknown key 'rules.c4.min_wrods'; did you mean"),
    (("run", "recipe.yaml", "--set", "sources=[1"), "--set sources:1: not valid YAML"),
    (("plan", "recipe.yaml", "--set", "seed"), "--set seed: give KEY=VALUE"),
    (("plan", "."), "Is a directory"),
    (("explain", "run"), "explain takes a document, --row SHARD:ROW or --item BENCHMARK:ITEM, one of the three"),
    (("explain", "run", "letter-1", "--row", "x:1"), "one of the three"),
    (("init", "."), "`init` overwrites nothing"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
@pytest.mark.usefixtures("signals")
def test_2_the_call_or_the_recipe_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    code, out, err = code_of(capsys, monkeypatch, *arguments)
    assert (code, out) == (2, ""), err
    assert re.search(message, err), err
    assert sorted(folder.rglob("*")) == before


def test_2_from_outside_for_an_unknown_option_and_an_unknown_key(folder: Path) -> None:
    assert_ends(corpuscle("plan", "recipe.yaml", "--bogus", cwd=folder), 2, "No such option: --bogus")
    assert_ends(corpuscle("plan", "recipe.yaml", "--set", "sede=1", cwd=folder), 2, "unknown key 'sede'; did you mean 'seed'")


@pytest.mark.parametrize("command", [("verify",), ("explain", "letter-1"), ("run", "recipe.yaml"), ("plan", "recipe.yaml")], ids=lambda command: command[0])
@pytest.mark.usefixtures("signals")
def test_1_a_damaged_journal_line_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    journal = copied / "run" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"unit"', b'"tinu"')
    journal.write_bytes(b"".join(lines))
    before = fingerprints(copied / "run")
    monkeypatch.chdir(copied)
    name, *rest = command
    code, out, err = code_of(capsys, monkeypatch, name, *(["run", *rest] if name in ("verify", "explain") else [*rest, "--run", "run"]))
    assert (code, out) == (1, "")
    assert "journal.jsonl, line 3: the line does not match its own checksum" in err
    assert journal.read_bytes() == b"".join(lines)
    assert fingerprints(copied / "run") == before


@pytest.mark.usefixtures("signals")
def test_1_an_input_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = corpus(tmp_path)
    (tmp_path / "archives" / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "archives" / "blob").write_bytes(b"\x00\x01\x02")
    run_it = partial(code_of, capsys, monkeypatch, "run", recipe, "--run", tmp_path / "run", "--workers", "1", "--until", "measure")
    code, _, err = run_it("--set", 'sources.0.paths=["*"]', "--set", "sources.0.format=auto")
    assert code == 1
    assert re.search(r"blob has a name and first bytes that tell no format\. Set the source's format", err)
    code, _, err = run_it("--set", "benchmarks=[{name: sums, path: loop.jsonl, fields: [question]}]")
    assert code == 1
    assert re.search(r"loop\.jsonl: the input file cannot be read: .*Make it readable, or correct its path", err)
    assert Journal(tmp_path / "run" / "journal.jsonl").live == {}  # told before any work


@pytest.mark.usefixtures("signals")
def test_1_a_name_that_fits_no_document(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = code_of(capsys, monkeypatch, "explain", folder / "run", "nobody", "--json")
    assert (code, out) == (1, "")
    assert "error: no document or record of this run fits 'nobody'" in err


def test_1_from_outside_for_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert_ends(corpuscle("verify", tmp_path), 1, "is not a run: it has no recipe.yaml")


@pytest.mark.usefixtures("signals")
def test_3_gates_fail_and_everything_is_written_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 5 % in quarantine, a rule that drops everything and a glob without files, in one run."""
    recipe = corpus(tmp_path)
    write_jsonl(tmp_path / "archives" / "letters.jsonl", [*letters(12), "{damaged"])
    changes = ["--set", 'sources.0.paths=["letters.jsonl", "lettres-*.jsonl"]', "--set", "rules.gopher_quality.min_words=5000"]
    code, out, err = code_of(capsys, monkeypatch, "run", recipe, "--run", tmp_path / "run", "--workers", "1", "--until", "select", *changes, "--json")
    assert code == 3, err
    for message in (
        "1 of 13 records (7.7%) are in quarantine, over the limit of 5.0%.",
        "Rule gopher_quality.min_words (words.num_words >= 5000) failed all 12 documents it judged.",
        "Source letters: no file matches lettres-*.jsonl.",
    ):
        assert f"gate failed: {message}" in err
        assert html.escape(message) in (tmp_path / "run" / "report.html").read_text()
    assert json.loads(out)["sources"]["letters"]["dropped"] == {"gopher_quality.min_words": 12}
    assert len(list((tmp_path / "run" / "ledger").glob("*.arrow"))) == 2
    assert "select/ledger" in open_run(tmp_path / "run").journal.live


def test_4_a_full_disk_loses_nothing_and_the_next_run_with_room_finishes_the_same(folder: Path, tmp_path: Path) -> None:
    """No file may grow beyond 9,000 bytes: documents can be written, a file of signatures or the journal cannot."""
    no_room = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (9000, 9000))
    full = corpuscle("run", folder / "recipe.yaml", "--run", tmp_path / "run", "--workers", "1", preexec_fn=no_room)
    assert_ends(full, 4, "a file-size limit was reached.*run again to resume")
    assert len(fingerprints(tmp_path / "run")) > 0
    assert fingerprints(tmp_path / "run").items() <= fingerprints(folder / "run").items()
    run(folder / "recipe.yaml", tmp_path / "run", workers=1, until="select")
    assert_same_before_fit(tmp_path / "run", folder / "run")


def assert_same_before_fit(mine: Path, undisturbed: Path) -> None:
    expected = {path: checksum for path, checksum in fingerprints(undisturbed).items() if path.startswith(BEFORE_FIT)}
    assert fingerprints(mine) == expected
    assert_same(mine, mine)  # no attempt was left behind


def test_4_a_run_folder_that_is_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert_ends(corpuscle("run", folder / "recipe.yaml", "--run", tmp_path / "file"), 4, "file cannot be used as a run folder: .*Give another with --run")
    assert (tmp_path / "file").read_text() == "mine"


def test_4_a_folder_in_use_names_who_uses_it_and_readers_do_not_wait(folder: Path) -> None:
    with locked(folder / "run"):
        assert_ends(corpuscle("run", folder / "recipe.yaml", "--run", folder / "run"), 4, r"is in use by process \d+ on .*Wait for it")
        assert corpuscle("verify", folder / "run").returncode == 0


def stopped(recipe: Path, run: Path, number: int, workers: int) -> subprocess.CompletedProcess[str]:
    """Run until the journal has grown, send the signal, and wait for the end."""
    command = [sys.executable, "-m", "pipelines.cli", "run", str(recipe), "--run", str(run), "--workers", str(workers)]
    before, deadline = num_lines(run), time.monotonic() + 60
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while num_lines(run) < before + 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    return subprocess.CompletedProcess(command, process.wait(timeout=30), *process.communicate())


def num_lines(run: Path) -> int:
    path = run / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_130_and_143_a_signal_in_the_middle_saves_what_is_done_and_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    recipe, undisturbed, mine = folder / "recipe.yaml", folder / "run", tmp_path / "run"
    for number, code, word, workers in ((signal.SIGINT, 130, "interrupted", 2), (signal.SIGTERM, 143, "terminated", 1)):
        before = set(Journal(mine / "journal.jsonl").live)
        assert_ends(stopped(recipe, mine, number, workers), code, f"{word}. Everything committed is safe; give the same command again to resume.")
        done = Journal(mine / "journal.jsonl").live
        assert before < set(done)
        assert "fit/tokenizer" not in done
    run(recipe, mine, workers=1, until="select")
    assert_same_before_fit(mine, undisturbed)


def test_0_a_plan_before_the_first_run(folder: Path, tmp_path: Path) -> None:
    done = corpuscle("plan", folder / "recipe.yaml", "--run", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "run").exists()
