"""The texts a classifier learns from: a bounded, drawn sample of each side, without copies and without what both sides hold."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.documents import as_text, content_ids, content_words
from curate.seeds import draw


@dataclass(frozen=True)
class Sample:
    """Distinct texts of one side, cut to their first characters, in the order they were drawn in. ids: content ids of the whole texts as
    uint64 (n, 2). num_repeated: copies left out of what was drawn; is_cut: there were more texts than asked for."""

    ids: NDArray[np.uint64]
    texts: pa.LargeStringArray
    num_read: int
    num_repeated: int
    is_cut: bool
    num_on_both_sides: int = 0

    def first(self, count: int) -> "Sample":
        """The first texts of it."""
        return replace(self, ids=self.ids[:count], texts=self.texts.slice(0, count))


def sample(batches: Iterable[pa.LargeStringArray], max_documents: int, max_characters: int, seed: int, purpose: str) -> Sample:
    """The texts with the smallest draws by content id: whichever files they stand in and in whatever order. At most twice
    `max_documents` and one batch are held at a time."""
    held = _Held(np.zeros(0, np.uint64), np.zeros((0, 2), np.uint64), as_text([]))
    num_read = num_repeated = 0
    is_cut = False
    for texts in batches:
        num_read += len(texts)
        ids = content_words(content_ids(texts))
        draws = draw(seed, purpose, ids)
        beginnings = pc.utf8_slice_codeunits(texts, 0, max_characters)
        held = _Held(np.concatenate([held.draws, draws]), np.concatenate([held.ids, ids]), pa.concat_arrays([held.texts, beginnings]))
        if len(held.draws) > 2 * max_documents:
            held, repeated, cut = held.smallest(max_documents)
            num_repeated, is_cut = num_repeated + repeated, is_cut or cut
    held, repeated, cut = held.smallest(max_documents)
    return Sample(held.ids, held.texts, num_read, num_repeated + repeated, is_cut or cut)


def without(side: Sample, other: Sample, texts_of_other: Callable[[], Iterator[pa.LargeStringArray]]) -> Sample:
    """A sample without the texts that the other side holds too. The other side is read again only where its sample is not all of it."""
    mine = _as_binary(side.ids)
    found = pc.is_in(mine, value_set=_as_binary(other.ids)).to_numpy(zero_copy_only=False)
    if other.is_cut:
        for texts in texts_of_other():
            found |= pc.is_in(mine, value_set=content_ids(texts).cast(pa.binary())).to_numpy(zero_copy_only=False)
    apart = pa.array(~found)
    return replace(side, ids=side.ids[~found], texts=side.texts.filter(apart), num_on_both_sides=int(found.sum()))


@dataclass(frozen=True)
class _Held:
    draws: NDArray[np.uint64]
    ids: NDArray[np.uint64]
    texts: pa.LargeStringArray

    def smallest(self, count: int) -> tuple["_Held", int, bool]:
        """The distinct texts with the smallest draws, how many copies were left out, and whether others were."""
        order = np.lexsort((self.ids[:, 1], self.ids[:, 0], self.draws))
        ids = self.ids[order]
        is_first = np.ones(len(ids), bool)
        is_first[1:] = (ids[1:] != ids[:-1]).any(axis=1)
        chosen = order[is_first]
        kept = chosen[:count]
        return _Held(self.draws[kept], self.ids[kept], self.texts.take(pa.array(kept))), int((~is_first).sum()), len(chosen) > count


def _as_binary(ids: NDArray[np.uint64]) -> pa.BinaryArray:
    values = pa.py_buffer(np.ascontiguousarray(ids.astype(">u8")))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [None, values]).cast(pa.binary())
