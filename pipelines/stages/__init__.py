"""What runs when: the stages in order, each a few phases; a phase names its units from what earlier phases committed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.stages import classifiers, cut, cutoffs, fit, gather, handover, index, manufacture, measure, perplexity, select, train
from pipelines.units import Unit

if TYPE_CHECKING:
    from pipelines.context import Context

Phase = Callable[["Context"], list[Unit]]

STAGES: dict[str, tuple[Phase, ...]] = {
    "gather": (*(gather.slices, gather.meet) * 2, gather.frozen),  # twice: files whose ranges do not meet are gathered again in one piece
    "measure": (measure.benchmark_index, measure.url_lists, classifiers.fits, perplexity.model, measure.families),
    "index": (index.runs, index.buckets),
    "select": (cutoffs.cutoffs, select.rules, select.held_out, select.ledger, cut.runs, cut.repeats, cut.cuts, cut.final_ledger),
    "fit": (fit.tokenizer, fit.byte_counts),
    "manufacture": (manufacture.rows,),
    "train": (train.models,),
    "handover": (handover.models, handover.cards),
}
