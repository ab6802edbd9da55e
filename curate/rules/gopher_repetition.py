"""Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1), counted and compared as datatrove does: only second
and later copies are duplicates, shares are of the full text's characters, a value on its limit is kept.

The rules over n-grams of words do not apply to languages whose words are single characters here: the limits are made
for n-grams of words, and five characters of Thai are about one word.
"""

from curate.rules.rule import SINGLE_CHARACTER_WORDS, Rule

_SOURCE = "arXiv 2112.11446, table A1; datatrove a649de79, gopher_repetition_filter.py"
_CHARACTERS = ("identity.num_characters",)


def _pieces(name: str, numerator: str, denominator: str, limit: float) -> Rule:
    return Rule(name=name, numerator=(f"repetition.{numerator}",), denominator=(denominator,), comparison="<=", limit=limit, source=_SOURCE)


def _ngrams(kind: str, n: int, limit: float) -> Rule:
    return Rule(
        name=f"max_{kind}_{n}_gram_characters_fraction",
        numerator=(f"repetition.num_{kind}_{n}_gram_characters",),
        denominator=_CHARACTERS,
        comparison="<=",
        limit=limit,
        except_languages=SINGLE_CHARACTER_WORDS,
        source=_SOURCE,
    )


DATATROVE = (
    _pieces("max_duplicate_paragraphs_fraction", "num_duplicate_paragraphs", "repetition.num_paragraphs", 0.3),
    _pieces("max_duplicate_paragraph_characters_fraction", "num_duplicate_paragraph_characters", *_CHARACTERS, 0.2),
    _pieces("max_duplicate_lines_fraction", "num_duplicate_lines", "repetition.num_separate_lines", 0.3),
    _pieces("max_duplicate_line_characters_fraction", "num_duplicate_line_characters", *_CHARACTERS, 0.2),
    _ngrams("top", 2, 0.20),
    _ngrams("top", 3, 0.18),
    _ngrams("top", 4, 0.16),
    _ngrams("duplicate", 5, 0.15),
    _ngrams("duplicate", 6, 0.14),
    _ngrams("duplicate", 7, 0.13),
    _ngrams("duplicate", 8, 0.12),
    _ngrams("duplicate", 9, 0.11),
    _ngrams("duplicate", 10, 0.10),
)
VARIANTS = {"datatrove": DATATROVE}
