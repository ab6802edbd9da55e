"""Decisions as views: how long `corpuscle whatif` takes without start-up, against its limit of 2 s a million documents, with a profile by step.

    python -m tests.bench.bench_whatif [--documents 200_000] [--scratch DIR]

The run is tests/bench/synthetic_run.py's: measures of real chunks drawn again and again, 8,192 documents a part, planted copies, index and
ledger made by the stages. Each change is asked five times in one process; the fastest is told, since other work on the machine
only adds. A step's time is that of the thread that waits for it: parts are judged in threads while the other facts are read.
"""

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.executors.local import available_cores
from pipelines.runs import open_run
from pipelines.sweep import sweep
from pipelines.whatif import whatif
from tests.bench.synthetic_run import make_run

LIMIT = 2.0  # seconds a million documents
REPEATS = 5
CHANGES = {
    "one rule tighter": ["rules.gopher_quality.min_words=100"],
    "one rule looser": ["rules.gopher_quality.min_words=20"],
    "an early rule looser": ["rules.gopher_repetition.max_duplicate_5_gram_characters_fraction=0.4"],
    "a set off": ["rules.c4=null"],
    "near limit moved": ["dedup.near.min_similarity=0.8"],
    "no near-duplicates": ["dedup.near=null"],
    "representative": ["dedup.representative=earliest"],
}
# Step -> the function that does it, as pipelines.whatif (or the module named) knows it.
STEPS = {
    "check and plan": ("pipelines.whatif", "changed_view"),
    "facts and rules": ("pipelines.whatif", "facts"),
    "link and decide": ("pipelines.whatif", "decision"),
    "near alone": ("pipelines.stages.decide", "link_near"),
    "examples": ("pipelines.whatif", "shown"),
}


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def watched(seconds: dict[str, float]) -> None:
    """Let every step add its time to `seconds`."""

    def wrapped(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                seconds[step] += time.perf_counter() - start

        return call

    for step, (module, name) in STEPS.items():
        owner = importlib.import_module(module)
        setattr(owner, name, wrapped(step, getattr(owner, name)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--scratch", type=Path, default=None)
    given = parser.parse_args()
    steps = dict.fromkeys(STEPS, 0.0)
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        context = open_run(make_run(Path(scratch), given.documents))
        millions = given.documents / 1e6
        whatif(context, CHANGES["one rule looser"])  # compiles, loads the columns' code
        watched(steps)
        print(f"{given.documents:,} documents, {available_cores()} cores; limit {LIMIT * millions:.2f} s ({LIMIT} s a million)")
        for name, changes in CHANGES.items():
            best, by_step = (float("inf"), float("inf")), dict(steps)
            for _ in range(REPEATS):
                steps.update(dict.fromkeys(STEPS, 0.0))
                found = timed(lambda: whatif(context, changes))  # noqa: B023 - called before the next
                if found < best:
                    best, by_step = found, dict(steps)
            told = ", ".join(f"{step} {seconds:.2f}" for step, seconds in by_step.items())
            print(f"{name:22} {best[0]:6.2f} s ({best[0] / (LIMIT * millions):4.2f} of the limit), processor {best[1]:.2f} s   {told}")
        values = ["20", "50", "100", "200", "null"]
        several = min(timed(lambda: sweep(context, "gopher_quality.min_words", values)) for _ in range(REPEATS))
        print(f"sweep of {len(values)} values     {several[0]:6.2f} s, {several[0] / len(values):.2f} s a value")


if __name__ == "__main__":
    main()
