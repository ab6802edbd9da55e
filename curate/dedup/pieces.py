"""Repeated lines and paragraphs, by the number of different documents they occur in.

A piece is a duplicate where its form (normalised or exact, see `curate.kernels.pieces`) occurs in more than
`max_documents` documents. With `keep_first` all its occurrences but the first are cut, as CCNet (arXiv 1911.00359) and
Dolma (arXiv 2402.00159) do; without, all of them, which is what boilerplate deserves. Repetition inside one document makes
no duplicate. Equality is equality of 64-bit hashes: among 10^8 different lines two share one with a chance of 3 × 10^-4.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.dedup.places import Entries, Repeats, sorted_run
from curate.documents import text_buffers
from curate.kernels.pieces import LINE, PARAGRAPH, hash_pieces, piece_table
from curate.kernels.words import word_tables

VERSION = 1


class PieceSettings(BaseModel):
    """Which pieces count as repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_documents: int = Field(1, ge=1, description="Different documents a piece may occur in; in more it is cut.")
    keep_first: bool = Field(True, description="Leave the first occurrence in (source order, part, row); false cuts every one.")
    min_characters: int = Field(1, ge=1, description="Code points of the compared form; shorter pieces are never cut.")
    min_words: int = Field(1, ge=0, description="Words; pieces with fewer are never cut.")
    normalised: bool = Field(True, description="Compare lower-cased, digits as 0, without punctuation (CCNet); false compares as written.")


class LineSettings(PieceSettings):
    """Lines, as they stand between newlines. Headings and brackets repeat everywhere, hence the least number of words."""

    min_words: int = Field(5, ge=0, description="Words; lines with fewer are never cut.")


class ParagraphSettings(PieceSettings):
    """Paragraphs, as they stand between two newlines or more. 13 words: DCLM's shortest n-gram (arXiv 2406.11794)."""

    min_words: int = Field(13, ge=0, description="Words; paragraphs with fewer are never cut.")


def separator(settings: PieceSettings) -> int:
    """How many newlines separate the pieces."""
    return PARAGRAPH if isinstance(settings, ParagraphSettings) else LINE


def piece_entries(texts: pa.LargeStringArray, settings: PieceSettings) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint32]]:
    """(keys, texts, piece numbers) of the pieces of some texts that are long enough."""
    data, offsets = text_buffers(texts)
    kinds = word_tables().kind
    keys, rows, numbers = hash_pieces(data, offsets, separator(settings), piece_table(settings.normalised), kinds, settings.min_characters, settings.min_words)
    return keys, rows, numbers


def piece_run(texts: pa.LargeStringArray, settings: PieceSettings) -> pa.Table:
    """The run of a part whose texts are at hand; a row is a text's position."""
    return sorted_run(*piece_entries(texts, settings))


def repeated_pieces(entries: Entries, settings: PieceSettings) -> Repeats:
    """The occurrences to be cut among merged entries (of whole keys)."""
    count = len(entries.keys)
    if not count:
        return Repeats(*(np.empty(0, np.uint32),) * 6)
    starts = np.ones(count, bool)
    starts[1:] = entries.keys[1:] != entries.keys[:-1]
    new_document = starts.copy()
    new_document[1:] |= (entries.ranks[1:] != entries.ranks[:-1]) | (entries.rows[1:] != entries.rows[:-1])
    firsts = np.flatnonzero(starts)
    sizes = np.diff(np.append(firsts, count))
    num_documents = np.add.reduceat(new_document.astype(np.int64), firsts)
    cut = np.repeat(num_documents > settings.max_documents, sizes)
    if settings.keep_first:
        cut &= ~starts
    first = np.repeat(firsts, sizes)[cut]
    return Repeats(*(column[cut] for column in entries[1:4]), *(column[first] for column in entries[1:4]))
