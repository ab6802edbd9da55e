"""Which source each row of the training stream comes from: weights, caps, and exact counts at any point.

The stream is numbered: global row = step × rows a step + slot. `Mixture.turns` says for any range of it which source
has each turn and how many turns that source had before; nothing is simulated from the start.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, gcd

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.errors import RecipeError

MAX_PERIOD = 1 << 16  # turns are planned for one period and repeat: 65,536 of them take about 0.15 s to plan


class SourceShare(BaseModel):
    """One line of the mixture table."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    weight: float = Field(ge=0, description="Share of the rows, relative to the other sources' weights; 0 leaves the source out.")
    max_epochs: float | None = Field(default=None, gt=0, description="How often its rows may be seen; none: without limit.")
    max_tokens: int | None = Field(default=None, gt=0, description="How many of its document tokens may be seen, in whole rows; none: without limit.")


class MixtureSettings(BaseModel):
    """How sources are mixed while training. Shards hold each document once; changing the mixture rewrites none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    sources: dict[str, SourceShare] | None = Field(default=None, description="The table, every source named; none: each source in proportion to its rows.")
    max_epochs: float | None = Field(default=None, gt=0, description="Cap for sources whose own line has none.")


@dataclass(frozen=True)
class MixtureSource:
    """A source as the mixture sees it. weight is relative; capacity in rows, None without limit."""

    name: str
    num_rows: int
    weight: Fraction
    capacity: int | None


@dataclass(frozen=True)
class Seen:
    """What a source gave up to some point: rows in all, and how many of these were repetitions."""

    num_rows: int
    num_repeated: int


@dataclass(frozen=True)
class _Phase:
    """A stretch of the stream in which no source runs out. Arrays are indexed by source, or by slot of the period."""

    start: int
    end: int | None
    given: NDArray[np.int64]  # turns before the phase
    quotas: NDArray[np.int64]  # turns in a period
    turns: NDArray[np.int32]  # whose turn a slot is
    earlier: NDArray[np.int32]  # that source's turns earlier in the period


def mixture_sources(settings: MixtureSettings, names: Sequence[str], num_rows: Sequence[int], num_tokens: Sequence[int]) -> list[MixtureSource]:
    """The table made whole: one entry per source of the shards, in the order given. Raises RecipeError where table and shards differ."""
    table = settings.sources
    if table is None:
        table = {name: SourceShare(weight=float(rows)) for name, rows in zip(names, num_rows, strict=True)}
    if unknown := sorted(set(table) - set(names)):
        raise RecipeError(
            f"the mixture names {', '.join(unknown)}, but the training rows come from {', '.join(names)}; take the line out or make rows of that source"
        )
    if missing := sorted(set(names) - set(table)):
        raise RecipeError(f"the mixture has no line for {', '.join(missing)}; give each source a weight (0 leaves it out)")
    sources = []
    for name, rows, tokens in zip(names, num_rows, num_tokens, strict=True):
        share = table[name]
        limits = []
        if (epochs := share.max_epochs or settings.max_epochs) is not None:
            limits.append(floor(Fraction(epochs) * rows))
        if share.max_tokens is not None and tokens:
            limits.append(share.max_tokens * rows // tokens)
        weight = Fraction(share.weight).limit_denominator(10**6) if rows else Fraction(0)
        sources.append(MixtureSource(name, rows, weight, min(limits) if limits else None))
    if not any(source.weight > 0 and source.capacity != 0 for source in sources):
        raise RecipeError("no source of the mixture has both rows and a weight above 0; there is nothing to train on")
    return sources


class Mixture:
    """The turns of the sources, as a pure function of the global row number.

    Of any stretch of the stream that starts where a source set starts, each source has its share to within one row
    (Tijdeman 1980, "The chairman assignment problem": deviation at most 1 − 1/(2n − 2)). Weights whose smallest
    whole-number form sums to at most 65,536 are exact; others are rounded to multiples of 1/65,536, at least one.
    A source that reaches its capacity leaves, and the others' weights are taken anew from there.
    """

    def __init__(self, sources: Sequence[MixtureSource]) -> None:
        self.sources = list(sources)
        self._phases = [self._plan(0, np.zeros(len(sources), np.int64))]

    def turns(self, start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """For global rows start … stop − 1: the source's number, and how many turns it had before. Raises RecipeError past the caps."""
        owners, before = [], []
        while start < stop:
            phase = self._phase_at(start)
            end = stop if phase.end is None else min(stop, phase.end)
            slots = np.arange(start - phase.start, end - phase.start, dtype=np.int64)
            periods, places = np.divmod(slots, len(phase.turns))
            owner = phase.turns[places]
            owners.append(owner)
            before.append(phase.given[owner] + periods * phase.quotas[owner] + phase.earlier[places])
            start = end
        return np.concatenate(owners or [np.zeros(0, np.int32)]), np.concatenate(before or [np.zeros(0, np.int64)])

    def counts(self, position: int) -> NDArray[np.int64]:
        """How many of the first `position` global rows each source gave."""
        phase = self._phase_at(position - 1) if position else self._phases[0]
        periods, rest = divmod(position - phase.start, len(phase.turns))
        return phase.given + periods * phase.quotas + np.bincount(phase.turns[:rest], minlength=len(self.sources))

    def seen(self, position: int) -> dict[str, Seen]:
        """Rows seen and repeated per source after `position` global rows."""
        return {source.name: Seen(int(count), max(0, int(count) - source.num_rows)) for source, count in zip(self.sources, self.counts(position), strict=True)}

    def check_budget(self, num_rows: int) -> None:
        """Raises RecipeError if the caps end the stream before `num_rows`."""
        if num_rows:
            self._phase_at(num_rows - 1)

    def _phase_at(self, position: int) -> _Phase:
        while (end := self._phases[-1].end) is not None and end <= position:
            given = self._counts_at_end(self._phases[-1])
            if not self._active(given):
                raise RecipeError(
                    f"the caps of the mixture end after {end} rows, but training needs at least {position + 1}; "
                    "raise max_epochs or max_tokens, lower num_steps or batch_rows, or bring more text"
                )
            self._phases.append(self._plan(end, given))
        return next(phase for phase in reversed(self._phases) if phase.start <= position)

    def _counts_at_end(self, phase: _Phase) -> NDArray[np.int64]:
        assert phase.end is not None
        periods, rest = divmod(phase.end - phase.start, len(phase.turns))
        return phase.given + periods * phase.quotas + np.bincount(phase.turns[:rest], minlength=len(self.sources))

    def _active(self, given: NDArray[np.int64]) -> list[int]:
        return [i for i, s in enumerate(self.sources) if s.weight > 0 and (s.capacity is None or int(given[i]) < s.capacity)]

    def _plan(self, start: int, given: NDArray[np.int64]) -> _Phase:
        active = self._active(given)
        quotas = np.zeros(len(self.sources), np.int64)
        quotas[active] = whole_quotas([self.sources[i].weight for i in active])
        order = np.array(active, np.int32)[plan_turns([int(quotas[i]) for i in active])]
        places = {i: np.flatnonzero(order == i) for i in active}
        earlier = np.zeros(len(order), np.int32)
        ends = []
        for i in active:
            earlier[places[i]] = np.arange(len(places[i]), dtype=np.int32)
            capacity = self.sources[i].capacity
            if capacity is not None:
                periods, rest = divmod(capacity - int(given[i]) - 1, len(places[i]))
                ends.append(start + periods * len(order) + int(places[i][rest]) + 1)
        return _Phase(start, min(ends) if ends else None, given, quotas, order, earlier)


