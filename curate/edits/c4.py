"""C4's line rules as cuts (Raffel et al. 2020, arXiv 1910.10683, section 2.2; released code: tensorflow_datasets, text/c4_utils.py).

    datatrove   fewer than 3 words, no end mark (. ? ! " ' and no three full stops), a word over 1,000 characters, javascript, a
                policy phrase (datatrove a649de79, c4_filters.py); citation marks are stripped from the lines that stay
    paper       the same numbers; where paper and datatrove differ is in the rules for whole pages (curate.rules.c4)
    code        5 words, no apostrophe as end mark: the released code
    fineweb     datatrove without the end mark (arXiv 2406.17557, section 3.5)

Lines are those of str.splitlines, words what white space separates, counted before citation marks go, as in datatrove: what
stays is what `curate.measures.lines` counts as num_c4_lines, num_c4_code_lines and num_c4_any_ending_lines. The white space
of a line that stays, and its line end, stay too, where the code joins stripped lines by newlines. The placeholder and
brackets drop pages, so they are rules; a line with one of them that also breaks a line rule is cut before they look.
"""

import functools

import numpy as np
import pyarrow as pa

from curate.documents import text_buffers
from curate.edits.settings import C4EditSettings
from curate.edits.spans import Spans, spans_of_cuts
from curate.kernels.c4_edits import find_c4_cuts
from curate.kernels.lines import APOSTROPHE, END_MARK, JAVASCRIPT, POLICY, PhraseMachine, phrase_machine
from curate.kernels.quality import character_flags
from curate.measures.lines import PHRASES

NAMES = (
    "c4.blank_lines",
    "c4.long_word_lines",
    "c4.unended_lines",
    "c4.short_lines",
    "c4.javascript_lines",
    "c4.policy_lines",
    "c4.citation_marks",
)
_ENDINGS = {None: 0, "with_apostrophe": END_MARK | APOSTROPHE, "without_apostrophe": END_MARK}


@functools.cache
def _machine() -> PhraseMachine:
    return phrase_machine(PHRASES)


def find_c4(texts: pa.LargeStringArray, settings: C4EditSettings) -> Spans:
    """What C4's line rules cut from each text."""
    data, offsets = text_buffers(texts)
    phrases = (JAVASCRIPT if settings.javascript else np.uint8(0)) | (POLICY if settings.policy else np.uint8(0))
    max_word = settings.max_word_characters or np.iinfo(np.int64).max
    cuts = find_c4_cuts(
        data,
        offsets,
        character_flags(),
        _machine(),
        settings.min_words or 0,
        _ENDINGS[settings.end_marks],
        max_word,
        np.uint8(phrases),
        settings.citations,
    )
    return spans_of_cuts(cuts, NAMES)
