"""JSON Lines as columns: what `curate.readers.jsonl` finds, record for record, many lines at a time.

A kernel takes the lines that are JSON beyond doubt; each of the others is read by `line_document`, which alone decides what is
refused and why. So both readers agree by construction wherever the kernel hesitates, and only unusual lines cost what a line at a
time costs.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels import json_lines as kernel
from curate.kernels.byte_masks import PADDING
from curate.readers.decompression import blocks, compression_of, decompressed
from curate.readers.jsonl import BOM, line_document
from curate.readers.line_blocks import LineBlock, line_blocks
from curate.readers.lines import BrokenLinesError
from curate.readers.records import Document, Ends, Refused, UnusableError
from curate.readers.sources import Limits, SourceSettings

_EVERYTHING = (0, 1 << 62)


class Rows(NamedTuple):
    """Documents in the order of their lines. texts: large_string; offsets: int64, where their lines begin; uris, identifiers:
    string, null for none."""

    texts: pa.LargeStringArray
    offsets: NDArray[np.int64]
    uris: pa.StringArray
    identifiers: pa.StringArray


class Read(NamedTuple):
    """What the lines of a block hold, and where the first begins and the last ends (None where no line begins in the range)."""

    rows: Rows
    refused: list[Refused]
    ends: Ends = Ends(None, None)


class _Lines(NamedTuple):
    """starts, ends: int64 (lines,), in the block, the LF not included; follows: where the line behind the last one begins."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    follows: int


