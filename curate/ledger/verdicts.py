"""What becomes of every document: kept, held out, or dropped for one reason. A pure function of arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import AccountingError
from curate.kernels.union_find import choose

KEPT = -1
NONE = 0xFFFFFFFF  # no representative

EXACT_DUPLICATE, NEAR_DUPLICATE = "exact_duplicate", "near_duplicate"
CONTAMINATED, HELD_OUT, NEAR_HELD_OUT = "contaminated", "held_out", "near_held_out"
REASONS = (EXACT_DUPLICATE, NEAR_DUPLICATE, CONTAMINATED, HELD_OUT, NEAR_HELD_OUT)


class Judged(NamedTuple):
    """What the rules say of n documents. names: the reasons that occur, sorted; reasons: int16 (n,), an index into names,
    or KEPT where a document passes."""

    names: tuple[str, ...]
    reasons: NDArray[np.int16]


class Verdicts(NamedTuple):
    """The verdict of n documents, by dense number. names, reasons: as in Judged, with the reasons of this module behind;
    clusters: uint32 (n,), the smallest member of a document's cluster (of this run's members), itself when alone; representatives:
    uint32 (n,), the document kept instead of a duplicate, a kept document itself, NONE for others."""

    names: tuple[str, ...]
    reasons: NDArray[np.int16]
    clusters: NDArray[np.uint32]
    representatives: NDArray[np.uint32]


def judged(parts: Sequence[pa.Array | pa.ChunkedArray]) -> Judged:
    """Collect the rules' first failing reasons (strings, plain or dictionary, null where a document passes), part after part."""
    encoded = [part.combine_chunks() if isinstance(part, pa.ChunkedArray) else part for part in parts]
    encoded = [part if pa.types.is_dictionary(part.type) else part.dictionary_encode() for part in encoded]
    names = tuple(sorted({name for part in encoded for name in part.unique().to_pylist() if name is not None}))
    number = {name: code for code, name in enumerate(names)}
    codes = []
    for part in encoded:
        table = np.array([*(number.get(name, KEPT) for name in part.dictionary.to_pylist()), KEPT], np.int16)
        codes.append(table[part.indices.fill_null(-1).to_numpy()])
    return Judged(names, np.concatenate(codes) if codes else np.zeros(0, np.int16))


