"""Rows of shards as training takes them: sources, any rows of them at once, and where segments lie in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.errors import DamageError, InputError, RecipeError
from curate.shards.reader import Shard, gather_rows, open_shard

NOT_A_TARGET = -100
_SAME_IN_ALL = ("context_length", "vocabulary_size", "pad", "bos", "eos", "mask")


@dataclass(frozen=True)
class Vocabulary:
    """The ids that mean something to a model."""

    size: int
    pad: int
    bos: int
    eos: int
    mask: int


@dataclass(frozen=True)
class Rows:
    """Rows copied out of shards, n of them. `labels` is None where the task takes them from the input.

    segment_ids count 0, 1, 2 … along a row and are −1 on padding; position_ids restart at 0 with each segment.
    """

    input_ids: NDArray[np.int64]  # (n, context)
    labels: NDArray[np.int64] | None  # (n, context), −100 where nothing is to be predicted
    segment_ids: NDArray[np.int64]  # (n, context)
    position_ids: NDArray[np.int64]  # (n, context)


class SourceRows:
    """All rows of one source: its shards one after another, in the order of their part names."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = sorted(shards, key=lambda shard: str(shard.metadata["part"]))
        metadata = [shard.metadata for shard in self.shards]
        self.name = str(metadata[0]["source"])
        self.task = str(metadata[0]["task"])
        self.context_length = int(metadata[0]["context_length"])
        self.vocabulary = Vocabulary(*(int(metadata[0][name]) for name in ("vocabulary_size", "pad", "bos", "eos", "mask")))
        self.starts = np.cumsum([0, *(int(entry["num_rows"]) for entry in metadata)])
        self.num_rows = int(self.starts[-1])
        self.num_tokens = sum(int(entry["num_tokens"]) for entry in metadata)
        self.num_bytes = sum(int(entry["num_bytes"]) for entry in metadata)

    def locate(self, row: int) -> tuple[Path, int]:
        """The shard that holds a row, and the row's number in it."""
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        return self.shards[number].path, row - int(self.starts[number])


def open_sources(paths: Sequence[Path], task: str) -> list[SourceRows]:
    """Shards of one task grouped by source, sources in the order of their names.

    Raises InputError or RecipeError where there are none, or where they are not of one task, context and vocabulary;
    DamageError where one is missing or not whole.
    """
    if not paths:
        raise InputError(f"no shards of the task {task!r} were given; manufacture makes them")
    shards = [open_shard(path) for path in paths]
    by_source: dict[str, list[Shard]] = {}
    for shard in shards:
        if shard.metadata["task"] != task:
            raise RecipeError(f"{shard.path} holds rows of the task {shard.metadata['task']!r}, not {task!r}; train each task on its own shards")
        by_source.setdefault(shard.metadata["source"], []).append(shard)
    sources = [SourceRows(by_source[name]) for name in sorted(by_source)]
    check_alike(sources)
    return sources


def check_alike(sources: Sequence[SourceRows]) -> None:
    """Raises RecipeError unless all shards have one context length and one vocabulary."""
    first, *others = [shard for source in sources for shard in source.shards]
    for shard in others:
        if different := [name for name in _SAME_IN_ALL if shard.metadata[name] != first.metadata[name]]:
            raise RecipeError(f"{shard.path} and {first.path} differ in {', '.join(different)}; one model cannot be trained on both. Make them with one recipe")


def fetch(sources: Sequence[SourceRows], owners: NDArray[np.int32], rows: NDArray[np.int64]) -> Rows:
    """Copy rows out of their shards: the i-th is row rows[i] of source owners[i]."""
    context_length = sources[0].context_length
    input_ids = np.empty((len(rows), context_length), np.int64)
    labels = np.empty_like(input_ids) if sources[0].task == "masked" else None
    counts, lengths = np.zeros(len(rows), np.int64), np.zeros(0, np.int64)
    order, pieces = [], []
    for owner in np.unique(owners):
        source, here = sources[int(owner)], np.flatnonzero(owners == owner)
        numbers = np.searchsorted(source.starts, rows[here], "right") - 1
        for number in np.unique(numbers):
            wanted = here[numbers == number]
            gathered = gather_rows(source.shards[int(number)], rows[wanted] - source.starts[number])
            input_ids[wanted] = gathered.input_ids
            if labels is not None and gathered.labels is not None:
                labels[wanted] = gathered.labels
            counts[wanted] = np.diff(gathered.bounds)
            order.append(wanted)
            pieces.append(gathered.segments.length.astype(np.int64))
    if order:
        # The lengths came shard by shard; back into the order of the rows.
        owner_of = np.repeat(np.concatenate(order), counts[np.concatenate(order)])
        lengths = np.concatenate(pieces)[np.argsort(owner_of, kind="stable")]
    segment_ids, position_ids = layout(counts, lengths, context_length)
    return Rows(input_ids, labels, segment_ids, position_ids)


def layout(counts: NDArray[np.int64], lengths: NDArray[np.int64], context_length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Segment and position of every place in rows, from the number of segments a row has and the segments' lengths (BOS not counted).

    Both are (rows, context). Padding has segment −1 and position 0.
    """
    totals = np.bincount(np.repeat(np.arange(len(counts)), counts), lengths + 1, minlength=len(counts)).astype(np.int64)
    if len(totals) and int(totals.max()) > context_length:
        raise DamageError(f"a row's segments take {int(totals.max())} places but rows are {context_length} long; the shard's segments and rows disagree")
    # One run of places a segment, and one for each row's padding behind its segments.
    ends = np.cumsum(counts + 1)
    is_padding = np.zeros(len(lengths) + len(counts), bool)
    is_padding[ends - 1] = True
    sizes = np.empty(len(is_padding), np.int64)
    sizes[is_padding], sizes[~is_padding] = context_length - totals, lengths + 1
    numbers = np.arange(len(sizes)) - np.repeat(ends - (counts + 1), counts + 1)
    numbers[is_padding] = -1
    segment_ids = np.repeat(numbers, sizes)
    position_ids = np.arange(len(segment_ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    position_ids[segment_ids < 0] = 0
    return segment_ids.reshape(-1, context_length), position_ids.reshape(-1, context_length)
