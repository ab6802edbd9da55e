"""select, continued: what kept documents repeat of one another is cut, and the remaining length alone is judged again.

Nothing of this exists in a run whose recipe cuts nothing: then the first decision is the ledger.
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curate.dedup import cuts as cutting
from curate.dedup import pieces, substrings
from curate.dedup.cut_files import checked, write_cuts, write_repeats, write_runs
from curate.dedup.places import num_ranges
from curate.ledger.after_cuts import TOO_SHORT, after_cuts, too_short
from curate.storage import count_rows, read_table, write_table
from pipelines.context import Context
from pipelines.journal import canonical
from pipelines.parts import Part, parts
from pipelines.units import Done, Unit

VERSIONS = {"lines": pieces.VERSION, "paragraphs": pieces.VERSION, "substrings": substrings.VERSION}
CUTS_VERSION = cutting.VERSION
FINAL_VERSION = 1
DECIDED = "select/decided"
OF_CUTS = (*VERSIONS, "min_words_after_cuts")  # keys of `dedup` that the first decision does not read


class DecidedPart(Part):
    """A part whose ledger is the first decision, which cuts may still shorten."""

    @property
    def ledger_file(self) -> str:
        return decided_file(self)


def kinds(context: Context) -> dict[str, Any]:
    """What the recipe cuts, with the settings of each kind as plain data."""
    given = context.recipe.dedup.model_dump(mode="json", include=set(VERSIONS))
    return {kind: given[kind] for kind in VERSIONS if given[kind] is not None}


def before_cuts(context: Context, everything: list[Part]) -> tuple[str, list[Part]]:
    """The name of the unit that decides, and the parts as it is to see them: those of a run that cuts have a first decision."""
    if not kinds(context):
        return "select/ledger", everything
    return DECIDED, [part if part.frozen else DecidedPart(**asdict(part)) for part in everything]


def runs(context: Context) -> list[Unit]:
    """The sorted run of each kind of repeats, for every part with kept documents."""
    units: list[Unit] = []
    for kind, settings in kinds(context).items():
        for part in kept_parts(context):
            files = {"documents": part.document_file, "ledger": decided_file(part)}
            arguments = {name: context.run / file for name, file in (*files.items(), ("target", run_file(kind, part)), ("tokens", tokens_file(part)))}
            inputs = {name: context.written(file) for name, file in files.items()}
            units.append(
                Unit(f"select/cut_runs/{kind}/{part.hex}", VERSIONS[kind], make_run, {**arguments, "kind": kind, "settings": settings}, settings, inputs)
            )
    return units


def repeats(context: Context) -> list[Unit]:
    """For each kind, the ranges of the key space: what occurs more than once, and where first."""
    units: list[Unit] = []
    found = kept_parts(context)
    for kind, settings in kinds(context).items():
        total = num_ranges(sum(context.journal.live[f"select/cut_runs/{kind}/{part.hex}"].counts["entries"] for part in found))
        files = [file for part in found for file in context.journal.live[f"select/cut_runs/{kind}/{part.hex}"].outputs]
        arguments = {"kind": kind, "settings": settings, "run": context.run, "parts": found, "total": total}
        for number in range(total if found else 0):
            keyed = {"settings": settings, "order": [part.id for part in found], "range": number, "of": total}
            inputs = {file: context.written(file) for file in files}
            units.append(Unit(f"select/cut_repeats/{kind}/{number:05d}", VERSIONS[kind], make_repeats, {**arguments, "index": number}, keyed, inputs))
    return units


def cuts(context: Context) -> list[Unit]:
    """The spans to be cut from the kept documents of each part."""
    settings, found = kinds(context), kept_parts(context)
    ranges = {kind: [file for entry in context.entries(f"select/cut_repeats/{kind}/") for file in entry.outputs] for kind in settings}
    shared = [file for files in ranges.values() for file in files] + [tokens_file(part) for part in found if "substrings" in settings]
    arguments = {"run": context.run, "repeats": ranges, "tokens": [part.id for part in found], "settings": settings}
    units: list[Unit] = []
    for part in found if settings else []:
        inputs = {file: context.written(file) for file in (part.document_file, *shared)}
        units.append(Unit(f"select/cuts/{part.hex}", CUTS_VERSION, make_cuts, {**arguments, "part": part}, settings, inputs))
    return units


def final_ledger(context: Context) -> list[Unit]:
    """The ledger of each part: the first decision, without the documents that cuts left too short."""
    if not kinds(context) or DECIDED not in context.journal.live:
        return []
    decided, found = context.journal.live[DECIDED].counts, parts(context)
    facts = xxhash.xxh3_128_hexdigest(canonical(decided).encode())  # they are handed on
    settings = {"min_words": context.recipe.dedup.min_words_after_cuts, "decided": facts, "sources": [[part.id, part.source] for part in found]}
    cut = {part.id for part in kept_parts(context)}
    files = [file for part in found for file in (decided_file(part), *((cuts_file(part),) if part.id in cut else ()))]
    files += [part.measure_file(family) for part in found for family in ("identity", "language")]
    arguments = {"run": context.run, "parts": found, "min_words": settings["min_words"], "decided": decided}
    return [Unit("select/ledger", FINAL_VERSION, finish_ledger, arguments, settings, {file: context.written(file) for file in files})]


def kept_parts(context: Context) -> list[Part]:
    """The parts of which the first decision kept something, in the stated order."""
    if not kinds(context) or DECIDED not in context.journal.live:
        return []
    kept = context.journal.live[DECIDED].counts["kept"]
    return [part for part in parts(context) if kept.get(part.hex)]


def decided_file(part: Part) -> str:
    return f"ledger/decided/{part.hex}.arrow"


def run_file(kind: str, part: Part) -> str:
    return f"cuts/runs/{kind}/{part.hex}.arrow"


def tokens_file(part: Part) -> str:
    return f"cuts/tokens/{part.hex}.arrow"


def cuts_file(part: Part) -> str:
    return f"cuts/{part.hex}.arrow"


def written_cuts(context: Context, part: Part) -> str | None:
    """The part's cuts file, where there is one: what reads kept texts reads it too, and has its checksum in its key."""
    return cuts_file(part) if kinds(context) and f"select/cuts/{part.hex}" in context.journal.live else None


