"""Measure families: pure functions from a column of text to named columns of the same length.

A family is a module with `SCHEMA` (its columns), `VERSION` (raised whenever a value changes), `Settings` and
`measure(texts, settings) -> pa.Table`. Rules read the columns; nothing here keeps or drops a document.
"""

import difflib
import importlib
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from curate.documents import as_text
from curate.errors import RecipeError
from curate.measures.own import load_own, own_families

# Modules by name, not imported: a process that measures one family should not load the models of the others or compile their kernels.
FAMILIES: dict[str, str] = {
    "identity": "curate.measures.identity",
    "language": "curate.measures.language",
    "words": "curate.measures.words",
    "lines": "curate.measures.lines",
    "repetition": "curate.measures.repetition",
    "spaced": "curate.measures.spaced",
    "dolma": "curate.measures.dolma",
    "dclm": "curate.measures.dclm",
    "stop_words": "curate.measures.stop_words",
    "signature": "curate.measures.signature",
    "shingles": "curate.measures.shingles",
    "benchmarks": "curate.measures.benchmarks",
    "perplexity": "curate.measures.perplexity",
    "url": "curate.measures.url",
    "quality": "curate.measures.quality",
}
BY_NAME_ONLY = frozenset({"shingles"})  # as large as half the text; measured where it is asked for
WRITTEN_BY_GATHER = frozenset({"edits"})  # what was cut from a document cannot be measured afterwards
NEEDING_SETTINGS = frozenset({"benchmarks", "url", "quality", "perplexity"})  # an index, lists or models to match against; there is no default


def family(name: str) -> Any:
    """The module of one family, ours or an installed package's. Raises RecipeError for an unknown name."""
    if name in FAMILIES:
        return importlib.import_module(FAMILIES[name])
    if (point := own_families().get(name)) is not None:
        return load_own(point)
    known = [*FAMILIES, *own_families()]
    nearest = difflib.get_close_matches(name, known, 1, 0)[0]
    raise RecipeError(f"there is no measure family {name!r}; did you mean {nearest!r}? The families are {', '.join(known)}.")


def measure(texts: Sequence[str] | pa.Array | pa.ChunkedArray, families: Iterable[str] | None = None) -> pa.Table:
    """The columns of several families side by side, one row a text, each family with its default settings.

    families: names; all that need no settings when None, but for the shingles. Raises RecipeError for an unknown family or one that needs
    settings, ValueError where a text is null.
    """
    array = as_text(texts)
    names = [name for name in FAMILIES if name not in NEEDING_SETTINGS | BY_NAME_ONLY] if families is None else list(families)
    fields: list[pa.Field] = []
    columns: list[pa.ChunkedArray] = []
    for name in names:
        module = family(name)
        if name in NEEDING_SETTINGS:
            raise RecipeError(f"measure family {name!r} has no default settings; call curate.measures.{name}.measure(texts, settings) with your own.")
        table = module.measure(array, module.Settings())
        fields += table.schema
        columns += table.columns
    return pa.table(columns, schema=pa.schema(fields))
