"""The one unit that sees every document: clusters over the index, then verdicts, then a ledger for each part."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.contamination.held_out import HeldOutSettings, select_held_out
from curate.contamination.hits import write_hits
from curate.contamination.index import read_index
from curate.contamination.verdict import ContaminationSettings, contaminated, item_table
from curate.dedup.exact import link_exact
from curate.dedup.near import Linked, NearSettings, link_near
from curate.dedup.numbering import Numbering, number_parts
from curate.dedup.representative import LEAST, Representative, ordered, preferences, rank
from curate.dedup.shingles import Shingles
from curate.dedup.signatures import Signatures
from curate.edits.settings import FAMILY as EDITS_FAMILY
from curate.kernels import union_find
from curate.ledger.clusters import Near, largest_clusters
from curate.ledger.files import write_ledger
from curate.ledger.rehydration import Step, copies
from curate.ledger.verdicts import KEPT, Judged, Verdicts, counts, decide, included, judged
from curate.storage import Output, read_table, write_table
from pipelines.earlier import EarlierPart
from pipelines.parts import Part
from pipelines.units import Done

CERTIFICATE_FILE = "ledger/certificate.arrow"
HITS_FILE = "ledger/hits.arrow"
CLUSTERS_FILE = "ledger/largest_clusters.arrow"
NOT_KEPT = "not_kept_earlier"  # the reason that keeps what an earlier run dropped out of every cluster; no ledger of this run has it


class Facts(NamedTuple):
    """What is held of all documents at once, by dense number: a few bytes each. preferences: int64 (1 or 2, documents)."""

    rules: Judged
    held_out: NDArray[np.bool_]
    contaminated: NDArray[np.bool_]
    preferences: NDArray[np.int64]


class Roots(NamedTuple):
    """The roots of exact clusters, then of near ones among those roots; what linking did, and what it read."""

    exact: NDArray[np.uint32]
    near: NDArray[np.uint32]
    linked: Linked | None
    read: Near | None


class Decision(NamedTuple):
    """What became of every document, by the numbers of `numbering`."""

    numbering: Numbering
    roots: Roots
    verdicts: Verdicts


def decide_run(
    run: Path, parts: list[Part], earlier: list[EarlierPart], buckets: dict[str, list[Path]], benchmark_index: Path | None, settings: dict[str, Any]
) -> Done:
    """Decide every document's fate and write it down."""
    found = facts(run, parts, earlier, benchmark_index, settings, lambda part: read_table(run / part.rules_file)["reason"])
    numbering, roots, verdicts = decision(run, parts, earlier, buckets, settings, found)
    repeated = copies(verdicts, [Step.model_validate(step) for step in settings["dedup"]["rehydrate"]], numbering.num_earlier)
    own = [part for part in parts if not part.frozen]
    outputs = [write_ledger(run / part.ledger_file, verdicts, numbering, part.id, repeated) for part in own]
    outputs.append(write_table(run / CLUSTERS_FILE, largest_clusters(verdicts, roots.exact, numbering, roots.read)))
    if benchmark_index is not None:
        outputs += _certificate(run, own, benchmark_index, settings)
    kept = {part.hex: int((verdicts.reasons[numbering.of_part(part.id)] == KEPT).sum()) for part in own}
    times, documents = np.unique(repeated[repeated > 1], return_counts=True)
    told = {"kept": kept, "sources": _sources(run, own, numbering, verdicts), "near": roots.linked._asdict() if roots.linked else None}
    return Done(outputs, told | {"repeated": np.stack([times, documents], axis=1).tolist()})


def facts(
    run: Path,
    parts: list[Part],
    earlier: Sequence[EarlierPart],
    benchmark_index: Path | None,
    settings: dict[str, Any],
    reasons_of: Callable[[Part], pa.Array | pa.ChunkedArray],
) -> Facts:
    """What the measures say of every document. reasons_of: the rules' reason for each document of a part of this run, null where it passes."""
    held_out_settings = HeldOutSettings.model_validate(settings["held_out"])
    contamination = ContaminationSettings.model_validate(settings["contamination"])
    policy = Representative.model_validate(settings["dedup"]["representative"])
    plain = policy.measure is None and policy.sources is None
    items = read_index(benchmark_index).items if benchmark_index is not None else None
    reasons = [_not_kept(part) for part in earlier]
    num_earlier = sum(map(len, reasons))
    held, dirty = [np.zeros(num_earlier, bool)], [np.zeros(num_earlier, bool)]
    lengths, first = [np.zeros(num_earlier, np.int64)], [np.zeros(num_earlier, np.int64)]
    for part in parts:
        identity = read_table(run / part.measure_file("identity"), ["num_characters"])
        lengths.append(identity["num_characters"].to_numpy())
        if not plain:
            first.append(_first_preference(run, part, policy))
        if part.frozen:
            reasons.append(pa.nulls(part.num_documents, pa.string()))
            held.append(np.ones(part.num_documents, bool))
            dirty.append(np.zeros(part.num_documents, bool))
            continue
        reasons.append(reasons_of(part))
        held.append(select_held_out(deciding_ids(run, part, edited=settings.get("edited", False)), part.source, held_out_settings))
        dirty.append(np.zeros(part.num_documents, bool) if items is None else contaminated(_hits(run, part), items, contamination))
    preferred = preferences(policy, np.concatenate(lengths), None if plain else np.concatenate(first))
    return Facts(judged(reasons), np.concatenate(held), np.concatenate(dirty), preferred)


