"""Plain definitions of n-gram matching, one document at a time."""

from collections.abc import Sequence


def ngrams(words: Sequence[int], n: int) -> set[tuple[int, ...]]:
    """The distinct runs of n words."""
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)} if n else set()


def match_items(document: Sequence[int], items: Sequence[set[tuple[int, ...]]]) -> list[tuple[int, int]]:
    """(item, how many of its n-grams the document holds) for every item with at least one."""
    hits = []
    for number, known in enumerate(items):
        matched = sum(gram in ngrams(document, len(gram)) for gram in known)
        if matched:
            hits.append((number, matched))
    return hits


def count_texts(gram: tuple[int, ...], texts: Sequence[Sequence[int]]) -> int:
    """How many texts hold the n-gram."""
    return sum(gram in ngrams(text, len(gram)) for text in texts)
