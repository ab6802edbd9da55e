"""Readers: from a byte range of a file to documents and refused records, one format per module."""

from importlib import import_module
from pathlib import Path

from curate.readers.records import Document, Ends, Records, Refused
from curate.readers.sources import Limits, SourceSettings

# One module per format, each with `read(path, start, end, settings, limits)`; loaded when first needed.
FORMATS = {name: f"curate.readers.{name}" for name in ("warc", "html", "jsonl", "parquet", "text")}

__all__ = ["FORMATS", "Document", "Ends", "Limits", "Records", "Refused", "SourceSettings", "read"]


def read(file_format: str, path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    """The records of one range of a file: [start, end) in bytes, in row groups for Parquet.

    Yields Document and Refused, returns Ends. Raises OSError where the file cannot be read, InputError where the settings
    do not fit it; a bad record never raises.
    """
    records: Records = import_module(FORMATS[file_format]).read(path, start, end, settings, limits)
    return records
