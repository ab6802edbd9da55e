"""What a document is, and the columns its files hold.

A *record* is what a reader finds in an archive; a *document* is a record's text, ready to be measured. A part holds the
documents of one slice of one source. Documents, measure families and the ledger of a part share row numbers; nothing is
joined by id.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

DOCUMENTS = pa.schema(
    [
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("path", pa.dictionary(pa.int32(), pa.string()), nullable=False),  # relative to the source's root
        pa.field("offset", pa.int64(), nullable=False),  # bytes from the start of the (decompressed, if one stream) file; Parquet: row in its group
        pa.field("row_group", pa.int32()),  # Parquet only
        pa.field("uri", pa.string()),  # where the record says it was taken from
        pa.field("identifier", pa.string()),  # the record's own id, if it has one
    ]
)

# Records that did not become documents. fate: "dropped" (well-formed, not wanted here, such as an image) or
# "quarantined" (damaged or beyond a limit).
REFUSED = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("row_group", pa.int32()),
        pa.field("uri", pa.string()),
        pa.field("fate", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)


def as_text(texts: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """One contiguous large_string array from a list of str, an Arrow array or a chunked one. Nulls are refused."""
    array: Any = texts
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if not isinstance(array, pa.Array):
        array = pa.array(array, pa.large_string())
    if array.null_count:
        raise ValueError(f"{array.null_count} of {len(array)} texts are null; a document has a text, if only an empty one")
    return array.cast(pa.large_string())


def text_buffers(texts: pa.LargeStringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The UTF-8 bytes of an array and its n + 1 offsets into them, without a copy. What every text kernel takes."""
    _, offsets, data = texts.buffers()
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1] if offsets is not None and offsets.size else np.zeros(1, np.int64)
    for array in (held, bounds):
        array.flags.writeable = False  # always, since numba compiles a kernel once more for arrays that can be written
    return held, bounds


def content_ids(texts: pa.LargeStringArray) -> pa.FixedSizeBinaryArray:
    """xxh3-128 of each text's UTF-8 bytes, big-endian, 16 bytes each: a document's name outside a run."""
    data, offsets = text_buffers(texts)
    view = memoryview(data)  # type: ignore[arg-type]  # numpy arrays give their buffer
    digests = b"".join(xxhash.xxh3_128_digest(view[start:end]) for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(texts), [None, pa.py_buffer(digests)])


def content_words(ids: pa.FixedSizeBinaryArray) -> NDArray[np.uint64]:
    """Content ids as (n, 2) unsigned 64-bit words, the form `curate.seeds` takes."""
    buffer = ids.buffers()[1]
    if buffer is None or len(ids) == 0:
        return np.zeros((0, 2), np.uint64)
    words = np.frombuffer(buffer, ">u8").reshape(-1, 2)[ids.offset : ids.offset + len(ids)]
    return words.astype(np.uint64)
