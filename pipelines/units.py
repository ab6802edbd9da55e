"""A unit of work: one stage × one slice or part, with a key that says exactly what its result depends on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from curate.storage import Output
from pipelines.journal import Entry, canonical


@dataclass(frozen=True)
class Done:
    """What a unit's work returns: the files it published and facts for the summary."""

    outputs: list[Output]
    counts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """`work(**arguments)` is called in a worker process. `settings` and `inputs` (label -> checksum of content) and `seed`
    (only where the work draws) make the key; `arguments` carry paths and never decide a byte by themselves."""

    name: str  # "stage/…", unique in a run
    version: int  # of the step's code: raised when its bytes change for the same settings and inputs
    work: Callable[..., Done]
    arguments: Mapping[str, Any]
    settings: Any = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    in_parent: bool = False  # done by the parent process itself, after the others: training, which uses every core

    @property
    def ingredients(self) -> dict[str, Any]:
        return {"version": self.version, "settings": self.settings, "inputs": dict(self.inputs), "seed": self.seed}

    @property
    def key(self) -> str:
        return xxhash.xxh3_128_hexdigest(canonical([self.name, self.ingredients]).encode())


def perform(unit: Unit, run: Path) -> Entry:
    """Do a unit's work (in whatever process this is) and describe it for the journal."""
    start = time.perf_counter()
    done = unit.work(**unit.arguments)
    outputs = {output.path.relative_to(run).as_posix(): (output.num_bytes, output.checksum) for output in done.outputs}
    return Entry(unit.name, unit.key, unit.ingredients, outputs, done.counts, round(time.perf_counter() - start, 3))


def changes(old: Any, new: Any, prefix: str = "") -> list[str]:
    """What differs between two JSON values, as `path: old → new` lines; whole subtrees that came or went are one line."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines: list[str] = []
        for name in sorted(old.keys() | new.keys()):
            path = f"{prefix}.{name}" if prefix else str(name)
            if name not in old:
                lines.append(f"{path}: added")
            elif name not in new:
                lines.append(f"{path}: removed")
            else:
                lines += changes(old[name], new[name], path)
        return lines
    return [] if old == new else [f"{prefix}: {_short(old)} → {_short(new)}"]


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else text[:57] + "…"
