"""What in a run needs a person's eye, found from its summary alone. Failed gates come first and make the exit code 3."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.report.figures import by_name
from pipelines.summary import Problem, Summary

# The largest difference in logits, in float32, at which an export still counts as the trained model.
MAX_LOGITS_DIFFERENCE = 1e-4
# Half is chance; a classifier that decides should be far from it.
MAX_USELESS_ROC_AUC = 0.6
# Two copies of a page in a corpus of twenty are no finding; smaller clusters are never warned of.
_MIN_CLUSTER_WARNED_OF = 10


Guard = Literal[
    "glob_without_files", "quarantined_share", "rule_dropped_everything", "rule_dropped_nothing", "large_cluster", "empty_signatures", "unread_setting"
]


class GateSettings(BaseModel):
    """What a finished run is watched for, and which of it fails the run (exit code 3); the rest is told as a warning or note."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fail_on: Annotated[tuple[Guard, ...], Field(strict=False)] = Field(
        default=("glob_without_files", "quarantined_share", "rule_dropped_everything"), description="The guards that are gates: what they find is an error."
    )

    max_quarantined_fraction: float = Field(
        default=0.05, ge=0, le=1, description="Share of all records that may be quarantined; one source over it is a warning."
    )
    max_cluster_fraction: float = Field(default=0.2, gt=0, le=1, description="Share of all documents one cluster may hold (large_cluster).")
    max_empty_signatures_fraction: float = Field(
        default=0.1, ge=0, le=1, description="Share of documents too short for a signature, which are nobody's near-duplicate (empty_signatures)."
    )


Finder = Callable[[Summary, GateSettings], Iterator[Problem]]
_RANK = {"error": 0, "warning": 1, "note": 2}


def problems(summary: Summary, settings: GateSettings | None = None) -> tuple[Problem, ...]:
    """Every problem of a run: errors (failed gates), then warnings, then notes; within each in the order of `FINDERS`."""
    chosen = settings or GateSettings()
    found = [_weighed(problem, chosen) for finder in FINDERS for problem in finder(summary, chosen)]
    return tuple(sorted(found, key=lambda problem: _RANK[problem.severity]))


def _weighed(problem: Problem, settings: GateSettings) -> Problem:
    """What a guard found is an error where the guard is a gate; else it keeps its severity and names no gate."""
    return replace(problem, severity="error") if problem.gate in settings.fail_on else replace(problem, gate=None)


def _empty_globs(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for source in summary.sources:
        for pattern in source.patterns:
            if not pattern.num_files:
                text = f"Source {source.name}: no file matches {pattern.glob}. Its documents are missing from everything below; correct the path or remove it."
                yield Problem("warning", text, "glob_without_files")


def _quarantine(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    limit = settings.max_quarantined_fraction
    records = sum(source.num_records for source in summary.sources)
    quarantined = sum(source.num_quarantined for source in summary.sources)
    if quarantined > limit * records:
        text = f"{quarantined} of {records} records ({quarantined / records:.1%}) are in quarantine, over the limit of {limit:.1%}."
        yield Problem("warning", text, "quarantined_share")
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
            yield Problem("warning", text, "rule_dropped_everything")
    idle = [rule.name for rule in summary.rules if rule.num_judged and not rule.num_failed]
    if idle:
        yield Problem("note", f"{len(idle)} of {len(summary.rules)} rules failed no document: {', '.join(idle)}.", "rule_dropped_nothing")


def _classifiers(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for classifier in summary.classifiers:
        if classifier.roc_auc <= MAX_USELESS_ROC_AUC:
            text = f"Classifier {classifier.name}: ROC AUC {classifier.roc_auc:.3f} on its held-out texts, hardly better than chance. "
            yield Problem("warning", text + "Its positives and negatives may be too alike, too few, or trained on too briefly.")


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
            stands = "none of them is kept, and the first is" if cluster.dropped else "its representative is"
            text = (
                f"One duplicate cluster holds {cluster.size} of {documents} documents ({cluster.size / documents:.1%}); {stands} "
                f"{cluster.representative.id}. Chains of near-duplicates or shared boilerplate can do this: look at its members."
            )
            yield Problem("warning", text, "large_cluster")


def _empty_signatures(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    if (found := summary.duplicates) and found.num_empty_signatures > settings.max_empty_signatures_fraction * found.num_documents:
        share = found.num_empty_signatures / found.num_documents
        text = (
            f"{found.num_empty_signatures} of {found.num_documents} documents ({share:.1%}) have fewer than {found.shingle_words} words, so no signature: "
            "only exact copies of them are found. Check what was gathered, or make dedup.near.shingle_words smaller."
        )
        yield Problem("warning", text, "empty_signatures")


def _unread_settings(summary: Summary, settings: GateSettings) -> Iterator[Problem]:
    for unread in summary.unread_settings:
        yield Problem("warning", f"Setting {unread} decides nothing. Remove it, or give what it waits for.", "unread_setting")
    for rule in summary.rules:
        if not rule.num_judged:
            yield Problem("note", f"Rule {rule.name} applied to no document: it is bound to languages that do not occur.", "unread_setting")


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


FINDERS: tuple[Finder, ...] = (
    _empty_globs,
    _quarantine,
    _rules,
    _empty_sources,
    _timeouts,
    _classifiers,
    _clusters,
    _empty_signatures,
    _unread_settings,
    _models,
    _contamination,
)
