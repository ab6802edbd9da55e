"""The tables of rules: their numbers, their columns, and what happens exactly on a limit."""

import re

import polars as pl
import pytest

from curate.edits.edit import EDITS
from curate.measures import family
from curate.rules import judge
from curate.rules.rule import Rule
from curate.rules.settings import SETS, RuleSettings

_TOP_AND_DUPLICATE = (
    " max_top_2_gram_characters_fraction .2 max_top_3_gram_characters_fraction .18 max_top_4_gram_characters_fraction .16 "
    "max_duplicate_5_gram_characters_fraction .15 max_duplicate_6_gram_characters_fraction .14 max_duplicate_7_gram_characters_fraction .13 "
    "max_duplicate_8_gram_characters_fraction .12 max_duplicate_9_gram_characters_fraction .11 max_duplicate_10_gram_characters_fraction .1"
)
_DCLM_QUALITY = (
    "min_words 50 max_words 100000 min_mean_word_length 3 max_mean_word_length 10 max_symbols_per_word .1 max_bullet_lines_fraction .9 "
    "max_ellipsis_lines_fraction .3 min_alphabetic_words_fraction .8 min_stop_words 2"
)
_DCLM_REPETITION = (
    "max_duplicate_lines_fraction .3 max_duplicate_paragraphs_fraction .3 max_duplicate_line_characters_fraction .2 "
    "max_duplicate_paragraph_characters_fraction .2" + _TOP_AND_DUPLICATE
)
PUBLISHED = {
    ("gopher_quality", "datatrove"): "min_words 50 max_words 100000 min_mean_word_length 3 max_mean_word_length 10 max_hash_signs_per_word .1 "
    "max_ellipses_per_word .1 max_bullet_lines_fraction .9 max_ellipsis_lines_fraction .3 min_alphabetic_words_fraction .8 min_stop_words 2",
    ("gopher_repetition", "datatrove"): "max_duplicate_paragraphs_fraction .3 max_duplicate_paragraph_characters_fraction .2 max_duplicate_lines_fraction .3 "
    "max_duplicate_line_characters_fraction .2 max_top_2_gram_characters_fraction .2 max_top_3_gram_characters_fraction .18 "
    "max_top_4_gram_characters_fraction .16 max_duplicate_5_gram_characters_fraction .15 max_duplicate_6_gram_characters_fraction .14 "
    "max_duplicate_7_gram_characters_fraction .13 max_duplicate_8_gram_characters_fraction .12 max_duplicate_9_gram_characters_fraction .11 "
    "max_duplicate_10_gram_characters_fraction .1",
    ("gopher_quality", "dolma"): "min_words 50 max_words 100000 min_median_word_length 3 max_median_word_length 10 max_symbol_words_fraction .1 "
    "min_alphabetic_words_fraction .8 min_stop_words 2 max_bullet_lines_fraction .9 max_ellipsis_lines_fraction .3",
    ("gopher_quality", "dclm"): _DCLM_QUALITY,
    ("gopher_repetition", "dolma"): "max_duplicate_lines_fraction .3 max_duplicate_line_characters_fraction .3" + _TOP_AND_DUPLICATE,
    ("gopher_repetition", "dclm"): _DCLM_REPETITION,
    ("dclm", "dclm"): f"{_DCLM_QUALITY} {_DCLM_REPETITION} max_cut_words_fraction .05",
    ("c4", "dclm"): "max_characters 190000 max_lorem_ipsum_lines 0 max_curly_bracket_lines 0 min_sentences 3",
    ("c4", "dolma"): "max_curly_bracket_lines 0 max_lorem_ipsum_lines 0 max_javascript_lines 0",
    ("c4", "datatrove"): "max_lorem_ipsum_lines 0 max_curly_bracket_lines 0 min_sentences 5",
    ("c4", "paper"): "max_lorem_ipsum_lines 0 max_curly_bracket_lines 0 min_sentences 5",
    ("c4", "code"): "max_lorem_ipsum_lines 0 max_curly_bracket_lines 0 min_sentences 3",
    ("c4", "fineweb"): "max_lorem_ipsum_lines 0 max_curly_bracket_lines 0 min_sentences 5",
    ("fineweb", "datatrove"): "min_text_lines 1 min_terminal_lines_fraction .12 max_short_lines_fraction .67 max_duplicate_line_characters_fraction .01 "
    "max_newlines_per_word .3",
    ("fineweb", "paper"): "min_text_lines 1 min_terminal_lines_fraction .12 max_short_lines_fraction .67 max_duplicate_line_characters_fraction .1 "
    "max_newlines_per_word .3",
    ("languages", "lid.176"): "min_score .65",
}
EVERY_RULE = [(set_name, variant, rule) for set_name, variants in SETS.items() for variant, table in variants.items() for rule in table]
NUMERIC = [entry for entry in EVERY_RULE if entry[2].comparison != "in"]

ENGLISH_ONLY = {
    *(f"{bound}_{kind}_word_length" for bound in ("min", "max") for kind in ("mean", "median")),
    *("min_stop_words", "min_terminal_lines_fraction", "min_sentences"),
}


