"""What runs, what is reused, what is removed: the engine over small stages of plain functions."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from curate.errors import InputError
from curate.storage import ATTEMPT_SUFFIX, write_bytes
from pipelines.context import Context
from pipelines.engine import bring_up_to_date, pending, remove_attempts, sweep
from pipelines.executors.local import Workers
from pipelines.journal import Journal
from pipelines.plan import plan
from pipelines.recipe import Recipe, load
from pipelines.runs import quiet
from pipelines.stages import STAGES
from pipelines.units import Done, Unit
from tests.pipelines.corpora import corpus


def copy(source: Path, targets: list[Path]) -> Done:
    return Done([write_bytes(target, source.read_bytes()) for target in targets])


def fail(source: Path, targets: list[Path]) -> Done:
    raise InputError(f"{source} is bad")


def note_what_the_journal_says(journal: Path, unit: str, target: Path) -> Done:
    told = b"live" if unit in Journal(journal).live else b"void"
    return Done([write_bytes(target, told)])


@dataclass
class Wanted:
    """A stage of one phase: one unit for each file that a test puts in, done in the parent unless `spawned`."""

    folder: Path
    version: int = 1
    settings: Any = None
    inputs: dict[str, str] = field(default_factory=dict)  # name -> checksum as told to the key
    outputs: list[str] = field(default_factory=lambda: ["documents/{}.txt"])
    spawned: bool = False
    failing: frozenset[str] = frozenset()

    def put(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        self.inputs[name] = content

    def __call__(self, context: Context) -> list[Unit]:
        return [self.unit(context.run, name) for name in self.inputs]

    def unit(self, run: Path, name: str) -> Unit:
        arguments = {"source": self.folder / name, "targets": [run / output.format(name) for output in self.outputs]}
        work = fail if name in self.failing else copy
        return Unit(f"gather/{name}", self.version, work, arguments, self.settings, {"it": self.inputs[name]}, in_parent=not self.spawned)


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    folder = tmp_path / "inputs"
    folder.mkdir()
    stage = Wanted(folder)
    for name in "abc":
        stage.put(name, f"content of {name}")
    monkeypatch.setitem(STAGES, "gather", (stage,))
    return stage


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load(corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture
def context(recipe: Recipe, wanted: Wanted, tmp_path: Path) -> Context:
    (tmp_path / "run").mkdir()
    return Context.open(recipe, tmp_path / "run")


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


def reopened(context: Context) -> Context:
    return Context.open(context.recipe, context.run)


def test_what_is_done_is_not_done_again(context: Context, workers: Workers) -> None:
    assert bring_up_to_date(context, "gather", workers, quiet) == (3, 0)
    lines = context.journal.path.read_bytes()
    assert bring_up_to_date(reopened(context), "gather", workers, quiet) == (0, 3)
    assert context.journal.path.read_bytes() == lines
    assert (context.run / "documents" / "b.txt").read_text() == "content of b"


def test_the_same_comes_out_of_worker_processes(context: Context, wanted: Wanted, workers: Workers) -> None:
    wanted.spawned = True
    assert bring_up_to_date(context, "gather", workers, quiet) == (3, 0)
    assert sorted(context.journal.outputs()) == ["documents/a.txt", "documents/b.txt", "documents/c.txt"]


@pytest.mark.parametrize(("change", "why"), [({"version": 2}, "version: 1 → 2"), ({"settings": {"min": 3}}, 'settings: null → {"min":3}')])
def test_another_version_or_setting_runs_every_unit_again_and_says_why(
    context: Context, wanted: Wanted, workers: Workers, change: dict[str, Any], why: str
) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    for name, value in change.items():
        setattr(wanted, name, value)
    assert [item.why for item in pending(context, wanted(context))] == [(why,)] * 3
    assert bring_up_to_date(context, "gather", workers, quiet) == (3, 0)
    assert pending(reopened(context), wanted(context)) == []


def test_another_input_runs_its_own_unit_again(context: Context, wanted: Wanted, workers: Workers) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    wanted.put("b", "another content")
    (item,) = pending(context, wanted(context))
    assert (item.unit.name, item.why) == ("gather/b", ('inputs.it: "content of b" → "another content"',))
    assert bring_up_to_date(context, "gather", workers, quiet) == (1, 2)
    assert (context.run / "documents" / "b.txt").read_text() == "another content"


def test_a_missing_output_is_made_again(context: Context, wanted: Wanted, workers: Workers) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    (context.run / "documents" / "a.txt").unlink()
    assert [item.why for item in pending(context, wanted(context))] == [("documents/a.txt is missing",)]
    assert bring_up_to_date(context, "gather", workers, quiet) == (1, 2)
    assert (context.run / "documents" / "a.txt").read_text() == "content of a"


def test_an_output_of_another_size_is_made_again(context: Context, wanted: Wanted, workers: Workers) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    (context.run / "documents" / "c.txt").write_text("cut")
    assert [item.why for item in pending(context, wanted(context))] == [("documents/c.txt has 3 bytes, not 12",)]
    assert bring_up_to_date(context, "gather", workers, quiet) == (1, 2)
    assert (context.run / "documents" / "c.txt").read_text() == "content of c"


def test_a_unit_no_longer_wanted_is_withdrawn_and_its_files_deleted(context: Context, wanted: Wanted, workers: Workers) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    del wanted.inputs["b"]
    assert bring_up_to_date(context, "gather", workers, quiet) == (0, 2)
    assert sorted(reopened(context).journal.live) == ["gather/a", "gather/c"]
    assert sorted(path.name for path in (context.run / "documents").iterdir()) == ["a.txt", "c.txt"]


def test_a_file_that_another_unit_vouches_for_outlives_the_withdrawn_one(context: Context, wanted: Wanted, workers: Workers) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    wanted.outputs = ["documents/all.txt"]
    wanted.inputs = {"a": wanted.inputs["a"]}
    wanted.version = 2
    bring_up_to_date(context, "gather", workers, quiet)
    wanted.put("d", wanted.inputs.pop("a"))
    bring_up_to_date(context, "gather", workers, quiet)
    assert list(context.journal.live) == ["gather/d"]
    assert (context.run / "documents" / "all.txt").read_text() == "content of a"


def test_the_units_of_other_stages_are_left_alone(context: Context, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    monkeypatch.setitem(STAGES, "measure", (lambda context: [],))
    assert bring_up_to_date(context, "measure", workers, quiet) == (0, 0)
    assert len(context.journal.live) == 3


def test_a_line_withdraws_a_unit_before_its_files_are_replaced(context: Context, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    def phase(context: Context) -> list[Unit]:
        target = context.run / "documents" / "told.txt"
        arguments = {"journal": context.journal.path, "unit": "gather/told", "target": target}
        return [Unit("gather/told", version, note_what_the_journal_says, arguments, in_parent=True)]

    monkeypatch.setitem(STAGES, "gather", (phase,))
    version = 1
    bring_up_to_date(context, "gather", workers, quiet)
    version = 2
    assert "gather/told" in reopened(context).journal.live
    bring_up_to_date(context, "gather", workers, quiet)
    assert (context.run / "documents" / "told.txt").read_text() == "void"
    assert reopened(context).journal.live["gather/told"].ingredients["version"] == 2


def test_a_unit_that_fails_leaves_the_others_committed_and_is_the_only_one_to_run_next(context: Context, wanted: Wanted, workers: Workers) -> None:
    wanted.failing = frozenset("c")
    with pytest.raises(InputError, match="c is bad"):
        bring_up_to_date(context, "gather", workers, quiet)
    wanted.failing = frozenset()
    assert bring_up_to_date(reopened(context), "gather", workers, quiet) == (1, 2)


def test_a_phase_that_comes_twice_is_counted_once(context: Context, wanted: Wanted, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, "gather", (wanted, wanted))
    for stage in list(STAGES)[1:]:
        monkeypatch.setitem(STAGES, stage, ())
    assert bring_up_to_date(context, "gather", workers, quiet) == (3, 0)
    assert bring_up_to_date(context, "gather", workers, quiet) == (0, 3)
    assert (plan(context)[0].num_current, plan(context)[0].num_to_run) == (3, 0)
    wanted.put("a", "new")
    assert (plan(context)[0].num_current, plan(context)[0].num_to_run) == (2, 1)


def test_progress_counts_what_is_done_and_what_is_to_do(context: Context, wanted: Wanted, workers: Workers) -> None:
    told: list[tuple[str, int, int, int]] = []
    bring_up_to_date(context, "gather", workers, lambda *numbers: told.append(numbers))
    wanted.put("b", "new")
    bring_up_to_date(context, "gather", workers, lambda *numbers: told.append(numbers))
    assert told == [("gather", 1, 3, 0), ("gather", 2, 3, 0), ("gather", 3, 3, 0), ("gather", 1, 1, 2)]


def test_leftovers_of_killed_attempts_are_swept_and_what_the_journal_vouches_for_stays(context: Context, workers: Workers) -> None:
    bring_up_to_date(context, "gather", workers, quiet)
    attempt = context.run / "documents" / f"x.arrow.123{ATTEMPT_SUFFIX}"
    published = context.run / "measures" / "words" / "without-a-line.arrow"
    foreign = context.run / "notes.txt"
    for path in (attempt, published, foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left over")
    remove_attempts(context.run)
    assert not attempt.exists()
    assert published.exists()
    sweep(context)
    assert not published.exists()
    assert not (context.run / "measures" / "words").exists()
    assert foreign.exists()
    assert pending(context, STAGES["gather"][0](context)) == []


def other_run(context: Context, workers: Workers) -> Journal:
    """The run as it is now, moved to another folder, and an empty one in its place."""
    bring_up_to_date(context, "gather", workers, quiet)
    other = context.run.with_name("other")
    shutil.move(context.run, other)
    context.run.mkdir()
    return Journal(other / "journal.jsonl")


def test_reuse_links_the_files_of_equal_keys(context: Context, workers: Workers) -> None:
    other = other_run(context, workers)
    again = reopened(context)
    assert bring_up_to_date(again, "gather", workers, quiet, other) == (0, 3)
    mine, theirs = context.run / "documents" / "a.txt", other.path.parent / "documents" / "a.txt"
    assert mine.stat().st_ino == theirs.stat().st_ino
    assert reopened(context).journal.live == other.live


def test_reuse_does_not_take_other_keys_or_damaged_files(context: Context, wanted: Wanted, workers: Workers) -> None:
    other = other_run(context, workers)
    wanted.put("a", "changed since")
    (other.path.parent / "documents" / "b.txt").write_text("damaged, b..")
    assert bring_up_to_date(reopened(context), "gather", workers, quiet, other) == (2, 1)
    assert (context.run / "documents" / "a.txt").read_text() == "changed since"
    assert (context.run / "documents" / "b.txt").read_text() == "content of b"


def test_a_linked_file_that_is_made_again_leaves_the_other_run_as_it_was(context: Context, wanted: Wanted, workers: Workers) -> None:
    other = other_run(context, workers)
    again = reopened(context)
    bring_up_to_date(again, "gather", workers, quiet, other)
    wanted.put("a", "changed since")
    bring_up_to_date(again, "gather", workers, quiet, other)
    assert (context.run / "documents" / "a.txt").read_text() == "changed since"
    assert (other.path.parent / "documents" / "a.txt").read_text() == "content of a"


def test_unfinished_folders_of_a_killed_process_are_removed_with_all_they_hold(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / "causal" / f"step-00000002.77{ATTEMPT_SUFFIX}"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    (left / f"inner.77{ATTEMPT_SUFFIX}").write_bytes(b"half")
    remove_attempts(tmp_path)
    assert list(tmp_path.rglob(f"*{ATTEMPT_SUFFIX}")) == []
    assert left.parent.is_dir()
