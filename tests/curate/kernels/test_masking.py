import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import seeds
from curate.documents import as_text, text_buffers
from curate.kernels import masking
from tests.naive import masking as naive

ALPHABET = "abstvremlld'' 01½ \n\t\r\u00a0\u3000!?.é\u0301߂漢字ひらกล😀👩\u200d🚀\x1c\x85\u0130ß"
KINDS = np.fromiter((naive.kind(chr(c)) for c in range(0x110000)), np.uint8, 0x110000)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.text(st.sampled_from(ALPHABET), max_size=30), max_size=5))
def test_word_starts_are_where_the_plain_splitting_begins_a_piece(texts):
    data, bounds = text_buffers(as_text(texts))
    one_byte_each = np.ones(256, np.int64)
    starts = masking.word_starts(data, bounds, data[: bounds[-1]], bounds - bounds[0], one_byte_each, KINDS)
    wanted = [at == 0 for text in texts for piece in naive.pieces(text, KINDS) for at in range(len(piece.encode()))]
    assert starts.tolist() == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 49), st.booleans()), max_size=30), min_size=1, max_size=5), st.integers(0, 5))
def test_hidden_tokens_equal_the_plain_ones(documents, seed):
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    ids = np.array([token for d in documents for token, _ in d], np.uint16)
    starts = np.array([start for d in documents for _, start in d], np.bool_)
    starts[offsets[:-1][np.diff(offsets) > 0]] = True
    content = np.arange(2 * len(documents), dtype=np.uint64).reshape(-1, 2) + np.uint64(1 << 60)
    special = np.arange(50) < 4
    ordinary = np.flatnonzero(~special).astype(np.uint32)
    states = np.column_stack([seeds.draw(seed, f"masked/{p}", content) for p in ("which", "how", "what")])
    shares = np.array([0.4, 0.5, 0.3])
    hidden, labels = np.empty_like(ids), np.empty(len(ids), np.int32)
    masking.hide(ids, offsets, starts, states, shares, 3, ordinary, special, hidden, labels)
    for d, (first, last) in enumerate(itertools.pairwise(offsets)):
        wanted = naive.hide(ids[first:last].tolist(), starts[first:last], content[d].tolist(), seed, shares, 3, ordinary, special)
        assert (hidden[first:last].tolist(), labels[first:last].tolist()) == wanted


def test_a_draw_goes_on_exactly_as_seeds_would():
    ids = np.array([[1, 2, 3], [1 << 63, 5, 0]], np.uint64)
    states = seeds.draw(7, "x", ids[:, :2])
    assert [int(masking.next_draw(s, w)) for s, w in zip(states, ids[:, 2], strict=True)] == seeds.draw(7, "x", ids).tolist()
    assert masking.as_fraction(states[0]) == seeds.fractions(7, "x", ids[:, :2])[0]
