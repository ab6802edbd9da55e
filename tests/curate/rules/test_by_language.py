"""Limits and stop words by language: what a recipe may say, and what becomes of real text in many scripts."""

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastwarc.warc import ArchiveIterator
from pydantic import ValidationError

from curate.documents import as_text
from curate.measures import family
from curate.rules import RuleSettings, explain, families, fineweb2, judge, outcomes
from curate.rules.stop_words import STOP_WORDS

SAMPLES = Path(__file__).parents[3] / "pipelines" / "samples" / "web" / "manual-excerpt.warc.wet.gz"
GERMAN = "Der Hafen war still, und die Leute gingen mit dem Wind zu den Schiffen, die auf das Meer hinaus nicht fahren wollten. " * 4
ALL: dict[str, Any] = {"gopher_quality": {}, "gopher_repetition": {}, "fineweb": {}}
# Texts of the Universal Declaration of Human Rights, by their names there.
DECLARATIONS = {
    "urn:udhr:ces": "cs",
    "urn:udhr:cmn_hans": "zh",
    "urn:udhr:cmn_hant": "zh",
    "urn:udhr:deu_1996": "de",
    "urn:udhr:fin": "fi",
    "urn:udhr:fra": "fr",
    "urn:udhr:ita": "it",
    "urn:udhr:jpn": "ja",
    "urn:udhr:nld": "nl",
    "urn:udhr:nob": "no",
    "urn:udhr:pol": "pl",
    "urn:udhr:por_PT": "pt",
    "urn:udhr:rus": "ru",
    "urn:udhr:spa": "es",
    "urn:udhr:swe": "sv",
    "urn:udhr:tha": "th",
    "urn:udhr:ukr": "uk",
}


def settings(**sets: Any) -> RuleSettings:
    return RuleSettings.model_validate(sets)


def measured(texts: list[str], chosen: RuleSettings, language: str) -> pl.DataFrame:
    """The measures of texts, in a language that is given and not guessed."""
    told = chosen.family_settings()
    columns = [
        family(name).measure(as_text(texts), family(name).Settings.model_validate(told.get(name, {}))) for name in sorted(families(chosen) - {"language"})
    ]
    frames = [pl.from_arrow(table) for table in columns]
    return pl.concat([frame for frame in frames if isinstance(frame, pl.DataFrame)], how="horizontal").with_columns(language=pl.lit(language))


def reason(text: str, language: str, **sets: Any) -> str | None:
    chosen = settings(**sets)
    found: str | None = judge(measured([text], chosen, language), chosen).to_list()[0]
    return found


@pytest.fixture(scope="module")
def declarations() -> dict[str, str]:
    with gzip.open(SAMPLES) as stream:
        records = ((record.headers.get("WARC-Target-URI"), record.reader.read()) for record in ArchiveIterator(stream))
        return {uri: text.decode() for uri, text in records if uri in DECLARATIONS}


def test_nothing_changes_without_limits_by_language() -> None:
    assert settings(**ALL, by_language={}).active() == settings(**ALL).active()
    assert settings(**ALL).family_settings() == {}
    assert "stop_words" not in families(settings(**ALL))


def test_a_limit_of_a_language_replaces_the_sets_for_that_language_alone() -> None:
    sets = {"gopher_quality": {"min_words": 300}, "by_language": {"de": {"gopher_quality": {"min_words": 50}}}}
    assert reason(GERMAN, "de", **sets) is None
    assert reason(GERMAN, "nl", **sets) == "gopher_quality.min_words"


def test_null_switches_a_rule_off_for_a_language() -> None:
    sets = {"gopher_quality": {"min_words": 300}, "by_language": {"de": {"gopher_quality": {"min_words": None}}}}
    assert reason("Kurz.", "de", **sets) is None
    assert reason("Kort.", "nl", **sets) == "gopher_quality.min_words"


def test_a_rule_that_is_off_can_be_on_for_one_language() -> None:
    sets = {"gopher_quality": {"max_words": None}, "by_language": {"de": {"gopher_quality": {"max_words": 60}}}}
    assert [reason(GERMAN, code, **sets) for code in ("de", "nl")] == ["gopher_quality.max_words", None]


def test_stop_words_of_the_documents_own_language_are_counted() -> None:
    sets = {"gopher_quality": {}, "by_language": {code: {"gopher_quality": {"min_stop_words": 2}} for code in ("de", "fr")}}
    assert [reason(GERMAN, code, **sets) for code in ("de", "fr", "it", "en")] == [
        None,
        "gopher_quality.min_stop_words",
        None,
        "gopher_quality.min_stop_words",
    ]


