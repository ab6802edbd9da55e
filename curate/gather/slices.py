"""Slices: what one worker gathers at a time, cut so that adding a file leaves the others' slices alone.

Large files that can be cut are cut at fixed multiples of `slice_bytes` (Parquet: after the row group that reaches it).
Other files are put in the order of their paths' hashes and grouped; whether a group ends behind a file is decided by that
file alone, with probability size / slice_bytes, so groups hold `slice_bytes` on average and a new file can only divide or
enlarge the one group it falls into. The order and the ends use two independent hashes: with one, files that end a group
would all come first.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from curate.gather.files import SourceFile
from curate.readers.records import Ends
from curate.readers.sources import Format


class Range(NamedTuple):
    """[start, end) of one file: bytes, or row groups for Parquet."""

    path: str
    format: Format
    start: int
    end: int


class Slice(NamedTuple):
    """The ranges that become one part."""

    part: int
    source: str
    ranges: tuple[Range, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the slice back."""
        return {"part": self.part, "source": self.source, "ranges": [list(one) for one in self.ranges]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Slice":
        """The slice of `to_json`'s plain values."""
        return cls(plain["part"], plain["source"], tuple(Range(*one) for one in plain["ranges"]))


def slices(files: Iterable[SourceFile], slice_bytes: int) -> list[Slice]:
    """Cut files (of one or of all sources) into slices, sorted by source, first path and start.

    Part ids are unique among what is given at once, so give all sources of a run. The order of `files` does not matter.
    """
    by_source: dict[str, list[SourceFile]] = {}
    for file in sorted(files):
        by_source.setdefault(file.source, []).append(file)
    ranges = ((source, group) for source, those in by_source.items() for group in _groups(those, slice_bytes))
    found: list[Slice] = []
    taken: set[int] = set()
    for source, group in sorted(ranges, key=lambda one: (one[0], one[1][0].path, one[1][0].start)):
        found.append(Slice(_part_id(source, group[0], taken), source, tuple(group)))
        taken.add(found[-1].part)
    return found


def rejoin(cut: Iterable[Slice], paths: Iterable[str]) -> list[Slice]:
    """Slices in which the named files, cut before, are read in one piece: by the slice of their first range."""
    again = set(paths)
    given = list(cut)
    ends: dict[str, int] = {}
    for one in (one for slice_ in given for one in slice_.ranges if one.path in again):
        ends[one.path] = max(ends.get(one.path, 0), one.end)
    joined: list[Slice] = []
    for slice_ in given:
        kept = tuple(one._replace(end=ends[one.path]) if one.path in again else one for one in slice_.ranges if one.path not in again or one.start == 0)
        if kept:
            joined.append(slice_._replace(ranges=kept))
    return joined


def check_ranges_meet(ranges: Sequence[tuple[Range, Ends]]) -> list[str]:
    """Paths of files whose ranges, in several slices, do not meet: some record would be lost or read twice.

    Neighbouring ranges meet if one's first record starts where the last one before it ended. They do not where a record's
    payload looks like records (a WARC inside a WARC); such a file has to be read again in one piece (`rejoin`).
    """
    by_path: dict[str, list[tuple[Range, Ends]]] = {}
    for one, ends in ranges:
        if one.format != "parquet":
            by_path.setdefault(one.path, []).append((one, ends))
    return sorted(path for path, those in by_path.items() if len(those) > 1 and not _meet(sorted(those, key=lambda pair: pair[0].start)))


def _meet(ordered: Sequence[tuple[Range, Ends]]) -> bool:
    reached = 0
    for one, (first, end) in ordered:
        if first is None or end is None:
            if reached < one.end:
                return False
        elif first != reached:
            return False
        else:
            reached = end
    return reached >= ordered[-1][0].end


def _groups(files: Sequence[SourceFile], slice_bytes: int) -> Iterator[list[Range]]:
    """The ranges of each slice of one source."""
    small: list[SourceFile] = []
    for file in files:
        if file.num_bytes < slice_bytes:
            small.append(file)
        elif file.cut == "bytes":
            for start in range(0, file.num_bytes, slice_bytes):
                yield [Range(file.path, file.format, start, min(start + slice_bytes, file.num_bytes))]
        elif file.cut == "row_groups":
            yield from _row_group_slices(file, slice_bytes)
        else:
            yield [_whole(file)]
    group: list[Range] = []
    for file in sorted(small, key=lambda one: (xxhash.xxh3_64_intdigest(_name(one), seed=0), one.path)):
        group.append(_whole(file))
        if xxhash.xxh3_64_intdigest(_name(file), seed=1) * slice_bytes < file.num_bytes << 64:
            yield group
            group = []
    if group:
        yield group


def _name(file: SourceFile) -> bytes:
    return file.path.encode("utf-8", "surrogateescape")


def _row_group_slices(file: SourceFile, slice_bytes: int) -> Iterator[list[Range]]:
    start = held = 0
    for group, size in enumerate(file.row_groups, 1):
        held += size
        if held >= slice_bytes or group == len(file.row_groups):
            yield [Range(file.path, file.format, start, group)]
            start, held = group, 0


def _whole(file: SourceFile) -> Range:
    return Range(file.path, file.format, 0, max(len(file.row_groups), 1) if file.format == "parquet" else file.num_bytes)


def _part_id(source: str, first: Range, taken: set[int]) -> int:
    """32 bits of the hash of what a slice begins with; on a collision those of the next attempt."""
    attempt = 0
    while True:
        name = json.dumps([source, first.path, first.start, attempt], ensure_ascii=True)
        part = xxhash.xxh3_64_intdigest(name.encode()) >> 32
        if part not in taken:
            return part
        attempt += 1
