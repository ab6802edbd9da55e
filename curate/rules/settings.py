"""Which rules a recipe switches on, and with which limits.

    rules:
      languages: {allowed: [en, de], min_score: 0.5}
      gopher_quality: {variant: dolma, min_words: 30, max_words: null}
      c4: {}
      by_language: {de: {limits: fineweb2}} # see by_language.py

A set that is absent or null judges nothing; `{}` switches it on as published; a rule set to null is switched off. Limits
that are not given are filled in from the variant's table when the settings are made, so that dumped settings name every
number that decides. Variants may have different rules; one that the chosen variant has not is null.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from curate.rules import c4, dclm, fineweb, gopher_quality, gopher_repetition, languages, refinedweb, url
from curate.rules.by_language import LanguageRules, Words, check_limit, check_stop_words, fill_in, spread
from curate.rules.classifiers import ClassifierRule, rule_of
from curate.rules.cutoffs import Cutoff
from curate.rules.own import OwnRule
from curate.rules.perplexity import PerplexityRules
from curate.rules.rule import Limit, Rule
from curate.rules.stop_words import STOP_WORDS

# In the order in which they judge, which is FineWeb's (arXiv 2406.17557, section 3).
SETS: Mapping[str, Mapping[str, tuple[Rule, ...]]] = {
    "url": url.VARIANTS,
    "languages": {"lid.176": languages.RULES},
    "gopher_repetition": gopher_repetition.VARIANTS,
    "gopher_quality": gopher_quality.VARIANTS,
    "c4": c4.VARIANTS,
    "fineweb": fineweb.VARIANTS,
    "refinedweb": refinedweb.VARIANTS,
    "dclm": dclm.VARIANTS,
}


def nearest(name: str, names: list[str]) -> str:
    """What a mistyped name may have meant."""
    return difflib.get_close_matches(name, names, 1, 0)[0]


def _nearest_code(language: str) -> str:
    """The code a language was meant by: "english" is en."""
    start = language.lower()[:2]
    return start if start in languages.CODES else nearest(language.lower(), list(languages.CODES))


def refuse_unknown(given: Any, model: type[BaseModel], kind: str) -> None:
    """Raise for every key that is no field, at the key's own place and naming the nearest; pydantic alone would not say which is."""
    unknown = [name for name in given if name not in model.model_fields] if isinstance(given, dict) else []
    if unknown:
        errors = []
        for name in unknown:
            context = {"kind": kind, "name": repr(name), "nearest": repr(nearest(str(name), list(model.model_fields)))}
            error = PydanticCustomError("extra_forbidden", "there is no {kind} {name}; did you mean {nearest}?", context)
            errors.append(InitErrorDetails(type=error, loc=(name,), input=given[name]))
        raise ValidationError.from_exception_data(model.__name__, errors)


def _short(limit: Limit) -> str:
    """A limit for people: one found in the corpus has more digits than tell anything."""
    return f"{limit:.6g}" if isinstance(limit, float) and len(str(limit)) > 8 else str(limit)


class SetSettings(BaseModel):
    """One rule set: a variant and a limit for each of its rules, null where the rule is off."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_rules(cls, given: Any) -> Any:
        """Name the nearest rule where there is none of a name."""
        refuse_unknown(given, cls, "rule")
        return given


class _PublishedSettings(SetSettings):
    """A set with named variants; `rule_set` is its name."""

    rule_set: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def fill_in_limits(cls, given: Any) -> Any:
        """Take the limits that are not given from the variant."""
        if not isinstance(given, dict):
            return given
        variants = SETS[cls.rule_set]
        table = variants.get(str(variant := given.get("variant", next(iter(variants)))))
        if table is None:
            return given  # an unknown variant is refused by the field itself
        limits = {rule.name: rule.limit for rule in table}
        for name in (name for name, limit in given.items() if name in cls.model_fields and name not in (*limits, "variant") and limit is not None):
            context = {"variant": repr(variant), "name": repr(name), "nearest": repr(nearest(name, list(limits)))}
            error = PydanticCustomError("extra_forbidden", "variant {variant} has no rule {name}; did you mean {nearest}?", context)
            raise ValidationError.from_exception_data(cls.__name__, [InitErrorDetails(type=error, loc=(name,), input=given[name])])
        others: dict[str, Limit] = dict.fromkeys(name for name in cls.model_fields if name != "variant")
        return others | limits | given


def _bounds(rule: Rule) -> Any:
    """The type of a rule's limit: whole for a count, 0 to 1 for a share of lines, words or characters."""
    description = f"{rule.measure} {rule.comparison} limit. {rule.source}"
    if not rule.denominator and not isinstance(rule.limit, float):
        return Annotated[int | None, Field(ge=0, description=description)]
    return Annotated[float | None, Field(ge=0, le=1 if rule.name.endswith("_fraction") else None, allow_inf_nan=False, description=description)]


