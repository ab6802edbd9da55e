"""MinHash signatures as columns, and the shingle hashes they are made of.

The signatures are those of datasketch 2.x, so they can be loaded into any of its indexes:
`MinHash(hashvalues=row, scheme="affine32")`.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate.documents import as_text, text_buffers
from curate.errors import RecipeError
from curate.kernels import minhash
from curate.kernels.words import word_tables

VERSION = 1
_Model = TypeVar("_Model", bound=BaseModel)


class Settings(BaseModel):
    """How a signature is made. The defaults are FineWeb's (Penedo et al. 2024)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    num_perm: int = Field(default=112, ge=1, le=4096, description="Values in a signature.")
    shingle_words: int = Field(default=5, ge=1, le=minhash.MAX_SHINGLE_WORDS, description="Consecutive words in a shingle.")
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="Which permutations; signatures of different seeds cannot be compared.")


def schema(settings: Settings) -> pa.Schema:
    """The columns for these settings: the signature's length is one of them."""
    return pa.schema(
        [
            pa.field("signature", pa.list_(pa.field("value", pa.uint32(), nullable=False), settings.num_perm), nullable=False),
            pa.field("num_shingles", pa.int64(), nullable=False),  # repeats counted; 0 for a text shorter than a shingle
        ]
    )


SCHEMA = schema(Settings())


def measure(texts: pa.LargeStringArray, settings: Settings, kept: NDArray[np.uint32] | None = None) -> pa.Table:
    """One row a text, columns as in `schema(settings)`. A text shorter than a shingle has 0 shingles and 0xFFFFFFFF in every place.

    kept: uint32 with room for the shingle hashes of all texts, which are written there one text after another (see `curate.measures.shingles`).
    """
    signatures, num_shingles = _sign(texts, settings, kept)
    flat = pa.py_buffer(signatures)
    columns = schema(settings)
    values = pa.Array.from_buffers(pa.uint32(), signatures.size, [None, flat])
    return pa.table([pa.FixedSizeListArray.from_arrays(values, type=columns.field("signature").type), pa.array(num_shingles)], schema=columns)


def signatures(texts: Sequence[str] | pa.Array | pa.ChunkedArray, num_perm: int = 112, shingle_words: int = 5, seed: int = 1) -> NDArray[np.uint32]:
    """MinHash signatures of texts: uint32 (documents, num_perm).

    Two texts' share of equal places estimates the Jaccard similarity s of their shingle sets, with variance
    s (1 - s) / num_perm. Raises RecipeError for a number out of range, ValueError for a null text.
    """
    settings = checked(Settings, {"num_perm": num_perm, "shingle_words": shingle_words, "seed": seed})
    return _sign(as_text(texts), settings)[0]


def shingle_hashes(text: str, shingle_words: int = 5) -> NDArray[np.uint32]:
    """The 32-bit hashes of a text's shingles, in its order and with repeats; empty if it has fewer words than a shingle."""
    settings = checked(Settings, {"shingle_words": shingle_words})
    data = _read_only(np.frombuffer(text.encode(), np.uint8))
    hashes: NDArray[np.uint32] = minhash.shingle_hashes(data, word_tables(), settings.shingle_words)
    return hashes


def checked(model: type[_Model], options: dict[str, Any]) -> _Model:
    """A settings model from a caller's keywords. Raises RecipeError that names each bad one."""
    try:
        return model(**options)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc'])) or model.__name__}: {one['msg']} (found {one['input']!r})" for one in error.errors())
        raise RecipeError(f"these options cannot be used: {found}. Known options: {', '.join(model.model_fields)}") from error


def _sign(texts: pa.LargeStringArray, settings: Settings, kept: NDArray[np.uint32] | None = None) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    data, offsets = text_buffers(texts)
    found = np.empty((len(texts), settings.num_perm), np.uint32)
    num_shingles = np.empty(len(texts), np.int64)
    coefficients = minhash.permutations(settings.num_perm, settings.seed)
    hashes = np.empty(0, np.uint32) if kept is None else kept
    minhash.sign(_read_only(data), _read_only(offsets), word_tables(), *coefficients, settings.shingle_words, found, num_shingles, hashes)
    return found, num_shingles


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Numba compiles once for read-only and once for writable arrays (3 s each); Arrow hands out either."""
    view = array.view()
    view.flags.writeable = False
    return view
