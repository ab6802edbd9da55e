"""The ledger's files, one a part, row-aligned with its documents; and what they say of one document."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate import storage
from curate.dedup.numbering import OWN, Numbering
from curate.errors import DamageError, InputError
from curate.ledger.verdicts import KEPT, NONE, Verdicts

LEDGER = pa.schema(
    [
        pa.field("keep", pa.bool_(), nullable=False),
        pa.field("reason", pa.dictionary(pa.int16(), pa.string())),  # null when kept
        pa.field("cluster_part", pa.uint32(), nullable=False),  # the smallest member of the document's cluster, itself when alone
        pa.field("cluster_row", pa.uint32(), nullable=False),
        pa.field("representative_part", pa.uint32()),  # of a duplicate: the document kept instead; of a kept document: itself
        pa.field("representative_row", pa.uint32()),
        pa.field("representative_run", pa.uint16()),  # which earlier run (dedup.against, from 0) the representative is of; null: this one
        pa.field("copies", pa.uint16(), nullable=False),  # how often the document stands in the training rows; 0 unless kept
    ]
)


class Explanation(NamedTuple):
    """What the ledger says of one document; (part, row) pairs. reason: None when kept; representative_run: which of the
    earlier runs the representative is of, None for this one."""

    keep: bool
    reason: str | None
    cluster: tuple[int, int]
    representative: tuple[int, int] | None
    representative_run: int | None = None
    copies: int = 1


def ledger_table(verdicts: Verdicts, numbering: Numbering, part: int, copies: NDArray[np.uint16] | None = None) -> pa.Table:
    """The ledger of one part. copies: of all documents, by number; one of each kept document when None.

    Only the reasons that occur in the part are in its dictionary, sorted, so that its bytes tell of nothing but its own documents.
    """
    mine = numbering.of_part(part)
    reasons, clusters, representatives = verdicts.reasons[mine], verdicts.clusters[mine], verdicts.representatives[mine]
    kept, unrepresented = reasons == KEPT, representatives == NONE
    occurring = sorted({verdicts.names[code] for code in np.unique(reasons[~kept]).tolist()})
    renumbered = np.array([occurring.index(name) if name in occurring else 0 for name in verdicts.names], np.int16)
    codes = pa.array(renumbered[np.where(kept, 0, reasons)], mask=kept)
    coded = pa.DictionaryArray.from_arrays(codes, pa.array(occurring, pa.string()))
    others = numbering.origins(np.where(unrepresented, 0, representatives).astype(np.uint32))
    places = [pa.array(place, mask=unrepresented) for place in (others.parts, others.rows)]
    run = pa.array(others.runs, mask=unrepresented | (others.runs == OWN))
    repeated = kept.astype(np.uint16) if copies is None else copies[mine]
    return pa.table([kept, coded, *numbering.places(clusters), *places, run, repeated], schema=LEDGER)


def write_ledger(path: Path, verdicts: Verdicts, numbering: Numbering, part: int, copies: NDArray[np.uint16] | None = None) -> storage.Output:
    """Publish the ledger of one part."""
    return storage.write_table(path, ledger_table(verdicts, numbering, part, copies))


def explain(ledger: Path, row: int) -> Explanation:
    """The verdict of one document. Raises InputError where the part has no such row, DamageError where the file is not whole."""
    table = _read(ledger)
    if not 0 <= row < len(table):
        raise InputError(f"{ledger} has {len(table)} documents, so there is no row {row}; rows count from 0")
    (values,) = table.slice(row, 1).to_pylist()
    representative = (values["representative_part"], values["representative_row"])
    return Explanation(
        values["keep"],
        values["reason"],
        (values["cluster_part"], values["cluster_row"]),
        None if representative[0] is None else representative,
        values["representative_run"],
        values["copies"],
    )


def cluster_members(ledgers: Mapping[int, Path], cluster: tuple[int, int], max_members: int = 100) -> list[tuple[int, int]]:
    """The first members of a cluster as (part, row), in the order of the given parts, then rows; one ledger is held at a time."""
    members: list[tuple[int, int]] = []
    for part, path in ledgers.items():
        table = _read(path, ["cluster_part", "cluster_row"])
        same = pc.and_(pc.equal(table["cluster_part"], cluster[0]), pc.equal(table["cluster_row"], cluster[1]))
        rows = np.flatnonzero(same.to_numpy())
        members += [(part, row) for row in rows[: max_members - len(members)].tolist()]
        if len(members) == max_members:
            break
    return members


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    if storage.read_schema(path).names != LEDGER.names:
        raise DamageError(f"{path} is no ledger: it has the columns {', '.join(storage.read_schema(path).names)}")
    return storage.read_table(path, columns)