def included(rules: Judged, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which documents take part in finding duplicates: those that pass the rules, and the held-out ones whatever the rules say."""
    return (rules.reasons == KEPT) | held_out


def decide(
    rules: Judged,
    held_out: NDArray[np.bool_],
    contaminated: NDArray[np.bool_],
    exact: NDArray[np.uint32],
    near: NDArray[np.uint32],
    preferences: NDArray[np.int64],
    *,
    num_earlier: int = 0,
) -> Verdicts:
    """Rules, then exact duplicates, then near-duplicates among what is left, then contamination and held-out.

    All arrays are (n,), by dense number, preferences (keys, n). The first num_earlier documents are of earlier runs: those
    kept there pass the rules here, the others fail them; what is said of them in return means nothing.
    exact: the root (smallest member) of each document's set of equal texts, among `included` documents; near: the root of its
    set of near-duplicates, found among the roots of `exact` (or grown from them); a document in neither is its own root. A
    cluster is what the two connect.

    - A document that fails a rule and is not held out has the rule's reason, and is alone.
    - A held-out document has the reason held_out; of equal ones only the first, the others are near_held_out.
    - Everything else in a cluster with a contaminated member is contaminated; else, with a held-out member, near_held_out.
    - Of any other cluster one document is kept: the one with the largest preferences, the first of equals (see
      `curate.dedup.representative`). A document equal to one before it is an exact_duplicate, the rest are near_duplicates.
    - Of a cluster with documents of earlier runs, none of this run's is kept. Copies of an earlier document name that one.

    Raises AccountingError where the roots are not of this form, since verdicts would then contradict one another.
    """
    taking_part = included(rules, held_out)
    clusters = _clusters(exact, near, taking_part)
    tainted, guarded = _spread(contaminated, clusters), _spread(held_out, clusters)
    own = np.arange(len(clusters), dtype=np.uint32)
    representatives = _representatives(clusters, exact, taking_part, preferences, num_earlier)

    names = (*rules.names, *REASONS)
    code = {name: np.int16(len(rules.names) + number) for number, name in enumerate(REASONS)}
    reasons = np.where(exact != own, code[EXACT_DUPLICATE], code[NEAR_DUPLICATE])
    reasons = np.where(representatives == own, np.int16(KEPT), reasons)
    reasons = np.where(guarded, code[NEAR_HELD_OUT], reasons)
    reasons = np.where(tainted, code[CONTAMINATED], reasons)
    reasons = np.where(taking_part, reasons, rules.reasons)
    candidates = np.flatnonzero(held_out)
    reasons[candidates] = code[NEAR_HELD_OUT]
    reasons[candidates[np.unique(exact[candidates], return_index=True)[1]]] = code[HELD_OUT]
    representatives[tainted | guarded | ~taking_part] = NONE
    return Verdicts(names, reasons.astype(np.int16), _named_by_own(clusters, num_earlier), representatives)


def counts(verdicts: Verdicts, start: int = 0, end: int | None = None) -> dict[str, int]:
    """How many of the documents start to end have each fate: `kept`, then every reason that occurs, by name."""
    number = np.bincount(verdicts.reasons[start:end].astype(np.int64) + 1, minlength=1)
    found = {verdicts.names[code]: int(number[code + 1]) for code in range(len(number) - 1) if number[code + 1]}
    return {"kept": int(number[0]), **dict(sorted(found.items()))}


def _clusters(exact: NDArray[np.uint32], near: NDArray[np.uint32], taking_part: NDArray[np.bool_]) -> NDArray[np.uint32]:
    clusters = near[exact]
    own = np.arange(len(clusters), dtype=np.uint32)
    wrong = (clusters > own) | (clusters[clusters] != clusters) | ((near != own) & (near != clusters))
    wrong |= (clusters != own) & ~(taking_part & taking_part[clusters])
    if wrong.any():
        number = int(np.flatnonzero(wrong)[0])
        raise AccountingError(
            f"document {number} has exact root {int(exact[number])} and near root {int(near[number])}, which do not form clusters of documents that take part;"
            " near-duplicates must be sought among exact roots, and both only among included documents"
        )
    return clusters


def _representatives(
    clusters: NDArray[np.uint32], exact: NDArray[np.uint32], taking_part: NDArray[np.bool_], preferences: NDArray[np.int64], num_earlier: int
) -> NDArray[np.uint32]:
    chosen = np.empty(len(clusters), np.uint32)
    earlier = np.arange(len(clusters)) < num_earlier
    eligible = taking_part & (earlier | ~_spread(taking_part & earlier, clusters)) if num_earlier else taking_part
    choose(clusters, eligible, preferences, chosen)
    copies = taking_part & (exact < num_earlier)
    chosen[copies] = exact[copies]
    return chosen


def _named_by_own(clusters: NDArray[np.uint32], num_earlier: int) -> NDArray[np.uint32]:
    """Clusters of this run's documents called by the smallest of them, where the root is a document of an earlier run."""
    if not num_earlier:
        return clusters
    mine = clusters[num_earlier:]
    first = np.arange(len(clusters), dtype=np.uint32)
    roots, places = np.unique(mine, return_index=True)
    first[roots] = places + num_earlier
    return np.concatenate([clusters[:num_earlier], first[mine]])


def _spread(marked: NDArray[np.bool_], clusters: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mark every document of a cluster that has a marked one."""
    roots = np.zeros(len(clusters), bool)
    roots[clusters[marked]] = True
    return roots[clusters]
