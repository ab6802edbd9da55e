"""The verdict after cross-document cuts: of documents that lost something, those with too little left are dropped. Nothing else is judged again."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.errors import DamageError
from curate.ledger.files import LEDGER

TOO_SHORT = "too_short_after_cuts"


def too_short(ledger: pa.Table, num_words: pa.ChunkedArray, min_words: int) -> NDArray[np.bool_]:
    """Which kept documents have fewer than `min_words` words left. num_words: those left, null where nothing was cut; row-aligned with the ledger.

    Raises DamageError where it is not.
    """
    if len(ledger) != len(num_words):
        raise DamageError(f"a ledger has {len(ledger)} documents, the cuts beside it {len(num_words)}; one of them is from another run. Run select again")
    few = pc.fill_null(pc.less(num_words, min_words), False)
    found: NDArray[np.bool_] = pc.and_(ledger["keep"], few).to_numpy()
    return found


def after_cuts(ledger: pa.Table, dropped: NDArray[np.bool_]) -> pa.Table:
    """The ledger (LEDGER) with those documents dropped as too short. They stand for their clusters no longer; duplicates still name them."""
    gone = pa.array(dropped)
    reasons = pc.if_else(gone, pa.scalar(TOO_SHORT, pa.string()), ledger["reason"].cast(pa.string())).combine_chunks()
    occurring = pa.array(sorted(reason for reason in pc.unique(reasons).to_pylist() if reason is not None), pa.string())
    coded = pa.DictionaryArray.from_arrays(pc.index_in(reasons, occurring).cast(pa.int16()), occurring)
    changed = {"keep": pc.and_(ledger["keep"], pc.invert(gone)), "reason": coded}
    for name in ("representative_part", "representative_row", "representative_run"):
        changed[name] = pc.if_else(gone, pa.scalar(None, LEDGER.field(name).type), ledger[name])
    changed["copies"] = pc.if_else(gone, pa.scalar(0, pa.uint16()), ledger["copies"])
    return pa.table([changed.get(name, ledger[name]) for name in LEDGER.names], schema=LEDGER)
