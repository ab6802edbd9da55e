"""The part of select that finds cut-offs: values that rules need of the whole corpus before they can judge one document."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.rules.cutoffs import Cutoff, value_at
from curate.rules.settings import RuleSettings
from curate.storage import read_table, write_bytes
from pipelines.context import Context
from pipelines.parts import parts
from pipelines.units import Done, Unit

VERSION = 1
UNIT = "select/cutoffs"
CUTOFFS = "fitted/cutoffs.json"


def cutoffs(context: Context) -> list[Unit]:
    """One unit for all cut-offs that the rules ask for. Every gathered document counts, whatever other rules say of it."""
    wanted = context.recipe.rules.cutoffs()
    everything = parts(context)
    if not wanted or not everything:
        return []
    families = sorted({cutoff.column.partition(".")[0] for cutoff in wanted})
    files = {family: [part.measure_file(family) for part in everything] for family in families}
    arguments = {
        "measures": {family: [context.run / file for file in files[family]] for family in families},
        "wanted": [list(cutoff) for cutoff in wanted],
        "target": context.run / CUTOFFS,
    }
    inputs = {file: context.written(file) for family in families for file in files[family]}
    return [Unit(UNIT, VERSION, find_cutoffs, arguments, arguments["wanted"], inputs)]


def rules_in_force(context: Context) -> RuleSettings:
    """The recipe's rules with the cut-offs that were found as their limits."""
    found = context.journal.live.get(UNIT)
    return context.recipe.rules.with_cutoffs(found.counts["values"]) if found else context.recipe.rules


def find_cutoffs(measures: dict[str, list[Path]], wanted: list[list[Any]], target: Path) -> Done:
    found = values(measures, [Cutoff(*one) for one in wanted])
    return Done([write_bytes(target, json.dumps(found, indent=1, sort_keys=True).encode())], {"values": found})


def values(measures: Mapping[str, list[Path]], wanted: Sequence[Cutoff]) -> dict[str, float]:
    """The value of each cut-off, by its name. measures: the files of all parts, by family."""
    found: dict[str, float] = {}
    for cutoff in wanted:
        family, _, column = cutoff.column.partition(".")
        batches = partial(_column, measures[family], column)
        num_documents = sum(len(batch) for batch in batches())
        found[cutoff.name] = value_at(batches, cutoff.rank(num_documents))
    return found


def _column(files: list[Path], column: str) -> Iterator[NDArray[np.generic]]:
    """A column part by part."""
    return (read_table(file, [column])[column].to_numpy() for file in files)
