"""Cross-document cuts: repeats as byte spans beside the documents, and the one way in which kept texts are read without them.

Spans are of the document as its part holds it (after within-document edits). They do not overlap: where kinds do, the span
that starts first has the bytes, of those that start together paragraphs before lines before substrings. White space that
cuts leave at either end of a text goes with them.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.pieces import PieceSettings, separator
from curate.dedup.substrings import SubstringSettings
from curate.documents import as_text, text_buffers
from curate.edits.spans import Spans, apply_spans
from curate.errors import DamageError
from curate.kernels.pieces import piece_starts
from curate.kernels.trim import trim_spans
from curate.kernels.winnow import token_starts
from curate.kernels.words import hash_words, word_tables
from curate.storage import read_batches

VERSION = 1
KINDS = ("paragraphs", "lines", "substrings")
KindSettings = PieceSettings | SubstringSettings
SPAN = pa.struct(
    [
        pa.field("start", pa.int64(), nullable=False),  # bytes of the document's UTF-8 text
        pa.field("end", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # one of KINDS
        pa.field("first_part", pa.uint32(), nullable=False),  # the document with the first occurrence; itself, where every occurrence is cut
        pa.field("first_row", pa.uint32(), nullable=False),
    ]
)
# num_words: how many are left, null where nothing was cut.
CUTS = pa.schema([pa.field("spans", pa.list_(pa.field("item", SPAN, nullable=False)), nullable=False), pa.field("num_words", pa.int64())])


class Cuts(NamedTuple):
    """Spans in a column of texts: rows, starts, ends int64 (bytes), kinds int64 (index into KINDS), first_parts and first_rows uint32."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    kinds: NDArray[np.int64]
    first_parts: NDArray[np.uint32]
    first_rows: NDArray[np.uint32]


def byte_spans(texts: pa.LargeStringArray, repeats: Mapping[str, NDArray[np.uint32]], kind: str, settings: KindSettings) -> Cuts:
    """The repeats of one kind in some texts (`row` counts from the first of them) as spans of bytes.

    Raises DamageError where a text has no such place: the repeats are of other documents.
    """
    touched, at = np.unique(repeats["row"], return_inverse=True)
    chosen = texts.take(pa.array(touched))
    data, offsets = text_buffers(chosen)
    if isinstance(settings, SubstringSettings):
        found, bounds = token_starts(data, offsets, word_tables())
    else:
        found, bounds = piece_starts(data, offsets, separator(settings))
    first = bounds[at] + repeats["place"]
    last = first + repeats["length"]
    if (last > bounds[at + 1]).any():
        row = int(repeats["row"][np.flatnonzero(last > bounds[at + 1])[0]])
        raise DamageError(f"repeated {kind} are named past the end of the text in row {row}; they were found in other documents. Run select again")
    lengths = np.diff(offsets)
    ends = np.where(last < bounds[at + 1], np.append(found, 0)[last], lengths[at])
    named = np.full(len(first), KINDS.index(kind), np.int64)
    return Cuts(repeats["row"].astype(np.int64), found[first], ends, named, repeats["first_part"], repeats["first_row"])


def disjoint(several: Iterable[Cuts]) -> Cuts:
    """All spans as one list by row and start; what an earlier one covers is taken off the later, and empty ones are gone."""
    listed = list(several)
    columns = [np.concatenate(column) for column in zip(*listed, strict=True)] if listed else [np.empty(0, np.int64)] * 6
    cuts = Cuts(*columns)
    order = np.lexsort((-cuts.ends, cuts.kinds, cuts.starts, cuts.rows))
    cuts = _taken(cuts, order)
    if not len(order):
        return cuts
    apart = int(cuts.ends.max()) + 1  # rows one behind the other, so that one running maximum serves all
    reach = np.maximum.accumulate(cuts.rows * apart + cuts.ends)
    before = np.append(0, reach[:-1]) - cuts.rows * apart  # negative where the spans before are of other rows
    starts = np.maximum(cuts.starts, before)
    left = cuts.ends > starts
    return _touching_joined(_taken(cuts._replace(starts=starts), left))


def _taken(cuts: Cuts, which: NDArray[Any]) -> Cuts:
    columns: list[Any] = [column[which] for column in cuts]
    return Cuts(*columns)


def _touching_joined(cuts: Cuts) -> Cuts:
    """Spans that follow one another without a gap, of one kind and with one first document, as one."""
    begins = np.ones(len(cuts.rows), bool)
    unlike = [column[1:] != column[:-1] for column in (cuts.rows, cuts.kinds, cuts.first_parts, cuts.first_rows)]
    begins[1:] = np.any([*unlike, cuts.starts[1:] != cuts.ends[:-1]], axis=0)
    last = np.append(begins[1:], True) if len(begins) else begins
    return _taken(cuts, begins)._replace(ends=cuts.ends[last])


