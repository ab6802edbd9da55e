"""Verdicts from texts to reasons."""

import math
from typing import Any

import polars as pl
import pytest

from curate.errors import DamageError
from curate.measures import measure
from curate.rules import RuleSettings, explain, families, judge, outcomes

GOOD = """The harbour had been quiet for a week when the first ship of the season came in with the tide.
People walked down to the quay and watched her, and some of them waved to the sailors on the deck.
She carried timber and salt, and letters that had been written in the autumn of the year before.
Nobody asked how the voyage had been; that could be seen from the sails.
By evening the crew sat in the inn, and every one of them had a story to tell."""
GERMAN = """Der Hafen war eine Woche lang still gewesen, als das erste Schiff des Jahres mit der Flut hereinkam.
Die Leute gingen zum Kai hinunter und sahen ihm zu, und einige winkten den Matrosen auf dem Deck.
Es brachte Holz und Salz, dazu Briefe, die schon im Herbst des vergangenen Jahres geschrieben worden waren.
Niemand fragte, wie die Reise gewesen sei; man konnte es an den Segeln sehen.
Am Abend saß die Mannschaft im Wirtshaus, und jeder von ihnen hatte eine Geschichte zu erzählen."""
EVERYTHING: dict[str, dict[str, Any]] = {"languages": {}, "gopher_quality": {}, "gopher_repetition": {}, "c4": {}, "fineweb": {}}


def settings(**sets: Any) -> RuleSettings:
    return RuleSettings.model_validate(sets)


def measured(texts: list[str], chosen: RuleSettings) -> pl.DataFrame:
    frame = pl.from_arrow(measure(texts, sorted(families(chosen))))
    assert isinstance(frame, pl.DataFrame)
    return frame


def reasons(texts: list[str], **sets: Any) -> list[str | None]:
    chosen = settings(**sets)
    return judge(measured(texts, chosen), chosen).to_list()


def test_good_prose_passes_every_set_in_english_and_in_german() -> None:
    assert reasons([GOOD, GERMAN], **EVERYTHING) == [None, None]


def test_the_first_failing_rule_is_the_reason() -> None:
    assert reasons(["", "This is too short a text to be kept."], **EVERYTHING) == [
        "languages.min_score",
        "gopher_repetition.max_top_3_gram_characters_fraction",
    ]


@pytest.mark.parametrize(
    ("text", "sets", "reason"),
    [
        ("word " * 49, {"gopher_quality": {"min_stop_words": None}}, "gopher_quality.min_words"),
        ("word " * 50, {"gopher_quality": {"min_stop_words": None}}, None),
        (GOOD + " #" * 20, {"gopher_quality": {}}, "gopher_quality.max_hash_signs_per_word"),
        ("\n".join(f"- {line}" for line in GOOD.splitlines()), {"gopher_quality": {}}, "gopher_quality.max_bullet_lines_fraction"),
        (GOOD.replace(".\n", "…\n"), {"gopher_quality": {}}, "gopher_quality.max_ellipsis_lines_fraction"),
        (GOOD + " 12" * 30, {"gopher_quality": {}}, "gopher_quality.min_alphabetic_words_fraction"),
        (GOOD + "\n" + GOOD, {"gopher_repetition": {}}, "gopher_repetition.max_duplicate_lines_fraction"),
        (GOOD + "\n" + GOOD.splitlines()[3], {"gopher_repetition": {}}, None),
        (GOOD + "\nWe wrote {this} down for you.", {"c4": {}}, "c4.max_curly_bracket_lines"),
        (GOOD + "\nfunction() {", {"c4": {}}, None),
        (GOOD + "\nfunction() {", {"c4": {"variant": "paper"}}, "c4.max_curly_bracket_lines"),
        (GOOD + "\nfor item in list {", {"c4": {"variant": "fineweb"}}, "c4.max_curly_bracket_lines"),
        (GOOD + "\nLorem ipsum dolor sit amet.", {"c4": {}}, "c4.max_lorem_ipsum_lines"),
        ("\n".join(GOOD.splitlines()[:4]), {"c4": {}}, "c4.min_sentences"),
        ("\n".join(GOOD.splitlines()[:4]), {"c4": {"variant": "code"}}, None),
        (GOOD.replace(".\n", "\n"), {"c4": {}}, "c4.min_sentences"),
        (GOOD.replace(".\n", "\n"), {"c4": {"variant": "fineweb"}}, None),
        (GOOD.replace(".", ""), {"fineweb": {}}, "fineweb.min_terminal_lines_fraction"),
        (GERMAN.replace(".", ""), {"fineweb": {}}, None),
        (GOOD.replace(" ", "\n"), {"fineweb": {"min_terminal_lines_fraction": None}}, "fineweb.max_short_lines_fraction"),
        (GOOD + "\n" + GOOD.splitlines()[3], {"fineweb": {}}, "fineweb.max_duplicate_line_characters_fraction"),
        (GOOD + "\n" * 40, {"fineweb": {}}, "fineweb.max_newlines_per_word"),
        (" \n ", {"fineweb": {}}, "fineweb.min_text_lines"),
        (GERMAN, {"languages": {"allowed": ["en", "fr"]}}, "languages.allowed"),
        (GERMAN, {"languages": {"allowed": ["de"]}}, None),
        (GERMAN, {"languages": {"min_score": 1.0}}, "languages.min_score"),
    ],
)
def test_each_rule_catches_what_it_is_for(text: str, sets: dict[str, Any], reason: str | None) -> None:
    assert reasons([text], **sets) == [reason]