def decision(run: Path, parts: list[Part], earlier: list[EarlierPart], buckets: dict[str, list[Path]], settings: dict[str, Any], found: Facts) -> Decision:
    """Link the duplicates and decide; nothing is written."""
    numbering = number_parts(((part.id, part.num_documents) for part in parts), [part.rows for part in earlier])
    roots = _roots(run, parts, earlier, buckets, numbering, found, settings)
    verdicts = decide(found.rules, found.held_out, found.contaminated, roots.exact, roots.near, found.preferences, num_earlier=numbering.num_earlier)
    return Decision(numbering, roots, verdicts)


def deciding_ids(run: Path, part: Part, *, edited: bool) -> pa.FixedSizeBinaryArray:
    """The content ids that documents are held out by: of their texts before edits, so that no edit moves the held-out set."""
    file, column = (part.measure_file(EDITS_FAMILY), "original_id") if edited else (part.measure_file("identity"), "content_id")
    return read_table(run / file, [column])[column].combine_chunks()


def _first_preference(run: Path, part: Part, policy: Representative) -> NDArray[np.int64]:
    """What a measure or the sources prefer among a part's documents. Frozen ones stand for nobody, and have no measures."""
    if policy.measure is None or part.frozen:
        return np.full(part.num_documents, LEAST if part.frozen else rank(policy, part.source), np.int64)
    column = read_table(run / part.measure_file(str(policy.family)), [str(policy.column)]).column(0)
    return ordered(column.to_numpy(), highest=policy.order == "highest")


def _not_kept(part: EarlierPart) -> pa.Array:
    """Null for what an earlier run kept."""
    keep = read_table(part.folder / part.own.ledger_file, ["keep"])["keep"].combine_chunks()
    return pc.if_else(keep, pa.scalar(None, pa.string()), NOT_KEPT)


def _roots(
    run: Path,
    parts: list[Part],
    earlier: list[EarlierPart],
    buckets: dict[str, list[Path]],
    numbering: Numbering,
    facts: Facts,
    settings: dict[str, Any],
) -> Roots:
    taking_part = included(facts.rules, facts.held_out)
    exact, near = union_find.singletons(numbering.num_documents), union_find.singletons(numbering.num_documents)
    link_exact(_tables(buckets["exact"]), numbering, taking_part, exact)
    union_find.flatten(exact)
    if (chosen := settings["dedup"]["near"]) is None:
        return Roots(exact, near, None, None)
    near_settings = NearSettings.model_validate(chosen)
    tables = {
        family: _tables([*(part.folder / part.own.measure_file(family) for part in earlier), *(run / part.measure_file(family) for part in parts)])
        for family in near_settings.families
    }
    shingles = Shingles(tables["shingles"]) if "shingles" in tables else None
    read = Near(Signatures(tables["signature"], near_settings.num_perm), near_settings, shingles)
    first_of_equals = taking_part & (exact == np.arange(len(exact), dtype=np.uint32))
    linked = link_near(_tables(buckets["near"]), numbering, read.signatures, first_of_equals, near_settings, near, shingles)
    union_find.flatten(near)
    return Roots(exact, near, linked, read)


def _certificate(run: Path, parts: list[Part], benchmark_index: Path, settings: dict[str, Any]) -> list[Output]:
    """The table of all items, and all hits that contaminate."""
    items, chosen = read_index(benchmark_index).items, ContaminationSettings.model_validate(settings["contamination"])
    table = write_table(run / CERTIFICATE_FILE, item_table(items, ((part.id, _hits(run, part)) for part in parts), chosen))
    return [table, write_hits(run / HITS_FILE, items, ((part.id, _hits(run, part)) for part in parts), chosen)]


def _sources(run: Path, parts: list[Part], numbering: Numbering, verdicts: Verdicts) -> dict[str, Any]:
    """By source: documents by fate, and of the kept ones bytes and languages."""
    fates: dict[str, Counter[str]] = {}
    languages: dict[str, Counter[str]] = {}
    num_bytes: Counter[str] = Counter()
    for part in parts:
        mine = numbering.of_part(part.id)
        fates.setdefault(part.source, Counter()).update(counts(verdicts, mine.start, mine.stop))
        kept = pa.array(verdicts.reasons[mine] == KEPT)
        num_bytes[part.source] += pc.sum(read_table(run / part.measure_file("identity"), ["num_bytes"])["num_bytes"].filter(kept)).as_py() or 0
        found = read_table(run / part.measure_file("language"), ["language"])["language"].cast(pa.string()).filter(kept).value_counts()
        languages.setdefault(part.source, Counter()).update({item["values"]: item["counts"] for item in found.to_pylist()})
    return {name: {"fates": dict(fates[name]), "kept_bytes": num_bytes[name], "languages": dict(sorted(languages[name].items()))} for name in fates}


def _hits(run: Path, part: Part) -> pa.ListArray:
    return read_table(run / part.measure_file("benchmarks"), ["hits"])["hits"].combine_chunks()


def _tables(paths: Iterable[Path]) -> Iterator[pa.Table]:
    return (read_table(path) for path in paths)
