"""The hash table and the splitting behind the repetition counts."""

import numpy as np

from curate.kernels.repetition import count_copies, split_pieces


def split(text: str, min_newlines: int) -> tuple[list[int], list[int]]:
    data = np.frombuffer(text.encode(), np.uint8)
    hashes, lengths = np.zeros(64, np.uint64), np.zeros(64, np.int64)
    count = split_pieces(data, 0, len(data), min_newlines, hashes, lengths)
    return hashes[:count].tolist(), lengths[:count].tolist()


def test_pieces_lie_between_runs_of_newlines() -> None:
    assert split("a\n\nbcd\n", 1)[1] == [1, 3, 0]
    assert split("a\nb\n\n\ncé", 2)[1] == [3, 2]
    assert split("", 1)[1] == [0]


def test_carriage_returns_before_newlines_make_no_difference_and_others_do() -> None:
    assert split("a\r\nb\r\n\r\nc", 2) == split("a\nb\n\nc", 2)
    assert split("a\rb", 1)[1] == [3]
    assert split("a\r", 1)[0] != split("a", 1)[0]


def test_nul_bytes_and_empty_pieces_have_hashes_of_their_own() -> None:
    hashes, _ = split("\x00\n\x00\x00\n", 1)
    assert len(set(hashes)) == 3
    assert 0 not in hashes


def test_copies_are_found_where_all_keys_fall_on_one_slot() -> None:
    hashes = np.array([8, 16, 24, 8, 16, 32], np.uint64)
    assert count_copies(hashes, np.array([1, 2, 4, 8, 16, 32], np.int64), 6, np.empty(16, np.uint64)) == (2, 24)
