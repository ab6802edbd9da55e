"""An interpolated Kneser-Ney model in dictionaries of word tuples: the plain twin of `curate.fit.ngram_model`."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

BEGINNING = "<beginning>"


class Model:
    """texts: lists of words. One absolute discount per order, n1 / (n1 + 2 n2), one added to both counts."""

    def __init__(self, texts: Sequence[Sequence[str]], order: int) -> None:
        self.order = order
        self.counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
        longest: Counter[tuple[str, ...]] = Counter()
        for words in texts:
            padded = [BEGINNING] * (order - 1) + list(words)
            for end in range(order, len(padded) + 1):
                longest[tuple(padded[end - order : end])] += 1
        self.counts[order - 1] = longest
        for k in range(order - 1, 0, -1):
            self.counts[k - 1] = Counter(gram[1:] for gram in self.counts[k])
        self.followers: list[dict[tuple[str, ...], list[str]]] = []
        for counts in self.counts:
            followers: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for gram in counts:
                followers[gram[:-1]].append(gram[-1])
            self.followers.append(followers)
        self.discounts = [self._discount(counts) for counts in self.counts]
        self.vocabulary = sorted(gram[0] for gram in self.counts[0])

    @staticmethod
    def _discount(counts: Counter[tuple[str, ...]]) -> float:
        once, twice = (1 + sum(count == n for count in counts.values()) for n in (1, 2))
        return once / (once + 2 * twice)

    def probability(self, word: str, history: Sequence[str]) -> float:
        """Of a word after all words before it."""
        padded = [BEGINNING] * self.order + list(history)
        p = 1 / (len(self.vocabulary) + 1)
        for k in range(1, self.order + 1):
            context = tuple(padded[len(padded) - k + 1 :])
            followers = self.followers[k - 1].get(context)
            if not followers:
                break
            counts = self.counts[k - 1]
            total = sum(counts[(*context, follower)] for follower in followers)
            held = counts[(*context, word)] - self.discounts[k - 1] if (*context, word) in counts else 0.0
            p = (held + self.discounts[k - 1] * len(followers) * p) / total
        return p

    def bits(self, words: Sequence[str]) -> float:
        """The information content of a text."""
        return sum(-math.log2(self.probability(word, words[:place])) for place, word in enumerate(words))