def _settings_of(name: str, class_name: str) -> Any:
    """The settings class of a published set, made from its tables: a field for every rule that some variant has."""
    variants = SETS[name]
    default = next(iter(variants))
    variant: Any = Literal.__getitem__(tuple(variants))
    fields: dict[str, Any] = {"variant": (variant, Field(default, description="which reading of the paper; see the set's table"))}
    in_default = {rule.name: rule.limit for rule in variants[default]}
    for table in variants.values():
        for rule in table:
            fields.setdefault(rule.name, (_bounds(rule), in_default.get(rule.name)))
    model = create_model(class_name, __base__=_PublishedSettings, __module__=__name__, __doc__=f"Limits of the rule set {name}.", **fields)
    model.rule_set = name
    return model


UrlSettings = _settings_of("url", "UrlSettings")
GopherRepetitionSettings = _settings_of("gopher_repetition", "GopherRepetitionSettings")
GopherQualitySettings = _settings_of("gopher_quality", "GopherQualitySettings")
C4Settings = _settings_of("c4", "C4Settings")
FinewebSettings = _settings_of("fineweb", "FinewebSettings")
RefinedwebSettings = _settings_of("refinedweb", "RefinedwebSettings")
DclmSettings = _settings_of("dclm", "DclmSettings")


class LanguageSettings(SetSettings):
    """Which languages are kept, and how sure the model must be."""

    allowed: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="codes of lid.176 (ISO 639), and und for texts it knows nothing of; null: all"
    )
    min_score: float | None = Field(default=0.65, ge=0, le=1, description="the language's probability must be above this; FineWeb's 0.65, arXiv 2406.17557")

    @field_validator("allowed")
    @classmethod
    def refuse_unknown_languages(cls, codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """A code the model never answers with would drop everything."""
        for code in codes or ():
            if code not in languages.CODES:
                raise ValueError(f"the language model knows no language {code!r}; did you mean {_nearest_code(code)!r}? Codes are those of ISO 639.")
        return codes


class RuleSettings(BaseModel):
    """The rule sets that are on. Sets judge in the order of SETS; the first rule that fails is a document's reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: UrlSettings | None = Field(default=None, description="what of the URI is in the recipe's block_lists")  # type: ignore[valid-type]
    languages: LanguageSettings | None = Field(default=None, description="allowed languages and the least score")
    gopher_repetition: GopherRepetitionSettings | None = Field(default=None, description="repeated lines, paragraphs and n-grams")  # type: ignore[valid-type]
    gopher_quality: GopherQualitySettings | None = Field(default=None, description="length, symbols, stop words")  # type: ignore[valid-type]
    c4: C4Settings | None = Field(default=None, description="sentences, placeholder text, brackets")  # type: ignore[valid-type]
    fineweb: FinewebSettings | None = Field(default=None, description="line ends, short and duplicate lines")  # type: ignore[valid-type]
    refinedweb: RefinedwebSettings | None = Field(default=None, description="Gopher's rules as the paper has them, and words cut by line edits")  # type: ignore[valid-type]
    dclm: DclmSettings | None = Field(default=None, description="Gopher's rules as DCLM counts, and words cut by line edits")  # type: ignore[valid-type]
    classifiers: dict[str, ClassifierRule] = Field(default={}, description="what the recipe's quality classifiers ask for, by name; they judge last")
    perplexity: PerplexityRules | None = Field(default=None, description="how much a document may surprise the recipe's perplexity model; judges last")
    own: list[OwnRule] = Field(default=[], description="conditions of the recipe's own, over any measures; they judge after the published sets")
    by_language: dict[str, LanguageRules] = Field(default={}, description="limits for documents of single languages, by code of lid.176")
    stop_words: dict[str, Words] = Field(default={}, description="stop words by language, instead of the bundled lists")

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_sets(cls, given: Any) -> Any:
        """Name the nearest set where there is none of a name."""
        refuse_unknown(given, cls, "rule set")
        return given

    def resolved(self) -> dict[str, Any]:
        """Every setting written out, defaults included; validating it again gives equal settings."""
        return self.model_dump(mode="json")

    @model_validator(mode="before")
    @classmethod
    def fill_in_languages(cls, given: Any) -> Any:
        """Fill in the published limits that a language asks for, for the sets that are on."""
        if not isinstance(given, dict) or not isinstance(given.get("by_language"), dict) or not given["by_language"]:
            return given
        try:
            sets = cls.model_validate({**given, "by_language": {}, "stop_words": {}})
        except ValidationError:
            return given  # refused again below, at its own place
        in_force = {name: {rule.name: rule.limit for rule in rules} for name, rules in sets._tables()}
        return {**given, "by_language": {code: fill_in(code, limits, in_force) for code, limits in given["by_language"].items()}}

    @model_validator(mode="after")
    def check_languages(self) -> Self:
        """Every language must exist, every limit have its rule, and every list of stop words be read."""
        tables = {name: {rule.name: rule for rule in rules} for name, rules in self._tables()}
        for code, chosen in self.by_language.items():
            if code not in languages.CODES:
                raise ValueError(f"by_language: the language model knows no language {code!r}; did you mean {_nearest_code(code)!r}?")
            for name in SETS:
                limits = getattr(chosen, name)
                if limits and name not in tables:
                    raise ValueError(f"by_language.{code}.{name}: the rule set {name} is off, so nothing would read this; switch it on with {name}: {{}}")
                for rule, limit in limits.items():
                    check_limit(f"by_language.{code}.{name}.{rule}", tables[name].get(rule), limit)
        check_stop_words(self.stop_words, set(self.family_settings().get("stop_words", {}).get("words", {})))
        return self

    def _tables(self) -> Iterator[tuple[str, list[Rule]]]:
        """The rules of every set that is on, with the limits that hold whatever the language (None: off)."""
        for set_name, variants in SETS.items():
            chosen: SetSettings | None = getattr(self, set_name)
            if chosen is not None:
                table = variants[getattr(chosen, "variant", next(iter(variants)))]
                yield set_name, [rule.with_limit(getattr(chosen, rule.name)) for rule in table]

    def active(self) -> list[tuple[str, Rule]]:
        """(reason, rule with its limit in force) of every rule that is on, in the order in which they judge.

        A reason comes once for each limit it has by language, one after the other; at most one of them applies to a document.
        """
        return [
            *(
                (f"{name}.{rule.name}", one)
                for name, rules in self._tables()
                for rule in rules
                for one in spread(name, rule, self.by_language, self.stop_words)
            ),
            *(own.rule() for own in self.own),
            *(rule_of(name, asked) for name, asked in self.classifiers.items()),
            *(self.perplexity.rules() if self.perplexity is not None else ()),
        ]

    def cutoffs(self) -> list[Cutoff]:
        """What must be found in the corpus before these rules can judge it, each once."""
        of_classifiers = [cutoff for name, asked in self.classifiers.items() if (cutoff := asked.cutoff(name))]
        return list(dict.fromkeys([*of_classifiers, *(self.perplexity.cutoffs().values() if self.perplexity is not None else ())]))

    def with_cutoffs(self, values: Mapping[str, float]) -> Self:
        """These rules with cut-offs, by their names, as limits."""
        classifiers = {name: asked.found(name, values) for name, asked in self.classifiers.items()}
        return self.model_copy(update={"classifiers": classifiers, "perplexity": self.perplexity and self.perplexity.found(values)})

    def described(self) -> dict[str, tuple[str, str]]:
        """For the reason of every rule in force, in order: its value, comparison and limit written out, with those of single languages, and its source."""
        found: dict[str, tuple[str, str]] = {}
        for reason, rule in self.active():
            definition = f"{rule.measure} {rule.comparison} {_short(rule.limit)}"
            if reason in found:
                definition, source = f"{found[reason][0]}; {', '.join(rule.languages or ())}: {definition}", found[reason][1]
            else:
                source = rule.source
            found[reason] = definition, source
        return found

    def family_settings(self) -> dict[str, Any]:
        """What measure families must be told to measure what the rules read, as plain data."""
        read = {column.rpartition("_")[2] for _, rule in self.active() for column in rule.columns if column.startswith("stop_words.")}
        return {"stop_words": {"words": {code: list(self.stop_words.get(code, STOP_WORDS.get(code, ()))) for code in sorted(read)}}} if read else {}
