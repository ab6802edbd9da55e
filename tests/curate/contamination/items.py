"""Made-up benchmark items in the manner of well-known ones, and how the tests turn them into an index."""

import json
from collections.abc import Sequence
from pathlib import Path

from curate.contamination.benchmark import BenchmarkSettings
from curate.contamination.index import Index, IndexSettings, build_index
from curate.contamination.index import index_of as loaded
from curate.contamination.verdict import ContaminationSettings, contaminated
from curate.documents import as_text
from curate.measures.benchmarks import find_hits

ARITHMETIC = [
    "Marta's bakery sells 14 loaves of rye bread each morning and twice as many rolls. A loaf costs $3.50 and a roll costs 40 cents."
    " If she bakes six days a week, how many dollars does Marta's bakery take in over four weeks?",
    "A ferry carries 120 passengers on its first crossing and 15 fewer on each crossing after that. It crosses the fjord five times before noon."
    " How many passengers have crossed by noon?",
    "Oleg reads 22 pages of a 360-page novel before breakfast and, being a night owl, 38 more before sleeping. How many days does he need for the novel?",
    "Three sisters share 48 marbles so that the eldest gets twice what the youngest gets and the middle one gets four more than the youngest."
    " How many marbles does the middle sister get?",
]
CODE = [
    'def rotate_vowels(text: str) -> str:\n    """Replace each vowel by the vowel that follows it in the alphabet, and u by a.\n'
    "    Letters other than vowels stay where they are.\n    >>> rotate_vowels('audio')\n    'eaoou'\n    >>> rotate_vowels('')\n    ''\n    \"\"\"\n",
    'from typing import List\n\n\ndef widest_gap(heights: List[int]) -> int:\n    """ Given the heights of fence posts from left to right, return the largest'
    ' distance between two\n    neighbouring posts of equal height, or -1.\n    >>> widest_gap([3, 1, 3, 3])\n    2\n    """\n',
]
SHORT = ["Which river flows through the old town of Bern?", "What is the boiling point of pure ethanol, in kelvin?"]
TOO_SHORT = ["Who painted it?", "Name the capital of Peru."]


def write_benchmark(folder: Path, name: str, texts: Sequence[str]) -> BenchmarkSettings:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"id": f"{name}/{number}", "question": text}) + "\n" for number, text in enumerate(texts)))
    return BenchmarkSettings(name=name, path=str(path), fields=["question"], id_field="id")


def index_of(folder: Path, texts: Sequence[str], settings: IndexSettings | None = None) -> Index:
    return loaded(build_index([write_benchmark(folder, "quiz", texts)], settings or IndexSettings()))


def flagged(index: Index, documents: Sequence[str], settings: ContaminationSettings | None = None) -> list[bool]:
    """Which documents are contaminated."""
    hits = find_hits(as_text(list(documents)), index)["hits"].combine_chunks()
    return list(map(bool, contaminated(hits, index.items, settings or ContaminationSettings())))
