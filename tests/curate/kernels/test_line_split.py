"""Lines between newlines."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.byte_masks import PADDING
from curate.kernels.line_split import split_lines

TEXTS = st.lists(
    st.sampled_from(["\n", "\n", "\r\n", "\r", "a", "é", "中", "👩", " ", "\x00", "\x00\x00", "x" * 7, "y" * 8, "z" * 30, "zé" * 30]), max_size=40
).map("".join)


def split(text: str) -> tuple[list[str], list[int], list[int]]:
    encoded = text.encode()
    room = encoded.count(b"\n") + 1
    bounds, hashes, lengths = np.zeros((2, room), np.int64), np.zeros(room, np.uint64), np.zeros(room, np.int64)
    assert split_lines(np.frombuffer(encoded + b" " * PADDING, np.uint8), len(encoded), bounds, hashes, lengths) == room
    return [encoded[start:end].decode() for start, end in bounds.T], hashes.tolist(), lengths.tolist()


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(TEXTS)
def test_lines_lie_between_newlines_and_equal_ones_alone_have_equal_hashes(text: str) -> None:
    expected = text.replace("\r\n", "\n").split("\n")
    lines, hashes, lengths = split(text)
    assert lines == expected
    assert lengths == list(map(len, expected))
    assert 0 not in hashes
    assert len(set(zip(lines, hashes, strict=True))) == len(set(lines)) == len(set(hashes))


def test_one_changed_byte_changes_a_lines_hash_and_two_do_not_cancel() -> None:
    plain = "a" * 32
    changed = {plain[:p] + letter + plain[p + 1 :] for p in range(32) for letter in "bcdefgh"}
    changed |= {line[:q] + letter + line[q + 1 :] for line in list(changed)[:40] for q in range(32) for letter in "bq"}
    _, hashes, _ = split("\n".join(changed))
    assert len(set(hashes)) == len(changed)