def make_run(kind: str, documents: Path, ledger: Path, settings: dict[str, Any], target: Path, tokens: Path) -> Done:
    keep = read_table(ledger, ["keep"])["keep"].to_numpy()
    outputs = write_runs(documents, keep, checked({kind: settings})[kind], target, tokens)
    return Done(outputs, {"entries": count_rows(target)})


def make_repeats(kind: str, settings: dict[str, Any], run: Path, parts: list[Part], index: int, total: int) -> Done:
    named = [part.id for part in parts]
    runs, tokens = [run / run_file(kind, part) for part in parts], [run / tokens_file(part) for part in parts]
    return Done([write_repeats(named, runs, tokens, index, total, checked({kind: settings})[kind], run / f"cuts/repeats/{kind}/{index:05d}.arrow")])


def make_cuts(run: Path, part: Part, repeats: dict[str, list[str]], tokens: list[int], settings: dict[str, Any]) -> Done:
    files = {kind: [run / file for file in listed] for kind, listed in repeats.items()}
    held = {number: run / f"cuts/tokens/{number:08x}.arrow" for number in tokens}
    return Done([write_cuts(part.documents(run), part.id, files, held, checked(settings), run / cuts_file(part))])


def finish_ledger(run: Path, parts: list[Part], min_words: int, decided: dict[str, Any]) -> Done:
    """Write each part's ledger; the counts are those of the first decision, brought up to date, and what was cut from the documents left."""
    outputs, kept, repeated = [], {}, Counter[int]()
    lost: dict[str, Counter[str]] = {part.source: Counter() for part in parts}
    languages: dict[str, Counter[str]] = {part.source: Counter() for part in parts}
    told: dict[str, dict[str, Counter[str]]] = {part.source: {} for part in parts}
    for part in parts:
        ledger, path = read_table(run / decided_file(part)), run / cuts_file(part)
        if decided["kept"].get(part.hex):
            found = read_table(path)
            dropped = too_short(ledger, found["num_words"], min_words)
            _count_cuts(found["spans"].combine_chunks().filter(pa.array(ledger["keep"].to_numpy() & ~dropped)), told[part.source])
            gone = pa.array(dropped)
            lost[part.source].update(documents=int(dropped.sum()), bytes=_sum(run / part.measure_file("identity"), "num_bytes", gone))
            languages[part.source].update(_counted(read_table(run / part.measure_file("language"), ["language"])["language"].cast(pa.string()).filter(gone)))
            ledger = after_cuts(ledger, dropped)
        outputs.append(write_table(run / part.ledger_file, ledger))
        kept[part.hex] = pc.sum(ledger["keep"]).as_py() or 0
        repeated.update({number: count for number, count in _counted(ledger["copies"]).items() if number > 1})
    sources = {name: _less(about, lost[name], languages[name], told[name]) for name, about in decided["sources"].items()}
    changed = {
        "kept": kept,
        "sources": sources,
        "cuts": {name: {kind: dict(counts) for kind, counts in sorted(by_kind.items())} for name, by_kind in told.items()},
    }
    return Done(outputs, decided | changed | {"repeated": [[number, repeated[number]] for number in sorted(repeated)]})


def _count_cuts(spans: pa.ListArray, told: dict[str, Counter[str]]) -> None:
    """Add up, by kind, the documents touched, the spans and their bytes."""
    values = spans.flatten()
    rows = pa.array(pc.list_parent_indices(spans))
    lengths = pc.subtract(values.field("end"), values.field("start"))
    table = pa.table({"kind": values.field("kind"), "row": rows, "bytes": lengths})
    for found in table.group_by("kind").aggregate([("row", "count_distinct"), ("bytes", "count"), ("bytes", "sum")]).to_pylist():
        told.setdefault(found["kind"], Counter()).update(documents=found["row_count_distinct"], spans=found["bytes_count"], bytes=found["bytes_sum"])


def _less(about: dict[str, Any], lost: Counter[str], languages: Counter[str], told: dict[str, Counter[str]]) -> dict[str, Any]:
    """A source's counts without what was lost."""
    fates = dict(about["fates"])
    if lost["documents"]:
        fates |= {"kept": fates["kept"] - lost["documents"], TOO_SHORT: lost["documents"]}
    cut = sum(counts["bytes"] for counts in told.values())
    left = {name: count - languages[name] for name, count in about["languages"].items() if count > languages[name]}
    return about | {"fates": fates, "kept_bytes": about["kept_bytes"] - lost["bytes"] - cut, "languages": left}


def _counted(column: pa.ChunkedArray) -> dict[Any, int]:
    return {item["values"]: item["counts"] for item in column.value_counts().to_pylist()}


def _sum(path: Path, column: str, chosen: pa.Array) -> int:
    return pc.sum(read_table(path, [column])[column].filter(chosen)).as_py() or 0
