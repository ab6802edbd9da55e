"""gather: slices of the sources' files become document parts, and records that became none become quarantine parts."""

from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from curate.contamination.held_out import HeldOutSettings, read_held_out
from curate.documents import DOCUMENTS
from curate.edits.edit import VERSION as EDITS_VERSION
from curate.edits.gathered import Editing
from curate.edits.personal_data import VERSION as PERSONAL_DATA_VERSION
from curate.edits.settings import FAMILY as EDITS_FAMILY
from curate.edits.settings import EditSettings
from curate.errors import InputError
from curate.gather.files import find_files
from curate.gather.gather import Beside, gather
from curate.gather.slices import Range, Slice, check_ranges_meet, rejoin
from curate.gather.slices import slices as cut
from curate.readers.records import Ends
from curate.readers.sources import Limits, SourceSettings
from curate.storage import write_table
from pipelines.context import Context
from pipelines.journal import canonical
from pipelines.units import Done, Unit

VERSION = 1
MEET_VERSION = 2
FROZEN_VERSION = 1
MEET = "gather/meet"
NOT_OF_THE_TEXT = {"paths", "license", "origin", "provenance"}  # settings of a source that change no document


def slices(context: Context) -> list[Unit]:
    """A unit for every slice. Files whose ranges were found not to meet are read in one piece."""
    recipe = context.recipe
    sources = {source.name: source for source in recipe.sources}
    limits = recipe.limits.model_dump(mode="json")
    units: list[Unit] = []
    for slice_ in _cut(context).slices:
        source, plain = sources[slice_.source], slice_.to_json()
        arguments = {"run": context.run, "root": recipe.root_folder, "slice": plain, "settings": source.model_dump(mode="json"), "limits": limits}
        inputs = {one.path: context.inputs.of(recipe.root_folder / one.path) for one in slice_.ranges}
        settings = {"source": _keyed(source), "limits": limits, "slice": plain}
        if recipe.edits.is_on:
            arguments["edits"] = {"settings": recipe.edits.model_dump(mode="json"), "held_out": recipe.held_out.model_dump(mode="json")}
            settings["edits"] = _keyed_edits(recipe.edits, recipe.held_out, source.name)
        units.append(Unit(_unit_name(slice_), VERSION, gather_slice, arguments, settings, inputs))
    return units


def meet(context: Context) -> list[Unit]:
    """Check that the ranges of every cut file meet: where they do not, records would be lost or read twice."""
    now = _cut(context)
    live = context.journal.live  # may still hold slices that are no longer wanted, whose ranges would meet nothing
    ends = [pair for name in sorted(map(_unit_name, now.slices)) if name in live for pair in live[name].counts["ends"]]
    arguments = {"ends": ends, "readings": now.readings, "before": now.rejoined}
    inputs = {name: xxhash.xxh3_128_hexdigest(canonical(value).encode()) for name, value in (("ends", ends), ("files", now.readings))}
    return [Unit(MEET, MEET_VERSION, check_meeting, arguments, None, inputs, in_parent=True)]


def frozen(context: Context) -> list[Unit]:
    """The held-out documents of another run, as parts of their own, where the recipe measures with them."""
    return [
        Unit(f"gather/frozen/{path.stem}", FROZEN_VERSION, take_frozen, {"run": context.run, "path": path}, path.stem, {"frozen": context.inputs.of(path)})
        for path in frozen_files(context)
    ]


def frozen_files(context: Context) -> list[Path]:
    """The frozen files that the recipe names. Raises InputError where the folder has none."""
    if context.recipe.held_out.reuse is None:
        return []
    folder = context.recipe.root_folder / context.recipe.held_out.reuse
    if not (found := sorted(folder.glob("*.arrow"))):
        raise InputError(f"held_out.reuse: {folder} holds no frozen file (*.arrow); name the held_out folder of a finished run")
    return found


