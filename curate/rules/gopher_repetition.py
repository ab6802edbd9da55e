"""Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1). In all variants a value on its limit is kept.

Variants, by which copies count and what a share is of:
    datatrove   second and later copies; n-grams met before, reading on behind each; shares of the full text (a649de79,
                gopher_repetition_filter.py)
    paper       lines and paragraphs as datatrove; for n-grams what the appendix says in words: the characters of words that lie in any
                n-gram that occurs more than once, each counted once however many n-grams overlap there, as a share of the
                characters of words
    dolma       every copy; n-grams of 5 to 10 words counted as often as they overlap, as a share of all n-grams so counted; lines only, no
                paragraphs, and 0.3 where the table has 0.2 (669f5348, taggers/gopher.py, gopher_v1; configs/dolma-v1_6/mixing)
    dclm        every copy; stripped lines and paragraphs, blank ones left out; n-grams as `paper`, the longest of the most frequent
                (361714bd, content_filters.py)

The rules over n-grams of words do not apply to languages whose words are single characters here: the limits are made
for n-grams of words, and five characters of Thai are about one word. Dolma's words are what white space separates, which in those languages
are phrases, so its variant leaves them out too.
"""

from curate.rules.rule import SINGLE_CHARACTER_WORDS, Rule

_PAPER = "arXiv 2112.11446, table A1"
_DATATROVE = f"{_PAPER}; datatrove a649de79, gopher_repetition_filter.py"
_DOLMA = f"{_PAPER}; dolma 669f5348, taggers/gopher.py, configs/dolma-v1_6/mixing/cc-head.yaml"
_DCLM = f"{_PAPER}; dclm 361714bd, content_filters.py"
_CHARACTERS = "identity.num_characters"
_WORD_CHARACTERS = "words.num_word_characters"
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def _share(source: str, name: str, numerator: str, denominator: str, limit: float) -> Rule:
    excepted = SINGLE_CHARACTER_WORDS if "_gram_" in name else ()
    return Rule(
        name=f"max_{name}_fraction",
        numerator=(numerator,),
        denominator=(denominator,),
        comparison="<=",
        limit=limit,
        except_languages=excepted,
        source=source,
    )


def _ngrams(source: str, top: str, duplicate: str, of_top: str, of_duplicate: str) -> tuple[Rule, ...]:
    """The nine rules over n-grams; in columns, {n} stands for n."""
    return (
        *(_share(source, f"top_{n}_gram_characters", top.format(n=n), of_top, limit) for n, limit in _TOP.items()),
        *(_share(source, f"duplicate_{n}_gram_characters", duplicate.format(n=n), of_duplicate.format(n=n), limit) for n, limit in _DUPLICATE.items()),
    )


def _pieces(source: str) -> tuple[Rule, ...]:
    """Lines and paragraphs by second and later copies."""
    return (
        _share(source, "duplicate_paragraphs", "repetition.num_duplicate_paragraphs", "repetition.num_paragraphs", 0.3),
        _share(source, "duplicate_paragraph_characters", "repetition.num_duplicate_paragraph_characters", _CHARACTERS, 0.2),
        _share(source, "duplicate_lines", "repetition.num_duplicate_lines", "repetition.num_separate_lines", 0.3),
        _share(source, "duplicate_line_characters", "repetition.num_duplicate_line_characters", _CHARACTERS, 0.2),
    )


_LONGEST, _COVERED = "dclm.num_longest_top_{n}_gram_characters", "dclm.num_covered_{n}_gram_characters"
DATATROVE = (
    *_pieces(_DATATROVE),
    *_ngrams(_DATATROVE, "repetition.num_top_{n}_gram_characters", "repetition.num_duplicate_{n}_gram_characters", _CHARACTERS, _CHARACTERS),
)
PAPER = (*_pieces(_PAPER), *_ngrams(_PAPER, _LONGEST, _COVERED, _WORD_CHARACTERS, _WORD_CHARACTERS))
DOLMA = (
    _share(_DOLMA, "duplicate_lines", "dolma.num_newline_repeated_lines", "dolma.num_newline_lines", 0.3),
    _share(_DOLMA, "duplicate_line_characters", "dolma.num_newline_repeated_line_characters", "spaced.num_spaced_word_characters", 0.3),
    *_ngrams(
        _DOLMA,
        "dolma.num_top_spaced_{n}_gram_characters",
        "dolma.num_repeated_spaced_{n}_gram_characters",
        "spaced.num_spaced_word_characters",
        "dolma.num_spaced_{n}_gram_characters",
    ),
)
DCLM = (
    _share(_DCLM, "duplicate_lines", "dclm.num_repeated_stripped_lines", "dclm.num_stripped_lines", 0.3),
    _share(_DCLM, "duplicate_paragraphs", "dclm.num_repeated_stripped_paragraphs", "dclm.num_stripped_paragraphs", 0.3),
    _share(_DCLM, "duplicate_line_characters", "dclm.num_repeated_stripped_line_characters", "dclm.num_stripped_line_characters", 0.2),
    _share(_DCLM, "duplicate_paragraph_characters", "dclm.num_repeated_stripped_paragraph_characters", "dclm.num_stripped_paragraph_characters", 0.2),
    *_ngrams(_DCLM, _LONGEST, _COVERED, _WORD_CHARACTERS, _WORD_CHARACTERS),
)
VARIANTS = {"datatrove": DATATROVE, "paper": PAPER, "dolma": DOLMA, "dclm": DCLM}