def find_cuts(texts: pa.LargeStringArray, repeats: Mapping[str, Mapping[str, NDArray[np.uint32]]], settings: Mapping[str, KindSettings]) -> Cuts:
    """What is cut from some texts: the repeats of every kind, apart and trimmed (see the module)."""
    cuts = disjoint(byte_spans(texts, repeats[kind], kind, settings[kind]) for kind in KINDS if kind in repeats and len(repeats[kind]["row"]))
    starts, ends = (np.require(column, np.int64, ["C", "W"]) for column in (cuts.starts, cuts.ends))
    if len(starts):
        trim_spans(*text_buffers(texts), np.require(cuts.rows, np.int64, ["C", "W"]), starts, ends)
    return cuts._replace(starts=starts, ends=ends)


def cuts_batch(texts: pa.LargeStringArray, cuts: Cuts) -> pa.RecordBatch:
    """The cuts of some texts as CUTS, one row a text."""
    bounds = np.searchsorted(cuts.rows, np.arange(len(texts) + 1)).astype(np.int32)
    kinds = pa.DictionaryArray.from_arrays(pa.array(cuts.kinds, pa.int32()), pa.array(KINDS, pa.string())).cast(pa.string())
    columns = [pa.array(cuts.starts, pa.int64()), pa.array(cuts.ends, pa.int64()), kinds]
    columns += [pa.array(cuts.first_parts, pa.uint32()), pa.array(cuts.first_rows, pa.uint32())]
    spans = pa.ListArray.from_arrays(pa.array(bounds), pa.StructArray.from_arrays(columns, fields=list(SPAN)), type=CUTS.field("spans").type)
    touched = np.flatnonzero(np.diff(bounds))
    num_words = np.zeros(len(texts), np.int64)
    left = cut_texts(texts, spans).take(pa.array(touched))
    num_words[touched] = np.diff(hash_words(*text_buffers(left), word_tables())[1])
    untouched = np.ones(len(texts), bool)
    untouched[touched] = False
    return pa.record_batch([spans, pa.array(num_words, mask=untouched)], schema=CUTS)


def cuts_of_part(
    batches: Iterable[pa.LargeStringArray], repeats: Mapping[str, Mapping[str, NDArray[np.uint32]]], settings: Mapping[str, KindSettings]
) -> Iterator[pa.RecordBatch]:
    """The cuts of a part, a batch of texts at a time. repeats: by kind, as `curate.dedup.places.repeats_of` gives them (substrings as spans of tokens)."""
    start = 0
    for texts in batches:
        mine: dict[str, dict[str, NDArray[np.uint32]]] = {}
        for kind, columns in repeats.items():
            low, high = np.searchsorted(columns["row"], (start, start + len(texts)))
            here = {name: column[low:high] for name, column in columns.items()}
            mine[kind] = here | {"row": here["row"] - np.uint32(start)}
        yield cuts_batch(texts, find_cuts(texts, mine, settings))
        start += len(texts)


def cut_texts(texts: pa.LargeStringArray, spans: pa.ListArray) -> pa.LargeStringArray:
    """The texts without their spans. spans: CUTS' column, one row a text."""
    values = spans.flatten()
    rows = np.repeat(np.arange(len(spans)), spans.value_lengths().to_numpy(zero_copy_only=False))
    starts, ends = (values.field(name).to_numpy(zero_copy_only=False) for name in ("start", "end"))
    return apply_spans(texts, Spans(rows, starts, ends, np.zeros(len(rows), np.int32), ("cut",), ("",)))


def kept_texts(documents: Path, keep: NDArray[np.bool_], cuts: Path | None = None) -> Iterator[tuple[pa.LargeStringArray, NDArray[np.bool_]]]:
    """The kept texts of a DOCUMENTS file as training sees them, a batch at a time, each with the mask (of the batch's rows) that chose them.

    keep: bool, one a document; cuts: the part's CUTS file, or None where nothing was cut. Raises DamageError where the
    three are not row-aligned.
    """
    mixed = "one of them is from another run. Run again, or see what `corpuscle verify` finds"
    spans = None if cuts is None else span_column(cuts)
    if spans is not None and len(spans) != len(keep):
        raise DamageError(f"{cuts} has {len(spans)} documents, the ledger beside it {len(keep)}; {mixed}")
    done = 0
    for batch in read_batches(documents, ["text"]):
        mine = keep[done : done + batch.num_rows]
        if len(mine) == batch.num_rows:
            kept = pa.array(np.flatnonzero(mine))
            texts = as_text(batch.column("text")).take(kept)
            yield (texts if spans is None else cut_texts(texts, spans.slice(done, batch.num_rows).take(kept))), mine
        done += batch.num_rows
    if done != len(keep):
        raise DamageError(f"{documents} has {done} documents but its ledger has {len(keep)}; {mixed}")


def span_column(cuts: Path) -> pa.ListArray:
    """The spans of a CUTS file, one list a document."""
    return pa.chunked_array([batch.column("spans") for batch in read_batches(cuts, ["spans"])], CUTS.field("spans").type).combine_chunks()
