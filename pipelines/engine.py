"""Bring the units of a stage up to date: reuse what is current, do the rest, commit each as it finishes."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from curate.storage import ATTEMPT_SUFFIX, checksum, publish, sync_folder
from pipelines.context import Context
from pipelines.executors.local import Workers
from pipelines.journal import Entry, Journal
from pipelines.stages import STAGES
from pipelines.units import Unit, changes, perform

Progress = Callable[[str, int, int, int], None]  # stage, units done, units to do, units reused

# Folders that hold nothing but what the journal vouches for; whatever else lies there was left by a killed attempt.
SWEPT = ("documents", "quarantine", "measures", "index", "ledger", "cuts", "held_out", "fitted", "shards")

APPENDED_TO = "metrics/"  # files that a resumed training opens in place: two runs must not share them


@dataclass(frozen=True)
class Pending:
    """A unit that must run, and why."""

    unit: Unit
    why: tuple[str, ...]


def pending(context: Context, units: list[Unit]) -> list[Pending]:
    """Those units that are not committed with the key they have now, in order."""
    return [Pending(unit, why) for unit in units if (why := _why(context, unit))]


def bring_up_to_date(context: Context, stage: str, workers: Workers, progress: Progress, reuse: Journal | None = None) -> tuple[int, int]:
    """Run what a stage needs and withdraw what it no longer wants. Returns how many units ran, and how many were reused."""
    ran: set[str] = set()  # names, since a phase that comes twice must not be counted twice
    reused: set[str] = set()
    for phase in STAGES[stage]:
        units = phase(context)
        due = [item.unit for item in pending(context, units)]
        for unit in due:
            context.journal.void(unit.name)
        due = [unit for unit in due if not (reuse and _link(context, unit, reuse))]
        reused |= {unit.name for unit in units} - {unit.name for unit in due} - ran
        for number, entry in enumerate(_do(context, due, workers), 1):
            context.journal.record(entry)
            ran.add(entry.unit)
            progress(stage, number, len(due), len(reused))
    wanted = {unit.name for phase in STAGES[stage] for unit in phase(context)}
    for name in sorted(name for name, entry in context.journal.live.items() if entry.stage == stage and name not in wanted):
        outputs = context.journal.live[name].outputs
        context.journal.void(name)
        for path in outputs.keys() - context.journal.outputs().keys():
            (context.run / path).unlink(missing_ok=True)
    return len(ran), len(reused - ran)


def remove_attempts(run: Path) -> None:
    """Delete the unfinished files, and folders of checkpoints and models, of processes that were killed."""
    for path in sorted(run.rglob(f"*{ATTEMPT_SUFFIX}")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def sweep(context: Context) -> None:
    """Delete files that no journal line vouches for: published by an attempt that died before its line was written."""
    vouched = context.journal.outputs()
    for folder in SWEPT:
        for path in sorted((context.run / folder).rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(context.run).as_posix() not in vouched:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _why(context: Context, unit: Unit) -> tuple[str, ...]:
    entry = context.journal.live.get(unit.name)
    if entry is None:
        return ("not done yet",)
    if entry.key != unit.key:
        return tuple(changes(entry.ingredients, unit.ingredients)) or ("its key changed",)
    for path, (num_bytes, _) in entry.outputs.items():
        file = context.run / path
        if not file.exists():
            return (f"{path} is missing",)
        if file.stat().st_size != num_bytes:
            return (f"{path} has {file.stat().st_size} bytes, not {num_bytes}",)
    return ()


def _do(context: Context, units: list[Unit], workers: Workers) -> Iterator[Entry]:
    work = partial(perform, run=context.run)
    yield from workers.map(work, [unit for unit in units if not unit.in_parent], lambda unit: unit.name)
    yield from (work(unit) for unit in units if unit.in_parent)


def _hard_linked(source: Path, target: Path) -> bool:
    """False on another file system, or one without hard links."""
    try:
        os.link(source, target)
    except OSError:
        return False
    sync_folder(target.parent)
    return True


def _link(context: Context, unit: Unit, reuse: Journal) -> bool:
    """Take a unit's files over from another run that committed it under the same key."""
    entry = reuse.live.get(unit.name)
    if entry is None or entry.key != unit.key:
        return False
    other = reuse.path.parent
    if any(not (other / path).exists() or checksum(other / path) != about[1] for path, about in entry.outputs.items()):
        return False
    for path in entry.outputs:
        target = context.run / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if path.startswith(APPENDED_TO) or not _hard_linked(other / path, target):
            publish(target, partial(shutil.copyfile, other / path))
    context.journal.record(entry)
    return True
