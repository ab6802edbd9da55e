"""handover: models that `transformers` loads, and the cards of shards and models."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import xxhash

from curate.shards.writer import dataset_configs
from curate.storage import Output, checksum, write_bytes
from pipelines import summary as told
from pipelines.cards.dataset import Statements, dataset_card
from pipelines.cards.model import model_card
from pipelines.cards.provenance import source_files
from pipelines.context import Context
from pipelines.stages.fit import TOKENIZER
from pipelines.units import Done, Unit

EXPORT_VERSION = 1
CARDS_VERSION = 1
CARD = "README.md"


def models(context: Context) -> list[Unit]:
    """Export each trained model and compare its logits with the reloaded folder's."""
    units: list[Unit] = []
    for task in context.recipe.train.model_dump(exclude_none=True):
        trained = context.journal.live.get(f"train/{task}")
        if trained is None:
            continue
        held_out, kept = ([file for entry in context.entries(f"manufacture/{task}/{split}-") for file in entry.outputs] for split in ("held_out", "train"))
        compared = held_out or kept[:1]  # one shard is enough where no document is held out
        arguments = {"run": context.run, "task": task, "checkpoint": trained.counts["checkpoint"], "shards": compared}
        inputs = {file: context.written(file) for file in [*trained.outputs, *compared, TOKENIZER]}
        units.append(Unit(f"handover/model/{task}", EXPORT_VERSION, export_model, arguments, None, inputs))
    return units


def cards(context: Context) -> list[Unit]:
    """The README.md of each shard folder and model. They tell no clock, so what they are made of is the summary without one."""
    from pipelines.summarize import summarize  # late: summarize reads what the stages wrote

    if "select/ledger" not in context.journal.live:
        return []
    summary = replace(summarize(context), run="", command=(), stages=(), version="")
    text = told.to_json(replace(summary, sources=tuple(replace(source, provenance=None) for source in summary.sources)))
    provenance = context.recipe.provenance
    inputs = {} if provenance is None else {"provenance": context.inputs.of(context.recipe.root_folder / provenance)}
    tasks = context.recipe.tasks.model_dump(exclude_none=True)
    licenses = sorted({source.license for source in context.recipe.sources if source.license})
    settings = {"summary": xxhash.xxh3_128_hexdigest(text.encode()), "name": context.recipe.name, "description": context.recipe.description}
    arguments = {"run": context.run, "summary": told.to_json(summary), "name": context.recipe.name, "description": context.recipe.description}
    units = [Unit(f"handover/card/{task}", CARDS_VERSION, write_dataset_card, {**arguments, "task": task}, settings, inputs) for task in tasks]
    for model in summary.models:
        about = context.recipe.train.model_dump(mode="json", exclude_none=True)[model.task]
        exported = context.journal.live[f"handover/model/{model.task}"].outputs
        one = {**arguments, "task": model.task, "hyperparameters": about, "license": licenses[0] if len(licenses) == 1 else None}
        weights = {file: context.written(file) for file in exported}
        units.append(Unit(f"handover/model_card/{model.task}", CARDS_VERSION, write_model_card, one, {**settings, "train": about}, inputs | weights))
    return units


def export_model(run: Path, task: str, checkpoint: str, shards: Sequence[str]) -> Done:
    from train.export import export

    folder = run / "models" / task
    exported = export(run / checkpoint, run / TOKENIZER, [run / shard for shard in shards], folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    counts = {"max_logits_difference": exported.max_difference, "num_parameters": exported.num_parameters}
    return Done([Output(path, path.stat().st_size, checksum(path)) for path in files], counts)


def write_dataset_card(run: Path, summary: str, name: str, description: str, task: str) -> Done:
    folder = run / "shards" / task
    text = card_of(told.from_json(summary), name, description, [task], folder)
    return Done([write_bytes(folder / CARD, text.encode())])


def card_of(summary: told.Summary, name: str, description: str, tasks: Sequence[str], folder: Path) -> str:
    """The dataset card of some tasks whose shards lie in `folder`."""
    configs = {config["config_name"]: {entry["split"]: entry["path"] for entry in config["data_files"]} for config in dataset_configs(folder)["configs"]}
    statements = Statements(description=description) if description else Statements()
    return dataset_card(summary, name=name, configs=configs, tasks=tasks, files=source_files(summary, Path()), statements=statements)


def write_model_card(run: Path, summary: str, name: str, description: str, task: str, hyperparameters: dict[str, object], license: str | None) -> Done:  # noqa: A002 - the card's own word
    settings = {key: json.dumps(value) for key, value in hyperparameters.items() if value is not None and key not in ("device", "num_threads")}
    text = model_card(told.from_json(summary), task, license=license, hyperparameters=settings)
    return Done([write_bytes(run / "models" / task / CARD, text.encode())])
