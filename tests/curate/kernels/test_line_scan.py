"""Lines read by their notable bytes, against Python's own splitting and the plain count of sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.byte_masks import PADDING
from curate.kernels.line_scan import anchor_letters, find_anchors, find_phrases, read_line
from curate.kernels.lines import phrase_machine
from curate.kernels.quality import character_flags
from curate.measures.lines import ANCHORS, PHRASES
from tests.naive.quality import TERMINAL, count_sentences

PIECES = [" ", "  ", "a", "word", ".", "?!", ")", "”", '"', "'", "。", "中文", "é", "{", "}", "[", "\t", "\u3000", "\x1f", "x" * 70, "...", "…", "\x00"]
ENDS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", ""]
LINES = st.lists(st.tuples(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.sampled_from(ENDS)), max_size=8)


def padded(text: str) -> tuple[np.ndarray, int]:
    encoded = text.encode()
    return np.frombuffer(encoded + b" " * PADDING, np.uint8), len(encoded)


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(LINES)
def test_each_line_is_that_of_splitlines_with_its_words_sentences_and_brackets(pieces: list[tuple[str, str]]) -> None:
    text = "".join(map("".join, pieces))
    data, size = padded(text)
    p = 0
    for line in text.splitlines():
        stop, following, *counts = read_line(data, p, size, character_flags())
        assert bytes(data[p:stop]).decode() == line
        lengths = list(map(len, line.split()))
        assert counts == [len(lengths), max(lengths, default=0), count_sentences(line, TERMINAL), "{" in line]
        p = following
    assert p == size


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PHRASES, "Privacy", " POLICY", "JavaScript", "coo", "x" * 60, "é", " "]), max_size=12).map("".join))
def test_a_text_without_an_anchor_holds_no_phrase_and_anchors_come_in_order(text: str) -> None:
    data, size = padded(text)
    positions = np.zeros(size + 1, np.int64)
    count = find_anchors(data, size, anchor_letters(ANCHORS, ()), positions)
    lower = "".join(c.lower() if c.isascii() else c for c in text).encode()
    assert positions[: count + 1].tolist() == [*sorted(p for p in range(size) if lower[p : p + 3].decode("latin1") in ANCHORS), size]
    found = int(find_phrases(data, 0, size, phrase_machine(PHRASES)))
    assert found == sum({flag for phrase, flag in PHRASES.items() if phrase.encode() in lower})


def test_a_phrase_without_an_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="'of it' hold none of the anchors"):
        anchor_letters(("jav", "pol"), ("policy", "of it"))
