"""train: a model for every task that the recipe trains, and the byte-bigram baseline on the same text."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from curate.documents import as_text
from curate.fit.bytes import bits_per_byte
from curate.fit.encoder import load_encoder
from curate.storage import Output, checksum, read_table, write_bytes
from pipelines.context import Context
from pipelines.parts import Part, parts
from pipelines.stages.fit import EXCEPTIONS, TOKENIZER, bytes_file
from pipelines.stages.select import held_out_file
from pipelines.units import Done, Unit

BIGRAM_VERSION = 1
MODEL_VERSION = 1
CURVE_POINTS = 200  # of the training curve in the report; metrics/<task>.jsonl has every step


def models(context: Context) -> list[Unit]:
    """The baseline, then one unit a trained task, done by the parent with every core."""
    trained = context.recipe.train.model_dump(mode="json", exclude_none=True)
    return [*_bigram(context), *(unit for task, settings in trained.items() for unit in _model(context, task, settings))] if trained else []


def _bigram(context: Context) -> list[Unit]:
    sources = [entry.unit.rpartition("/")[2] for entry in context.entries("select/held_out/") if entry.counts["passed"]]
    counted = [part for part in parts(context) if f"fit/bytes/{part.hex}" in context.journal.live]
    files = [bytes_file(part) for part in counted] + [held_out_file(source) for source in sources]
    arguments = {"run": context.run, "parts": counted, "sources": sources}
    return [Unit("train/bigram", BIGRAM_VERSION, score_bigram, arguments, None, {file: context.written(file) for file in files})] if counted and sources else []


def _model(context: Context, task: str, settings: dict[str, Any]) -> list[Unit]:
    files = [file for entry in context.entries(f"manufacture/{task}/") for file in entry.outputs]
    if not any(Path(file).name.startswith("train-") for file in files):
        return []  # no document was kept, which the summary warns of
    inputs = {file: context.written(file) for file in [*files, TOKENIZER, EXCEPTIONS]}
    # Checkpoints of another key must not be continued, and the name of the folder they are in must not depend on it.
    unit = Unit(f"train/{task}", MODEL_VERSION, train_model, {}, settings, inputs, in_parent=True)
    arguments = {"run": context.run, "task": task, "settings": settings, "shards": sorted(files), "key": unit.key}
    return [Unit(unit.name, unit.version, unit.work, arguments, settings, inputs, in_parent=True)]


def score_bigram(run: Path, parts: list[Part], sources: list[str]) -> Done:
    """Bits per byte of the byte-bigram model on the held-out documents of each source."""
    model = sum((read_table(run / bytes_file(part))["count"].to_numpy().reshape(257, 256) for part in parts), np.zeros((257, 256), np.int64))
    scores = {}
    for source in sources:
        table = read_table(run / held_out_file(source), ["text", "passed"])
        scores[source] = bits_per_byte(model, as_text(table["text"].filter(table["passed"])))
    return Done([], {"bits_per_byte": scores})


def train_model(run: Path, task: str, settings: dict[str, Any], shards: list[str], key: str) -> Done:
    """Train, or go on from a checkpoint that has this key; the final checkpoint and the metrics are what is committed."""
    from train.loop import train
    from train.settings import TrainSettings

    folder, metrics = run / "checkpoints" / task, run / "metrics" / f"{task}.jsonl"
    _forget_other(folder, metrics, key)
    train_shards, held_out_shards = ([run / shard for shard in shards if Path(shard).name.startswith(split)] for split in ("train-", "held_out-"))
    checked = TrainSettings.model_validate_json(json.dumps(settings))
    byte_lengths = load_encoder(run / TOKENIZER, run / EXCEPTIONS).byte_lengths
    result = train(checked, task, train_shards, held_out_shards, folder, metrics, byte_lengths)
    files = [*sorted(path for path in result.checkpoint.rglob("*") if path.is_file()), metrics]
    told = {name: {"before": score.bits_per_byte, "after": result.after[name].bits_per_byte} for name, score in result.before.items()}
    scores = {name: figures for name, figures in told.items() if None not in figures.values()}  # a few words may have none masked
    return Done(
        [Output(path, path.stat().st_size, checksum(path)) for path in files],
        {
            "architecture": "decoder" if task == "causal" else "encoder",
            "bits_per_byte": scores,
            "checkpoint": result.checkpoint.relative_to(run).as_posix(),
            "curve": _curve(metrics),
            "num_parameters": result.num_parameters,
            "num_steps": result.num_steps,
            "num_tokens": result.num_tokens,
            "seen": {name: {"num_rows": seen.num_rows, "num_repeated": seen.num_repeated} for name, seen in result.seen.items()},
        },
    )


def _forget_other(folder: Path, metrics: Path, key: str) -> None:
    """Remove the checkpoints that another recipe or other rows left here, and those whose metrics were withdrawn with a task."""
    mark = folder / "key"
    if not mark.exists() or mark.read_text() != key or not metrics.exists():
        shutil.rmtree(folder, ignore_errors=True)
        metrics.unlink(missing_ok=True)
        write_bytes(mark, key.encode())


def _curve(metrics: Path) -> list[tuple[int, float]]:
    """Mean loss over equal stretches of steps: what a chart of its width can show."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    stretches = np.array_split(np.array(losses), min(CURVE_POINTS, len(losses))) if losses else []
    return [(int(stretch[-1, 0]), round(float(stretch[:, 1].mean()), 6)) for stretch in stretches]
