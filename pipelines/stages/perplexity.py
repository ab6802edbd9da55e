"""The part of measure that fits the recipe's perplexity model, before documents are measured with it."""

from collections import Counter
from pathlib import Path
from typing import Any

from curate.fit.classifier_inputs import Inputs, texts
from curate.fit.ngram_model import VERSION, fit_ngram_model
from curate.fit.perplexity import PerplexitySettings
from curate.readers.sources import Limits
from pipelines.context import Context
from pipelines.stages.classifiers import inputs_of
from pipelines.units import Done, Unit

UNIT = "measure/perplexity_model"
MODEL = "fitted/perplexity.arrow"


def model(context: Context) -> list[Unit]:
    """One unit, keyed by the checksums of all it learns from."""
    if (chosen := context.recipe.perplexity) is None:
        return []
    found = inputs_of(context, chosen.reference)
    settings, limits = chosen.model_dump(mode="json"), context.recipe.limits.model_dump(mode="json")
    arguments = {"run": context.run, "root": context.recipe.root_folder, "settings": settings, "reference": found.inputs, "limits": limits}
    return [Unit(UNIT, VERSION, fit, arguments, {"perplexity": settings, "limits": limits}, found.checksums)]


def family_settings(context: Context) -> dict[str, Any]:
    """The settings of the measure family perplexity, once the model is fitted."""
    return {"path": str(context.run / MODEL), "checksum": context.written(MODEL)}


def keyed(settings: dict[str, Any]) -> dict[str, Any]:
    """What of these settings surprise depends on: not on where the model lies."""
    return {"checksum": settings["checksum"]}


def fit(run: Path, root: Path, settings: dict[str, Any], reference: Inputs, limits: dict[str, Any]) -> Done:
    chosen, refused = PerplexitySettings.model_validate(settings), Counter[str]()
    learned = texts(reference, root, Limits.model_validate(limits), refused)
    output, counts = fit_ngram_model(learned, chosen.order, chosen.max_words, run / MODEL)
    return Done([output], counts | {"refused": dict(sorted(refused.items()))})
