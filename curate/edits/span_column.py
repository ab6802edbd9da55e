"""Spans as an Arrow list column, the form in which they stand beside documents: one list a row, never the text itself."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curate.edits.spans import Spans, replacement_bytes
from curate.errors import DamageError

SPANS = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int64(), nullable=False),  # bytes of the text before edits
            pa.field("end", pa.int64(), nullable=False),
            pa.field("edit", pa.string(), nullable=False),
            pa.field("replacement_bytes", pa.int32(), nullable=False),  # of what stands in its place, 0 where it was cut
        ]
    )
)


def span_column(spans: Spans, num_rows: int) -> pa.ListArray:
    """The spans of rows 0 to num_rows, as lists."""
    bounds = np.searchsorted(spans.rows, np.arange(num_rows + 1)).astype(np.int32)
    names = pa.DictionaryArray.from_arrays(pa.array(spans.edits, pa.int32()), pa.array(spans.names, pa.string())).cast(pa.string())
    fields = list(SPANS.value_type)
    columns = [pa.array(spans.starts, pa.int64()), pa.array(spans.ends, pa.int64()), names, pa.array(replacement_bytes(spans).astype(np.int32))]
    return pa.ListArray.from_arrays(pa.array(bounds), pa.StructArray.from_arrays(columns, fields=fields), type=SPANS)


def spans_of_column(column: pa.ListArray | pa.ChunkedArray, replacements: Mapping[str, str] | None = None) -> Spans:
    """The spans that a column holds, one row of it a text. replacements: what stands in the place of an edit that does not
    only cut; DamageError where its bytes are not as many as the column says."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    lengths = whole.value_lengths().to_numpy(zero_copy_only=False)
    values = whole.flatten()
    edits = values.field("edit").dictionary_encode()
    names = tuple(edits.dictionary.to_pylist())
    stands = tuple((replacements or {}).get(name, "") for name in names)
    starts, ends = (np.array(values.field(name), np.int64) for name in ("start", "end"))
    spans = Spans(np.repeat(np.arange(len(whole)), lengths), starts, ends, np.array(edits.indices, np.int32), names, stands)
    given = values.field("replacement_bytes").to_numpy(zero_copy_only=False)
    differing = np.flatnonzero(replacement_bytes(spans) != given)
    if differing.size:
        k = int(differing[0])
        raise DamageError(
            f"span {k} ({names[spans.edits[k]]}) says that {given[k]} bytes stand in its place, {int(replacement_bytes(spans)[k])} were given for that edit: "
            "these spans cannot be applied again; name the replacement that was written, or run gather anew"
        )
    return spans
