"""fastText's prediction one text at a time, from its definitions: words, hashes, n-grams, mean, probabilities."""

import re
from dataclasses import dataclass, field

import numpy as np

from curate.kernels import fasttext as kernel

_SPACES = re.compile(rb"[\x00\t-\r ]+")


def fnv(data: bytes) -> int:
    """FNV-1a in 32 bits over bytes taken as signed numbers."""
    h = 2166136261
    for byte in data:
        h = (h ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 % 2**32
    return h


@dataclass
class Naive:
    """What a model holds, as dictionaries. pruned: the row of each bucket that was kept, None where all were."""

    model: kernel.Model
    labels: tuple[str, ...]
    words: dict[bytes, int] = field(default_factory=dict)
    pruned: dict[int, int] | None = None

    def __post_init__(self) -> None:
        ends = self.model.word_ends.tolist()
        data = self.model.word_bytes.tobytes()
        self.words = {data[start:end]: number for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False))}
        if self.model.is_pruned:
            self.pruned = {bucket: row for bucket, row in self.model.pruned_table.tolist() if row >= 0}

    def bucket_row(self, h: int) -> list[int]:
        bucket = h % self.model.num_buckets
        if self.pruned is None:
            return [self.model.num_words + bucket]
        return [self.pruned[bucket]] if bucket in self.pruned else []

    def subwords(self, word: bytes) -> list[int]:
        characters = [character.encode() for character in f"<{word.decode()}>"]
        rows = []
        for start in range(len(characters)):
            for length in range(self.model.min_ngram, self.model.max_ngram + 1):
                end = start + length
                if end > len(characters) or (length == 1 and (start == 0 or end == len(characters))):
                    continue
                rows += self.bucket_row(fnv(b"".join(characters[start:end])))
        return rows

    def features(self, text: str, max_characters: int = 0) -> list[int]:
        rows: list[int] = []
        hashes: list[int] = []
        for word in [*_SPACES.split(text[: max_characters or None].encode()), b"</s>"]:
            number = self.words.get(word)
            if not word or (number is not None and number >= self.model.num_words) or (number is None and word.startswith(b"__label__")):
                continue
            rows += [number] if number is not None else []
            if word != b"</s>" and self.model.max_ngram:
                rows += self.subwords(word)
            hashes.append(fnv(word))
            if word == b"</s>":
                break
        signed = [h - 2**32 if h >= 2**31 else h for h in hashes]
        for start in range(len(signed)):
            h = signed[start] % 2**64
            for following in signed[start + 1 : start + self.model.word_ngrams]:
                h = (h * 116049371 + following) % 2**64
                rows += self.bucket_row(h)
        return rows

    def probabilities(self, text: str, max_characters: int = 0) -> dict[str, float] | None:
        """The probability of every label, computed in float64; None where the text has no feature."""
        rows = self.features(text, max_characters)
        if not rows:
            return None
        hidden = self.model.input[rows].astype(np.float64).mean(axis=0)
        outputs = self.model.output.astype(np.float64) @ hidden * self.model.output_norms
        if self.model.loss == kernel.SOFTMAX:
            shares = np.exp(outputs - outputs.max())
            return dict(zip(self.labels, (shares / shares.sum()).tolist(), strict=True))
        if self.model.loss == kernel.HIERARCHICAL_SOFTMAX:
            return {label: self.leaf(leaf, outputs) for leaf, label in enumerate(self.labels)}
        return dict(zip(self.labels, (1 / (1 + np.exp(-outputs))).tolist(), strict=True))

    def leaf(self, leaf: int, outputs: np.ndarray) -> float:
        probability, node = 1.0, leaf
        while (parent := int(self.model.tree[node, 2])) >= 0:
            right = 1 / (1 + np.exp(-outputs[parent - len(self.labels)]))
            probability *= right if self.model.tree[parent, 1] == node else 1 - right
            node = parent
        return float(probability)
