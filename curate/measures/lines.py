"""Counts over lines: what the line rules of Gopher, C4 and FineWeb are computed from.

A *line* is what str.splitlines yields, white space around it ignored (Gopher and C4, as in datatrove). A *text line* is
what stands between newlines and is not blank (FineWeb, as in datatrove). One thing differs from datatrove: CR LF counts
as one newline, so that a text with such line ends is not measured as if all its lines ended in a control character.

C4 keeps or drops single lines. How many it would keep, and the sentences in those, is counted for three variants:

    c4              at least 3 words, ending with . ? ! " or ' but not with three full stops: the paper (arXiv 1910.10683,
                    section 2.2) and datatrove's default
    c4_any_ending   the same without the end mark, as FineWeb ran it (arXiv 2406.17557, section 3.5)
    c4_code         at least 5 words, ending with . ? ! ": the released code (tensorflow_datasets, text/c4_utils.py)

In all of them a line with a word of more than 1,000 characters goes, and one that mentions javascript or a policy phrase.
The words of a line are here what white space separates, citation marks among them; how a line ends, its sentences and
what it mentions are looked for without citation marks, as in datatrove.
"""

import functools

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from curate.documents import text_buffers
from curate.kernels.line_scan import anchor_letters
from curate.kernels.lines import (
    APOSTROPHE,
    CURLY_BRACKET,
    END_MARK,
    JAVASCRIPT,
    LOREM_IPSUM,
    POLICY,
    PhraseMachine,
    count_lines,
    count_text_lines,
    phrase_machine,
)
from curate.kernels.quality import character_flags

VERSION = 2
MAX_SHORT_LINE = 30  # characters: datatrove's FineWebQualityFilter, short_line_length
MIN_LONG_LINE = 200  # characters: mC4 (arXiv 2010.11934, section 3.1)
MAX_WORD = 1000  # characters: tensorflow_datasets, text/c4_utils.py
# Fewest words of a kept line, and the endings it may have (0: any).
C4_VARIANTS = {"c4": (3, END_MARK | APOSTROPHE), "c4_any_ending": (3, 0), "c4_code": (5, END_MARK)}
# The phrases of C4's released code, found without regard to (ASCII) case.
PHRASES = {
    "javascript": int(JAVASCRIPT),
    "terms of use": int(POLICY),
    "privacy policy": int(POLICY),
    "cookie policy": int(POLICY),
    "uses cookies": int(POLICY),
    "use of cookies": int(POLICY),
    "use cookies": int(POLICY),
    "lorem ipsum": int(LOREM_IPSUM),
    "{": int(CURLY_BRACKET),
}
# Three rare letters of each phrase; not of the bracket, which is seen anyway. One line in a hundred holds any.
ANCHORS = ("jav", "rms", "pol", "coo", "ips")
_LINES = (
    "num_lines",
    "num_bullet_lines",  # start with "-" or U+2022
    "num_ellipsis_lines",  # end with three full stops or U+2026
    "num_sentences",
    "num_end_mark_lines",  # end with . ? ! " or ' but not with three full stops
    "num_few_word_lines",  # of one or two words
    "num_javascript_lines",
    "num_policy_lines",
    "num_lorem_ipsum_lines",
    "num_curly_bracket_lines",
)
_C4 = tuple(f"num_{variant}_{what}" for variant in C4_VARIANTS for what in ("lines", "sentences", "lorem_ipsum_lines", "curly_bracket_lines"))
_TEXT_LINES = (
    "num_newlines",
    "num_characters_without_newlines",
    "num_text_lines",
    "num_terminal_text_lines",  # the last character ends a sentence, in any script
    "num_short_text_lines",  # of at most MAX_SHORT_LINE characters
    "num_long_text_lines",  # of at least MIN_LONG_LINE characters
    "num_duplicate_text_line_characters",  # in second and later copies
)
SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in (*_LINES, *_C4, *_TEXT_LINES)])


class Settings(BaseModel):
    """Nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@functools.cache
def _machine() -> PhraseMachine:
    return phrase_machine(PHRASES)


@functools.cache
def _anchors() -> NDArray[np.uint8]:
    return anchor_letters(ANCHORS, (phrase for phrase in PHRASES if len(phrase) > 1))


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows."""
    data, offsets = text_buffers(texts)
    flags = character_flags()
    counts = np.empty((len(SCHEMA), len(texts)), np.int64)
    num_text = len(_TEXT_LINES)
    min_words, endings = np.array(list(C4_VARIANTS.values()), np.int64).T.copy()
    count_lines(data, offsets, flags, _machine(), _anchors(), min_words, endings, MAX_WORD, counts[:-num_text])
    count_text_lines(data, offsets, flags, MAX_SHORT_LINE, MIN_LONG_LINE, counts[-num_text:])
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=SCHEMA)
