"""Which rules a recipe switches on, and with which limits.

    rules:
      languages: {allowed: [en, de], min_score: 0.5}
      gopher_quality: {variant: occurrences, min_words: 30, max_words: null}
      c4: {}

A set that is absent or null judges nothing; `{}` switches it on as published; a rule set to null is switched off. Limits
that are not given are filled in from the variant's table when the settings are made, so that dumped settings name every
number that decides.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from curate.rules import c4, fineweb, gopher_quality, gopher_repetition, languages
from curate.rules.rule import Limit, Rule

# In the order in which they judge, which is FineWeb's (arXiv 2406.17557, section 3).
SETS: Mapping[str, Mapping[str, tuple[Rule, ...]]] = {
    "languages": {"lid.176": languages.RULES},
    "gopher_repetition": gopher_repetition.VARIANTS,
    "gopher_quality": gopher_quality.VARIANTS,
    "c4": c4.VARIANTS,
    "fineweb": fineweb.VARIANTS,
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
        table = variants.get(str(given.get("variant", next(iter(variants)))), ())  # an unknown variant is refused by the field itself
        return {rule.name: rule.limit for rule in table} | given


def _bounds(rule: Rule) -> Any:
    """The type of a rule's limit: whole for a count, 0 to 1 for a share of lines, words or characters."""
    description = f"{rule.measure} {rule.comparison} limit. {rule.source}"
    if not rule.denominator:
        return Annotated[int | None, Field(ge=0, description=description)]
    return Annotated[float | None, Field(ge=0, le=1 if rule.name.endswith("_fraction") else None, allow_inf_nan=False, description=description)]


def _settings_of(name: str, class_name: str) -> Any:
    """The settings class of a published set, made from its tables, which all name the same rules."""
    variants = SETS[name]
    default = next(iter(variants))
    variant: Any = Literal.__getitem__(tuple(variants))
    fields: dict[str, Any] = {"variant": (variant, Field(default, description="which reading of the paper; see the set's table"))}
    fields |= {rule.name: (_bounds(rule), rule.limit) for rule in variants[default]}
    model = create_model(class_name, __base__=_PublishedSettings, __module__=__name__, __doc__=f"Limits of the rule set {name}.", **fields)
    model.rule_set = name
    return model


GopherRepetitionSettings = _settings_of("gopher_repetition", "GopherRepetitionSettings")
GopherQualitySettings = _settings_of("gopher_quality", "GopherQualitySettings")
C4Settings = _settings_of("c4", "C4Settings")
FinewebSettings = _settings_of("fineweb", "FinewebSettings")


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

    languages: LanguageSettings | None = Field(default=None, description="allowed languages and the least score")
    gopher_repetition: GopherRepetitionSettings | None = Field(default=None, description="repeated lines, paragraphs and n-grams")  # type: ignore[valid-type]
    gopher_quality: GopherQualitySettings | None = Field(default=None, description="length, symbols, stop words")  # type: ignore[valid-type]
    c4: C4Settings | None = Field(default=None, description="sentences, placeholder text, brackets")  # type: ignore[valid-type]
    fineweb: FinewebSettings | None = Field(default=None, description="line ends, short and duplicate lines")  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_sets(cls, given: Any) -> Any:
        """Name the nearest set where there is none of a name."""
        refuse_unknown(given, cls, "rule set")
        return given

    def resolved(self) -> dict[str, Any]:
        """Every setting written out, defaults included; validating it again gives equal settings."""
        return self.model_dump(mode="json")

    def active(self) -> list[tuple[str, Rule]]:
        """(reason, rule with its limit in force) of every rule that is on, in the order in which they judge."""
        found = []
        for set_name, variants in SETS.items():
            chosen: SetSettings | None = getattr(self, set_name)
            if chosen is None:
                continue
            for rule in variants[getattr(chosen, "variant", next(iter(variants)))]:
                limit: Limit = getattr(chosen, rule.name)
                if limit is not None:
                    found.append((f"{set_name}.{rule.name}", rule.with_limit(limit)))
        return found
