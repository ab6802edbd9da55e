"""Benchmarks as tables of items, read from local files."""

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate import storage
from curate.errors import InputError
from curate.kernels.ngrams import LONGEST, SHORTEST

# One row per item and choice of fields, items in file order, all their fields first. fields: their names; text: what they hold,
# joined by line ends; pieces: the same apart, a list's members one by one, without empty ones.
ITEMS = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("fields", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("pieces", pa.list_(pa.field("item", pa.large_string(), nullable=False)), nullable=False),
    ]
)
_FORMATS = {".jsonl": "json", ".ndjson": "json", ".csv": "csv"}


class BenchmarkSettings(BaseModel):
    """One benchmark whose items must not be trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(min_length=1, description="the benchmark's name in reports and cards")
    path: str = Field(min_length=1, description="its file: .jsonl or .csv, each also with .gz behind")
    fields: list[str] = Field(min_length=1, description="the fields that make an item's text, in order; a dot enters an object (choices.text)")
    also: list[Annotated[list[str], Field(min_length=1)]] | None = Field(
        default=None,
        description="other choices of fields, each of which stands for the item too (question and answer, no options); unset: the first field alone",
    )
    labels: list[str] = Field(
        default_factory=list, description="words of the file's own format that a field may begin with and that are no part of the item, such as 'Question:'"
    )
    id_field: str | None = Field(default=None, description="the field that names an item; without one it is the item's position in the file, from 0")
    license: str | None = Field(default=None, description="what the benchmark is published under, for the card")
    origin: str | None = Field(default=None, description="where the file was taken from, for the card")


class Entry(NamedTuple):
    """One entry of a benchmark file. where: its line, for messages."""

    where: str
    fields: dict[str, Any]


def read_items(settings: BenchmarkSettings) -> pa.Table:
    """The items of one benchmark, with the columns of `ITEMS`: one row for all fields, one for each other choice of them.

    A list counts as its members, null as nothing.

    Raises InputError where the file is missing, damaged or holds no item, where an entry lacks a field, and where two
    items share an id.
    """
    ids: list[str] = []
    rows: list[dict[str, Any]] = []
    for entry in _entries(settings):
        ids.append(
            str(len(ids)) if settings.id_field is None else "\n".join(_as_texts(_field(entry, settings.id_field, settings), entry, settings.id_field, settings))
        )
        for fields in choices(settings):
            pieces = [_unlabelled(piece, settings) for field in fields for piece in _as_texts(_field(entry, field, settings), entry, field, settings)]
            told = {"benchmark": settings.name, "item_id": ids[-1], "fields": " + ".join(fields)}
            rows.append(told | {"text": "\n".join(pieces), "pieces": [piece for piece in pieces if piece]})
    if not ids:
        raise InputError(f"{settings.path}: benchmark {settings.name!r} holds no item, so nothing would be checked against it; give another file or remove it")
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise InputError(
            f"{settings.path}: two items of benchmark {settings.name!r} have the id {twice!r} in field {settings.id_field!r}, so a report could not tell"
            " them apart; name another id_field or none"
        )
    return pa.Table.from_pylist(rows, schema=ITEMS)


def choices(settings: BenchmarkSettings) -> list[list[str]]:
    """The choices of fields that stand for an item: all of them first."""
    others = [settings.fields[:1]] if settings.also is None else settings.also
    return [settings.fields, *(fields for fields in others if fields != settings.fields)]


def _unlabelled(piece: str, settings: BenchmarkSettings) -> str:
    label = next((label for label in settings.labels if piece.startswith(label)), "")
    return piece[len(label) :]


def ngram_lengths(num_words: NDArray[np.int64]) -> NDArray[np.int64]:
    """n for texts of so many words: clipped to 8–13 (the range of GPT-3's benchmark analysis, Brown et al. 2020, appendix C,
    there one n a benchmark; here one a text, so that none of 8 words or more escapes), 0 below 8."""
    return np.where(num_words < SHORTEST, 0, np.minimum(num_words, LONGEST)).astype(np.int64)


def file_identity(settings: BenchmarkSettings) -> tuple[str, str]:
    """How the benchmark's file is read (json or csv) and the xxh3-128 of its bytes. Raises InputError as `read_items` does."""
    try:
        return _format(Path(settings.path), settings.name), storage.checksum(Path(settings.path))
    except OSError as error:
        raise _unreadable(settings, error) from error


def _format(path: Path, name: str) -> str:
    kind = _FORMATS.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix)
    if kind is None:
        found = path.suffix or "a file without a suffix"
        raise InputError(f"{path}: benchmark {name!r} is read from .jsonl or .csv, each also with .gz behind, not from {found}")
    return kind


def _unreadable(settings: BenchmarkSettings, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{settings.path}: the file of benchmark {settings.name!r} is missing, so the corpus could not be checked against it; correct `path`")
    return InputError(f"{settings.path}: the file of benchmark {settings.name!r} cannot be read ({error}); fetch it again")


def _entries(settings: BenchmarkSettings) -> Iterator[Entry]:
    path, name = Path(settings.path), settings.name
    kind = _format(path, name)
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(settings, error) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the file of benchmark {name!r} is not UTF-8 at byte {error.start}; convert it") from error
    return _json_entries(text, path, name) if kind == "json" else _csv_entries(text, path, name)


def _json_entries(text: str, path: Path, name: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: benchmark {name!r} should have one JSON object here ({error})") from error
        if not isinstance(fields, dict):
            raise InputError(f"{path}, line {number}: benchmark {name!r} should have one JSON object here, not a {type(fields).__name__}")
        yield Entry(f"line {number}", fields)


def _csv_entries(text: str, path: Path, name: str) -> Iterator[Entry]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                wanted = len(rows.fieldnames or [])
                raise InputError(f"{path}, line {rows.line_num}: benchmark {name!r} should have {wanted} columns here, as in its header")
            yield Entry(f"line {rows.line_num}", row)
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: benchmark {name!r} is not well-formed CSV ({error})") from error


def _field(entry: Entry, field: str, settings: BenchmarkSettings) -> Any:
    value: Any = entry.fields
    if field in entry.fields:
        return entry.fields[field]
    for step in field.split("."):
        if not isinstance(value, dict) or step not in value:
            raise InputError(
                f"{settings.path}, {entry.where}: benchmark {settings.name!r} has no field {field!r} here, so the item's text is unknown;"
                f" it has {', '.join(map(repr, entry.fields)) or 'none'}"
            )
        value = value[step]
    return value


def _as_texts(value: Any, entry: Entry, field: str, settings: BenchmarkSettings) -> list[str]:
    if isinstance(value, list):
        return [text for member in value for text in _as_texts(member, entry, field, settings)]
    if isinstance(value, dict):
        raise InputError(
            f"{settings.path}, {entry.where}: field {field!r} of benchmark {settings.name!r} is an object; name one of its fields: "
            + ", ".join(f"{field}.{key}" for key in value)
        )
    if isinstance(value, bool):
        return ["true" if value else "false"]
    text = "" if value is None else str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        where = f"{settings.path}, {entry.where}: field {field!r} of benchmark {settings.name!r}"
        raise InputError(f"{where} holds half a surrogate pair, which is no text; correct the file") from error
    return [text]
