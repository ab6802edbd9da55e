"""What would another recipe decide? The whole corpus decided again in memory, compared with the run's ledger; nothing is written."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.ledger.verdicts import KEPT
from curate.storage import read_table
from pipelines.context import Context
from pipelines.executors.local import available_cores
from pipelines.parts import Part
from pipelines.rejudge import compare_rules, groups, rejudge
from pipelines.stages.cut import DECIDED
from pipelines.stages.cutoffs import rules_in_force
from pipelines.stages.decide import Decision, decision, facts
from pipelines.stages.select import ledger
from pipelines.view import changed_settings, changed_view, rules_in_view
from pipelines.whatif_examples import Candidates, Rules, shown

LEDGER, FIRST_DECISION = "ledger", "first decision, before cuts"
_KEPT = "kept"


class _Difference(NamedTuple):
    """One part before and now. kept, num_bytes: of kept documents, (before, now); names: of reasons, the last of them kept; rows, before, now:
    documents whose reason differs, and the places of the reasons in names; lengths: their bytes."""

    part: Part
    kept: tuple[int, int]
    num_bytes: tuple[int, int]
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    before: NDArray[np.int64]
    now: NDArray[np.int64]
    lengths: NDArray[np.int64]


def whatif(context: Context, changes: Sequence[str], num_examples: int = 5) -> dict[str, Any]:
    """How a changed recipe would decide about the documents of a run, against how its ledger did. changes: `key=value` strings.

    Where the recipe cuts repeats across documents, the decision before cuts is compared, since only that can be made without texts.
    Raises RecipeError for a change that asks for more than a new decision.
    """
    view = changed_view(context, changes)
    rules = Rules(rules_in_force(context), rules_in_view(view, context))
    arguments = dict(ledger(view)[0].arguments)
    own = [part for part in arguments["parts"] if not part.frozen]
    with ThreadPoolExecutor(available_cores()) as pool:
        after = redecide(pool, arguments, rules)
        found = list(pool.map(partial(_difference, context.run, after), own))
    return {
        "run": str(context.run),
        "changes": changed_settings(context, view),
        "compared_with": FIRST_DECISION if DECIDED in context.journal.live else LEDGER,
        "total": _counted(found),
        "sources": {name: _counted([one for one in found if one.part.source == name]) for name in dict.fromkeys(part.source for part in own)},
        "moves": _moves(found),
        "examples": shown(context, _candidates(found), rules, after, num_examples),
    }


def redecide(pool: ThreadPoolExecutor, arguments: dict[str, Any], rules: Rules) -> Decision:
    """The decision by changed rules, with the arguments of the unit that decides. Parts are judged in threads while the other facts are read."""
    run, buckets = arguments["run"], arguments.pop("buckets")
    how = compare_rules(rules.before, rules.now)
    together = groups([part for part in arguments["parts"] if not part.frozen])
    asked = [(group, pool.submit(rejudge, run, group, how)) for group in together]
    judged = {part.id: (future, place) for group, future in asked for place, part in enumerate(group)}

    def reasons_of(part: Part) -> pa.DictionaryArray:
        future, place = judged[part.id]
        return future.result()[place]

    found = facts(**arguments, reasons_of=reasons_of)
    return decision(run, arguments["parts"], arguments["earlier"], buckets, arguments["settings"], found)


def _difference(run: Path, after: Decision, part: Part) -> _Difference:
    ledger_before = read_table(run / part.ledger_file, ["reason"])["reason"].combine_chunks()
    lengths = read_table(run / part.measure_file("identity"), ["num_bytes"])["num_bytes"].to_numpy()
    known = after.verdicts.names
    gone = [name for name in ledger_before.dictionary.to_pylist() if name not in known]
    names = (*known, *gone, _KEPT)
    kept = len(names) - 1
    before = np.array([*map(names.index, ledger_before.dictionary.to_pylist()), kept])[ledger_before.indices.fill_null(-1).to_numpy()]
    now = after.verdicts.reasons[after.numbering.of_part(part.id)].astype(np.int64)
    now[now == KEPT] = kept
    rows = np.flatnonzero(before != now)
    sums = int(lengths[before == kept].sum()), int(lengths[now == kept].sum())
    return _Difference(part, (int((before == kept).sum()), int((now == kept).sum())), sums, names, rows, before[rows], now[rows], lengths[rows])


def _counted(found: Sequence[_Difference]) -> dict[str, int]:
    kept, num_bytes = ([sum(getattr(one, name)[side] for one in found) for side in (0, 1)] for name in ("kept", "num_bytes"))
    of_kept = [one.names.index(_KEPT) for one in found]
    return {
        "kept_before": kept[0],
        "kept_now": kept[1],
        "kept_bytes_before": num_bytes[0],
        "kept_bytes_now": num_bytes[1],
        "newly_kept": sum(int((one.now == code).sum()) for one, code in zip(found, of_kept, strict=True)),
        "no_longer_kept": sum(int((one.before == code).sum()) for one, code in zip(found, of_kept, strict=True)),
    }


def _moves(found: Sequence[_Difference]) -> list[dict[str, Any]]:
    """From which reason to which, the most frequent first."""
    documents: dict[tuple[str, str], int] = {}
    num_bytes: dict[tuple[str, str], int] = {}
    for one in found:
        for before, now, chosen in _pairs(one):
            pair = one.names[before], one.names[now]
            documents[pair] = documents.get(pair, 0) + int(chosen.sum())
            num_bytes[pair] = num_bytes.get(pair, 0) + int(one.lengths[chosen].sum())
    ordered = sorted(documents, key=lambda pair: (-documents[pair], pair))
    return [{"before": pair[0], "now": pair[1], "documents": documents[pair], "bytes": num_bytes[pair]} for pair in ordered]


def _pairs(one: _Difference) -> list[tuple[int, int, NDArray[np.bool_]]]:
    codes = one.before * len(one.names) + one.now
    return [(code // len(one.names), code % len(one.names), codes == code) for code in np.unique(codes).tolist()]


def _candidates(found: Sequence[_Difference]) -> dict[str, list[Candidates]]:
    """The documents of each side that examples are taken from, by their move, the most frequent first."""
    sides: dict[str, dict[tuple[str, str], list[tuple[Part, NDArray[np.int64]]]]] = {"newly_kept": {}, "no_longer_kept": {}}
    for one in found:
        for before, now, chosen in _pairs(one):
            pair = one.names[before], one.names[now]
            if _KEPT in pair:
                side = "newly_kept" if pair[1] == _KEPT else "no_longer_kept"
                sides[side].setdefault(pair, []).append((one.part, one.rows[chosen]))
    listed = {side: [Candidates(*pair, places) for pair, places in moves.items()] for side, moves in sides.items()}
    return {side: sorted(moves, key=lambda move: (-move.num_documents, move.before, move.now)) for side, moves in listed.items()}
