"""What a run would do: which units are current, which must run and why. Writes nothing."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pipelines.context import Context
from pipelines.engine import pending
from pipelines.stages import STAGES


@dataclass(frozen=True)
class StagePlan:
    """One stage. `follows` names the earlier stage whose results decide what runs here, where that is not yet known."""

    stage: str
    num_current: int
    num_to_run: int
    reasons: dict[str, int]  # why -> units
    follows: str | None = None


def plan(context: Context) -> list[StagePlan]:
    """The stages in order. A stage behind one that must run is decided after it, by the checksums of what it writes."""
    result: list[StagePlan] = []
    waiting_for: str | None = None
    for stage, phases in STAGES.items():
        current: set[str] = set()  # names, since a phase that comes twice must not be counted twice
        to_run: dict[str, tuple[str, ...]] = {}
        for phase in phases if waiting_for is None else ():
            units = phase(context)
            due = pending(context, units)
            to_run |= {item.unit.name: item.why for item in due}
            current |= {unit.name for unit in units} - to_run.keys()
            if due:
                waiting_for = stage
                break
        if to_run or waiting_for is None:
            reasons = Counter(why for whys in to_run.values() for why in whys)
            result.append(StagePlan(stage, len(current), len(to_run), dict(reasons.most_common())))
        else:
            committed = sum(entry.stage == stage for entry in context.journal.live.values())
            result.append(StagePlan(stage, committed, 0, {}, waiting_for))
    return result


def as_json(plans: list[StagePlan]) -> dict[str, Any]:
    """The plan as one JSON object, by stage."""
    return {item.stage: {"current": item.num_current, "to_run": item.num_to_run, "reasons": item.reasons, "follows": item.follows} for item in plans}


def as_lines(plans: list[StagePlan], most: int = 6) -> list[str]:
    """The plan for people: a line a stage, then its reasons."""
    lines: list[str] = []
    for item in plans:
        if item.follows:
            lines.append(
                f"{item.stage:12} {_units(item.num_current)} committed; after {item.follows}, those whose inputs (or slice of the ledger) changed run again"
                if item.num_current
                else f"{item.stage:12} decided after {item.follows}"
            )
        elif item.num_to_run:
            lines.append(f"{item.stage:12} {_units(item.num_to_run)} to run, {item.num_current} reused")
        else:
            lines.append(f"{item.stage:12} nothing to do, {_units(item.num_current)} reused")
        lines += [f"             {count} × {why}" for why, count in list(item.reasons.items())[:most]]
        if len(item.reasons) > most:
            lines.append(f"             and {len(item.reasons) - most} reasons more (--json lists all)")
    return lines


def _units(count: int) -> str:
    return f"{count} unit{'' if count == 1 else 's'}"
