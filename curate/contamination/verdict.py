"""Which hits make a document contaminated, and the per-item table that certifies it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.errors import DamageError
from curate.kernels.ngrams import LONGEST

CLEAN, CONTAMINATED, UNTESTABLE = "clean", "contaminated", "untestable"

# One row per item; untested_fields: the choices of its fields that cannot be looked for by themselves (a short question without its options), with
# the reason; num_words, n, num_ngrams and untestable are those of all its fields as written. num_documents: contaminated by it (which,
# curate.contamination.hits says); num_touched: with any hit; max_matched_fraction, max_covered_fraction: the most any document
# holds of a form of it; first_part, first_row: the first document it contaminates.
CERTIFICATE = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("untestable", pa.string()),
        pa.field("untested_fields", pa.string()),
        pa.field("num_words", pa.int64(), nullable=False),
        pa.field("n", pa.uint8(), nullable=False),
        pa.field("num_ngrams", pa.int64(), nullable=False),
        pa.field("num_documents", pa.int64(), nullable=False),
        pa.field("num_touched", pa.int64(), nullable=False),
        pa.field("max_matched_fraction", pa.float64(), nullable=False),
        pa.field("max_covered_fraction", pa.float64(), nullable=False),
        pa.field("first_part", pa.uint32()),
        pa.field("first_row", pa.uint32()),
    ]
)


class ContaminationSettings(BaseModel):
    """How much of an item a document must hold to be contaminated by it: enough of its n-grams, or of its words in one place.

    N-grams find what is quoted whole or in part, the words in one place what was edited: options moved, every tenth word another. Measured by
    tests/bench/bench_contamination.py: with the benchmarks it reads, one of 26,648 pages of manuals is contaminated at three quarters of the
    weight whatever an item's length, none at 0.85 for the short ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min_matched_fraction: float = Field(default=0.25, ge=0, le=1, description="share of the item's n-grams that the document holds")
    min_matched_ngrams: int = Field(default=1, ge=1, description="number of them; an item with fewer needs all it has")
    min_covered_fraction: float = Field(default=0.75, ge=0.5, le=1, description="share of the item's words, by weight, that one place of the document holds")
    min_covered_fraction_short: float = Field(default=0.85, ge=0.5, le=1, description="the same for items of fewer than 13 words outside stock phrases")
    min_covered_numbers_fraction: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the item's numbers that must be among those words, where it has two or more: other numbers, another question",
    )


class Shares(NamedTuple):
    """All hits, one after another as in the flattened column. rows: of the index; documents: of the hit column; matched: share of the item's
    n-grams; covered: share of its weight in one place; enough: whether the document is contaminated by it."""

    rows: NDArray[np.int64]
    documents: NDArray[np.int64]
    num_matched: NDArray[np.int64]
    matched: NDArray[np.float64]
    covered: NDArray[np.float64]
    enough: NDArray[np.bool_]


def shares(hits: pa.ListArray, items: pa.Table, settings: ContaminationSettings) -> Shares:
    """How much of its item each hit holds, and whether that is enough.

    `items` are the index's item rows (`Index.items`). Raises DamageError where a hit points past them or claims more
    than its item has: the measure was then made with another index.
    """
    pairs = hits.flatten()
    rows, num_matched, weight, numbers = (pairs.field(k).to_numpy(zero_copy_only=False).astype(np.int64) for k in range(4))
    known = {name: items[name].to_numpy() for name in ("num_ngrams", "weight", "num_numbers", "num_evidence")}
    if rows.size and (int(rows.max()) >= len(items) or bool((num_matched > known["num_ngrams"][rows]).any() or (weight > known["weight"][rows]).any())):
        found = f"{len(items)} items, hits up to item {int(rows.max())}"
        raise DamageError(f"benchmark hits do not fit the index ({found}); they were measured with another one, so measure again")
    num_ngrams, num_numbers, evidence = (known[name][rows] for name in ("num_ngrams", "num_numbers", "num_evidence"))
    matched, covered = num_matched / np.maximum(num_ngrams, 1), weight / np.maximum(known["weight"][rows], 1)
    quoted = (num_matched > 0) & (matched >= settings.min_matched_fraction) & (num_matched >= np.minimum(settings.min_matched_ngrams, num_ngrams))
    held = covered >= np.where(evidence < LONGEST, settings.min_covered_fraction_short, settings.min_covered_fraction)
    held &= (num_numbers < 2) | (numbers / np.maximum(num_numbers, 1) >= settings.min_covered_numbers_fraction)
    return Shares(rows, np.repeat(np.arange(len(hits)), np.diff(hits.offsets.to_numpy())), num_matched, matched, covered, quoted | held)


