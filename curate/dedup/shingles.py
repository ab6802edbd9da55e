"""Shingle hashes of any documents by number, from files that stay where they are."""

from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import DamageError
from curate.kernels import jaccard as kernel

# Documents read before `let_go` is asked to give back the pages they lie on: 17 MB of them, since a fault maps 64 kB.
DOCUMENTS_PER_LOOK = 256


class Shingles:
    """Columns of the measure `shingles` in the order of a `Numbering`, memory-mapped if their files are uncompressed."""

    def __init__(self, tables: Iterable[pa.Table], let_go: Callable[[int], None] | None = None) -> None:
        """tables: one a part, with a column `shingles`; let_go: called with the place of a table some of whose documents were read. Raises
        DamageError for a table of another measure."""
        pieces = [(place, piece) for place, table in enumerate(tables) for piece in _pieces(table)]
        self._tables, self._pieces = [place for place, _ in pieces], [piece for _, piece in pieces]
        self._starts = np.cumsum([0, *(len(offsets) - 1 for offsets, _ in self._pieces)])
        self._let_go = let_go

    def lengths(self, documents: NDArray[np.uint32]) -> NDArray[np.int64]:
        """How many hashes documents have, repeats counted: int64 (documents,)."""
        found = np.empty(len(documents), np.int64)
        for piece, chosen, rows in self._by_piece(documents):
            offsets = self._pieces[piece][0]
            found[chosen] = offsets[rows + 1] - offsets[rows]
        return found

    def gather(self, documents: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """A copy of the hashes of documents, one document after another, and its bounds: uint32 (hashes,), int64 (documents + 1,)."""
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths(documents))])
        flat = np.empty(int(bounds[-1]), np.uint32)
        for piece, chosen, rows in self._by_piece(documents):
            offsets, values = self._pieces[piece]
            for start in range(0, len(rows), DOCUMENTS_PER_LOOK):
                some = slice(start, start + DOCUMENTS_PER_LOOK)
                kernel.copy_documents(values, offsets, rows[some], chosen[some], bounds, flat)
                if self._let_go is not None:
                    self._let_go(self._tables[piece])
        return flat, bounds

    def _by_piece(self, documents: NDArray[np.uint32]) -> Iterable[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """For each piece that holds some of them: the piece, their places in `documents`, their rows in it."""
        if not len(documents):
            return
        piece_of = np.searchsorted(self._starts, documents, "right") - 1
        order = np.argsort(piece_of, kind="stable")
        pieces, first = np.unique(piece_of[order], return_index=True)
        for piece, chosen in zip(pieces.tolist(), np.split(order, first[1:]), strict=True):
            yield piece, chosen, documents[chosen].astype(np.int64) - self._starts[piece]


def similar(shingles: Shingles, pairs: NDArray[np.uint32], least: Fraction) -> NDArray[np.bool_]:
    """Which pairs (uint32 (pairs, 2), documents) have a Jaccard similarity of at least `least`, by their shingle hashes."""
    shared, together = num_shared(shingles, pairs)
    found: NDArray[np.bool_] = shared * least.denominator >= least.numerator * together
    return found


def num_shared(shingles: Shingles, pairs: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many distinct hashes the documents of each pair share, and have together: int64 (pairs,) twice."""
    documents, places = np.unique(pairs, return_inverse=True)
    flat, bounds = shingles.gather(documents)
    shared, together = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    kernel.count_shared(flat, bounds, places.reshape(-1, 2).astype(np.int64), shared, together)
    return shared, together


def _pieces(table: pa.Table) -> list[tuple[NDArray[np.int64], NDArray[np.uint32]]]:
    """The batches of a shingles column as (offsets, values), read-only and not copied."""
    if "shingles" not in table.schema.names or not pa.types.is_large_list(table.schema.field("shingles").type):
        raise DamageError(f"a file of shingle hashes holds the columns {table.schema.names} instead; it belongs to another measure. Measure again")
    views = [(chunk.offsets.to_numpy(), chunk.values.to_numpy()) for chunk in table["shingles"].chunks if len(chunk)]
    for offsets, values in views:
        offsets.flags.writeable = values.flags.writeable = False
    return views
