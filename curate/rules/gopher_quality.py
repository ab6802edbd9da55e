"""Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A.1.1). In all variants a value on its limit is kept.

Variants, by what a word, a symbol, a bullet and a stop word is:
    datatrove   words of `curate.kernels.words`; bullets "-" and U+2022; two *different* stop words (a649de79,
                gopher_quality_filter.py). There, tokens of punctuation only are words in the shares of symbols and of
                alphabetic words; here punctuation is never a word, so these shares come out higher: of 5,300 pages of technical
                documentation datatrove with its own splitter drops 2,619 for too few alphabetic words that are kept here
                (tests/bench/bench_conformance.py)
    paper       the same table: the paper names no splitter and no bullets, and its "at least two of the following words"
                reads as two different ones
    dolma       words as white space separates them; the *median* word length; words that hold a "#" or U+2026; bullets "*" and
                "-", U+2026 alone ends a line; stop words counted each time, in lower case only (669f5348, taggers/gopher.py, with
                the limits of configs/dolma-v1_6/mixing)
    dclm        number of words by fastText's splitting, otherwise white space; "#" and every ellipsis added up; bullets U+25CF,
                U+2022, "*", "-"; stop words counted each time, in any case (361714bd, content_filters.py, with the limits of
                baselines_configs/dclm_baseline_refinedweb.yaml)
"""

from dataclasses import replace

from curate.rules.rule import ENGLISH, Comparison, Limit, Rule

_PAPER = "arXiv 2112.11446, A.1.1"
_DATATROVE = f"{_PAPER}; datatrove a649de79, gopher_quality_filter.py"
_DOLMA = f"{_PAPER}; dolma 669f5348, taggers/gopher.py, configs/dolma-v1_6/mixing/cc-head.yaml"
_DCLM = f"{_PAPER}; dclm 361714bd, content_filters.py, dclm_baseline_refinedweb.yaml"
_ENGLISH_ONLY = ("word_length", "stop_words")


def _rule(source: str, name: str, value: str, limit: Limit) -> Rule:
    """A rule from its value written "family.column" or "family.column / family.column"."""
    numerator, _, denominator = value.partition(" / ")
    comparison: Comparison = ">=" if name.startswith("min_") else "<="
    languages = ENGLISH if name.endswith(_ENGLISH_ONLY) else None
    columns = (denominator,) if denominator else ()
    return Rule(name=name, numerator=(numerator,), denominator=columns, comparison=comparison, limit=limit, source=source, languages=languages)


DATATROVE = (
    _rule(_DATATROVE, "min_words", "words.num_words", 50),
    _rule(_DATATROVE, "max_words", "words.num_words", 100_000),
    _rule(_DATATROVE, "min_mean_word_length", "words.num_word_characters / words.num_words", 3.0),
    _rule(_DATATROVE, "max_mean_word_length", "words.num_word_characters / words.num_words", 10.0),
    _rule(_DATATROVE, "max_hash_signs_per_word", "words.num_hash_signs / words.num_words", 0.1),
    _rule(_DATATROVE, "max_ellipses_per_word", "words.num_ellipses / words.num_words", 0.1),
    _rule(_DATATROVE, "max_bullet_lines_fraction", "lines.num_bullet_lines / lines.num_lines", 0.9),
    _rule(_DATATROVE, "max_ellipsis_lines_fraction", "lines.num_ellipsis_lines / lines.num_lines", 0.3),
    _rule(_DATATROVE, "min_alphabetic_words_fraction", "words.num_alphabetic_words / words.num_words", 0.8),
    _rule(_DATATROVE, "min_stop_words", "words.num_distinct_stop_words", 2),
)
PAPER = tuple(replace(rule, source=_PAPER) for rule in DATATROVE)
DOLMA = (
    _rule(_DOLMA, "min_words", "spaced.num_spaced_words", 50),
    _rule(_DOLMA, "max_words", "spaced.num_spaced_words", 100_000),
    _rule(_DOLMA, "min_median_word_length", "spaced.median_spaced_word_length", 3.0),
    _rule(_DOLMA, "max_median_word_length", "spaced.median_spaced_word_length", 10.0),
    _rule(_DOLMA, "max_symbol_words_fraction", "spaced.num_spaced_words_with_symbol / spaced.num_spaced_words", 0.1),
    _rule(_DOLMA, "min_alphabetic_words_fraction", "spaced.num_spaced_words_with_letter / spaced.num_spaced_words", 0.8),
    _rule(_DOLMA, "min_stop_words", "spaced.num_spaced_stop_words", 2),
    _rule(_DOLMA, "max_bullet_lines_fraction", "dolma.num_newline_star_bullet_lines / dolma.num_newline_lines", 0.9),
    _rule(_DOLMA, "max_ellipsis_lines_fraction", "dolma.num_newline_character_ellipsis_lines / dolma.num_newline_lines", 0.3),
)
DCLM = (
    _rule(_DCLM, "min_words", "spaced.num_tokens", 50),
    _rule(_DCLM, "max_words", "spaced.num_tokens", 100_000),
    _rule(_DCLM, "min_mean_word_length", "spaced.num_spaced_word_characters / spaced.num_spaced_words", 3.0),
    _rule(_DCLM, "max_mean_word_length", "spaced.num_spaced_word_characters / spaced.num_spaced_words", 10.0),
    _rule(_DCLM, "max_symbols_per_word", "spaced.num_symbols / spaced.num_spaced_words", 0.1),
    _rule(_DCLM, "max_bullet_lines_fraction", "dclm.num_any_bullet_lines / dclm.num_stripped_lines", 0.9),
    _rule(_DCLM, "max_ellipsis_lines_fraction", "dclm.num_any_ellipsis_lines / dclm.num_stripped_lines", 0.3),
    _rule(_DCLM, "min_alphabetic_words_fraction", "spaced.num_spaced_words_with_letter / spaced.num_spaced_words", 0.8),
    _rule(_DCLM, "min_stop_words", "spaced.num_spaced_stop_words_any_case", 2),
)
VARIANTS = {"datatrove": DATATROVE, "paper": PAPER, "dolma": DOLMA, "dclm": DCLM}
