"""select: rules per part, the frozen held-out documents per source, then one ledger over everything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.contamination.held_out import HeldOutPart, HeldOutSettings, select_held_out, write_held_out
from curate.edits.settings import FAMILY as EDITS_FAMILY
from curate.rules.settings import RuleSettings
from curate.rules.verdicts import families as families_of_rules
from curate.rules.verdicts import judge, outcomes
from curate.storage import Output, read_table, write_bytes, write_table
from pipelines.context import Context
from pipelines.earlier import checksums, earlier_parts
from pipelines.parts import Part, parts, with_frozen
from pipelines.stages.cut import OF_CUTS, before_cuts
from pipelines.stages.cutoffs import rules_in_force
from pipelines.stages.decide import decide_run, deciding_ids
from pipelines.stages.frames import rule_frame
from pipelines.stages.gather import frozen_files
from pipelines.stages.index import bucket_file, kinds
from pipelines.stages.measure import BENCHMARK_INDEX
from pipelines.units import Done, Unit

RULES_VERSION = 1
HELD_OUT_VERSION = 1
LEDGER_VERSION = 2

VERDICT = pa.schema([pa.field("reason", pa.dictionary(pa.int16(), pa.string()))])  # null: passes every rule


def rules(context: Context) -> list[Unit]:
    """The first failing rule of every document, part by part, from its measures alone."""
    settings = rules_in_force(context).model_dump(mode="json")
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
        edited = context.recipe.edits.is_on
        deciding = EDITS_FAMILY if edited else "identity"
        inputs = {file: context.written(file) for part in mine for file in (part.document_file, part.measure_file(deciding))}
        arguments = {"run": context.run, "source": source.name, "parts": mine, "edited": edited, "settings": settings}
        units.append(Unit(f"select/held_out/{source.name}", HELD_OUT_VERSION, freeze_source, arguments, settings, inputs))
    return units


def ledger(context: Context) -> list[Unit]:
    """Duplicates, contamination and held-out over all parts, and the ledger of each."""
    recipe = context.recipe
    everything = with_frozen(context)
    of_near = list(recipe.dedup.near.families) if recipe.dedup.near else []
    families = ["identity", *of_near]
    own_families = ["language"] + (["benchmarks"] if recipe.benchmarks else []) + ([EDITS_FAMILY] if recipe.edits.is_on else [])
    best = recipe.dedup.representative.family
    own_families += [best] if best is not None and best not in (*families, *own_families) else []
    files = [part.measure_file(family) for part in everything for family in families]
    files += [file for part in parts(context) for file in (*map(part.measure_file, own_families), part.rules_file)]
    files += bucket_files(context) + ([BENCHMARK_INDEX] if recipe.benchmarks else [])
    earlier = earlier_parts(context)
    of_earlier = ["ledger/{hex}.arrow", *(f"measures/{family}/{{hex}}.arrow" for family in of_near)]
    inputs = {file: context.written(file) for file in files} | checksums(context, earlier, of_earlier)
    settings: dict[str, Any] = {
        "dedup": recipe.dedup.model_dump(mode="json", exclude={"against": True, "near": {"threshold"}, **dict.fromkeys(OF_CUTS, True)}),
        "contamination": recipe.contamination.model_dump(mode="json"),
        "held_out": recipe.held_out.model_dump(mode="json") | ({"reuse": "frozen"} if recipe.held_out.reuse is not None else {}),
        "order": [[part.source, part.id, part.num_documents] for part in everything],
        "earlier": [[part.run, part.own.id, part.own.num_documents] for part in earlier],
    }
    if recipe.edits.is_on:
        settings["edited"] = True
    name, seen = before_cuts(context, everything)
    arguments = {
        "run": context.run,
        "parts": seen,
        "earlier": earlier,
        "buckets": {kind: [context.run / file for file in bucket_files(context, kind)] for kind in kinds(context)},
        "benchmark_index": context.run / BENCHMARK_INDEX if recipe.benchmarks else None,
        "settings": settings,
    }
    return [Unit(name, LEDGER_VERSION, decide_run, arguments, settings, inputs)] if everything else []


def held_out_file(source: str) -> str:
    return f"held_out/{source}.arrow"


def bucket_files(context: Context, *only: str) -> list[str]:
    """The bucket files of the index, of every kind or of some, in the order of their ranges."""
    chosen = only or kinds(context)
    return [bucket_file(kind, number) for kind in chosen for number, _ in enumerate(context.entries(f"index/{kind}-buckets/"))]


def judge_part(measures: dict[str, Path], settings: dict[str, Any], target: Path) -> Done:
    """Write the verdict of the rules; `counts` tells for every rule how many documents it judged and failed."""
    chosen = RuleSettings.model_validate(settings)
    frame = rule_frame(lambda family: [measures[family]], chosen)
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


def freeze_source(run: Path, source: str, parts: list[Part], edited: bool, settings: dict[str, Any]) -> Done:
    """Write the frozen file; documents are read only from parts that have some. Held-out documents are never edited, so the text that
    decided is the text that is frozen."""
    chosen = HeldOutSettings.model_validate(settings)

    def selected() -> Iterator[HeldOutPart]:
        for part in parts:
            ids = deciding_ids(run, part, edited=edited)
            mark = select_held_out(ids, source, chosen)
            rows = np.flatnonzero(mark).astype(np.uint32)
            if len(rows):
                passed = pc.is_null(read_table(run / part.rules_file)["reason"].combine_chunks()).to_numpy(zero_copy_only=False)
                yield HeldOutPart(part.id, part.documents(run), rows, ids.take(pa.array(rows)), passed[rows])

    return _frozen(write_held_out(run / held_out_file(source), list(selected())))


def _frozen(output: Output) -> Done:
    passed = read_table(output.path, ["passed"])["passed"]
    return Done([output], {"documents": len(passed), "passed": pc.sum(passed).as_py() or 0})
