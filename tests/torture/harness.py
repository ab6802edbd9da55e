"""Kill runs and compare folders.

python -m tests.torture.harness RECIPE RUN LINES    run until LINES journal lines were appended, then die by SIGKILL
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from curate.storage import ATTEMPT_SUFFIX, checksum

ROOT = Path(__file__).parents[2]
COMPARED = ("documents", "quarantine", "measures", "index", "ledger", "held_out", "fitted", "shards", "checkpoints", "metrics", "models")


def fingerprints(run: Path) -> dict[str, str]:
    """The checksum of every file that a run promises to make alike, by relative path."""
    files = (path for folder in COMPARED for path in sorted((run / folder).rglob("*")) if path.is_file())
    return {path.relative_to(run).as_posix(): checksum(path) for path in files}


def assert_same(run: Path, other: Path) -> None:
    """Every promised file is in both runs with the same bytes, and no attempt was left behind."""
    mine, theirs = fingerprints(run), fingerprints(other)
    assert mine, f"{run} holds nothing to compare"
    assert mine.keys() == theirs.keys(), sorted(mine.keys() ^ theirs.keys())
    differing = [path for path in mine if mine[path] != theirs[path]]
    assert not differing, differing
    assert not list(run.rglob(f"*{ATTEMPT_SUFFIX}"))


def command(recipe: Path, run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", "run", str(recipe), "--run", str(run), *more]


def finish(recipe: Path, run: Path, *more: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end; fails with what the run said where it does not get there."""
    done = subprocess.run(command(recipe, run, *more), cwd=ROOT, capture_output=True, text=True, env={**os.environ, **(env or {})})
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-4000:]}"
    return done


def kill_after_lines(recipe: Path, run: Path, lines: int) -> bool:
    """True if the run died as asked, false if it finished before that many lines."""
    done = subprocess.run([sys.executable, "-m", "tests.torture.harness", str(recipe), str(run), str(lines)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-4000:]
    return done.returncode != 0


def kill_after_seconds(recipe: Path, run: Path, seconds: float) -> bool:
    """True if the run was killed at that moment, false if it finished before."""
    process = subprocess.Popen(command(recipe, run), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        time.sleep(0.2)  # its workers die with it, a moment later
        return True
    assert process.returncode == 0, said.decode()[-4000:]
    return False


def moments(seed: int, count: int, longest: float) -> Iterable[float]:
    """Random moments within a run that takes `longest` seconds; the same for the same seed."""
    source = random.Random(seed)
    return (source.uniform(0.2, longest) for _ in range(count))


def _die_after(lines: int) -> None:
    from pipelines.journal import Journal

    append = Journal._append
    appended = 0

    def append_and_die(self: Journal, record: dict[str, object]) -> None:
        nonlocal appended
        append(self, record)
        appended += 1
        if appended == lines:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal._append = append_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    from pipelines.cli import main

    recipe, run, lines = sys.argv[1:]
    _die_after(int(lines))
    sys.argv = ["corpuscle", "run", recipe, "--run", run]
    main()
