"""Signatures of any documents by number, from files that stay where they are."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import DamageError


class Signatures:
    """Signature columns in the order of a `Numbering`, memory-mapped if their files are uncompressed; nothing is copied until asked for."""

    def __init__(self, tables: Iterable[pa.Table], num_perm: int) -> None:
        """tables: one a part, with a column `signature`; whole ones, since Arrow copies what is chosen by columns (450 MB a million
        documents). Raises DamageError where its length is not num_perm."""
        self.num_perm = num_perm
        self._pieces = [piece for table in tables for piece in signature_pieces(table, num_perm)]
        self._starts = np.cumsum([0, *(len(piece) for piece in self._pieces)])

    def gather(self, documents: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """A copy of the signatures of documents: uint32 (documents, num_perm)."""
        found = np.empty((len(documents), self.num_perm), np.uint32)
        if not len(documents):
            return found
        piece_of = np.searchsorted(self._starts, documents, "right") - 1
        order = np.argsort(piece_of, kind="stable")
        pieces, first = np.unique(piece_of[order], return_index=True)
        for piece, chosen in zip(pieces.tolist(), np.split(order, first[1:]), strict=True):
            found[chosen] = self._pieces[piece][documents[chosen] - self._starts[piece]]
        return found


def signature_pieces(table: pa.Table, num_perm: int) -> list[NDArray[np.uint32]]:
    """The batches of a signature column, each uint32 (rows, num_perm), read-only and not copied."""
    found = table.schema.field("signature").type.list_size
    if found != num_perm:
        raise DamageError(f"a signature file holds {found} values a document where {num_perm} were expected; it was made with other settings. Measure again")
    views = [chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, num_perm) for chunk in table["signature"].chunks if len(chunk)]
    for view in views:
        view.flags.writeable = False
    return views
