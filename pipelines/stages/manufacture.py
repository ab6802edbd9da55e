"""manufacture: the kept documents of a part become rows, task by task; so do each source's held-out documents."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from curate.fit.encoder import Encoder, load_encoder
from curate.pretext.causal import CausalSettings
from curate.pretext.masked import MaskedSettings
from curate.shards.manufacture import HELD_OUT_SEED, Selection, manufacture, selection
from curate.storage import Output, checksum, read_table
from pipelines.context import Context
from pipelines.parts import Part, parts
from pipelines.stages.cut import written_cuts
from pipelines.stages.fit import EXCEPTIONS, TOKENIZER
from pipelines.stages.select import held_out_file
from pipelines.units import Done, Unit

VERSION = 1
SETTINGS: dict[str, type[CausalSettings] | type[MaskedSettings]] = {"causal": CausalSettings, "masked": MaskedSettings}


def rows(context: Context) -> list[Unit]:
    """A shard for every task × part with kept documents, and for every task × source with held-out ones."""
    if "fit/tokenizer" not in context.journal.live:
        return []
    fitted = {file: context.written(file) for file in (TOKENIZER, EXCEPTIONS)}
    common = {"run": context.run, "fitted": fitted, "seed": context.recipe.seed}
    kept = context.journal.live["select/ledger"].counts["kept"]
    frozen = [entry.unit.rpartition("/")[2] for entry in context.entries("select/held_out/")]
    units: list[Unit] = []
    for task, settings in tasks(context).items():
        for part in parts(context):
            if kept[part.hex]:
                cuts = written_cuts(context, part)
                inputs = {file: context.written(file) for file in (part.document_file, part.ledger_file, *([cuts] if cuts else []))} | fitted
                arguments = {**common, "task": task, "settings": settings, "part": part, "cuts": cuts}
                units.append(Unit(f"manufacture/{task}/train-{part.hex}", VERSION, make_train_rows, arguments, settings, inputs, context.recipe.seed))
        for source in frozen:
            if context.journal.live[f"select/held_out/{source}"].counts["passed"]:
                inputs = {file: context.written(file) for file in (held_out_file(source),)} | fitted
                arguments = {**common, "task": task, "settings": settings, "source": source}
                units.append(Unit(f"manufacture/{task}/held_out-{source}", VERSION, make_held_out_rows, arguments, settings, inputs, HELD_OUT_SEED))
    return units


def tasks(context: Context) -> dict[str, Any]:
    """The recipe's pretext tasks with their settings as plain data."""
    return context.recipe.tasks.model_dump(mode="json", exclude_none=True)


def shard_file(task: str, split: str, part: int) -> str:
    return f"shards/{task}/data/{split}-{part:08x}.arrow"


def held_out_part(source: str) -> int:
    """The number that names the held-out shard of a source; its rows name the documents' own parts."""
    return xxhash.xxh3_64_intdigest(f"held_out/{source}".encode()) >> 32


def make_train_rows(run: Path, fitted: dict[str, str], seed: int, task: str, settings: dict[str, Any], part: Part, cuts: str | None) -> Done:
    ledger = read_table(run / part.ledger_file, ["keep", "copies"])
    ids = read_table(run / part.measure_file("identity"), ["content_id"])["content_id"].combine_chunks()
    chosen = selection(ledger["keep"].to_numpy(), ids, part.id, ledger["copies"].to_numpy(), run / cuts if cuts else None)
    return _make(run, fitted, part.documents(run), chosen, task, settings, seed, part.id, part.source, "train")


def make_held_out_rows(run: Path, fitted: dict[str, str], seed: int, task: str, settings: dict[str, Any], source: str) -> Done:
    """Rows of the documents that passed the rules when they were frozen: the clean target."""
    path = run / held_out_file(source)
    frozen = read_table(path, ["content_id", "part", "row", "passed"])
    chosen = Selection(
        frozen["passed"].to_numpy(), frozen["content_id"].combine_chunks(), *(frozen[name].to_numpy().astype(np.uint32) for name in ("part", "row"))
    )
    return _make(run, fitted, path, chosen, task, settings, seed, held_out_part(source), source, "held_out")


def _make(
    run: Path, fitted: dict[str, str], documents: Path, chosen: Selection, task: str, settings: dict[str, Any], seed: int, part: int, source: str, split: str
) -> Done:
    encoder = _encoder(run, fitted[TOKENIZER], fitted[EXCEPTIONS])
    out = run / shard_file(task, split, part)
    checked = SETTINGS[task].model_validate(settings)
    facts = manufacture(documents, chosen, encoder, task=task, settings=checked, seed=seed, part=part, source=source, split=split, out=out)
    return Done([Output(out, out.stat().st_size, checksum(out))], facts)


@functools.lru_cache(maxsize=1)
def _encoder(run: Path, tokenizer: str, exceptions: str) -> Encoder:
    """Loaded once a process for each fitted tokenizer (told apart by checksums)."""
    return load_encoder(run / TOKENIZER, run / EXCEPTIONS)