def contaminated(hits: pa.ListArray, items: pa.Table, settings: ContaminationSettings) -> NDArray[np.bool_]:
    """Which documents are contaminated, one bool each (see `shares`)."""
    result = np.zeros(len(hits), bool)
    found = shares(hits, items, settings)
    result[found.documents[found.enough]] = True
    return result


def item_table(items: pa.Table, parts: Iterable[tuple[int, pa.ListArray]], settings: ContaminationSettings) -> pa.Table:
    """The certificate: every item of every benchmark, in index order, as clean, contaminated or untestable.

    `parts` are (part, its hits) in the order in which documents count as first; one is held at a time. The forms of an item
    share its row: a document counts once, the largest share is reported.
    """
    owner = owners(items)
    num_items = int(owner[-1]) + 1 if owner.size else 0
    num_documents, num_touched = np.zeros(num_items, np.int64), np.zeros(num_items, np.int64)
    matched, covered, first = np.zeros(num_items), np.zeros(num_items), np.full((num_items, 2), -1, np.int64)
    for part, hits in parts:
        found = shares(hits, items, settings)
        num_touched += _count_pairs(owner[found.rows], found.documents, num_items)[0]
        np.maximum.at(matched, owner[found.rows], found.matched)
        np.maximum.at(covered, owner[found.rows], found.covered)
        counts, earliest = _count_pairs(owner[found.rows[found.enough]], found.documents[found.enough], num_items)
        new = (num_documents == 0) & (counts > 0)
        first[new, 0], first[new, 1] = part, earliest[new]
        num_documents += counts
    main = np.flatnonzero(np.diff(owner, prepend=-1))
    kept = items.take(pa.array(main))
    testable = np.zeros(num_items, bool)
    np.logical_or.at(testable, owner, items["untestable"].is_null().to_numpy())
    status = np.where(~testable, UNTESTABLE, np.where(num_documents > 0, CONTAMINATED, CLEAN))
    untestable = pc.if_else(pa.array(testable), pa.scalar(None, pa.string()), kept["untestable"])
    where = [pa.array(first[:, k], pa.int64(), mask=first[:, k] < 0) for k in (0, 1)]
    columns: list[Any] = [
        kept["benchmark"],
        kept["item_id"],
        pa.array(status, pa.string()),
        untestable,
        _untested(items, owner, num_items),
        kept["num_words"],
        kept["n"],
        kept["num_ngrams"],
    ]
    columns += [num_documents, num_touched, matched, covered, *(column.cast(pa.uint32()) for column in where)]
    return pa.table(columns, schema=CERTIFICATE)


def owners(items: pa.Table) -> NDArray[np.int64]:
    """The item, from 0, of each row of the index: the forms of an item stand together."""
    if not len(items):
        return np.zeros(0, np.int64)
    same = pa.array([True] * (len(items) - 1), pa.bool_())
    for name in ("benchmark", "item_id"):
        column = items[name].combine_chunks()
        same = pc.and_(same, pc.equal(column[1:], column[:-1]))
    return np.concatenate(([0], np.cumsum(~same.to_numpy(zero_copy_only=False))))


def _untested(items: pa.Table, owner: NDArray[np.int64], num_items: int) -> pa.Array:
    told: list[list[str]] = [[] for _ in range(num_items)]
    rows = np.flatnonzero(items["untestable"].is_valid().to_numpy())
    chosen = items.take(pa.array(rows))
    for item, fields, form, reason in zip(owner[rows].tolist(), *(chosen[name].to_pylist() for name in ("fields", "form", "untestable")), strict=True):
        if form == "written":
            told[item].append(f"{fields}: {reason}")
    return pa.array(["; ".join(choices) or None for choices in told], pa.string())


def _count_pairs(owner: NDArray[np.int64], documents: NDArray[np.int64], num_items: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per item: in how many documents, and the first of them (meaningless where none)."""
    pairs = np.unique(np.stack((owner, documents), axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=num_items)
    starts = np.minimum(np.concatenate(([0], np.cumsum(counts)[:-1])), max(0, len(pairs) - 1))
    return counts, pairs[starts, 1] if len(pairs) else np.zeros(num_items, np.int64)
