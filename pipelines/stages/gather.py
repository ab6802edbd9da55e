"""gather: slices of the sources' files become document parts, and records that became none become quarantine parts."""

from pathlib import Path
from typing import Any

import xxhash

from curate.gather.files import find_files
from curate.gather.gather import gather
from curate.gather.slices import Range, Slice, check_ranges_meet, rejoin
from curate.gather.slices import slices as cut
from curate.readers.records import Ends
from curate.readers.sources import Limits, SourceSettings
from pipelines.context import Context
from pipelines.journal import canonical
from pipelines.units import Done, Unit

VERSION = 1
MEET_VERSION = 1
MEET = "gather/meet"
NOT_OF_THE_TEXT = {"paths", "license", "origin", "provenance"}  # settings of a source that change no document


def slices(context: Context) -> list[Unit]:
    """A unit for every slice. Files whose ranges were found not to meet are read in one piece."""
    recipe = context.recipe
    sources = {source.name: source for source in recipe.sources}
    found = cut((file for source in recipe.sources for file in find_files(source, recipe.root_folder, recipe.limits)), recipe.slice_bytes)
    limits = recipe.limits.model_dump(mode="json")
    units: list[Unit] = []
    for slice_ in rejoin(found, _to_rejoin(context)):
        settings = sources[slice_.source].model_dump(mode="json")
        keyed = {name: value for name, value in settings.items() if name not in NOT_OF_THE_TEXT}
        plain = slice_.to_json()
        arguments = {"run": context.run, "root": recipe.root_folder, "slice": plain, "settings": settings, "limits": limits}
        inputs = {one.path: context.inputs.of(recipe.root_folder / one.path) for one in slice_.ranges}
        units.append(Unit(f"gather/part/{slice_.part:08x}", VERSION, gather_slice, arguments, {"source": keyed, "limits": limits, "slice": plain}, inputs))
    return units


def meet(context: Context) -> list[Unit]:
    """Check that the ranges of every cut file meet: where they do not, records would be lost or read twice."""
    ends = [pair for entry in context.entries("gather/part/") for pair in entry.counts["ends"]]
    checksums = {path: value for entry in context.entries("gather/part/") for path, value in entry.ingredients["inputs"].items()}
    arguments = {"ends": ends, "checksums": checksums, "before": _to_rejoin(context)}
    return [Unit(MEET, MEET_VERSION, check_meeting, arguments, None, {"ends": xxhash.xxh3_128_hexdigest(canonical(ends).encode())}, in_parent=True)]


def patterns(context: Context, source: SourceSettings) -> list[tuple[str, int]]:
    """Each glob of a source with the number of files it matches."""
    one_each = ((glob, source.model_copy(update={"paths": [glob]})) for glob in source.paths)
    return [(glob, len(find_files(alone, context.recipe.root_folder, context.recipe.limits))) for glob, alone in one_each]


def gather_slice(run: Path, root: Path, slice: dict[str, Any], settings: dict[str, Any], limits: dict[str, Any]) -> Done:  # noqa: A002 - the room's own word
    taken = Slice.from_json(slice)
    name = f"{taken.part:08x}.arrow"
    counts = gather(taken, SourceSettings.model_validate(settings), Limits.model_validate(limits), root, run / "documents" / name, run / "quarantine" / name)
    facts = {
        "part": taken.part,
        "source": taken.source,
        "records": counts.records,
        "documents": counts.documents,
        "dropped": counts.dropped,
        "quarantined": counts.quarantined,
        "ends": [[list(one), list(ends)] for one, ends in counts.ends],
    }
    return Done(list(counts.outputs), facts)


def check_meeting(ends: list[Any], checksums: dict[str, str], before: list[str]) -> Done:
    """The files to read again in one piece, with the content this was found for."""
    apart = check_ranges_meet([(Range(*one), Ends(*reached)) for one, reached in ends])
    return Done([], {"again": {path: checksums[path] for path in sorted({*apart, *before})}})


def _to_rejoin(context: Context) -> list[str]:
    """Files that must not be cut, as long as they hold what they held when that was found."""
    known = context.journal.live.get(MEET)
    again: dict[str, str] = known.counts["again"] if known else {}
    root = context.recipe.root_folder
    return [path for path, checksum in again.items() if (root / path).exists() and context.inputs.of(root / path) == checksum]
