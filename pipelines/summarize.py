"""A run's summary, read from its journal and files. The sums are checked here, every time."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.near import match_curve
from curate.gather.files import count_matches
from curate.ledger.sums import check_sums as check_source
from curate.readers.sources import SourceSettings
from curate.rules.settings import SETS
from curate.storage import read_table
from pipelines import summary as told
from pipelines.context import Context
from pipelines.parts import Part, with_frozen
from pipelines.problems import problems
from pipelines.stages import STAGES
from pipelines.stages.decide import CERTIFICATE_FILE, CLUSTERS_FILE

STEPS = (*SETS, "exact_duplicate", "near_duplicate", "contaminated", "near_held_out")  # the order in which select judges


def summarize(context: Context, until: str | None = None) -> told.Summary:
    """Everything the run tells so far. What stages that have not run, or lie behind `until`, would tell is left out: an
    earlier run may have left something there that no longer agrees with the ledger. Raises AccountingError where sums fail.
    """
    recipe = context.recipe
    done = tuple(STAGES)[: tuple(STAGES).index(until) + 1] if until else tuple(STAGES)
    summary = told.Summary(
        run=str(context.run),
        recipe=recipe.hash,
        recipe_name=recipe.name,
        seed=recipe.seed,
        version=version("corpuscle"),
        command=("corpuscle", *sys.argv[1:]),
        sources=tuple(_source(context, source) for source in recipe.sources),
        held_out_reused=recipe.held_out.reuse is not None,
        rules=_rules(context),
        duplicates=_duplicates(context),
        benchmarks=_benchmarks(context),
        rows=tuple(
            _rows(context, task)
            for task in recipe.tasks.model_dump(exclude_none=True)
            if "manufacture" in done and any(context.entries(f"manufacture/{task}/"))
        ),
        models=_models(context) if "train" in done else (),
    )
    if "select/ledger" in context.journal.live:
        told.check_sums(summary)
    return replace(summary, problems=problems(summary, recipe.gates))


def _source(context: Context, source: SourceSettings) -> told.Source:
    gathered = [entry.counts for entry in context.entries("gather/part/") if entry.counts["source"] == source.name]
    refused, quarantined = (_sum(counts[kind] for counts in gathered) for kind in ("dropped", "quarantined"))
    num_records = sum(counts["records"] for counts in gathered)
    decided = context.journal.live.get("select/ledger")
    about = (decided.counts["sources"].get(source.name) if decided else None) or {"fates": {}, "kept_bytes": 0, "languages": {}}
    fates = dict(about["fates"])
    kept, held_out = fates.pop("kept", 0), fates.pop("held_out", 0)
    if decided:
        documents = sum(counts["documents"] for counts in gathered)
        check_source(
            source.name, records=num_records, documents=documents, kept=kept, held_out=held_out, dropped=fates, refused=refused, quarantined=quarantined
        )
    dropped = _sum([refused, fates])
    return told.Source(
        name=source.name,
        license=source.license or "not stated",
        origin=source.origin or "not stated",
        num_records=num_records,
        num_kept=kept,
        num_held_out=held_out,
        dropped=dropped,
        quarantined=quarantined,
        num_kept_bytes=about["kept_bytes"],
        languages=about["languages"],
        funnel=told.funnel(num_records, held_out, dropped, quarantined, STEPS) if decided else (),
        patterns=tuple(told.Pattern(glob, count) for glob, count in count_matches(source, context.recipe.root_folder)),
        provenance=None if context.recipe.provenance is None else str(context.recipe.root_folder / context.recipe.provenance),
    )


def _rules(context: Context) -> tuple[told.Rule, ...]:
    outcomes = [entry.counts["rules"] for entry in context.entries("select/rules/")]
    if not outcomes:
        return ()
    return tuple(
        told.Rule(reason, f"{rule.measure} {rule.comparison} {rule.limit}", rule.source, *(sum(counts[reason][k] for counts in outcomes) for k in (0, 1)))
        for reason, rule in context.recipe.rules.active()
    )


def _duplicates(context: Context) -> told.Duplicates | None:
    near, decided = context.recipe.dedup.near, context.journal.live.get("select/ledger")
    if near is None or decided is None:
        return None
    fates = _sum(about["fates"] for about in decided.counts["sources"].values())
    refs = References(context)
    clusters = tuple(
        told.Cluster(
            item["size"],
            refs.of(item["representative"] or item["cluster"]),
            tuple(refs.of(member) for member in item["members"] if member != item["representative"]),
        )
        for item in read_table(context.run / CLUSTERS_FILE).to_pylist()
    )
    return told.Duplicates(
        near.num_perm,
        near.shingle_words,
        near.bands,
        near.rows,
        near.min_similarity,
        fates.get("exact_duplicate", 0),
        fates.get("near_duplicate", 0),
        clusters,
        tuple(match_curve(near)),
    )


def _benchmarks(context: Context) -> tuple[told.Benchmark, ...]:
    if not context.recipe.benchmarks or "select/ledger" not in context.journal.live:
        return ()
    refs = References(context)
    certificate = read_table(context.run / CERTIFICATE_FILE)
    result = []
    for benchmark in context.recipe.benchmarks:
        rows = certificate.filter(pc.equal(certificate["benchmark"], benchmark.name)).to_pylist()
        status = Counter(row["status"] for row in rows)
        result.append(
            told.Benchmark(benchmark.name, len(rows), status["clean"], status["contaminated"], status["untestable"], tuple(_item(row, refs) for row in rows))
        )
    return tuple(result)


def _item(row: dict[str, Any], refs: "References") -> told.BenchmarkItem:
    first = () if row["first_part"] is None else (refs.of({"part": row["first_part"], "row": row["first_row"]}),)
    matched = round(row["max_matched_fraction"] * row["num_ngrams"])
    return told.BenchmarkItem(row["item_id"], row["status"], row["num_ngrams"], matched, row["num_documents"], first)


def _rows(context: Context, task: str) -> told.Rows:
    made = [entry.counts for entry in context.entries(f"manufacture/{task}/")]
    train = [counts for counts in made if counts["split"] == "train"]
    ledgers = [counts["token_ledger"] for counts in train]
    dropped = _sum(ledger["dropped"] for ledger in ledgers)
    flow = {"tokens in": sum(ledger["tokens_in"] for ledger in ledgers), "in rows": sum(ledger["in_rows"] for ledger in ledgers)}
    return told.Rows(
        task=task,
        num_train=sum(counts["num_rows"] for counts in train),
        num_held_out=sum(counts["num_rows"] for counts in made if counts["split"] == "held_out"),
        num_tokens=flow["in rows"],
        context_length=getattr(context.recipe.tasks, task).context_length,
        num_positions=sum(ledger["positions"] for ledger in ledgers),
        num_padding=sum(ledger["pad"] for ledger in ledgers),
        token_ledger=flow | {f"dropped: {reason}": count for reason, count in dropped.items()},
        path=f"shards/{task}",
    )


def _models(context: Context) -> tuple[told.Model, ...]:
    baseline = context.journal.live.get("train/bigram")
    result = []
    for task in context.recipe.train.model_dump(exclude_none=True):
        trained, exported = (context.journal.live.get(f"{stage}/{task}") for stage in ("train", "handover/model"))
        if trained is None:
            continue
        counts = trained.counts
        bits = {name: told.Bits(value["before"], value["after"]) for name, value in counts["bits_per_byte"].items()}
        result.append(
            told.Model(
                task=task,
                architecture=counts["architecture"],
                num_parameters=counts["num_parameters"],
                bits_per_byte=bits,
                bigram=baseline.counts["bits_per_byte"] if baseline and task == "causal" else {},
                curve=tuple((step, loss) for step, loss in counts["curve"]),
                num_steps=counts["num_steps"],
                max_logits_difference=exported.counts["max_logits_difference"] if exported else None,
                path=f"models/{task}",
                masked=task == "masked",
            )
        )
    return tuple(result)


class References:
    """Documents by (part, row) as the report names them; a part's places are read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._parts: dict[int, Part] = {part.id: part for part in with_frozen(context)}
        self._places: dict[int, pa.Table] = {}

    def of(self, place: dict[str, int]) -> told.DocumentRef:
        part = self._parts[place["part"]]
        if part.id not in self._places:
            self._places[part.id] = read_table(self._context.run / part.document_file, ["path", "offset", "uri"])
        values = self._places[part.id].slice(place["row"], 1).to_pylist()[0]
        return told.DocumentRef(f"{part.hex}:{place['row']}", values["uri"] or f"{values['path']}:{values['offset']}")


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
