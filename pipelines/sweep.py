"""What would other limits of one rule decide? A row for each value; what does not depend on the rule is read once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import RecipeError
from curate.ledger.verdicts import KEPT, judged
from curate.rules.chosen import only
from curate.rules.settings import SETS, RuleSettings, nearest
from curate.storage import read_table
from pipelines.context import Context
from pipelines.executors.local import available_cores
from pipelines.parts import Part
from pipelines.rejudge import compare_rules, first_failing, rejudge
from pipelines.report.figures import count
from pipelines.stages.cut import DECIDED
from pipelines.stages.cutoffs import rules_in_force
from pipelines.stages.decide import Facts, decision, facts
from pipelines.stages.frames import rule_frame
from pipelines.stages.select import ledger
from pipelines.view import changed_view, require_ledger, rules_in_view
from pipelines.whatif import FIRST_DECISION, LEDGER
from pipelines.whatif_text import table


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
        frame = rule_frame(lambda family: context.run / part.measure_file(family), only(reading, {rule}))
        lengths = read_table(context.run / part.measure_file("identity"), ["num_bytes"])["num_bytes"].to_numpy()
        return _Part(part, rejudge(context.run, part, without), frame, lengths)

    with ThreadPoolExecutor(available_cores()) as pool:
        loaded = {one.part.id: one for one in pool.map(load, own)}
    found = facts(**arguments, reasons_of=lambda part: loaded[part.id].others)
    rows = []
    for value, chosen in zip(values, settings, strict=True):
        failing = {part.id: _failing(loaded[part.id].frame, only(chosen, {rule}), rule) for part in own}
        changed = found._replace(rules=judged(_reasons(arguments, found, loaded, failing, rule)))
        after = decision(context.run, arguments["parts"], arguments["earlier"], buckets, arguments["settings"], changed)
        by_part = []
        for part in own:
            kept = after.verdicts.reasons[after.numbering.of_part(part.id)] == KEPT
            by_part.append((part.source, int(failing[part.id].sum()), int(kept.sum()), int(loaded[part.id].lengths[kept].sum())))
        sources = {name: _summed(row[1:] for row in by_part if row[0] == name) for name in dict.fromkeys(part.source for part in own)}
        rows.append({"value": value, **_summed(row[1:] for row in by_part), "sources": sources})
    return {"run": str(context.run), "rule": rule, "key": key, "compared_with": FIRST_DECISION if DECIDED in context.journal.live else LEDGER, "values": rows}
