"""The plain definition of how much of a text stands together in a document."""

from collections.abc import Sequence
from typing import NamedTuple

SEED, RUN, LABELS = 5, 3, 16


class Text(NamedTuple):
    """pieces: the words of each piece; weights, numbers: those of each word, pieces one after another."""

    pieces: Sequence[Sequence[int]]
    weights: Sequence[int]
    numbers: Sequence[bool]


def seeds(text: Text) -> set[tuple[int, ...]]:
    """Its distinct runs of five words, across pieces too."""
    words = [word for piece in text.pieces for word in piece]
    return {tuple(words[i : i + SEED]) for i in range(len(words) - SEED + 1)}


def held(text: Text, window: Sequence[int]) -> tuple[int, int]:
    """The weight, and the number of numbers, among the text's words in runs that the window holds."""
    covered, place = set(), 0
    for piece in text.pieces:
        size = min(RUN, len(piece))
        for start in range(len(piece) - size + 1 if size else 0):
            run = list(piece[start : start + size])
            if any(list(window[i : i + size]) == run for i in range(len(window) - size + 1)):
                covered |= set(range(place + start, place + start + size))
        place += len(piece)
    return sum(text.weights[word] for word in covered), sum(text.numbers[word] for word in covered)


def best_window(text: Text, document: Sequence[int]) -> tuple[int, int]:
    """The most weight that any window holds, and its numbers: of windows that hold as much the first. A window opens at every seed, but not
    within the text's slack of the last that opened, and for a text of 16 words or more not unless another seed stands within reach before it."""
    known, num_words, best, opened = seeds(text), sum(map(len, text.pieces)), (0, 0), None
    slack, earlier = num_words // 2 + LABELS, None
    for start in range(len(document) - SEED + 1):
        if tuple(document[start : start + SEED]) not in known:
            continue
        reach = num_words + slack
        alone = num_words >= 16 and (earlier is None or start - earlier > reach)
        earlier = start
        if not alone and (opened is None or start - opened >= slack):
            opened = start
            found = held(text, document[max(0, start - reach) : start + SEED + reach])
            best = found if found[0] > best[0] else best
    return best