def read(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Generator[Read, None, Ends]:
    """The records whose lines start in [start, end) of a plain file, all of a compressed one, a block at a time (`jsonl.read`)."""
    ends = Ends(None, None)
    try:
        for block, within in _blocks(path, start, end, limits):
            found = read_block(block, settings, limits, within)
            if found.ends.first is not None:
                ends = Ends(found.ends.first if ends.first is None else ends.first, found.ends.end)
                yield found
    except BrokenLinesError as broken:
        yield Read(rows_of([]), [broken.why.refused(broken.offset)])
        ends = Ends(ends.first, end)
    return ends


def read_block(block: LineBlock, settings: SourceSettings, limits: Limits, within: tuple[int, int] = _EVERYTHING) -> Read:
    """The records of those lines of a block that begin in a range of the stream."""
    if block.padded is None:
        if not within[0] <= block.offset < within[1]:
            return Read(rows_of([]), [])
        why = UnusableError("too_large", f"a line of {block.end - block.offset} bytes, more than {limits.max_line_bytes}")
        return Read(rows_of([]), [why.refused(block.offset)], Ends(block.offset, block.end))
    lines = _lines(block, block.padded, within)
    if not len(lines.starts):
        return Read(rows_of([]), [])
    rows, left = _take(block, block.padded, lines, settings, limits)
    documents: list[Document] = []
    refused: list[Refused] = []
    for start, end in zip(lines.starts[left].tolist(), lines.ends[left].tolist(), strict=True):
        try:
            if end - start > limits.max_line_bytes:
                num_bytes = min(end + 1, block.end - block.offset) - start
                raise UnusableError("too_large", f"a line of {num_bytes} bytes, more than {limits.max_line_bytes}")
            if (found := _one(block.padded[start:end], block.offset + start, settings, limits)) is not None:
                documents.append(found)
        except UnusableError as why:
            refused.append(why.refused(block.offset + start))
    ends = Ends(block.offset + int(lines.starts[0]), block.offset + lines.follows)
    return Read(_merged(rows, rows_of(documents)) if documents else rows, refused, ends)


def _blocks(path: Path, start: int, end: int, limits: Limits) -> Iterator[tuple[LineBlock, tuple[int, int]]]:
    """Blocks, each with the range in which its lines are wanted."""
    try:
        compression = compression_of(path)
    except UnusableError as why:
        raise BrokenLinesError(0, why) from why
    with path.open("rb") as file:
        if compression != "none":
            for block in line_blocks(decompressed(blocks(file), compression, limits), 0, limits.max_line_bytes):
                yield block, _EVERYTHING
            return
        # One byte earlier: if it is an LF, a line starts exactly at `start`; otherwise what comes first is another range's.
        earlier = max(start - 1, 0)
        for block in line_blocks(blocks(file, earlier), earlier, limits.max_line_bytes, end):
            if block.offset >= end:
                return
            yield block, (start, end)


def _lines(block: LineBlock, padded: bytes, within: tuple[int, int]) -> _Lines:
    """The lines of a block that begin in a range."""
    size = block.end - block.offset
    found = np.empty(padded.count(b"\n") - PADDING + 1, np.int64)
    ends = found[: kernel.line_ends(np.frombuffer(padded, np.uint8), size, found)]
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    first, last = np.searchsorted(starts, [within[0] - block.offset, within[1] - block.offset])
    follows = min(int(ends[last - 1]) + 1, size) if last else 0
    return _Lines(starts[first:last], ends[first:last], follows)


def _take(block: LineBlock, padded: bytes, lines: _Lines, settings: SourceSettings, limits: Limits) -> tuple[Rows, NDArray[np.int64]]:
    """The documents of the lines that the kernel takes, and which lines it leaves."""
    names = tuple(np.frombuffer((name or "").encode(), np.uint8) for name in (settings.text_field, settings.id_field, settings.uri_field))
    given = [name for name in (settings.text_field, settings.id_field, settings.uri_field) if name]
    too_long = int((lines.ends - lines.starts).max()) > limits.max_line_bytes
    if too_long or len(set(given)) < len(given) or not _is_utf8(padded):
        return rows_of([]), np.arange(len(lines.starts))
    starts = lines.starts.copy()
    if block.offset + starts[0] == 0 and padded.startswith(BOM):
        starts[0] += len(BOM)
    outs = tuple(np.empty(len(padded) + 64, np.uint8) for _ in range(3))
    taken, present = np.empty(len(starts), np.uint8), np.empty((2, len(starts)), np.uint8)
    bounds = np.empty((3, len(starts) + 1), np.int64)
    bounded = (limits.max_json_depth, limits.max_document_bytes)
    count = kernel.read_lines(np.frombuffer(padded, np.uint8), starts, names, bounded, outs, taken, bounds, present)
    texts = pa.LargeStringArray.from_buffers(count, pa.py_buffer(bounds[0, : count + 1]), pa.py_buffer(outs[0][: bounds[0, count]]))
    identifiers, uris = (_strings(count, bounds[1 + which], outs[1 + which], present[which]) for which in range(2))
    return Rows(texts, block.offset + lines.starts[taken == kernel.TAKEN], uris, identifiers), np.flatnonzero(taken == kernel.LEFT)


def _one(content: bytes, offset: int, settings: SourceSettings, limits: Limits) -> Document | None:
    """The document of one line, None for a blank one. Raises UnusableError."""
    content = content.removeprefix(BOM) if offset == 0 else content
    return line_document(content, offset, settings, limits) if content.strip() else None


def _is_utf8(content: bytes) -> bool:
    whole = pa.py_buffer(np.array([0, len(content)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, whole, pa.py_buffer(content)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _strings(count: int, bounds: NDArray[np.int64], content: NDArray[np.uint8], present: NDArray[np.uint8]) -> pa.StringArray:
    """A column of strings, null where not present. `content` is cut to what is used."""
    used = content[: bounds[count]].copy()
    valid = None if present[:count].all() else pa.py_buffer(np.packbits(present[:count], bitorder="little"))
    return pa.StringArray.from_buffers(count, pa.py_buffer(bounds[: count + 1].astype(np.int32)), pa.py_buffer(used), valid)


def rows_of(documents: list[Document]) -> Rows:
    return Rows(
        pa.array([one.text for one in documents], pa.large_string()),
        np.array([one.offset for one in documents], np.int64),
        pa.array([one.uri for one in documents], pa.string()),
        pa.array([one.identifier for one in documents], pa.string()),
    )


def _merged(first: Rows, second: Rows) -> Rows:
    """Both, in the order of their lines."""
    offsets = np.concatenate([first.offsets, second.offsets])
    order = np.argsort(offsets)
    texts, uris, identifiers = (
        pa.concat_arrays([getattr(first, name), getattr(second, name)]).take(pa.array(order)) for name in ("texts", "uris", "identifiers")
    )
    return Rows(texts, offsets[order], uris, identifiers)