def test_different_stop_words_or_occurrences_decide_by_variant() -> None:
    text = "the " + " ".join(["weather", "report", "today", "says", "rain", "here"] * 9) + " the"
    for variant, reason in (("datatrove", "gopher_quality.min_stop_words"), ("paper", "gopher_quality.min_stop_words"), ("dolma", None), ("dclm", None)):
        chosen = settings(gopher_quality={"variant": variant})
        frame = measured([text], chosen).with_columns(language=pl.lit("en"))
        assert judge(frame, chosen).to_list() == [reason]


def test_a_share_of_nothing_is_zero_and_something_over_nothing_is_infinite() -> None:
    chosen = settings(gopher_quality={"min_words": None, "min_alphabetic_words_fraction": None})
    empty, signs = (explain(measure([text], sorted(families(chosen))).to_pylist()[0], chosen) for text in ("", "###"))
    name = "gopher_quality.max_hash_signs_per_word"
    assert [(v.value, v.verdict) for v in empty if v.rule == name] == [(0.0, "pass")]
    assert [(v.value, v.verdict) for v in signs if v.rule == name] == [(math.inf, "fail")]


def test_explain_gives_every_rule_in_force_and_agrees_with_judge() -> None:
    chosen = settings(**EVERYTHING)
    frame = measured([GOOD, GERMAN, "Too short.", GOOD + "\n" + GOOD, ""], chosen)
    for row, reason in enumerate(judge(frame, chosen)):
        verdicts = explain(frame[row], chosen)
        assert [verdict.rule for verdict in verdicts] == [name for name, _ in chosen.active()]
        assert next((verdict.rule for verdict in verdicts if verdict.verdict == "fail"), None) == reason


def test_explain_shows_value_comparison_limit_and_source() -> None:
    chosen = settings(gopher_quality={"min_words": 60})
    german = {v.rule: v for v in explain(measured([GERMAN], chosen), chosen)}
    words = german["gopher_quality.min_words"]
    assert (words.measure, words.value, words.comparison, words.limit, words.applies, words.verdict) == (
        "words.num_words",
        len(GERMAN.split()),
        ">=",
        60,
        True,
        "pass",
    )
    assert "arXiv 2112.11446" in words.source
    assert german["gopher_quality.min_stop_words"].verdict == "does not apply"
    assert german["gopher_quality.min_mean_word_length"].measure == "words.num_word_characters / words.num_words"


def test_outcomes_count_what_each_rule_judged_and_failed_by_itself() -> None:
    chosen = settings(gopher_quality={})
    counts = outcomes(measured([GOOD, GERMAN, "The short one of them is here."], chosen), chosen)
    assert counts["gopher_quality.min_words"] == (3, 1)
    assert counts["gopher_quality.min_stop_words"] == (2, 0)
    assert outcomes(measured([GOOD], chosen)[:0], chosen)["gopher_quality.min_words"] == (0, 0)


def test_families_are_those_the_rules_in_force_read() -> None:
    assert families(settings()) == set()
    assert families(settings(gopher_repetition={})) == {"identity", "repetition", "language"}
    duplicates_only = {f"max_{kind}_{n}_gram_characters_fraction": None for kind, ns in (("top", (2, 3, 4)), ("duplicate", range(5, 11))) for n in ns}
    assert families(settings(gopher_repetition=duplicates_only)) == {"identity", "repetition"}


def test_no_rules_drop_nothing() -> None:
    frame = pl.DataFrame({"num_words": [1, 2]})
    verdicts = judge(frame, settings())
    assert verdicts.to_list() == [None, None]
    assert verdicts.dtype == pl.String
    assert outcomes(frame, settings()) == {}


def test_a_missing_column_or_a_null_is_an_error_and_never_a_pass() -> None:
    chosen = settings(c4={})
    frame = measured([GOOD], chosen)
    with pytest.raises(DamageError, match="add the family 'language'"):
        judge(frame.drop("language"), chosen)
    with pytest.raises(DamageError, match="holds 1 nulls"):
        judge(frame.with_columns(num_c4_sentences=pl.lit(None, pl.Int64)), chosen)
