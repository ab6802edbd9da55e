"""FineWeb's own rules (Penedo et al. 2024, arXiv 2406.17557, section 3.6), compared as datatrove does: a value on its limit is kept.

Variants differ in the share of characters in duplicate lines: `datatrove` has 0.01 (the code, commit a649de79, and the
paper's appendix), `paper` 0.1 (its running text). datatrove drops a text without a line that is not blank; so does
`min_text_lines`. Known difference: punctuation is never a word here, so newlines per word come out somewhat higher.
"""

from dataclasses import replace

from curate.rules.rule import ENGLISH, Rule

_SOURCE = "arXiv 2406.17557, section 3.6; datatrove a649de79, fineweb_quality_filter.py"
_CODE = "datatrove a649de79, fineweb_quality_filter.py; not among the paper's rules"
_TEXT_LINES = ("lines.num_text_lines",)

DATATROVE = (
    Rule(name="min_text_lines", numerator=_TEXT_LINES, comparison=">=", limit=1, source=_CODE),
    Rule(
        name="min_terminal_lines_fraction",
        numerator=("lines.num_terminal_text_lines",),
        denominator=_TEXT_LINES,
        comparison=">=",
        limit=0.12,
        languages=ENGLISH,
        source=_SOURCE,
    ),
    Rule(name="max_short_lines_fraction", numerator=("lines.num_short_text_lines",), denominator=_TEXT_LINES, comparison="<=", limit=0.67, source=_SOURCE),
    Rule(
        name="max_duplicate_line_characters_fraction",
        numerator=("lines.num_duplicate_text_line_characters",),
        denominator=("lines.num_characters_without_newlines",),
        comparison="<=",
        limit=0.01,
        source=_SOURCE,
    ),
    Rule(name="max_newlines_per_word", numerator=("lines.num_newlines",), denominator=("words.num_words",), comparison="<=", limit=0.3, source=_CODE),
)
PAPER = tuple(
    replace(rule, limit=0.1, source="arXiv 2406.17557, section 3.6, running text") if rule.name == "max_duplicate_line_characters_fraction" else rule
    for rule in DATATROVE
)
VARIANTS = {"datatrove": DATATROVE, "paper": PAPER}
