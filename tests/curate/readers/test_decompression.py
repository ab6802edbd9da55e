import gzip
import random
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.readers import Limits
from curate.readers.decompression import compression_of, decompressed, whole
from curate.readers.records import UnusableError

LIMITS = Limits()
PACKERS = {"gzip": lambda data: gzip.compress(data, mtime=0), "zstd": zstandard.compress}


def unpack(content: bytes, compression: str, step: int = 1000, limits: Limits = LIMITS) -> bytes:
    return b"".join(decompressed((content[at : at + step] for at in range(0, len(content), step)), compression, limits))


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5), st.integers(1, 400), st.sampled_from(sorted(PACKERS)))
@settings(max_examples=80, deadline=None)
def test_all_members_and_frames_are_read_whatever_the_block_size(pieces: list[bytes], step: int, compression: str) -> None:
    assert unpack(b"".join(map(PACKERS[compression], pieces)), compression, step) == b"".join(pieces)


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_every_cut_is_noticed(compression: str) -> None:
    rng = random.Random(3)
    content = PACKERS[compression](b"".join(b"%d\n" % rng.randrange(1000) for _ in range(60)))
    for cut in range(1, len(content)):
        with pytest.raises(UnusableError) as caught:
            unpack(content[:-cut], compression)
        assert caught.value.reason == "truncated"


def test_a_cut_zstd_frame_without_a_checksum_is_noticed() -> None:
    content = zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compressobj()
    packed = b"".join(content.compress(b"line %d\n" % number) + content.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for number in range(2000))
    with pytest.raises(UnusableError) as caught:
        unpack(packed, "zstd")
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_what_came_before_a_cut_is_handed_on(compression: str) -> None:
    content = PACKERS[compression](random.Random(1).randbytes(500_000))
    got: list[bytes] = []
    with pytest.raises(UnusableError):
        got.extend(decompressed(iter([content[:300_000]]), compression, LIMITS))
    assert sum(map(len, got)) > 100_000


def test_zeros_behind_gzip_are_padding_and_anything_else_is_damage() -> None:
    content = gzip.compress(b"a" * 100)
    assert unpack(content + bytes(5000) + content + bytes(700), "gzip") == b"a" * 200
    for junk in (b"junk", bytes(50) + b"xyz"):
        with pytest.raises(UnusableError, match="damaged"):
            unpack(content + junk, "gzip")
    with pytest.raises(UnusableError, match="damaged"):
        unpack(bytes(50) + content, "gzip")


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_flipped_bits_never_pass_unnoticed_in_checked_streams(compression: str) -> None:
    packer = PACKERS["gzip"] if compression == "gzip" else zstandard.ZstdCompressor(write_checksum=True).compress
    data = b"some text, some more text, " * 40
    content = packer(data)
    for bit in range(0, len(content) * 8, 3):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found: bytes | str = unpack(bytes(flipped), compression)
        except UnusableError as why:
            found = why.reason
        assert found in (data, "damaged", "truncated")  # some bits of gzip's header decide nothing


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_bombs_stop_at_the_ratio_with_little_memory(compression: str) -> None:
    content = PACKERS[compression](bytes(200 << 20))
    tracemalloc.start()
    with pytest.raises(UnusableError) as caught:
        for _ in decompressed(iter([content]), compression, LIMITS):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "decompression_limit"
    assert peak < 80 << 20


def test_the_byte_limit_holds_for_all_members_together() -> None:
    content = gzip.compress(random.Random(0).randbytes(600)) * 2
    assert len(unpack(content, "gzip", limits=Limits(max_stream_bytes=1200))) == 1200
    with pytest.raises(UnusableError, match="decompression_limit"):
        unpack(content, "gzip", limits=Limits(max_stream_bytes=1199))


def test_a_window_beyond_the_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=24, compression_level=1)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = packer.compress(b"x" * 1000) + packer.flush()
    assert unpack(content, "zstd") == b"x" * 1000
    with pytest.raises(UnusableError, match="damaged"):
        unpack(content, "zstd", limits=Limits(max_window_bytes=1 << 20))


def test_compression_is_told_by_the_first_bytes(tmp_path: Path) -> None:
    for name, content, expected in (
        ("a.txt", gzip.compress(b"x", mtime=0), "gzip"),
        ("b", zstandard.compress(b"x"), "zstd"),
        ("c", b"x", "none"),
        ("d.gz", b"", "none"),
    ):
        (tmp_path / name).write_bytes(content)
        assert compression_of(tmp_path / name) == expected
    (tmp_path / "e.jsonl.gz").write_bytes(b'{"text": "a"}\n')
    with pytest.raises(UnusableError, match=r"named \.gz"):
        compression_of(tmp_path / "e.jsonl.gz")


def test_whole_files_stop_at_the_document_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"x" * 100))
    assert whole(path, Limits(max_document_bytes=100)) == b"x" * 100
    with pytest.raises(UnusableError, match="too_large"):
        whole(path, Limits(max_document_bytes=99))
