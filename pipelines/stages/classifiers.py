"""The part of measure that fits the recipe's classifiers, before their scores are measured."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from curate.fit.classifier import ClassifierSettings, FromSource, fit_classifier
from curate.fit.classifier_inputs import Inputs, checked_files, find, texts
from curate.readers.sources import Limits
from curate.storage import write_bytes
from pipelines.context import Context
from pipelines.parts import parts
from pipelines.units import Done, Unit

VERSION = 1
SIDES = ("positives", "negatives")


def fits(context: Context) -> list[Unit]:
    """A unit for every classifier. Its key holds the checksums of all it learns from."""
    limits = context.recipe.limits.model_dump(mode="json")
    units: list[Unit] = []
    for classifier in context.recipe.classifiers:
        sides = {side: inputs_of(context, getattr(classifier, side)) for side in SIDES}
        settings = classifier.model_dump(mode="json")
        arguments = {
            "run": context.run,
            "root": context.recipe.root_folder,
            "settings": settings,
            "sides": {k: v.inputs for k, v in sides.items()},
            "limits": limits,
        }
        inputs = {f"{side} {name}": checksum for side, found in sides.items() for name, checksum in found.checksums.items()}
        units.append(Unit(unit_name(classifier.name), VERSION, fit, arguments, {"classifier": settings, "limits": limits}, inputs))
    return units


def unit_name(classifier: str) -> str:
    return f"measure/classifiers/{classifier}/fit"


def model_file(classifier: str) -> str:
    return f"fitted/classifiers/{classifier}.bin"


def report_file(classifier: str) -> str:
    return f"fitted/classifiers/{classifier}.json"


def quality_settings(context: Context) -> dict[str, Any]:
    """The settings of the measure family quality, once the classifiers are fitted."""
    return {
        "classifiers": [
            {
                "name": one.name,
                "path": str(context.run / model_file(one.name)),
                "checksum": context.written(model_file(one.name)),
                "max_characters": one.max_characters,
            }
            for one in context.recipe.classifiers
        ]
    }


def keyed(settings: dict[str, Any]) -> dict[str, Any]:
    """What of these settings scores depend on: not on where the files lie."""
    return {"classifiers": [{name: value for name, value in one.items() if name != "path"} for one in settings["classifiers"]]}


class Found(NamedTuple):
    inputs: Inputs
    checksums: dict[str, str]


def inputs_of(context: Context, items: list[Any]) -> Found:
    """The files and gathered parts that a list of paths and sources names, and the checksum of each."""
    root, limits = context.recipe.root_folder, context.recipe.limits
    named = {item.source for item in items if isinstance(item, FromSource)}
    gathered = [part for part in parts(context) if part.source in named]
    files = tuple(find(item, root, limits) for item in items if not isinstance(item, FromSource))
    checksums = {part.document_file: context.written(part.document_file) for part in gathered}
    checksums |= {path: context.inputs.of(root / path) for path in checked_files(files)}
    return Found(Inputs(files, tuple(part.documents(context.run) for part in gathered)), checksums)


def fit(run: Path, root: Path, settings: dict[str, Any], sides: dict[str, Inputs], limits: dict[str, Any]) -> Done:
    chosen, bounds = ClassifierSettings.model_validate(settings), Limits.model_validate(limits)
    refused: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    positives, negatives = (partial(texts, sides[side], root, bounds, refused[side]) for side in SIDES)
    output, found = fit_classifier(chosen, positives, negatives, run / model_file(chosen.name))
    for side in SIDES:
        found[side]["refused"] = dict(sorted(refused[side].items()))
    report = write_bytes(run / report_file(chosen.name), json.dumps(found, indent=1, sort_keys=True).encode())
    return Done([output, report], found)
