"""select: rules per part, the frozen held-out documents per source, then one ledger over everything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curate.contamination.held_out import HeldOutPart, HeldOutSettings, select_held_out, write_held_out
from curate.rules.settings import RuleSettings
from curate.rules.verdicts import families as families_of_rules
from curate.rules.verdicts import judge, outcomes
from curate.storage import Output, read_table, write_bytes, write_table
from pipelines.context import Context
from pipelines.parts import parts, with_frozen
from pipelines.stages.decide import decide_run
from pipelines.stages.gather import frozen_files
from pipelines.stages.index import bucket_file, kinds
from pipelines.stages.measure import BENCHMARK_INDEX
from pipelines.units import Done, Unit

RULES_VERSION = 1
HELD_OUT_VERSION = 1
LEDGER_VERSION = 1

VERDICT = pa.schema([pa.field("reason", pa.dictionary(pa.int16(), pa.string()))])  # null: passes every rule


def rules(context: Context) -> list[Unit]:
    """The first failing rule of every document, part by part, from its measures alone."""
    settings = context.recipe.rules.model_dump(mode="json")
    needed = sorted({"identity", *families_of_rules(context.recipe.rules)})
    units: list[Unit] = []
    for part in parts(context):
        files = {family: part.measure_file(family) for family in needed}
        arguments = {"measures": {family: context.run / file for family, file in files.items()}, "settings": settings, "target": context.run / part.rules_file}
        units.append(
            Unit(f"select/rules/{part.hex}", RULES_VERSION, judge_part, arguments, settings, {family: context.written(file) for family, file in files.items()})
        )
    return units


def held_out(context: Context) -> list[Unit]:
    """Freeze the held-out documents of every source, or take over those that another run froze.

    The key leaves out the rules on purpose: the mark of those that passed is as of the freezing, so a changed threshold does
    not move the ruler by which two recipes are compared.
    """
    if context.recipe.held_out.reuse is not None:
        return [
            Unit(
                f"select/held_out/{path.stem}",
                HELD_OUT_VERSION,
                copy_frozen,
                {"path": path, "target": context.run / held_out_file(path.stem)},
                None,
                {"frozen": context.inputs.of(path)},
            )
            for path in frozen_files(context)
        ]
    settings = context.recipe.held_out.model_dump(mode="json")
    units: list[Unit] = []
    for source in context.recipe.sources:
        mine = [part for part in parts(context) if part.source == source.name]
        if not mine:
            continue
        files = [(part.id, part.documents(context.run), context.run / part.measure_file("identity"), context.run / part.rules_file) for part in mine]
        inputs = {file: context.written(file) for part in mine for file in (part.document_file, part.measure_file("identity"))}
        arguments = {"source": source.name, "files": files, "settings": settings, "target": context.run / held_out_file(source.name)}
        units.append(Unit(f"select/held_out/{source.name}", HELD_OUT_VERSION, freeze_source, arguments, settings, inputs))
    return units


def ledger(context: Context) -> list[Unit]:
    """Duplicates, contamination and held-out over all parts, and the ledger of each."""
    recipe = context.recipe
    everything = with_frozen(context)
    families = ["identity"] + (["signature"] if recipe.dedup.near else [])
    own_families = ["language"] + (["benchmarks"] if recipe.benchmarks else [])
    files = [part.measure_file(family) for part in everything for family in families]
    files += [file for part in parts(context) for file in (*map(part.measure_file, own_families), part.rules_file)]
    files += bucket_files(context) + ([BENCHMARK_INDEX] if recipe.benchmarks else [])
    settings = {
        "dedup": recipe.dedup.model_dump(mode="json"),
        "contamination": recipe.contamination.model_dump(mode="json"),
        "held_out": recipe.held_out.model_dump(mode="json") | ({"reuse": "frozen"} if recipe.held_out.reuse is not None else {}),
        "order": [[part.source, part.id, part.num_documents] for part in everything],
    }
    arguments = {
        "run": context.run,
        "parts": everything,
        "buckets": {kind: [context.run / file for file in bucket_files(context, kind)] for kind in kinds(context)},
        "benchmark_index": context.run / BENCHMARK_INDEX if recipe.benchmarks else None,
        "settings": settings,
    }
    return [Unit("select/ledger", LEDGER_VERSION, decide_run, arguments, settings, {file: context.written(file) for file in files})] if everything else []


def held_out_file(source: str) -> str:
    return f"held_out/{source}.arrow"


def bucket_files(context: Context, *only: str) -> list[str]:
    """The bucket files of the index, of every kind or of some, in the order of their ranges."""
    chosen = only or kinds(context)
    return [bucket_file(kind, number) for kind in chosen for number, _ in enumerate(context.entries(f"index/{kind}-buckets/"))]


def judge_part(measures: dict[str, Path], settings: dict[str, Any], target: Path) -> Done:
    """Write the verdict of the rules; `counts` tells for every rule how many documents it judged and failed."""
    chosen = RuleSettings.model_validate(settings)
    frames = [pl.from_arrow(read_table(path)) for family, path in measures.items() if family not in ("signature", "benchmarks")]
    frame = pl.concat([frame for frame in frames if isinstance(frame, pl.DataFrame)], how="horizontal")
    reasons = pa.array(judge(frame, chosen).to_list(), pa.string()).dictionary_encode()
    occurring = sorted(reason for reason in reasons.dictionary.to_pylist())
    coded = pa.DictionaryArray.from_arrays(
        pc.index_in(reasons.cast(pa.string()), pa.array(occurring, pa.string())).cast(pa.int16()), pa.array(occurring, pa.string())
    )
    output = write_table(target, pa.table([coded], schema=VERDICT))
    return Done([output], {"rules": outcomes(frame, chosen)})


def copy_frozen(path: Path, target: Path) -> Done:
    """Another run's frozen file as it is, byte for byte."""
    return _frozen(write_bytes(target, path.read_bytes()))


def freeze_source(source: str, files: list[tuple[int, Path, Path, Path]], settings: dict[str, Any], target: Path) -> Done:
    """Write the frozen file; documents are read only from parts that have some."""
    chosen = HeldOutSettings.model_validate(settings)

    def selected() -> Iterator[HeldOutPart]:
        for part, documents, identity, verdicts in files:
            ids = read_table(identity, ["content_id"])["content_id"].combine_chunks()
            mark = select_held_out(ids, source, chosen)
            rows = np.flatnonzero(mark).astype(np.uint32)
            if len(rows):
                passed = pc.is_null(read_table(verdicts)["reason"].combine_chunks()).to_numpy(zero_copy_only=False)
                yield HeldOutPart(part, documents, rows, ids.take(pa.array(rows)), passed[rows])

    return _frozen(write_held_out(target, list(selected())))


def _frozen(output: Output) -> Done:
    passed = read_table(output.path, ["passed"])["passed"]
    return Done([output], {"documents": len(passed), "passed": pc.sum(passed).as_py() or 0})
