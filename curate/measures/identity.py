"""What a document is called and how long it is: the columns exact duplicates and representatives are decided by."""

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from curate.documents import content_ids

SCHEMA = pa.schema(
    [
        pa.field("content_id", pa.binary(16), nullable=False),  # xxh3-128 of the UTF-8 bytes
        pa.field("num_bytes", pa.int64(), nullable=False),
        pa.field("num_characters", pa.int64(), nullable=False),  # code points
    ]
)
VERSION = 1


class Settings(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """One row a text, columns as in SCHEMA."""
    return pa.table([content_ids(texts), pc.binary_length(texts), pc.utf8_length(texts)], schema=SCHEMA)
