"""index: sorted runs of (key, document) a part, then merged by key range into buckets. Knows nothing of rules."""

from pathlib import Path
from typing import Any

from curate.dedup import exact, near
from curate.dedup.index import EXACT_RUN, NEAR_RUN, num_ranges, write_buckets
from curate.dedup.near import NearSettings
from curate.edits.settings import FAMILY as EDITS_FAMILY
from curate.storage import Output, count_rows
from pipelines.context import Context
from pipelines.earlier import checksums, earlier_parts
from pipelines.parts import Part, with_frozen
from pipelines.units import Done, Unit

VERSION = 1
SCHEMAS = {"exact": EXACT_RUN, "near": NEAR_RUN}


def runs(context: Context) -> list[Unit]:
    """A sorted run of content ids and, where near-duplicates are looked for, one of band keys, for every part."""
    units: list[Unit] = []
    arguments: dict[str, Any]
    near_settings = context.recipe.dedup.near
    for part in with_frozen(context):
        measure = part.measure_file("identity")
        arguments = {"measure": context.run / measure, "target": context.run / run_file("exact", part)}
        inputs = {"measure": context.written(measure)}
        if context.recipe.edits.is_on and not part.frozen:
            edits = part.measure_file(EDITS_FAMILY)
            arguments["edits"], inputs["edits"] = context.run / edits, context.written(edits)
        units.append(Unit(f"index/exact/{part.hex}", VERSION, exact_run, arguments, None, inputs))
        if near_settings is not None:
            measure = part.measure_file("signature")
            banding = near_settings.model_dump(mode="json", include={"num_perm", "bands", "rows"})
            arguments = {"measure": context.run / measure, "target": context.run / run_file("near", part), "settings": banding}
            units.append(Unit(f"index/near/{part.hex}", VERSION, near_run, arguments, banding, {"measure": context.written(measure)}))
    return units


def buckets(context: Context) -> list[Unit]:
    """For each kind, the ranges of the key space: who shares a key with whom."""
    units: list[Unit] = []
    earlier = earlier_parts(context)
    for kind in kinds(context):
        files = {part.id: run_file(kind, part) for part in with_frozen(context)}
        runs = {part: context.run / file for part, file in files.items()} | {part.id: part.folder / run_file(kind, part.own) for part in earlier}
        inputs = {f"{part:08x}": context.written(file) for part, file in files.items()} | checksums(context, earlier, [f"index/{kind}/{{hex}}.arrow"])
        entries = sum(context.journal.live[f"index/{kind}/{part.hex}"].counts["entries"] for part in with_frozen(context))
        total = num_ranges(entries + sum(count_rows(runs[part.id]) for part in earlier))
        for number in range(total):
            arguments = {"kind": kind, "runs": runs, "index": number, "total": total, "target": context.run / bucket_file(kind, number)}
            units.append(Unit(f"index/{kind}-buckets/{number:05d}", VERSION, merge_range, arguments, {"range": number, "of": total}, inputs))
    return units


def kinds(context: Context) -> tuple[str, ...]:
    return ("exact", "near") if context.recipe.dedup.near is not None else ("exact",)


def run_file(kind: str, part: Part) -> str:
    return f"index/{kind}/{part.hex}.arrow"


def bucket_file(kind: str, number: int) -> str:
    return f"index/{kind}-buckets/{number:05d}.arrow"


def exact_run(measure: Path, target: Path, edits: Path | None = None) -> Done:
    return _counted(exact.write_exact_run(measure, target, edits))


def near_run(measure: Path, target: Path, settings: dict[str, Any]) -> Done:
    return _counted(near.write_near_run(measure, target, NearSettings(**settings)))


def _counted(output: Output) -> Done:
    return Done([output], {"entries": count_rows(output.path)})


def merge_range(kind: str, runs: dict[int, Path], index: int, total: int, target: Path) -> Done:
    return Done([write_buckets(target, SCHEMAS[kind], runs, index, total)])
