"""Limits that differ by language, and the rules that come of them.

    rules:
      gopher_quality: {}
      by_language:
        de: {limits: fineweb2, gopher_quality: {max_mean_word_length: 14}}
        fr: {gopher_quality: {min_stop_words: 2}}
      stop_words: {fr: [le, la, les, et, que]}

A limit given here replaces that of the set for documents of that language; null switches the rule off for them. Rules bound to English
then apply to that language too, with its own limit, and the rule over stop words counts that language's words. `limits:
fineweb2` fills in what FineWeb-2 published; limits written beside it win.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from curate.rules import fineweb2
from curate.rules.rule import Limit, Rule
from curate.rules.stop_words import STOP_WORDS

Number = Annotated[int, Strict(), Field(ge=0)] | Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)] | None
Limits = dict[str, Number]
Words = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
_STOP_WORDS_RULE = "min_stop_words"


class LanguageRules(BaseModel):
    """Limits for documents of one language, by set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    limits: Literal["fineweb2"] | None = Field(default=None, description="fill in the limits that FineWeb-2 published for the language")
    url: Limits = Field(default={}, description="limits by rule")
    languages: Limits = Field(default={}, description="min_score")
    gopher_repetition: Limits = Field(default={}, description="limits by rule")
    gopher_quality: Limits = Field(default={}, description="limits by rule")
    c4: Limits = Field(default={}, description="limits by rule")
    fineweb: Limits = Field(default={}, description="limits by rule")
    refinedweb: Limits = Field(default={}, description="limits by rule")
    dclm: Limits = Field(default={}, description="limits by rule")


def fill_in(language: str, given: Any, in_force: Mapping[str, Mapping[str, Limit]]) -> Any:
    """What a recipe gives for a language, with the limits it asks to have filled in; anything unusable is left to the model."""
    if not isinstance(given, dict) or given.get("limits") != "fineweb2":
        return given
    if language not in fineweb2.PUBLISHED:
        raise ValueError(f"there are no limits of FineWeb-2 for language {language!r} here; there are for {', '.join(sorted(fineweb2.PUBLISHED))}")
    filled = dict(given)
    for name, limits in fineweb2.limits(language, in_force).items():
        own = given.get(name, {})
        filled[name] = limits | own if isinstance(own, dict) else own
    return filled


def check_stop_words(words: Mapping[str, tuple[str, ...]], read: set[str]) -> None:
    """Raise ValueError for a list that no rule reads, and for a stop word that is no word."""
    for language, listed in words.items():
        if language not in read:
            raise ValueError(f"stop_words.{language} is read by no rule; give by_language.{language} a limit for {_STOP_WORDS_RULE} of a rule set that is on")
        for word in listed:
            if not word or any(unicodedata.category(character)[0] not in "LMN" for character in word):
                raise ValueError(f"stop_words.{language}: {word!r} is not one word (letters, marks and digits only)")
        if len(set(listed)) < len(listed):
            raise ValueError(f"stop_words.{language} has a word twice")


def check_limit(where: str, rule: Rule | None, limit: Limit) -> None:
    """Raise ValueError where a limit has no rule, or is of the wrong kind for it."""
    if rule is None or rule.comparison == "in":
        raise ValueError(f"{where}: there is no such rule in the variant in force, or it has no number")
    if limit is None:
        return
    if isinstance(rule.limit, int) and not rule.denominator and not isinstance(limit, int):
        raise ValueError(f"{where}: the rule counts, so its limit is a whole number (found {limit!r})")
    if isinstance(limit, int | float) and limit > 1 and (rule.name.endswith("_fraction") or rule.name == "min_score"):
        raise ValueError(f"{where}: the rule's value is a share, so its limit is at most 1 (found {limit!r})")


def spread(name: str, rule: Rule, given: Mapping[str, LanguageRules], words: Mapping[str, tuple[str, ...]]) -> list[Rule]:
    """The rules in force that come of one rule of a set: for all other languages first, then one for each language with a limit of its own."""
    own = {language: limits[rule.name] for language, chosen in given.items() if rule.name in (limits := getattr(chosen, name))}
    found = []
    if rule.limit is not None and (others := _without(rule, tuple(own))) is not None:
        found.append(others)
    for language, limit in own.items():
        if limit is not None:
            found.append(_of_language(name, rule, language, limit, given[language], words))
    return found


def _without(rule: Rule, excepted: tuple[str, ...]) -> Rule | None:
    """The rule for the languages that have no limit of their own, None where none is left."""
    if rule.languages is None:
        return replace(rule, except_languages=(*rule.except_languages, *(code for code in excepted if code not in rule.except_languages)))
    left = tuple(code for code in rule.languages if code not in excepted)
    return replace(rule, languages=left) if left else None


def _of_language(name: str, rule: Rule, language: str, limit: Limit, chosen: LanguageRules, words: Mapping[str, tuple[str, ...]]) -> Rule:
    numerator = rule.numerator
    if rule.name == _STOP_WORDS_RULE and (language != "en" or language in words):
        if language not in words and language not in STOP_WORDS:
            raise ValueError(f"by_language.{language}.{name}.{rule.name}: there is no list of stop words for {language!r}; give one in stop_words.{language}")
        kind = "num_distinct_stop_words" if "distinct" in numerator[0] else "num_stop_words"
        numerator = (f"stop_words.{kind}_{language}",)
    published = fineweb2.limits(language, {name: {rule.name: rule.limit}}).get(name, {}) if chosen.limits else {}
    origin = fineweb2.source(language) if published.get(rule.name, object()) == limit else "the recipe"
    source = f"{rule.source}; limit for {language}: {origin}"
    return replace(rule, numerator=numerator, limit=limit, languages=(language,), except_languages=(), source=source)
