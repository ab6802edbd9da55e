"""What in a run needs a person's eye, found from its summary alone. Failed gates come first and make the exit code 3."""

import math
from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict, Field

from pipelines.report.figures import by_name
from pipelines.summary import Problem, Summary

# The largest difference in logits, in float32, at which an export still counts as the trained model.
MAX_LOGITS_DIFFERENCE = 1e-4
# Two copies of a page in a corpus of twenty are no finding; smaller clusters are never warned of.
_MIN_CLUSTER_WARNED_OF = 10


class GateSettings(BaseModel):
    """Shares beyond which a finished run is not to be trusted unseen (exit code 3, or a warning)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_quarantined_fraction: float = Field(
        default=0.05, ge=0, le=1, description="Share of all records that may be quarantined; one source over it is a warning."
    )
    max_cluster_fraction: float = Field(default=0.2, gt=0, le=1, description="Share of all documents one cluster may hold before the report warns.")


Finder = Callable[[Summary, GateSettings], Iterator[Problem]]
_RANK = {"error": 0, "warning": 1, "note": 2}


def problems(summary: Summary, settings: GateSettings | None = None) -> tuple[Problem, ...]:
    """Every problem of a run: errors (failed gates), then warnings, then notes; within each in the order of `FINDERS`."""
    found = [problem for finder in FINDERS for problem in finder(summary, settings or GateSettings())]
    return tuple(sorted(found, key=lambda problem: _RANK[problem.severity]))


def _empty_globs(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for source in summary.sources:
        for pattern in source.patterns:
            if not pattern.num_files:
                text = f"Source {source.name}: no file matches {pattern.glob}. Its documents are missing from everything below; correct the path or remove it."
                yield Problem("error", text, "glob_without_files")


def _quarantine(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    limit = settings.max_quarantined_fraction
    records = sum(source.num_records for source in summary.sources)
    quarantined = sum(source.num_quarantined for source in summary.sources)
    if quarantined > limit * records:
        text = f"{quarantined} of {records} records ({quarantined / records:.1%}) are in quarantine, over the limit of {limit:.1%}."
        yield Problem("error", text, "quarantined_share")
    for source in summary.sources:
        if source.num_quarantined > limit * source.num_records:
            worst = max(sorted(source.quarantined), key=lambda reason: source.quarantined[reason])
            share = source.num_quarantined / source.num_records
            text = f"Source {source.name}: {source.num_quarantined} of {source.num_records} records ({share:.1%}) are in quarantine, most often as {worst}. "
            yield Problem("warning", text + "The files may be damaged, or of another format than the recipe says.")


def _timeouts(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for source in summary.sources:
        if count := source.quarantined.get("timeout", 0):
            text = f"Source {source.name}: {count} records were quarantined as timeout, the one reason that depends on the machine; other runs may differ."
            yield Problem("warning", text)


def _rules(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for rule in summary.rules:
        if rule.num_judged and rule.num_failed == rule.num_judged:
            text = f"Rule {rule.name} ({rule.condition}) failed all {rule.num_judged} documents it judged. Its limit cannot be meant for this corpus."
            yield Problem("error", text, "rule_dropped_everything")
    idle = [rule.name for rule in summary.rules if not rule.num_failed]
    if idle:
        yield Problem("note", f"{len(idle)} of {len(summary.rules)} rules failed no document: {', '.join(idle)}.")


def _empty_sources(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for source in summary.sources:
        if not source.num_records and any(pattern.num_files for pattern in source.patterns):
            yield Problem("warning", f"Source {source.name}: its files hold no record at all.")
        if source.num_records and not source.num_kept:
            yield Problem("warning", f"Source {source.name}: none of its {source.num_records} records was kept.")
        if source.num_kept and not source.num_held_out and not summary.held_out_reused:
            text = f"Source {source.name}: no document is held out, so no figure says how well a model predicts it."
            yield Problem("warning", text)


def _clusters(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    documents = sum(source.num_records - source.num_quarantined for source in summary.sources)
    for cluster in summary.duplicates.largest if summary.duplicates else ():
        if cluster.size >= _MIN_CLUSTER_WARNED_OF and cluster.size > settings.max_cluster_fraction * documents:
            text = (
                f"One duplicate cluster holds {cluster.size} of {documents} documents ({cluster.size / documents:.1%}); its representative is "
                f"{cluster.representative.id}. Chains of near-duplicates or shared boilerplate can do this: look at its members."
            )
            yield Problem("warning", text)


def _models(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for model in summary.models:
        for name, bits in by_name(model.bits_per_byte):
            baseline = model.bigram.get(name)
            if not math.isfinite(bits.after):
                yield Problem("warning", f"Model {model.task}: bits per byte of source {name} are not a finite number; the training diverged.")
            elif baseline is not None and bits.after >= baseline:
                text = f"Model {model.task}: {bits.after:.3f} bits per byte of source {name}, not below a byte-bigram model's {baseline:.3f}."
                yield Problem("warning", text)
            elif bits.after >= bits.before:
                yield Problem("warning", f"Model {model.task}: training did not help on source {name} ({bits.before:.3f} → {bits.after:.3f} bits per byte).")
        difference = model.max_logits_difference
        if difference is not None and not difference <= MAX_LOGITS_DIFFERENCE:
            text = f"Model {model.task}: the export's logits differ from ours by up to {difference:.2e}, more than {MAX_LOGITS_DIFFERENCE:.0e}."
            yield Problem("warning", text)


def _contamination(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for benchmark in summary.benchmarks:
        if benchmark.num_contaminated:
            found = f"{benchmark.num_contaminated} of {benchmark.num_items} items"
            text = f"Benchmark {benchmark.name}: {found} occur in the archives; the documents that hold them were dropped with their whole clusters."
            yield Problem("note", text)
        if benchmark.num_untestable:
            text = f"Benchmark {benchmark.name}: {benchmark.num_untestable} of {benchmark.num_items} items are shorter than an n-gram and could not be tested."
            yield Problem("note", text)


FINDERS: tuple[Finder, ...] = (_empty_globs, _quarantine, _rules, _empty_sources, _timeouts, _clusters, _models, _contamination)
