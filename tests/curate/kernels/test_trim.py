from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text, text_buffers
from curate.kernels.trim import trim_spans

BLANK = b" \t\n\v\f\r"


def plainly(text: str, spans: list[tuple[int, int]]) -> str:
    """What is left, without white space at an end where a span is the first or last thing that is not white space."""
    data = text.encode()
    left = b"".join(data[start:end] for start, end in zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), len(data)], strict=True))
    if spans and not data[: spans[0][0]].strip(BLANK):
        left = left.lstrip(BLANK)
    if spans and not data[spans[-1][1] :].strip(BLANK):
        left = left.rstrip(BLANK)
    return left.decode()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.text("ab \n\t", max_size=20), st.lists(st.integers(0, 20), max_size=8)), max_size=4))
def test_white_space_that_cuts_leave_at_the_ends_goes_with_them(drawn: list[tuple[str, list[int]]]) -> None:
    texts = ["\u00a0" + text for text, _ in drawn]  # a wide space, which is text
    several = []
    for text, (_, places) in zip(texts, drawn, strict=True):
        cuts = sorted({place if place < 2 else place + 1 for place in places if place != 1 and place < len(text.encode())})
        several.append(list(zip(cuts[::2], cuts[1::2], strict=False)))
    flat = [(row, start, end) for row, spans in enumerate(several) for start, end in spans]
    rows, starts, ends = (np.array(column, np.int64) for column in zip(*flat, strict=True)) if flat else (np.empty(0, np.int64) for _ in range(3))
    expected = [plainly(text, spans) for text, spans in zip(texts, several, strict=True)]
    trim_spans(*text_buffers(as_text(texts)), rows, starts, ends)
    for row, text in enumerate(texts):
        spans = [(int(start), int(end)) for start, end in zip(starts[rows == row], ends[rows == row], strict=True)]
        assert all(one[1] <= other[0] for one, other in pairwise(spans))
        data = text.encode()
        kept = b"".join(data[start:end] for start, end in zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), len(data)], strict=True))
        assert kept.decode() == expected[row]
