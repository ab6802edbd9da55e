"""Lines, paragraphs and the hash table behind the repetition counts."""

import numpy as np

from curate.kernels.byte_masks import PADDING
from curate.kernels.line_split import split_lines
from curate.kernels.repetition import count_copies, drop_empty_lines, split_paragraphs


def pieces(text: str, start: int = 0, end: int | None = None) -> tuple[list[int], list[int], list[int]]:
    """Code points of the lines between runs of newlines and of the paragraphs, and the paragraphs' hashes."""
    size = len(text.encode())
    data = np.frombuffer(text.encode() + b" " * PADDING, np.uint8)
    bounds, hashes, lengths = np.zeros((2, 64), np.int64), np.zeros(64, np.uint64), np.zeros(64, np.int64)
    paragraphs, sizes = np.zeros(64, np.uint64), np.zeros(64, np.int64)
    count = split_lines(data, size, bounds, hashes, lengths)
    num = split_paragraphs(data, start, size if end is None else end, bounds, hashes, lengths, count, paragraphs, sizes)
    left = drop_empty_lines(hashes, lengths, count)
    return lengths[:left].tolist(), sizes[:num].tolist(), paragraphs[:num].tolist()


def test_lines_lie_between_runs_of_newlines_and_the_first_and_last_may_be_empty() -> None:
    assert pieces("a\n\nbcd\n")[0] == [1, 3, 0]
    assert pieces("\n\n")[0] == [0, 0]
    assert pieces("")[0] == [0]


def test_paragraphs_lie_between_two_newlines_or_more_and_count_the_newlines_inside() -> None:
    assert pieces("a\nb\n\n\ncé")[1] == [3, 2]
    assert pieces("a\r\nb\r\n\r\nc") == pieces("a\nb\n\nc")
    assert pieces("")[1] == [0]


def test_white_space_around_a_text_is_in_no_paragraph() -> None:
    _, sizes, hashes = pieces(" \n \n\n  a b\n\na b \n\n ", start=7, end=15)
    assert sizes == [3, 3]
    assert hashes[0] == hashes[1] != 0


def test_copies_are_found_where_all_keys_fall_on_one_slot() -> None:
    hashes = np.array([8, 16, 24, 8, 16, 32], np.uint64)
    assert count_copies(hashes, np.array([1, 2, 4, 8, 16, 32], np.int64), 6, np.empty(16, np.uint64)) == (2, 24)
