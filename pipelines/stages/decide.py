"""The one unit that sees every document: clusters over the index, then verdicts, then a ledger for each part."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.contamination.held_out import HeldOutSettings, select_held_out
from curate.contamination.index import read_index
from curate.contamination.verdict import ContaminationSettings, contaminated, item_table
from curate.dedup.exact import link_exact
from curate.dedup.near import Linked, NearSettings, link_near
from curate.dedup.numbering import Numbering, number_parts
from curate.dedup.signatures import Signatures
from curate.kernels import union_find
from curate.ledger.clusters import largest_clusters
from curate.ledger.files import write_ledger
from curate.ledger.verdicts import KEPT, Judged, Verdicts, counts, decide, included, judged
from curate.storage import Output, read_table, write_table
from pipelines.parts import Part
from pipelines.units import Done

CERTIFICATE_FILE = "ledger/certificate.arrow"
CLUSTERS_FILE = "ledger/largest_clusters.arrow"


class Facts(NamedTuple):
    """What is held of all documents at once, by dense number: a few bytes each."""

    rules: Judged
    held_out: NDArray[np.bool_]
    contaminated: NDArray[np.bool_]
    num_characters: NDArray[np.int64]


def decide_run(run: Path, parts: list[Part], buckets: dict[str, list[Path]], benchmark_index: Path | None, settings: dict[str, Any]) -> Done:
    """Decide every document's fate and write it down."""
    numbering = number_parts((part.id, part.num_documents) for part in parts)
    facts = _facts(run, parts, benchmark_index, settings)
    exact, near, linked = _roots(run, parts, buckets, numbering, facts, settings)
    longest = settings["dedup"]["representative"] == "longest"
    verdicts = decide(facts.rules, facts.held_out, facts.contaminated, exact, near, facts.num_characters, longest=longest)
    own = [part for part in parts if not part.frozen]
    outputs = [write_ledger(run / part.ledger_file, verdicts, numbering, part.id) for part in own]
    outputs.append(write_table(run / CLUSTERS_FILE, largest_clusters(verdicts, exact, numbering)))
    if benchmark_index is not None:
        outputs.append(_certificate(run, own, benchmark_index, settings))
    kept = {part.hex: int((verdicts.reasons[numbering.of_part(part.id)] == KEPT).sum()) for part in own}
    return Done(outputs, {"kept": kept, "sources": _sources(run, own, numbering, verdicts), "near": linked._asdict() if linked else None})


def _facts(run: Path, parts: list[Part], benchmark_index: Path | None, settings: dict[str, Any]) -> Facts:
    held_out_settings = HeldOutSettings.model_validate(settings["held_out"])
    contamination = ContaminationSettings.model_validate(settings["contamination"])
    items = read_index(benchmark_index).items if benchmark_index is not None else None
    reasons, held, dirty, lengths = [], [np.zeros(0, bool)], [np.zeros(0, bool)], [np.zeros(0, np.int64)]
    for part in parts:
        identity = read_table(run / part.measure_file("identity"), ["content_id", "num_characters"])
        lengths.append(identity["num_characters"].to_numpy())
        if part.frozen:
            reasons.append(pa.nulls(part.num_documents, pa.string()))
            held.append(np.ones(part.num_documents, bool))
            dirty.append(np.zeros(part.num_documents, bool))
            continue
        reasons.append(read_table(run / part.rules_file)["reason"])
        held.append(select_held_out(identity["content_id"].combine_chunks(), part.source, held_out_settings))
        dirty.append(np.zeros(part.num_documents, bool) if items is None else contaminated(_hits(run, part), items, contamination))
    return Facts(judged(reasons), *(np.concatenate(column) for column in (held, dirty, lengths)))


def _roots(
    run: Path, parts: list[Part], buckets: dict[str, list[Path]], numbering: Numbering, facts: Facts, settings: dict[str, Any]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], Linked | None]:
    """The roots of exact clusters, then of near ones among those roots."""
    taking_part = included(facts.rules, facts.held_out)
    exact, near = union_find.singletons(numbering.num_documents), union_find.singletons(numbering.num_documents)
    linked = None
    link_exact(_tables(buckets["exact"]), numbering, taking_part, exact)
    union_find.flatten(exact)
    if (chosen := settings["dedup"]["near"]) is not None:
        near_settings = NearSettings.model_validate(chosen)
        signatures = Signatures((read_table(run / part.measure_file("signature"), ["signature"]) for part in parts), near_settings.num_perm)
        first_of_equals = taking_part & (exact == np.arange(len(exact), dtype=np.uint32))
        linked = link_near(_tables(buckets["near"]), numbering, signatures, first_of_equals, near_settings, near)
        union_find.flatten(near)
    return exact, near, linked


def _certificate(run: Path, parts: list[Part], benchmark_index: Path, settings: dict[str, Any]) -> Output:
    hits = ((part.id, _hits(run, part)) for part in parts)
    return write_table(
        run / CERTIFICATE_FILE, item_table(read_index(benchmark_index).items, hits, ContaminationSettings.model_validate(settings["contamination"]))
    )


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
