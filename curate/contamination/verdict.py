"""Which hits make a document contaminated, and the per-item table that certifies it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.errors import DamageError

CLEAN, CONTAMINATED, UNTESTABLE = "clean", "contaminated", "untestable"

# One row per item. num_documents: contaminated by it; num_touched: with any of its n-grams; max_matched_fraction: the most any
# document holds; first_part, first_row: the first document it contaminates.
CERTIFICATE = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("untestable", pa.string()),
        pa.field("num_words", pa.int64(), nullable=False),
        pa.field("n", pa.uint8(), nullable=False),
        pa.field("num_ngrams", pa.int64(), nullable=False),
        pa.field("num_documents", pa.int64(), nullable=False),
        pa.field("num_touched", pa.int64(), nullable=False),
        pa.field("max_matched_fraction", pa.float64(), nullable=False),
        pa.field("first_part", pa.uint32()),
        pa.field("first_row", pa.uint32()),
    ]
)


class ContaminationSettings(BaseModel):
    """How much of an item a document must hold to be contaminated by it.

    Measured with the 1,319 GSM8K and 5,153 LAMBADA test items: every item is found verbatim and with other case, spacing or
    punctuation; with one word replaced at random, at a quarter 95% and 100% are (at a half 85% and 100%; one n-gram
    99% and 100%). In 37 MB of manuals, forums, encyclopedia and quotations the one document with any n-gram of theirs holds
    a saying that a LAMBADA passage quotes (16% of the passage); a quarter lets it live.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min_matched_fraction: float = Field(default=0.25, ge=0, le=1, description="share of the item's n-grams that the document holds")
    min_matched_ngrams: int = Field(default=1, ge=1, description="number of them; an item with fewer needs all it has")


def contaminating(hits: pa.ListArray, items: pa.Table, settings: ContaminationSettings) -> NDArray[np.bool_]:
    """Which of the hits, one after another as in the flattened column, are enough to contaminate their document.

    `items` are the index's item rows (`Index.items`). Raises DamageError where a hit points past them or claims more
    n-grams than its item has: the measure was then made with another index.
    """
    rows, matched = _flat(hits)
    num_ngrams = items["num_ngrams"].to_numpy()
    if rows.size and (int(rows.max()) >= len(items) or bool((matched > num_ngrams[rows]).any())):
        found = f"{len(items)} items, hits up to item {int(rows.max())}"
        raise DamageError(f"benchmark hits do not fit the index ({found}); they were measured with another one, so measure again")
    known = num_ngrams[rows]
    return (matched / np.maximum(known, 1) >= settings.min_matched_fraction) & (matched >= np.minimum(settings.min_matched_ngrams, known))


def contaminated(hits: pa.ListArray, items: pa.Table, settings: ContaminationSettings) -> NDArray[np.bool_]:
    """Which documents are contaminated, one bool each (see `contaminating`)."""
    result = np.zeros(len(hits), bool)
    result[_documents(hits)[contaminating(hits, items, settings)]] = True
    return result


def item_table(items: pa.Table, parts: Iterable[tuple[int, pa.ListArray]], settings: ContaminationSettings) -> pa.Table:
    """The certificate: every item of every benchmark, in index order, as clean, contaminated or untestable.

    `parts` are (part, its hits) in the order in which documents count as first; one is held at a time. The forms of an item
    share its row: a document counts once, the larger share of the two is reported.
    """
    owner = _owners(items)
    num_items = int(owner[-1]) + 1 if owner.size else 0
    num_documents, num_touched = np.zeros(num_items, np.int64), np.zeros(num_items, np.int64)
    largest, first = np.zeros(num_items), np.full((num_items, 2), -1, np.int64)
    num_ngrams = items["num_ngrams"].to_numpy()
    for part, hits in parts:
        enough, documents = contaminating(hits, items, settings), _documents(hits)
        rows, matched = _flat(hits)
        num_touched += _count_pairs(owner[rows], documents, num_items)[0]
        np.maximum.at(largest, owner[rows], matched / np.maximum(num_ngrams[rows], 1))
        counts, earliest = _count_pairs(owner[rows[enough]], documents[enough], num_items)
        new = (num_documents == 0) & (counts > 0)
        first[new, 0], first[new, 1] = part, earliest[new]
        num_documents += counts
    main = np.flatnonzero(np.diff(owner, prepend=-1))
    kept = items.take(pa.array(main))
    testable = np.zeros(num_items, bool)
    np.logical_or.at(testable, owner, num_ngrams > 0)
    status = np.where(~testable, UNTESTABLE, np.where(num_documents > 0, CONTAMINATED, CLEAN))
    untestable = pc.if_else(pa.array(testable), pa.scalar(None, pa.string()), kept["untestable"])
    where = [pa.array(first[:, k], pa.int64(), mask=first[:, k] < 0) for k in (0, 1)]
    columns: list[Any] = [kept["benchmark"], kept["item_id"], pa.array(status, pa.string()), untestable, kept["num_words"], kept["n"], kept["num_ngrams"]]
    columns += [num_documents, num_touched, largest, *(column.cast(pa.uint32()) for column in where)]
    return pa.table(columns, schema=CERTIFICATE)


def _owners(items: pa.Table) -> NDArray[np.int64]:
    """The item, from 0, of each row of the index: the forms of an item stand together."""
    if not len(items):
        return np.zeros(0, np.int64)
    same = pa.array([True] * (len(items) - 1), pa.bool_())
    for name in ("benchmark", "item_id"):
        column = items[name].combine_chunks()
        same = pc.and_(same, pc.equal(column[1:], column[:-1]))
    return np.concatenate(([0], np.cumsum(~same.to_numpy(zero_copy_only=False))))


def _flat(hits: pa.ListArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The item rows and n-gram counts of all hits, one after another."""
    pairs = hits.flatten()
    return tuple(pairs.field(k).to_numpy(zero_copy_only=False).astype(np.int64) for k in (0, 1))


def _documents(hits: pa.ListArray) -> NDArray[np.int64]:
    """The document of each hit."""
    return np.repeat(np.arange(len(hits)), np.diff(hits.offsets.to_numpy()))


def _count_pairs(owner: NDArray[np.int64], documents: NDArray[np.int64], num_items: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per item: in how many documents, and the first of them (meaningless where none)."""
    pairs = np.unique(np.stack((owner, documents), axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=num_items)
    starts = np.minimum(np.concatenate(([0], np.cumsum(counts)[:-1])), max(0, len(pairs) - 1))
    return counts, pairs[starts, 1] if len(pairs) else np.zeros(num_items, np.int64)
