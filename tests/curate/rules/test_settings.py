"""What a recipe may say about rules."""

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from curate.rules import RuleSettings


def settings(**sets: Any) -> RuleSettings:
    return RuleSettings.model_validate(sets)


def limits(given: RuleSettings) -> dict[str, Any]:
    return {reason: rule.limit for reason, rule in given.active()}


def test_no_rule_is_on_unless_the_recipe_says_so() -> None:
    assert settings().active() == []
    assert settings(c4=None).active() == []


def test_an_empty_set_is_the_published_one() -> None:
    assert limits(settings(c4={})) == {"c4.max_lorem_ipsum_lines": 0, "c4.max_curly_bracket_lines": 0, "c4.min_sentences": 5}


def test_limits_are_overridden_by_name_and_null_switches_a_rule_off() -> None:
    chosen = limits(settings(fineweb={"max_short_lines_fraction": 0.5, "min_terminal_lines_fraction": None}))
    assert chosen["fineweb.max_short_lines_fraction"] == 0.5
    assert "fineweb.min_terminal_lines_fraction" not in chosen
    assert len(chosen) == 4


def test_a_variant_brings_its_own_limits_and_columns() -> None:
    assert limits(settings(c4={"variant": "code"}))["c4.min_sentences"] == 3
    assert limits(settings(c4={"variant": "code", "min_sentences": 4}))["c4.min_sentences"] == 4
    assert dict(settings(c4={"variant": "code"}).active())["c4.min_sentences"].numerator == ("lines.num_c4_code_sentences",)
    assert dict(settings(gopher_quality={"variant": "dolma"}).active())["gopher_quality.min_stop_words"].numerator == ("spaced.num_spaced_stop_words",)


def test_a_rule_that_the_variant_has_not_is_null_and_cannot_be_switched_on() -> None:
    chosen = settings(gopher_quality={"variant": "dolma"})
    assert chosen.resolved()["gopher_quality"]["max_median_word_length"] == 10.0
    assert chosen.resolved()["gopher_quality"]["max_mean_word_length"] is None
    assert settings(**chosen.resolved()) == chosen
    assert settings().resolved()["gopher_quality"] is None
    with pytest.raises(ValidationError, match="variant 'dolma' has no rule 'max_mean_word_length'; did you mean 'max_median_word_length'"):
        settings(gopher_quality={"variant": "dolma", "max_mean_word_length": 12.0})


def test_sets_judge_in_one_order_whatever_order_the_recipe_has() -> None:
    assert [reason.partition(".")[0] for reason, _ in settings(fineweb={}, languages={"allowed": ["en"]}).active()] == ["languages"] * 2 + ["fineweb"] * 5


def test_resolved_settings_write_out_every_limit_and_read_back_as_the_same() -> None:
    given = settings(languages={"allowed": ["en", "de"]}, gopher_quality={"max_words": None}, gopher_repetition={}, c4={"variant": "paper"}, fineweb={})
    resolved = given.resolved()
    assert resolved["languages"] == {"allowed": ["en", "de"], "min_score": 0.65}
    assert resolved["gopher_quality"]["max_words"] is None
    assert resolved["gopher_quality"]["min_words"] == 50
    assert RuleSettings.model_validate(resolved) == given
    assert RuleSettings.model_validate_json(given.model_dump_json()) == given


def test_settings_reach_another_process_unchanged() -> None:
    given = settings(c4={"variant": "paper"}, languages={"allowed": ["ja"]})
    assert pickle.loads(pickle.dumps(given)) == given


@pytest.mark.parametrize(
    ("sets", "where", "says"),
    [
        ({"gopher_qualty": {}}, ("gopher_qualty",), "did you mean 'gopher_quality'"),
        ({"c4": {"min_sentence": 3}}, ("c4", "min_sentence"), "did you mean 'min_sentences'"),
        ({"languages": {"alowed": ["en"]}}, ("languages", "alowed"), "did you mean 'allowed'"),
        ({"languages": {"allowed": ["english"]}}, ("languages", "allowed"), "did you mean 'en'"),
        ({"c4": {"variant": "cod"}}, ("c4", "variant"), "'code'"),
        ({"c4": {"variant": ["code"]}}, ("c4", "variant"), "'code'"),
        ({"c4": {"min_sentences": 2.5}}, ("c4", "min_sentences"), "integer"),
        ({"c4": {"min_sentences": "5"}}, ("c4", "min_sentences"), "integer"),
        ({"gopher_quality": {"min_words": -1}}, ("gopher_quality", "min_words"), "greater than or equal to 0"),
        ({"fineweb": {"max_short_lines_fraction": 1.5}}, ("fineweb", "max_short_lines_fraction"), "less than or equal to 1"),
        ({"fineweb": {"max_newlines_per_word": float("nan")}}, ("fineweb", "max_newlines_per_word"), "finite"),
        ({"languages": {"allowed": []}}, ("languages", "allowed"), "at least 1"),
        ({"c4": True}, ("c4",), "valid dictionary"),
    ],
)
def test_mistakes_are_refused_at_their_place(sets: dict[str, Any], where: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RuleSettings.model_validate(sets)
    (error,) = refused.value.errors()
    assert error["loc"] == where
    assert says in error["msg"]


def test_two_mistakes_are_both_named() -> None:
    with pytest.raises(ValidationError) as refused:
        settings(c4={"min_sentence": 3, "max_curly": 1})
    assert [error["loc"] for error in refused.value.errors()] == [("c4", "min_sentence"), ("c4", "max_curly")]


def test_the_schema_for_editors_names_every_rule() -> None:
    properties = RuleSettings.model_json_schema()["$defs"]["GopherQualitySettings"]["properties"]
    assert properties["min_words"]["default"] == 50
    assert "arXiv 2112.11446" in properties["min_words"]["description"]
