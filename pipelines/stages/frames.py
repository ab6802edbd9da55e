"""The frame of measure columns that rules judge: made in one place, of the columns that the rules in force read and no others."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from curate.rules.rule import frame_column
from curate.rules.settings import RuleSettings
from curate.storage import read_table

HEIGHT = "identity.num_bytes"  # always there, so that the frame of no rules has as many rows as the part
LANGUAGE = "language.language"  # what rules bound to languages read besides


def rule_frame(files: Callable[[str], Sequence[Path]], settings: RuleSettings) -> pl.DataFrame:
    """One row a document of one part or of several, by the names `judge` knows columns by. files: the parts' measure files of a family."""
    rules = [rule for _, rule in settings.active()]
    wanted = {*(column for rule in rules for column in rule.columns), *(LANGUAGE for rule in rules if rule.is_language_bound)}
    columns: dict[str, list[str]] = {}
    for name in sorted(wanted or {HEIGHT}):
        family, _, column = name.partition(".")
        columns.setdefault(family, []).append(column)
    return pl.concat([_named(family, [read_table(file, names) for file in files(family)]) for family, names in columns.items()], how="horizontal")


def _named(family: str, tables: Sequence[pa.Table]) -> pl.DataFrame:
    """A family's columns by the names that rules know them by."""
    table = pa.concat_tables(tables).unify_dictionaries() if len(tables) > 1 else tables[0]
    frame = pl.from_arrow(table.rename_columns([frame_column(f"{family}.{name}") for name in table.column_names]))
    assert isinstance(frame, pl.DataFrame)
    return frame
