"""Plain twins of the spaced, dolma, dclm and stop_words families: one document at a time, in strings and counters."""

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from statistics import median

from tests.naive.words import words as split_words

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def length(words: Sequence[str]) -> int:
    return sum(map(len, words))


def ngrams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def ascii_lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def measure_spaced(text: str) -> dict[str, float]:
    words = text.split()
    tokens = re.split("[ \t\n\v\f\r\x00]+", text)
    return {
        "num_spaced_words": len(words),
        "num_spaced_word_characters": length(words),
        "num_spaced_words_with_letter": sum(any(c.isalpha() for c in word) for word in words),
        "num_spaced_words_with_symbol": sum("#" in word or "…" in word for word in words),
        "median_spaced_word_length": float(median(map(len, words))) if words else 0.0,
        "num_spaced_stop_words": sum(word in STOP_WORDS for word in words),
        "num_spaced_stop_words_any_case": sum(ascii_lower(word) in STOP_WORDS for word in words),
        "num_symbols": sum(map(text.count, ("#", "...", ". . .", "…"))),
        "num_tokens": sum(token[:1].isalnum() for token in tokens),
    }


def copied(pieces: Sequence[Hashable], sizes: Sequence[int]) -> tuple[int, int]:
    """Pieces that occur more than once, and their characters, every copy counted."""
    counts = Counter(pieces)
    chosen = [size for piece, size in zip(pieces, sizes, strict=True) if counts[piece] > 1]
    return len(chosen), sum(chosen)


def measure_dolma(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, lines in (("newline", text.split("\n")), ("joined", re.split("\n+", text))):
        number, characters = copied(lines, [len(line) for line in lines])
        found |= {
            f"num_{kind}_lines": len(lines),
            f"num_{kind}_star_bullet_lines": sum(line.startswith(("*", "-")) for line in lines),
            f"num_{kind}_character_ellipsis_lines": sum(line.endswith("…") for line in lines),
            f"num_{kind}_repeated_lines": number,
            f"num_{kind}_repeated_line_characters": characters,
        }
    stripped = [line.strip() for line in text.split("\n")]
    found["num_unpunctuated_lines"] = sum(not line.endswith((".", "?", "!", '"')) for line in stripped)
    found["num_under_3_word_lines"] = sum(len(line.split()) < 3 for line in stripped)
    words = text.split()
    for n in (2, 3, 4):
        top = Counter(ngrams(words, n)).most_common(1)
        found[f"num_top_spaced_{n}_gram_characters"] = length(top[0][0]) * top[0][1] if top else 0
    for n in range(5, 11):
        counts = Counter(ngrams(words, n))
        found[f"num_repeated_spaced_{n}_gram_characters"] = sum(length(ngram) * count for ngram, count in counts.items() if count > 1)
        found[f"num_spaced_{n}_gram_characters"] = sum(length(ngram) * count for ngram, count in counts.items())
    return found


def longest_top(words: list[str], n: int) -> int:
    counts = Counter(ngrams(words, n))
    most = max(counts.values(), default=1)
    return 0 if most == 1 else most * max(length(ngram) for ngram, count in counts.items() if count == most)


def covered(words: list[str], n: int) -> int:
    counts = Counter(ngrams(words, n))
    inside = {i + k for i, ngram in enumerate(ngrams(words, n)) if counts[ngram] > 1 for k in range(n)}
    return sum(len(words[i]) for i in inside)


def measure_dclm(text: str) -> dict[str, int]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [piece.strip() for piece in re.split("\n\n", text) if piece.strip()]
    found = {
        "num_stripped_lines": len(lines),
        "num_any_bullet_lines": sum(line.startswith(("●", "•", "*", "-")) for line in lines),
        "num_any_ellipsis_lines": sum(line.endswith(("...", ". . .", "…")) for line in lines),
    }
    for kind, pieces in (("line", lines), ("paragraph", paragraphs)):
        number, characters = copied(pieces, [len(piece) for piece in pieces])
        found |= {
            f"num_stripped_{kind}s": len(pieces),
            f"num_repeated_stripped_{kind}s": number,
            f"num_repeated_stripped_{kind}_characters": characters,
            f"num_stripped_{kind}_characters": length(pieces),
        }
    words = split_words(text)
    found |= {f"num_longest_top_{n}_gram_characters": longest_top(words, n) for n in (2, 3, 4)}
    return found | {f"num_covered_{n}_gram_characters": covered(words, n) for n in range(5, 11)}


def measure_stop_words(text: str, lists: Mapping[str, Sequence[str]]) -> dict[str, int]:
    words = split_words(text)
    found: dict[str, int] = {}
    for language in sorted(lists):
        stops = [word for word in words if word in lists[language]]
        found |= {f"num_stop_words_{language}": len(stops), f"num_distinct_stop_words_{language}": len(set(stops))}
    return found
