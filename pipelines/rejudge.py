"""What changed rules say of documents: only what changed is judged again, the rest stands in the run's own verdicts of rules.

A verdict is the first failing rule, so a document that failed an unchanged rule still does, and passed all unchanged ones before it:
for it, and for one that failed nothing, the changed rules alone are open. A document whose reason is a rule that was changed or
removed is judged anew, by the rules behind that one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.rules.chosen import only
from curate.rules.rule import Rule
from curate.rules.settings import RuleSettings
from curate.rules.verdicts import judge
from curate.storage import read_table
from pipelines.parts import Part
from pipelines.stages.frames import rule_frame

_REOPENED = -1
_AT_ONCE = 1 << 17  # documents: 40 MB of columns where every rule is judged; 8,192 took twice the processor time


class Rejudging(NamedTuple):
    """names: the reasons of the new rules, in order; stands: those of the old verdicts that still hold; changed, behind: the new rules to be
    judged of every document, and those besides of documents whose reason holds no more, the first of them at first_behind in names."""

    names: list[str]
    stands: frozenset[str]
    changed: RuleSettings | None
    behind: RuleSettings
    first_behind: int


def compare_rules(old: RuleSettings, new: RuleSettings) -> Rejudging:
    """What must be judged again when rules change. Both with their cut-offs found."""
    before, after = _by_reason(old), _by_reason(new)
    same = [reason for reason in before if before[reason] == after.get(reason)]
    if same != [reason for reason in after if reason in set(same)]:
        same = []  # their order changed, so that the first failing rule may be another
    stands = frozenset(same)
    first = next((place for place, reason in enumerate(before) if reason not in stands), len(before))
    changed = [reason for reason in after if reason not in stands]
    behind = stands & set(list(before)[first:])
    names = list(after)
    first_behind = min(map(names.index, behind), default=len(names))
    return Rejudging(names, stands, only(new, set(changed)) if changed else None, only(new, behind), first_behind)


def rejudge(run: Path, parts: Sequence[Part], how: Rejudging) -> list[pa.DictionaryArray]:
    """The reason of every document by the new rules, null where it passes, for each of some parts: polars has them all at once."""
    passes = len(how.names)
    found = np.concatenate([_standing(run / part.rules_file, how) for part in parts])

    def files(family: str) -> list[Path]:
        return [run / part.measure_file(family) for part in parts]

    reopened = found == _REOPENED
    found[reopened] = passes
    if how.changed is not None:
        found = np.minimum(found, first_failing(rule_frame(files, how.changed), how.changed, how.names))
    reopened = np.flatnonzero(reopened & (found > how.first_behind))
    if len(reopened):
        frame = rule_frame(files, how.behind)
        found[reopened] = np.minimum(found[reopened], first_failing(frame[reopened], how.behind, how.names))
    pieces = np.split(found, np.cumsum([part.num_documents for part in parts])[:-1])
    return [pa.DictionaryArray.from_arrays(pa.array(piece, mask=piece == passes), pa.array(how.names, pa.string())) for piece in pieces]


def groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts in their order, so many together that what one call costs is small beside its documents."""
    found: list[list[Part]] = []
    for part in parts:
        if found and sum(one.num_documents for one in found[-1]) + part.num_documents <= _AT_ONCE:
            found[-1].append(part)
        else:
            found.append([part])
    return found


def _standing(rules_file: Path, how: Rejudging) -> NDArray[np.int16]:
    """The place in `names` of the old reason of each document, len(names) where it had none, _REOPENED where it holds no more."""
    before = read_table(rules_file)["reason"].combine_chunks()
    places = [how.names.index(name) if name in how.stands else _REOPENED for name in before.dictionary.to_pylist()]
    return np.array([*places, len(how.names)], np.int16)[before.indices.fill_null(-1).to_numpy()]


def first_failing(frame: pl.DataFrame, settings: RuleSettings, names: Sequence[str]) -> NDArray[np.int16]:
    """The place in `names` of the first rule that each document fails, len(names) where it fails none: int16 (documents,)."""
    if not names:
        return np.zeros(frame.height, np.int16)
    codes = judge(frame, settings).cast(pl.Enum(names)).to_physical()
    return codes.cast(pl.Int16).fill_null(len(names)).to_numpy()


def _by_reason(settings: RuleSettings) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for reason, rule in settings.active():
        found.setdefault(reason, []).append(rule)
    return found
