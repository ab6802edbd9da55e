"""Parts in a stated order, numbered through: a document is one uint32 while duplicates are decided."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from curate.errors import DamageError, RecipeError

MAX_DOCUMENTS = 2**32 - 1  # the last number says "none"


@dataclass(frozen=True)
class Numbering:
    """parts: uint32 (parts,) in the order of the numbers; starts: int64 (parts + 1,), the number of each part's first document, and their sum."""

    parts: NDArray[np.uint32]
    starts: NDArray[np.int64]

    @property
    def num_documents(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def _by_part(self) -> NDArray[np.intp]:
        return np.argsort(self.parts)

    def of_part(self, part: int) -> slice:
        """The numbers of one part's documents."""
        index = int(self._positions(np.array([part], np.uint32))[0])
        return slice(int(self.starts[index]), int(self.starts[index + 1]))

    def documents(self, parts: NDArray[np.uint32], rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The numbers of the documents at (part, row). Raises DamageError for one the parts do not have."""
        positions = self._positions(parts)
        numbers = self.starts[positions] + rows
        beyond = numbers >= self.starts[positions + 1]
        if beyond.any():
            at = int(np.flatnonzero(beyond)[0])
            raise DamageError(f"an index names row {rows[at]} of part {parts[at]:08x}, which is shorter; it belongs to other documents. Build it again")
        return numbers.astype(np.uint32)

    def places(self, documents: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Part and row of documents by number."""
        positions = np.searchsorted(self.starts, documents, "right") - 1
        return self.parts[positions], (documents - self.starts[positions]).astype(np.uint32)

    def _positions(self, parts: NDArray[np.uint32]) -> NDArray[np.intp]:
        ordered = self.parts[self._by_part]
        found = np.minimum(np.searchsorted(ordered, parts), max(len(ordered) - 1, 0))
        unknown = ordered[found] != parts if len(ordered) else np.ones(len(parts), bool)
        if unknown.any():
            part = int(parts[np.flatnonzero(unknown)[0]])
            raise DamageError(f"an index names part {part:08x}, which is not among the {len(ordered)} numbered ones. Build it again")
        return self._by_part[found]


def number_parts(parts: Iterable[tuple[int, int]]) -> Numbering:
    """Number the documents of (part, number of rows) in the order given. Raises RecipeError beyond MAX_DOCUMENTS or for a part named twice."""
    listed = list(parts)
    ids = np.array([part for part, _ in listed], np.uint32)
    starts = np.concatenate([[0], np.cumsum([rows for _, rows in listed], dtype=np.int64)]).astype(np.int64)
    if len(np.unique(ids)) != len(ids):
        raise RecipeError("a part is listed twice; each document must have one number")
    if starts[-1] > MAX_DOCUMENTS:
        raise RecipeError(f"{starts[-1]} documents; duplicates are decided among at most {MAX_DOCUMENTS} at a time. Split the recipe by source")
    return Numbering(ids, starts)
