"""The bundled archives as plain texts, read without any of our readers: one a file, line, record or page, damage and markup included."""

import functools
import zlib
from pathlib import Path

import pyarrow.parquet as pq

FOLDER = Path(__file__).parents[1] / "pipelines" / "samples"


@functools.cache
def sample_texts() -> tuple[str, ...]:
    """Every text of the samples, in the order of their paths."""
    return tuple(text for path in sorted(FOLDER.rglob("*")) if path.is_file() for text in _texts(path))


def _texts(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return [text for text in pq.read_table(path, columns=["text"])["text"].to_pylist() if text is not None]
    content = _unpacked(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    kind = path.name.removesuffix(".gz")
    pieces = content.split(b"WARC/1.0\r\n") if kind.endswith((".warc", ".wet")) else content.splitlines() if kind.endswith(".jsonl") else [content]
    return [piece.decode("utf-8", "replace") for piece in pieces]


def _unpacked(packed: bytes) -> bytes:
    """All members of a gzip file, the last one as far as it goes."""
    found = b""
    while packed:
        member = zlib.decompressobj(wbits=31)
        found += member.decompress(packed)
        packed = member.unused_data
    return found
