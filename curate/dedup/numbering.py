"""Parts in a stated order, numbered through: a document is one uint32 while duplicates are decided."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.errors import DamageError, RecipeError

MAX_DOCUMENTS = 2**32 - 1  # the last number says "none"
OWN = 0xFFFF  # the run of a part that belongs to no earlier one


class EarlierRows(NamedTuple):
    """A part of an earlier run: the number it goes by here, its rows, which of the earlier runs it is of, its id there."""

    id: int
    num_documents: int
    run: int
    part: int


class Origins(NamedTuple):
    """Where documents are: runs uint16 (OWN, or which earlier run), parts uint32 (ids in that run), rows uint32."""

    runs: NDArray[np.uint16]
    parts: NDArray[np.uint32]
    rows: NDArray[np.uint32]


@dataclass(frozen=True)
class Numbering:
    """parts: uint32 (parts,) in the order of the numbers, those of earlier runs first; starts: int64 (parts + 1,), the number
    of each part's first document, and their sum; earlier: the parts of earlier runs."""

    parts: NDArray[np.uint32]
    starts: NDArray[np.int64]
    earlier: tuple[EarlierRows, ...] = ()

    @property
    def num_documents(self) -> int:
        return int(self.starts[-1])

    @property
    def num_earlier(self) -> int:
        """How many documents are of earlier runs; theirs are the first numbers."""
        return int(self.starts[len(self.earlier)])

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

    def origins(self, documents: NDArray[np.uint32]) -> Origins:
        """As `places`, with documents of earlier runs by their run and their part's id there."""
        positions = np.searchsorted(self.starts, documents, "right") - 1
        runs = np.full(len(self.parts), OWN, np.uint16)
        runs[: len(self.earlier)] = [one.run for one in self.earlier]
        names = self.parts.copy()
        names[: len(self.earlier)] = [one.part for one in self.earlier]
        return Origins(runs[positions], names[positions], (documents - self.starts[positions]).astype(np.uint32))

    def _positions(self, parts: NDArray[np.uint32]) -> NDArray[np.intp]:
        ordered = self.parts[self._by_part]
        found = np.minimum(np.searchsorted(ordered, parts), max(len(ordered) - 1, 0))
        unknown = ordered[found] != parts if len(ordered) else np.ones(len(parts), bool)
        if unknown.any():
            part = int(parts[np.flatnonzero(unknown)[0]])
            raise DamageError(f"an index names part {part:08x}, which is not among the {len(ordered)} numbered ones. Build it again")
        return self._by_part[found]


def number_parts(parts: Iterable[tuple[int, int]], earlier: Sequence[EarlierRows] = ()) -> Numbering:
    """Number the documents of earlier parts, then of (part, number of rows), in the order given.

    Raises RecipeError beyond MAX_DOCUMENTS or for a part named twice.
    """
    listed = [*((one.id, one.num_documents) for one in earlier), *parts]
    ids = np.array([part for part, _ in listed], np.uint32)
    starts = np.concatenate([[0], np.cumsum([rows for _, rows in listed], dtype=np.int64)]).astype(np.int64)
    if len(np.unique(ids)) != len(ids):
        raise RecipeError("a part is listed twice; each document must have one number")
    if starts[-1] > MAX_DOCUMENTS:
        raise RecipeError(f"{starts[-1]} documents; duplicates are decided among at most {MAX_DOCUMENTS} at a time. Split the recipe by source")
    return Numbering(ids, starts, tuple(earlier))
