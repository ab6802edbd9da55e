"""Measure families of other packages, found by the entry point group `corpuscle.measures`.

A package offers one as `name = "package.module"`; the module has what the families here have: `SCHEMA`, `VERSION`,
`Settings` and `measure(texts, settings)`, pure, one row a text. Its columns are numbers, texts or truth values without nulls, so that
rules can compare them (`name.column` in an expression).
"""

import functools
import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from curate.errors import DamageError, RecipeError

GROUP = "corpuscle.measures"


@functools.cache
def own_families() -> dict[str, EntryPoint]:
    """The families that installed packages offer, by name. Raises RecipeError where two offer the same."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if point.name in found and found[point.name].value != point.value:
            raise RecipeError(f"two installed packages offer a measure {point.name!r} ({found[point.name].value} and {point.value}); uninstall one")
        found[point.name] = point
    return found


def own_family(name: str) -> EntryPoint:
    """The entry point of a family. Raises RecipeError where no installed package offers it."""
    offered = own_families()
    if name not in offered:
        told = f"those offered are {', '.join(offered)}" if offered else "no installed package offers any"
        raise RecipeError(f"measures.{name}: there is no such measure; {told} (entry point group {GROUP}). Install the package that has it")
    return offered[name]


def load_own(point: EntryPoint) -> Any:
    """The module behind an entry point. Raises RecipeError where it cannot be imported or is no measure family."""
    try:
        module = importlib.import_module(point.value)
    except ImportError as error:
        raise RecipeError(f"measure {point.name!r}: its module {point.value} cannot be imported ({error}); install what it needs") from error
    missing = [name for name in ("SCHEMA", "VERSION", "Settings", "measure") if not hasattr(module, name)]
    if missing:
        raise RecipeError(f"measure {point.name!r}: its module {point.value} has no {', '.join(missing)}; see curate.measures.own for what a family is")
    if not (isinstance(module.SCHEMA, pa.Schema) and isinstance(module.VERSION, int) and issubclass(module.Settings, BaseModel)):
        raise RecipeError(f"measure {point.name!r}: in {point.value}, SCHEMA must be a pyarrow schema, VERSION a whole number, Settings a pydantic model")
    for field in module.SCHEMA:
        if not _is_comparable(field.type):
            raise RecipeError(f"measure {point.name!r}: column {field.name!r} is of type {field.type}; rules compare numbers, texts and truth values")
    return module


def identity_of(point: EntryPoint) -> list[str]:
    """What tells one release of a family from another, beside its VERSION: the package's name and version."""
    return [point.dist.name, point.dist.version] if point.dist is not None else []


def settings_of(point: EntryPoint, given: dict[str, Any]) -> dict[str, Any]:
    """The family's settings, checked and with its defaults. Raises RecipeError naming the wrong one."""
    try:
        settings: dict[str, Any] = load_own(point).Settings.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise RecipeError(f"measures.{point.name}: {found}") from error
    return settings


def check_measured(point: EntryPoint, table: Any, num_texts: int) -> None:
    """Refuse what is not one complete row a text. Raises DamageError."""
    if not isinstance(table, pa.Table) or not table.schema.equals(load_own(point).SCHEMA):
        found = table.schema.to_string() if isinstance(table, pa.Table) else type(table).__name__
        raise DamageError(f"measure {point.name!r} ({point.value}) gave other columns than its SCHEMA names: {found}")
    if len(table) != num_texts:
        raise DamageError(f"measure {point.name!r} ({point.value}) gave {len(table)} rows for {num_texts} texts; it must give one a text")
    for name in table.column_names:
        if table[name].null_count:
            raise DamageError(f"measure {point.name!r} ({point.value}) left {table[name].null_count} nulls in {name!r}; a null would pass every rule unseen")


def _is_comparable(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(of(kind) for of in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string))
