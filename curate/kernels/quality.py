"""What single characters are to the quality rules, and counts over words.

`character_flags` is shared by every kernel that looks at lines or words; words are those of `curate.kernels.words`.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from curate.kernels import code_points
from curate.kernels.words import OWN_WORD, class_table, word_tables

u8 = np.uint8

LETTER, SPACE, BREAK, TERMINAL, CLOSER = u8(1), u8(2), u8(4), u8(8), u8(16)

# Marks that end a sentence, in all scripts, as inclusive hexadecimal ranges: those of datatrove (utils/text.py, commit
# a649de79), which are nearly the Unicode property Sentence_Terminal. Python's unicodedata does not know that property.
_TERMINAL_RANGES = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6 17D9-17DA 1803 1809
1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F
A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59
10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3
115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5
16B37-16B38 16B44 16E98 1BC9F 1DA88
"""


def terminal_marks() -> list[int]:
    """The code points of every mark that ends a sentence."""
    bounds = [part.split("-") for part in _TERMINAL_RANGES.split()]
    return [mark for bound in bounds for mark in range(int(bound[0], 16), int(bound[-1], 16) + 1)]


@functools.cache
def character_flags() -> NDArray[np.uint8]:
    """A sum of flags for each of the 0x110000 code points.

    LETTER: category L, and marks of scripts written without spaces (there a vowel sign is a word of its own, see
    `curate.kernels.words`, and would else count as a word without a letter). SPACE: str.isspace. BREAK: ends a line for
    str.splitlines. TERMINAL: ends a sentence. CLOSER: closing bracket or quote, which may stand between a terminal mark
    and the space after it.
    """
    of_class = np.zeros(code_points.LINE_BREAK + 1, np.uint8)
    of_class[code_points.LETTER], of_class[code_points.CLOSER] = LETTER, CLOSER
    of_class[code_points.SPACE], of_class[code_points.LINE_BREAK] = SPACE, SPACE | BREAK
    classes = class_table()
    flags = of_class[classes]
    flags[(classes == code_points.MARK) & (word_tables().kind == OWN_WORD)] = LETTER
    flags[[ord('"'), ord("'")]] |= CLOSER
    flags[terminal_marks()] |= TERMINAL
    return flags
