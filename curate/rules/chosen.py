"""Some of the rules of a recipe, in their order: what re-deciding needs where only a few of them changed."""

from collections.abc import Collection

from curate.rules.perplexity import PerplexityRules
from curate.rules.settings import SETS, RuleSettings


def only(settings: RuleSettings, reasons: Collection[str]) -> RuleSettings:
    """The settings with every other rule switched off: their `active()` is that of `settings`, less the rules of other reasons.

    reasons: "set.rule", as verdicts name them. Settings with cut-offs must have them found.
    """
    changed: dict[str, object] = {}
    for name in SETS:
        if (chosen := getattr(settings, name)) is not None:
            off = [rule for rule in type(chosen).model_fields if rule != "variant" and f"{name}.{rule}" not in reasons]
            changed[name] = chosen.model_copy(update=dict.fromkeys(off))
    changed["by_language"] = {
        code: limits.model_copy(update={name: {rule: limit for rule, limit in getattr(limits, name).items() if f"{name}.{rule}" in reasons} for name in SETS})
        for code, limits in settings.by_language.items()
    }
    changed["own"] = [own for own in settings.own if own.rule()[0] in reasons]
    changed["classifiers"] = {name: asked for name, asked in settings.classifiers.items() if f"classifiers.{name}" in reasons}
    changed["perplexity"] = settings.perplexity and _only_limits(settings.perplexity, reasons)
    return settings.model_copy(update=changed)


def _only_limits(settings: PerplexityRules, reasons: Collection[str]) -> PerplexityRules:
    """`keep` goes: its cut-offs are limits by now."""
    off = [name for name in ("min_bits_per_word", "max_bits_per_word") if f"perplexity.{name}" not in reasons]
    return settings.model_copy(update={"keep": None, **dict.fromkeys(off)})
