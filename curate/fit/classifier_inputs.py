"""Where a classifier's texts come from: files read as a source's are, and gathered document parts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from curate.documents import as_text
from curate.errors import InputError
from curate.fit.classifier import FromFiles
from curate.gather.files import SourceFile, find_files
from curate.readers import Limits, Refused, SourceSettings, read
from curate.storage import read_batches

_MAX_BATCH_TEXTS = 1024
_MAX_BATCH_CHARACTERS = 4 << 20


class Files(NamedTuple):
    """Files that are read alike."""

    settings: SourceSettings
    files: tuple[SourceFile, ...]


class Inputs(NamedTuple):
    """One side of a classifier: files, and document parts of the run."""

    files: tuple[Files, ...]
    parts: tuple[Path, ...]


def find(item: str | FromFiles, root: Path, limits: Limits) -> Files:
    """The files of one item. Raises InputError where none matches, since the classifier would silently learn from less."""
    given = FromFiles(paths=[item]) if isinstance(item, str) else item
    options = given.model_dump(exclude={"format"}) | {"format": given.format or "auto"}
    settings = SourceSettings(name="classifier", **options)
    files = find_files(settings, root, limits)
    if not files:
        raise InputError(f"no file matches {', '.join(given.paths)} under {root}, which a classifier or perplexity model should learn from; correct its path")
    return Files(settings, tuple(files))


def texts(inputs: Inputs, root: Path, limits: Limits, refused: Counter[str]) -> Iterator[pa.LargeStringArray]:
    """The texts of a side, batch by batch. Records that cannot be read are counted by reason."""
    refused.clear()
    for path in inputs.parts:
        for batch in read_batches(path, ["text"]):
            yield as_text(batch.column("text"))
    for group in inputs.files:
        for file in group.files:
            yield from _read(file, group.settings, root, limits, refused)


def _read(file: SourceFile, settings: SourceSettings, root: Path, limits: Limits, refused: Counter[str]) -> Iterator[pa.LargeStringArray]:
    held: list[str] = []
    size = 0
    end = max(len(file.row_groups), 1) if file.format == "parquet" else file.num_bytes
    try:
        for record in read(file.format, root / file.path, 0, end, settings, limits):
            if isinstance(record, Refused):
                refused[record.reason] += 1
                continue
            held.append(record.text)
            size += len(record.text)
            if len(held) >= _MAX_BATCH_TEXTS or size >= _MAX_BATCH_CHARACTERS:
                yield as_text(held)
                held, size = [], 0
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{root / file.path} cannot be read ({why}), which a classifier or perplexity model should learn from; give access") from error
    if held:
        yield as_text(held)


def checked_files(inputs: Sequence[Files]) -> list[str]:
    """The paths of all files, for the checksums that a unit's key holds."""
    return [file.path for group in inputs for file in group.files]