def whole_quotas(weights: Sequence[Fraction]) -> list[int]:
    """Turns of each source in one period.

    The smallest whole numbers in the weights' proportion if they sum to at most 65,536, else rounded to that sum: largest
    remainders first, at least one each.
    """
    scale = 1
    for weight in weights:
        scale = scale * weight.denominator // gcd(scale, weight.denominator)
    exact = [int(weight * scale) for weight in weights]
    divisor = gcd(*exact)
    total = sum(exact)
    if total // divisor <= MAX_PERIOD:
        return [number // divisor for number in exact]
    quotas = [max(1, number * MAX_PERIOD // total) for number in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (-(exact[i] * MAX_PERIOD % total), i))
    for i in by_remainder[: max(0, MAX_PERIOD - sum(quotas))]:
        quotas[i] += 1
    return quotas


def plan_turns(quotas: Sequence[int]) -> NDArray[np.int64]:
    """One period of Tijdeman's assignment: source number i takes quotas[i] of sum(quotas) turns, never a whole row off its share.

    Turn x of a source may come from slot ceil((x + d)/share) on and must by floor((x + 1 − d)/share) + 1, d = 1/(2n − 2);
    earliest deadline first meets them all. In whole numbers throughout.
    """
    period, parts = sum(quotas), 2 * len(quotas) - 2
    if len(quotas) == 1:
        return np.zeros(period, np.int64)
    turns = np.empty(period, np.int64)
    waiting = [(-(-period // (quota * parts)), i, 0) for i, quota in enumerate(quotas)]
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int]] = []
    for slot in range(1, period + 1):
        while waiting and waiting[0][0] <= slot:
            _, i, given = heapq.heappop(waiting)
            heapq.heappush(ready, (((given + 1) * parts - 1) * period // (quotas[i] * parts) + 1, i, given))
        _, i, given = heapq.heappop(ready)
        turns[slot - 1] = i
        heapq.heappush(waiting, (-(-((given + 1) * parts + 1) * period // (quotas[i] * parts)), i, given + 1))
    return turns
