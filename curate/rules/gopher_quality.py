"""Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A.1.1), as datatrove compares: a value on its limit is kept.

Variants: `datatrove` (commit a649de79, gopher_quality_filter.py) asks for two *different* stop words, `occurrences` (Dolma,
DCLM) for two in all. The paper ("at least two of the following words") reads both ways.

Known difference from datatrove: there, tokens of punctuation only are words in the shares of symbols and of alphabetic
words; here punctuation is never a word, so symbol shares come out somewhat higher and the alphabetic share higher too.
"""

from dataclasses import replace

from curate.rules.rule import ENGLISH, Rule

_PAPER = "arXiv 2112.11446, A.1.1; datatrove a649de79, gopher_quality_filter.py"
_WORDS = ("words.num_words",)
_LINES = ("lines.num_lines",)

DATATROVE = (
    Rule(name="min_words", numerator=_WORDS, comparison=">=", limit=50, source=_PAPER),
    Rule(name="max_words", numerator=_WORDS, comparison="<=", limit=100_000, source=_PAPER),
    Rule(
        name="min_mean_word_length",
        numerator=("words.num_word_characters",),
        denominator=_WORDS,
        comparison=">=",
        limit=3.0,
        languages=ENGLISH,
        source=_PAPER,
    ),
    Rule(
        name="max_mean_word_length",
        numerator=("words.num_word_characters",),
        denominator=_WORDS,
        comparison="<=",
        limit=10.0,
        languages=ENGLISH,
        source=_PAPER,
    ),
    Rule(name="max_hash_signs_per_word", numerator=("words.num_hash_signs",), denominator=_WORDS, comparison="<=", limit=0.1, source=_PAPER),
    Rule(name="max_ellipses_per_word", numerator=("words.num_ellipses",), denominator=_WORDS, comparison="<=", limit=0.1, source=_PAPER),
    Rule(name="max_bullet_lines_fraction", numerator=("lines.num_bullet_lines",), denominator=_LINES, comparison="<=", limit=0.9, source=_PAPER),
    Rule(name="max_ellipsis_lines_fraction", numerator=("lines.num_ellipsis_lines",), denominator=_LINES, comparison="<=", limit=0.3, source=_PAPER),
    Rule(name="min_alphabetic_words_fraction", numerator=("words.num_alphabetic_words",), denominator=_WORDS, comparison=">=", limit=0.8, source=_PAPER),
    Rule(name="min_stop_words", numerator=("words.num_distinct_stop_words",), comparison=">=", limit=2, languages=ENGLISH, source=_PAPER),
)
OCCURRENCES = tuple(
    replace(rule, numerator=("words.num_stop_words",), source="arXiv 2112.11446, A.1.1; arXiv 2402.00159 (Dolma); arXiv 2406.11794 (DCLM)")
    if rule.name == "min_stop_words"
    else rule
    for rule in DATATROVE
)
VARIANTS = {"datatrove": DATATROVE, "occurrences": OCCURRENCES}
