"""What Unicode says of every code point, as far as kernels ask: read from a file of the running Python's Unicode version.

Asking `unicodedata` a million times takes a second in every process, reading the file some milliseconds. A version without a file
is asked for, with the same result. `python -m curate.kernels.code_points` writes the file of the running version (it needs
nothing but Python: any version can run this file as a script).
"""

import json
import sys
import unicodedata
from itertools import groupby
from pathlib import Path

OTHER, LETTER, MARK, NUMBER, CLOSER, SPACE, LINE_BREAK = range(7)
_FOLDER = Path(__file__).parent / "unicode"
_FOLDED_SIZE = 0x20000  # no code point above it has a case


def class_of(character: str) -> int:
    """One of the constants above: categories L, M and N; closing brackets and quotes (Pe, Pf); str.isspace, and of those str.splitlines."""
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return {"L": LETTER, "M": MARK, "N": NUMBER}[category[0]]
    if category in ("Pe", "Pf"):
        return CLOSER
    if character.isspace():
        return LINE_BREAK if len(f"a{character}b".splitlines()) == 2 else SPACE
    return OTHER


def fold(code_point: int) -> int:
    """Case folding, one code point to one."""
    folded = chr(code_point).casefold()
    return ord(folded) if len(folded) == 1 else code_point


def ask_python() -> dict[str, list[list[int]]]:
    """The tables of the running Python. classes: [first code point, class] of each run of equal ones; folds: [code point, folded one]."""
    classes: list[list[int]] = []
    for which, run in groupby(range(sys.maxunicode + 1), lambda c: class_of(chr(c))):
        classes.append([next(run), which])
    return {"classes": classes, "folds": [[c, fold(c)] for c in range(_FOLDED_SIZE) if fold(c) != c]}


def tables() -> dict[str, list[list[int]]]:
    """What `ask_python` gives, from the file of this Unicode version where there is one."""
    path = file_of(unicodedata.unidata_version)
    return json.loads(path.read_text("ascii")) if path.is_file() else ask_python()


def file_of(version: str) -> Path:
    """Where the tables of a Unicode version are kept."""
    return _FOLDER / f"{version}.json"


if __name__ == "__main__":
    _FOLDER.mkdir(exist_ok=True)
    file_of(unicodedata.unidata_version).write_text(json.dumps(ask_python(), separators=(",", ":")) + "\n", "ascii")
