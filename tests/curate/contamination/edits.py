"""What happens to benchmark items on their way into a corpus: edits that leave an item the same item."""

import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from curate import seeds

SEED = 3
LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Planted(NamedTuple):
    """One item as its benchmark gives it. pieces: the question, then options or answers; words: those of another item, to replace with."""

    number: int
    pieces: tuple[str, ...]
    words: tuple[str, ...]


def verbatim(item: Planted) -> str:
    return "\n".join(item.pieces)


def upper_case(item: Planted) -> str:
    return verbatim(item).upper()


def without_punctuation(item: Planted) -> str:
    """Deleted, so that what it separated grows together: "farmers' 3.50" becomes "farmers 350"."""
    return "".join(c for c in verbatim(item) if c.isspace() or unicodedata.category(c)[0] not in "PS")


def other_punctuation(item: Planted) -> str:
    """Every mark replaced by another one or a space."""
    text = verbatim(item)
    draws = _generator("punctuation", item).integers(0, 6, len(text))
    return "".join(" —’;*“"[draw] if unicodedata.category(c)[0] in "PS" else c for c, draw in zip(text, draws, strict=True))


def other_spacing(item: Planted) -> str:
    """Wrapped at 30 columns, tabs and no-break spaces for some of the spaces."""
    wrapped = "\r\n".join(textwrap.wrap(verbatim(item), 30, break_long_words=False, break_on_hyphens=False))
    draws = _generator("spacing", item).integers(0, 8, len(wrapped))
    return "".join(["\t", "\u00a0", "  "][draw] if c == " " and draw < 3 else c for c, draw in zip(wrapped, draws, strict=True))


def one_word_in_ten(item: Planted) -> str:
    """A tenth of the words, at least one, replaced by a word of another item or removed."""
    words = [(number, word) for number, piece in enumerate(item.pieces) for word in piece.split()]
    generator = _generator("words", item)
    changed = set(generator.choice(len(words), max(1, round(len(words) / 10)), replace=False).tolist()) if words else set()
    replacements = generator.choice(np.array(item.words, object), len(words)).tolist() if words else []
    removed = generator.random(len(words)) < 0.5
    kept: list[list[str]] = [[] for _ in item.pieces]
    for place, (number, word) in enumerate(words):
        if place not in changed:
            kept[number].append(word)
        elif not removed[place]:
            kept[number].append(replacements[place])
    return "\n".join(" ".join(piece) for piece in kept)


def options_reordered(item: Planted) -> str | None:
    """The question, then the options with letters before them, none of a few in its own place. None where there are no options."""
    options = list(item.pieces[1:])
    if len(options) < 2:
        return None
    shift = 1 + int(_generator("options", item).integers(len(options) - 1))
    moved = options[shift:] + options[:shift]
    return "\n".join([item.pieces[0], *(f"{LABELS[place % 26]}) {option}" for place, option in enumerate(moved))])


def question_alone(item: Planted) -> str | None:
    return item.pieces[0] if len(item.pieces) > 1 else None


def inside(page: Sequence[str], item: Planted, edited: str) -> str:
    """The edited item between two lines of a page, drawn."""
    place = int(_generator("page", item).integers(len(page) + 1))
    return "\n".join([*page[:place], edited, *page[place:]])


def _generator(purpose: str, item: Planted) -> np.random.Generator:
    return seeds.generator(SEED, f"edits/{purpose}", item.number)


EDITS: dict[str, Callable[[Planted], str | None]] = {
    "verbatim": verbatim,
    "case": upper_case,
    "punctuation deleted": without_punctuation,
    "punctuation changed": other_punctuation,
    "spacing": other_spacing,
    "one word in ten": one_word_in_ten,
    "options reordered": options_reordered,
    "question alone": question_alone,
}
