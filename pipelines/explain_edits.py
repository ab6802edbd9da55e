"""What edits did to one document: from the file that gather wrote beside it, without the text that was cut."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.edits.edit import COUNTS
from curate.edits.settings import FAMILY
from curate.storage import read_table
from pipelines.context import Context
from pipelines.parts import Part

MAX_TOLD = 20  # spans in the answer for people; the one for machines has all


def edit_counts(context: Context, part: Part, row: int) -> dict[str, dict[str, int]]:
    """The columns of the family by its name, as of any other measure; nothing where the recipe edits nothing."""
    if not context.recipe.edits.is_on:
        return {}
    counts: dict[str, int] = read_table(context.run / part.measure_file(FAMILY), COUNTS).slice(row, 1).to_pylist()[0]
    return {FAMILY: counts}


def edit_spans(context: Context, part: Part, row: int) -> dict[str, Any]:
    """The content id of the text before edits, and each cut: its edit, where it stood in that text (bytes), the bytes put in its place."""
    if not context.recipe.edits.is_on:
        return {}
    found = read_table(context.run / part.measure_file(FAMILY), ["original_id", "spans"]).slice(row, 1).to_pylist()[0]
    told = [{"edit": span["edit"], "bytes": [span["start"], span["end"]], "replaced_by_bytes": span["replacement_bytes"]} for span in found["spans"]]
    return {"original_id": found["original_id"].hex(), "edits": told}


def has_original_id(context: Context, part: Part, content_id: bytes) -> NDArray[np.bool_]:
    """Which documents of a part had this content id before they were edited."""
    if not context.recipe.edits.is_on:
        return np.zeros(part.num_documents, bool)
    ids = read_table(context.run / part.measure_file(FAMILY), ["original_id"])["original_id"]
    return np.asarray(pc.equal(ids, pa.scalar(content_id, pa.binary(16))).to_numpy())


def as_lines(found: dict[str, Any]) -> list[str]:
    """The edits of an explained document for people."""
    if not found.get("edits"):
        return []
    cut = sum(edit["bytes"][1] - edit["bytes"][0] for edit in found["edits"])
    lines = [f"edited: {cut} bytes cut in {len(found['edits'])} places of the text {found['original_id']}"]
    for edit in found["edits"][:MAX_TOLD]:
        put = f", {edit['replaced_by_bytes']} put there" if edit["replaced_by_bytes"] else ""
        lines.append(f"  {edit['edit']} bytes {edit['bytes'][0]}–{edit['bytes'][1]}, {edit['bytes'][1] - edit['bytes'][0]} cut{put}")
    rest = len(found["edits"]) - MAX_TOLD
    return [*lines, f"  and {rest} more (--json lists all)"] if rest > 0 else lines
