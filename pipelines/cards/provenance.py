"""The table of a source's files, each with its origin and licence, from the CSV that the source names."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

from curate.errors import InputError
from pipelines.summary import Summary


@dataclass(frozen=True)
class SourceFile:
    """One file of the archives, or a part of one that has another origin. The fields are the CSV's columns; empty means not stated."""

    file: str
    what: str
    origin: str
    holder: str
    license: str
    license_file: str
    notes: str
    part: str = ""  # the one column a CSV may lack: which records of the file this row is about


_COLUMNS = tuple(column.name for column in fields(SourceFile))
_REQUIRED = _COLUMNS[:-1]


def read_provenance(path: Path) -> tuple[SourceFile, ...]:
    """The rows of a provenance CSV in UTF-8, in their order. Raises InputError where it is missing or not of that form."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in _REQUIRED if column not in (reader.fieldnames or [])]
            if missing:
                raise InputError(f"{path}: the columns {', '.join(missing)} are missing from its first line; a provenance CSV has {', '.join(_REQUIRED)}")
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(f"{path}, line {reader.line_num}: this row has not as many fields as the first line; quote fields that hold commas")
                rows.append(SourceFile(**{column: row[column].strip() for column in _COLUMNS if column in row}))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: the provenance file does not exist, so the card could not tell each file's licence; correct the path in the recipe"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV in UTF-8 ({error}); the card reads each file's origin and licence from it") from error
    return tuple(rows)


def source_files(summary: Summary, root: Path) -> tuple[SourceFile, ...]:
    """The files of all sources that name a provenance CSV (relative to `root`), each file once, in order of the sources."""
    paths = dict.fromkeys(source.provenance for source in summary.sources if source.provenance)
    return tuple(dict.fromkeys(file for path in paths for file in read_provenance(root / path)))