def gather_slice(
    run: Path,
    root: Path,
    slice: dict[str, Any],  # noqa: A002 - the room's own word
    settings: dict[str, Any],
    limits: dict[str, Any],
    edits: dict[str, Any] | None = None,
) -> Done:
    """Read a slice into its document and quarantine parts, with edits also what these cut; `counts` are what the summary and `meet`
    need of it."""
    taken = Slice.from_json(slice)
    name = f"{taken.part:08x}.arrow"
    source, bounds = SourceSettings.model_validate(settings), Limits.model_validate(limits)
    beside = None
    if edits is not None:
        editing = Editing(EditSettings.model_validate(edits["settings"]), HeldOutSettings.model_validate(edits["held_out"]), taken.source)
        beside = Beside(editing, run / "measures" / EDITS_FAMILY / name)
    counts = gather(taken, source, bounds, root, run / "documents" / name, run / "quarantine" / name, beside)
    facts = {
        "part": taken.part,
        "source": taken.source,
        "records": counts.records,
        "documents": counts.documents,
        "dropped": counts.dropped,
        "quarantined": counts.quarantined,
        "ends": [[list(one), list(ends)] for one, ends in counts.ends],
    }
    if counts.edits is not None:
        facts["edits"] = counts.edits.plain()
    return Done(list(counts.outputs), facts)


def take_frozen(run: Path, path: Path) -> Done:
    """The documents of a frozen file as a part."""
    part = xxhash.xxh3_64_intdigest(f"frozen/{path.stem}".encode()) >> 32
    output = write_table(run / "documents" / f"{part:08x}.arrow", read_held_out(path, DOCUMENTS.names))
    return Done([output], {"part": part, "source": path.stem, "documents": read_held_out(path, ["row"]).num_rows})


def check_meeting(ends: list[Any], readings: dict[str, str], before: list[str]) -> Done:
    """The files to read again in one piece, with the reading this was found for."""
    apart = check_ranges_meet([(Range(*one), Ends(*reached)) for one, reached in ends])
    return Done([], {"again": {path: readings[path] for path in sorted({*apart, *before})}})


class _Cut(NamedTuple):
    """How the files are cut now. readings: of each file a text that changes with its content and with all that decides where
    it is cut and where its records begin; rejoined: files that must not be cut, as long as their reading is the one this was found for."""

    slices: list[Slice]
    readings: dict[str, str]
    rejoined: list[str]


def _cut(context: Context) -> _Cut:
    recipe = context.recipe
    found = cut((file for source in recipe.sources for file in find_files(source, recipe.root_folder, recipe.limits)), recipe.slice_bytes)
    limits, keyed = recipe.limits.model_dump(mode="json"), {source.name: _keyed(source) for source in recipe.sources}
    readers: dict[str, set[str]] = {}
    for slice_ in found:
        for one in slice_.ranges:
            readers.setdefault(one.path, set()).add(slice_.source)
    readings = {}
    for path, names in sorted(readers.items()):
        read_as = [context.inputs.of(recipe.root_folder / path), recipe.slice_bytes, limits, [keyed[name] for name in sorted(names)]]
        readings[path] = xxhash.xxh3_128_hexdigest(canonical(read_as).encode())
    known = context.journal.live.get(MEET)
    again: dict[str, str] = known.counts["again"] if known else {}
    rejoined = sorted(path for path, reading in again.items() if readings.get(path) == reading)
    return _Cut(rejoin(found, rejoined), readings, rejoined)


def _keyed(source: SourceSettings) -> dict[str, Any]:
    return {name: value for name, value in source.model_dump(mode="json").items() if name not in NOT_OF_THE_TEXT}


def _keyed_edits(edits: EditSettings, held_out: HeldOutSettings, source: str) -> dict[str, Any]:
    """What of the edits, and of the choice of the documents they leave alone, decides the bytes of a source's parts."""
    if edits.sources is not None and source not in edits.sources:
        return {"version": EDITS_VERSION, "sources": "not this one"}
    chosen = {name: given for name, given in edits.model_dump(mode="json", exclude={"sources"}).items() if given is not None}
    unedited = None if held_out.reuse is not None else [held_out.source_fractions.get(source, held_out.fraction), held_out.seed]
    return {"version": [EDITS_VERSION, PERSONAL_DATA_VERSION], "unedited": unedited, **chosen}


def _unit_name(slice_: Slice) -> str:
    return f"gather/part/{slice_.part:08x}"