def test_a_recipes_own_stop_words_take_the_place_of_the_bundled_ones() -> None:
    by_language = {code: {"gopher_quality": {"min_stop_words": 2}} for code in ("de", "en", "th")}
    sets = {"gopher_quality": {}, "by_language": by_language, "stop_words": {"de": ["hafen", "meer"], "en": ["der", "die"], "th": ["ก", "ข"]}}
    assert settings(**sets).family_settings()["stop_words"]["words"] == {"de": ["hafen", "meer"], "en": ["der", "die"], "th": ["ก", "ข"]}
    assert reason(GERMAN, "de", **sets) is None
    assert reason(GERMAN.replace("Hafen", "Kai"), "de", **sets) == "gopher_quality.min_stop_words"
    assert reason(GERMAN, "en", **sets) is None


def test_occurrences_are_counted_where_the_variant_counts_them() -> None:
    text = "und " * 2 + "Hafen " * 60
    for variant, expected in (("datatrove", "gopher_quality.min_stop_words"), ("dolma", None), ("dclm", None)):
        sets = {"gopher_quality": {"variant": variant}, "by_language": {"de": {"gopher_quality": {"min_stop_words": 2}}}}
        assert reason(text, "de", **sets) == expected


def test_published_limits_are_filled_in_and_written_out_and_the_recipes_own_win() -> None:
    chosen = settings(**ALL, by_language={"de": {"limits": "fineweb2", "gopher_quality": {"max_mean_word_length": 14.0}}})
    german = chosen.resolved()["by_language"]["de"]
    assert german["gopher_quality"] == {"min_mean_word_length": 0.0, "max_mean_word_length": 14.0, "min_alphabetic_words_fraction": 0.774, "min_stop_words": 2}
    assert german["fineweb"]["max_short_lines_fraction"] is None
    assert german["gopher_repetition"]["max_top_2_gram_characters_fraction"] == 0.169
    assert german["c4"] == {}
    assert settings(**chosen.resolved()) == chosen
    sources = {reason: rule.source for reason, rule in chosen.active() if rule.languages == ("de",)}
    assert sources["gopher_quality.min_alphabetic_words_fraction"].endswith("limit for de: fineweb-2 d0defb24, configs/deu_Latn.yml")
    assert sources["gopher_quality.max_mean_word_length"].endswith("limit for de: the recipe")


def test_where_a_word_is_one_character_limits_over_words_are_converted_and_those_over_ngrams_are_off() -> None:
    chosen = settings(**ALL, by_language={"th": {"limits": "fineweb2"}}).by_language["th"]
    factor = fineweb2.CHARACTERS_PER_WORD["th"]
    assert chosen.gopher_quality["min_words"] == 240 == 50 * factor
    assert chosen.gopher_quality["max_words"] == 480_000
    assert chosen.gopher_quality["max_hash_signs_per_word"] == round(0.1 / factor, 4)
    assert chosen.fineweb["max_newlines_per_word"] == round(0.153 / factor, 4)
    assert [chosen.gopher_quality[name] for name in ("min_mean_word_length", "max_mean_word_length", "min_stop_words")] == [None] * 3
    assert all(limit is None for name, limit in chosen.gopher_repetition.items() if "_gram_" in name)


def test_declarations_in_seventeen_languages_pass_with_their_languages_limits(declarations: dict[str, str]) -> None:
    assert set(declarations) == set(DECLARATIONS)
    by_language = {code: {"limits": "fineweb2"} for code in sorted(set(DECLARATIONS.values()))}
    for uri, text in declarations.items():
        assert reason(text, DECLARATIONS[uri], **ALL, by_language=by_language) is None, uri


def test_stop_words_tell_every_language_from_the_others_lists_of_names(declarations: dict[str, str]) -> None:
    """Two different stop words stand in any 50 words of running text (a fifth of them, where a word is a character), and in no list of bare names."""
    names = "Berlin, Paris, Praha, Roma, Lisboa, Madrid, Oslo, Kyiv, Helsinki, Ankara, Tokyo, Москва, 北京, 東京, Amsterdam, Warszawa, Stockholm"
    module = family("stop_words")
    for uri, text in declarations.items():
        if (code := DECLARATIONS[uri]) not in STOP_WORDS:
            continue
        words = text.split()[100:150] if code not in fineweb2.CHARACTERS_PER_WORD else [text[300:400]]
        start, bare = (row[f"num_distinct_stop_words_{code}"] for row in module.measure(as_text([" ".join(words), names]), module.Settings()).to_pylist())
        assert start >= 2, uri
        assert bare < 2, uri


