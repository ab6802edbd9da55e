"""About a thousand documents in several scripts, the same in every run, from what a Python installation holds.

English and code: the sources and docstrings of the standard library. Other scripts: made-up vocabularies of their
letters, drawn with Zipf's frequencies, so that shingles repeat as they do in text. Every third document is followed by a
slightly edited copy, every fiftieth by the same text in other case and punctuation.
"""

import ast
import functools
import sysconfig
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from curate.seeds import generator

_LETTERS = {
    "greek": (range(0x3B1, 0x3CA), " "),
    "cyrillic": (range(0x430, 0x450), " "),
    "arabic": (range(0x627, 0x64B), " "),
    "devanagari": ([*range(0x915, 0x93A), *range(0x93E, 0x94D)], " "),
    "hangul": (range(0xAC00, 0xAE00), " "),
    "thai": (range(0xE01, 0xE2F), ""),
    "han": (range(0x4E00, 0x5200), ""),
    "kana": (range(0x3042, 0x3094), ""),
    "latin": ([*range(0x61, 0x7B), 0xE9, 0xFC, 0xDF, 0x131, 0x1EA1], " "),
}
# Letters of several lengths in UTF-8, folds, marks, digits, separators, emoji, and code points on the edges of the word ranges.
ALPHABET = "aAzZ09 .,-'\n\t_éßİıΣςЖж\u0301\u200d٣अ्नमกข๏ကខ中文〆ヴかㇰ가힣🙂👩\u00a0\u2028\ufeff\x00\U00020000\U0001e900\U0003347f\ufaff\u0eff"
TEXTS = st.text(st.one_of(st.sampled_from(ALPHABET), st.sampled_from("ab "), st.characters(exclude_categories=["Cs"])), max_size=120)


@functools.cache
def documents() -> tuple[str, ...]:
    """The documents, at least 1,000 and all different."""
    originals = [*_python_texts(), *(text for script in _LETTERS for text in _script_texts(script))]
    found: list[str] = []
    for index, text in enumerate(originals):
        found.append(text)
        if index % 3 == 0:
            found.append(edited(text, index, 1 + index // 3 % 12))
        if index % 50 == 0:
            found.append(text.upper().replace(".", " !").replace(",", " ;"))
    return tuple(dict.fromkeys(found))


def edited(text: str, seed: int, num_edits: int) -> str:
    """The text with some of its words replaced; some of its letters, if it is written without spaces."""
    joint = " " if text.count(" ") > len(text) // 20 else ""
    rng, words = generator(seed, "tests/edited"), text.split(joint) if joint else list(text)
    for place in rng.integers(0, len(words), num_edits).tolist():
        words[place] = f"edit{place}"
    return joint.join(words)


def _python_texts() -> list[str]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts = []
    for path in sorted(folder.glob("[a-h]*.py")):
        source = path.read_text(encoding="utf-8")
        texts.append(source[:6000])
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        texts += [docstring for node in nodes if (docstring := ast.get_docstring(node)) and len(docstring) > 120]
    return texts[:600]


def _script_texts(script: str) -> list[str]:
    letters, joint = _LETTERS[script]
    rng = generator(1, f"tests/corpus/{script}")
    letters = list(letters)
    vocabulary = ["".join(chr(letters[i]) for i in rng.integers(0, len(letters), rng.integers(1, 8))) for _ in range(2000)]
    frequencies = 1 / np.arange(1, 2001)
    texts = []
    for _ in range(60):
        sentences = [joint.join(rng.choice(vocabulary, rng.integers(4, 20), p=frequencies / frequencies.sum())) for _ in range(rng.integers(3, 20))]
        texts.append(". ".join(sentences))
    return texts
