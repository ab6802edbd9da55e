"""What would other limits of one rule decide? A row for each value; what does not depend on the rule is read once."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.numbering import number_parts
from curate.errors import RecipeError
from curate.ledger.verdicts import KEPT, Judged
from curate.rules.chosen import only
from curate.rules.settings import SETS, RuleSettings, nearest
from curate.storage import read_table
from pipelines.context import Context
from pipelines.executors.local import available_cores
from pipelines.parts import Part
from pipelines.rejudge import compare_rules, first_failing, rejudge
from pipelines.report.figures import count
from pipelines.report.visible import visible
from pipelines.stages.cut import DECIDED
from pipelines.stages.cutoffs import rules_in_force
from pipelines.stages.decide import Facts, decision, facts
from pipelines.stages.frames import rule_frame
from pipelines.stages.select import ledger
from pipelines.view import changed_view, require_ledger, rules_in_view
from pipelines.whatif import FIRST_DECISION, LEDGER
from pipelines.whatif_text import table

_FIGURES = ("failing", "kept", "kept_bytes")


class _Part(NamedTuple):
    """What of a part does not depend on the rule: the others' verdicts, the columns the rule reads, and lengths in bytes."""

    part: Part
    others: pa.DictionaryArray
    frame: pl.DataFrame
    lengths: NDArray[np.int64]


def sweep(context: Context, rule: str, values: Sequence[str]) -> dict[str, Any]:
    """For each value of a rule's limit how many documents the rule fails, whatever the others say of them, and how many documents and bytes are kept.

    rule: set.rule, such as gopher_quality.min_words, or classifiers.NAME; values: as --set takes them, null for off. Raises RecipeError
    where the rule is not there or the set is off, and for values that `whatif` would refuse.
    """
    require_ledger(context)
    key = _key(context.recipe.rules, rule)
    if not values:
        raise RecipeError(f"there is nothing to try: give --values, such as --values 20,50,100 for {rule}")
    views = [changed_view(context, [f"{key}={value}"]) for value in values]
    settings = [rules_in_view(view, context) for view in views]
    arguments = dict(ledger(views[0])[0].arguments)
    buckets = arguments.pop("buckets")
    own = [part for part in arguments["parts"] if not part.frozen]
    before = rules_in_force(context)
    without = compare_rules(before, only(before, {reason for reason, _ in before.active()} - {rule}))
    reading = next((one for one in settings if only(one, {rule}).active()), before)  # any limit reads the same columns

    def load(part: Part) -> _Part:
        frame = rule_frame(lambda family: [context.run / part.measure_file(family)], only(reading, {rule}))
        lengths = read_table(context.run / part.measure_file("identity"), ["num_bytes"])["num_bytes"].to_numpy()
        (others,) = rejudge(context.run, [part], without)
        return _Part(part, others, frame, lengths)

    with ThreadPoolExecutor(available_cores()) as pool:
        loaded = {one.part.id: one for one in pool.map(load, own)}
    found = facts(**arguments, reasons_of=lambda part: loaded[part.id].others)
    tried = partial(_tried, arguments | {"buckets": buckets}, rule, list(loaded.values()), found)
    rows = [{"value": value, **tried(only(chosen, {rule}))} for value, chosen in zip(values, settings, strict=True)]
    return {
        "run": str(context.run),
        "rule": rule,
        "key": key,
        "in_force": sorted({str(one.limit) for reason, one in before.active() if reason == rule}) or ["null"],
        "compared_with": FIRST_DECISION if DECIDED in context.journal.live else LEDGER,
        "values": rows,
    }


def split_values(given: str) -> list[str]:
    """The values of `--values`: at the commas, but not at those inside of a list in brackets."""
    return [value.strip() for value in re.split(r",(?![^\[]*\])", given) if value.strip()]


def as_lines(found: dict[str, Any]) -> list[str]:
    """The answer of `sweep`, safe for a terminal: a row a value, then a row for each source."""
    head = [found["rule"], "source", "documents it fails", "documents kept", "bytes kept"]
    rows = []
    for one in found["values"]:
        sources = one["sources"] if len(one["sources"]) > 1 else {}
        told = [("all" if sources else next(iter(one["sources"])), one), *sources.items()]
        rows += [[one["value"] if figures is one else "", name, *(count(figures[key]) for key in _FIGURES)] for name, figures in told]
    lines = [f"{found['key']}, in force: {', '.join(found['in_force'])}"]
    if found["compared_with"] != LEDGER:
        lines.append(f"decided is the {found['compared_with']}: what is cut afterwards, and what is then too short, is not looked at")
    return [*map(visible, lines), "", *table(head, rows, num_names=2)]


def _tried(arguments: dict[str, Any], rule: str, loaded: Sequence[_Part], found: Facts, settings: RuleSettings) -> dict[str, Any]:
    """The figures of one value. settings: those with the rule alone; found: the facts without it."""
    reasons = found.rules.reasons.copy()
    numbering = number_parts(((part.id, part.num_documents) for part in arguments["parts"]), [part.rows for part in arguments["earlier"]])
    num_failing = []
    for one in loaded:
        fails = first_failing(one.frame, settings, [rule]) == 0
        mine = reasons[numbering.of_part(one.part.id)]
        mine[fails & (mine == KEPT)] = len(found.rules.names)
        num_failing.append(int(fails.sum()))
    changed = found._replace(rules=Judged((*found.rules.names, rule), reasons))
    run, parts, earlier, buckets, settled = (arguments[name] for name in ("run", "parts", "earlier", "buckets", "settings"))
    after = decision(run, parts, earlier, buckets, settled, changed)
    figures: dict[str, dict[str, int]] = {one.part.source: dict.fromkeys(_FIGURES, 0) for one in loaded}
    for one, failing in zip(loaded, num_failing, strict=True):
        kept = after.verdicts.reasons[numbering.of_part(one.part.id)] == KEPT
        for name, number in zip(_FIGURES, (failing, int(kept.sum()), int(one.lengths[kept].sum())), strict=True):
            figures[one.part.source][name] += number
    return {**{name: sum(of_source[name] for of_source in figures.values()) for name in _FIGURES}, "sources": figures}


def _key(rules: RuleSettings, rule: str) -> str:
    """The recipe's key of a rule's limit. Raises RecipeError where there is none, or its set is off."""
    name, _, limit = rule.partition(".")
    if name == "classifiers" and limit in rules.classifiers:
        return f"rules.{rule}.{'min_score' if rules.classifiers[limit].keep_top_fraction is None else 'keep_top_fraction'}"
    if name == "perplexity" and rules.perplexity is not None and limit in ("min_bits_per_word", "max_bits_per_word"):
        if rules.perplexity.keep is not None:
            raise RecipeError(
                f"--rule {rule}: the recipe keeps buckets, whose limits follow from rules.perplexity.keep; try other ones with `corpuscle whatif`"
            )
        return f"rules.{rule}"
    chosen = getattr(rules, name) if name in SETS else None
    known = [f"{one}.{field}" for one in SETS if (on := getattr(rules, one)) is not None for field in type(on).model_fields if field != "variant"]
    known += [f"classifiers.{one}" for one in rules.classifiers]
    if chosen is None and name in SETS:
        raise RecipeError(
            f"--rule {rule}: the rule set {name} is off in this run; `corpuscle whatif` with --set 'rules.{name}={{}}' tells what all its rules would do"
        )
    if rule not in known:
        told = f"did you mean {nearest(rule, known)}?" if known else "no rule with a limit is on in this run"
        raise RecipeError(f"--rule {rule}: there is no such rule with a limit of its own; {told}")
    return f"rules.{rule}"