def only(set_name: str, variant: str, rule: Rule, limit: float | None) -> RuleSettings:
    """Settings with one rule on."""
    limits: dict[str, object] = {other.name: None for other in SETS[set_name][variant]} | {rule.name: limit}
    if set_name != "languages":
        limits["variant"] = variant
    return RuleSettings.model_validate({set_name: limits})


def frame(rule: Rule, values: list[tuple[float, int]], language: str = "en") -> pl.DataFrame:
    """Measures in which the rule's numerator and denominator have the given values."""
    columns: dict[str, list[float] | list[str]] = {"language": [language] * len(values)}
    for names, at in ((rule.numerator, 0), (rule.denominator, 1)):
        columns |= {name.partition(".")[2]: [value[at] for value in values] for name in names}
    return pl.DataFrame(columns)


@pytest.mark.parametrize(("set_name", "variant"), PUBLISHED)
def test_limits_are_the_published_ones_in_the_published_order(set_name: str, variant: str) -> None:
    words = PUBLISHED[set_name, variant].split()
    expected = list(zip(words[::2], map(float, words[1::2]), strict=True))
    assert [(rule.name, rule.limit) for rule in SETS[set_name][variant] if rule.limit is not None] == expected


def test_the_papers_variants_have_datatroves_limits_and_refinedweb_has_those_of_both_and_its_own() -> None:
    def limits(table: tuple[Rule, ...]) -> list[tuple[str, object]]:
        return [(rule.name, rule.limit) for rule in table]

    for name in ("gopher_quality", "gopher_repetition"):
        assert limits(SETS[name]["paper"]) == limits(SETS[name]["datatrove"])
    both = limits(SETS["gopher_repetition"]["paper"]) + limits(SETS["gopher_quality"]["paper"])
    assert limits(SETS["refinedweb"]["paper"]) == [*both, ("max_cut_words_fraction", 0.05)]


def test_no_variant_names_a_rule_twice_and_a_rule_is_of_one_kind_in_all_variants_of_a_set() -> None:
    for variants in SETS.values():
        kinds: dict[str, set[tuple[str, bool]]] = {}
        for table in variants.values():
            assert len({rule.name for rule in table}) == len(table)
            for rule in table:
                kinds.setdefault(rule.name, set()).add((rule.comparison, bool(rule.denominator)))
        assert all(len(kind) == 1 for kind in kinds.values())


def test_every_variant_names_the_repository_or_paper_it_is_taken_from() -> None:
    for variants in SETS.values():
        for variant, table in variants.items():
            for rule in table:
                if variant in ("datatrove", "dolma", "dclm") and rule.limit is not None:
                    assert re.search(rf"{variant} [0-9a-f]{{8}}, \w+", rule.source), rule
                assert re.search(r"arXiv [0-9]{4}\.[0-9]{5}|[0-9a-f]{8}, |c4_utils\.py|no published number", rule.source), rule


@pytest.mark.parametrize(("set_name", "variant", "rule"), EVERY_RULE)
def test_every_rule_reads_columns_that_exist_and_names_its_source(set_name: str, variant: str, rule: Rule) -> None:
    for column in rule.columns:
        family_name, _, name = column.partition(".")
        assert name in (EDITS if family_name == "edits" else family(family_name).SCHEMA).names
    assert rule.source


@pytest.mark.parametrize(("set_name", "variant", "rule"), NUMERIC)
def test_a_value_on_the_limit_is_judged_as_datatrove_does_and_the_next_one_beyond_fails(set_name: str, variant: str, rule: Rule) -> None:
    limit = rule.limit if isinstance(rule.limit, int | float) else 3 if not rule.denominator else 0.25
    settings = only(set_name, variant, rule, limit)
    scale = 100_000 if rule.denominator else 1
    on = limit if rule.comparison == ">" else round(limit * scale)
    step = 1e-9 if rule.comparison == ">" else 1
    values = [(on - step, scale), (on, scale), (on + step, scale)]
    reason = f"{set_name}.{rule.name}"
    expected = {">=": [reason, None, None], "<=": [None, None, reason], ">": [reason, reason, None]}[rule.comparison]
    assert judge(frame(rule, values), settings).to_list() == expected


@pytest.mark.parametrize(("set_name", "variant", "rule"), NUMERIC)
def test_rules_bound_to_english_leave_other_languages_alone(set_name: str, variant: str, rule: Rule) -> None:
    settings = only(set_name, variant, rule, 0.5 if rule.denominator or rule.comparison == ">" else 2)
    failing = (0, 1) if rule.comparison != "<=" else (10, 1)
    bound = rule.name in ENGLISH_ONLY or (set_name == "c4" and rule.name != "min_long_lines")
    for language, applies in (("en", True), ("de", not bound), ("th", not bound and "_gram_" not in rule.name)):
        assert judge(frame(rule, [failing], language), settings).to_list() == [f"{set_name}.{rule.name}" if applies else None]


def test_a_rule_without_numerator_source_or_family_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a numerator"):
        Rule(name="x", numerator=(), comparison=">=", limit=1, source="s")
    with pytest.raises(ValueError, match=r"family\.column"):
        Rule(name="x", numerator=("num_words",), comparison=">=", limit=1, source="s")