def test_keyword_lists_in_german_and_japanese_are_dropped_for_their_stop_words_only_with_limits_by_language() -> None:
    german = "Hafen Schiff Ladung Anker Segel Mast Kompass Kurs Wetter Sturm " * 6
    japanese = "港船荷錨帆柱羅針盤航路天気嵐" * 10
    by_language = {"de": {"gopher_quality": {"min_stop_words": 2}}, "ja": {"gopher_quality": {"min_stop_words": 2}}}
    for text, code in ((german, "de"), (japanese, "ja")):
        assert reason(text, code, gopher_quality={}) is None
        assert reason(text, code, gopher_quality={}, by_language=by_language) == "gopher_quality.min_stop_words"


def test_outcomes_add_up_over_languages_and_explain_gives_one_verdict_a_reason() -> None:
    chosen = settings(gopher_quality={}, by_language={"de": {"limits": "fineweb2"}})
    frame = pl.concat([measured([GERMAN, "und"], chosen, "de"), measured(["the short one"], chosen, "en"), measured(["kort"], chosen, "nl")])
    counts = outcomes(frame, chosen)
    assert counts["gopher_quality.min_words"] == (4, 3)
    assert counts["gopher_quality.min_stop_words"] == (3, 2)
    assert list(counts) == list(chosen.described())
    for row, expected in ((0, "pass"), (1, "fail"), (2, "fail"), (3, "does not apply")):
        verdicts = explain(frame[row], chosen)
        assert [verdict.rule for verdict in verdicts] == list(counts)
        assert next(verdict.verdict for verdict in verdicts if verdict.rule == "gopher_quality.min_stop_words") == expected
    assert "de: stop_words.num_distinct_stop_words_de >= 2" in chosen.described()["gopher_quality.min_stop_words"][0]


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ({"by_language": {"german": {}}}, "did you mean 'ge'|knows no language 'german'"),
        ({"by_language": {"de": {"c4": {"min_sentences": 3}}}}, "the rule set c4 is off"),
        ({"c4": {}, "by_language": {"de": {"c4": {"min_sentence": 3}}}}, "c4.min_sentence: there is no such rule"),
        ({"gopher_quality": {}, "by_language": {"de": {"gopher_quality": {"min_words": 2.5}}}}, "whole number"),
        ({"gopher_quality": {}, "by_language": {"de": {"gopher_quality": {"min_words": -1}}}}, "greater than or equal to 0"),
        ({"gopher_quality": {}, "by_language": {"de": {"gopher_quality": {"min_words": True}}}}, "valid integer"),
        ({"fineweb": {}, "by_language": {"de": {"fineweb": {"max_short_lines_fraction": 1.5}}}}, "at most 1"),
        ({"by_language": {"en": {"limits": "fineweb2"}}}, "no limits of FineWeb-2 for language 'en'"),
        ({"by_language": {"de": {"limits": "fineweb"}}}, "fineweb2"),
        ({"by_language": {"de": {"gopher": {}}}}, "Extra inputs|extra"),
        ({"gopher_quality": {}, "by_language": {"th": {"gopher_quality": {"min_stop_words": 2}}}}, "no list of stop words for 'th'"),
        ({"gopher_quality": {}, "stop_words": {"de": ["der"]}}, "stop_words.de is read by no rule"),
        ({"gopher_quality": {}, "by_language": {"de": {"gopher_quality": {"min_stop_words": 1}}}, "stop_words": {"de": ["zum Beispiel"]}}, "is not one word"),
        ({"gopher_quality": {}, "by_language": {"de": {"gopher_quality": {"min_stop_words": 1}}}, "stop_words": {"de": ["der", "der"]}}, "a word twice"),
        ({"languages": {}, "by_language": {"de": {"languages": {"allowed": 1}}}}, "no such rule"),
    ],
)
def test_mistakes_are_refused(sets: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**sets)


def test_every_published_language_has_stop_words_or_is_known_to_have_none() -> None:
    chosen = settings(**ALL, by_language={code: {"limits": "fineweb2"} for code in fineweb2.PUBLISHED})
    assert set(chosen.family_settings()["stop_words"]["words"]) == set(fineweb2.PUBLISHED) - {"th"}
    assert set(STOP_WORDS) == set(fineweb2.PUBLISHED) - {"th"} | {"en"}
