"""A batch of documents edited on its way into its part: what is written, what stands beside it, what was left blank."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contamination.held_out import HeldOutSettings, select_held_out
from curate.documents import as_text, content_ids, text_buffers
from curate.edits.edit import edit_texts, without_rows
from curate.edits.settings import EditSettings
from curate.edits.spans import Spans
from curate.kernels.quality import character_flags
from curate.kernels.whole_texts import find_blank

EMPTY_AFTER_EDITS = "empty_after_edits"  # the reason a document is refused for


@dataclass(frozen=True)
class Editing:
    """The edits of a source. Documents that `held_out` selects, by the content id of their text as it came, stay unedited."""

    settings: EditSettings
    held_out: HeldOutSettings
    source: str

    @property
    def is_meant(self) -> bool:
        """Whether this source's documents are edited."""
        return self.settings.sources is None or self.source in self.settings.sources


class EditedBatch(NamedTuple):
    """documents: those that still hold text, edited; edits: their rows of the family; blank: positions of the others in the batch,
    ascending, and for each what was cut."""

    documents: pa.RecordBatch
    edits: pa.RecordBatch
    blank: list[tuple[int, str]]


@dataclass
class EditCounts:
    """What edits did to the documents written, by edit: documents it touched, cuts (of a line edit: lines), bytes cut."""

    edited: int = 0  # documents
    by_edit: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, spans: Spans) -> None:
        """Count the spans of a batch."""
        self.edited += len(np.unique(spans.rows))
        for name in sorted(set(spans.names)):
            mine = np.isin(spans.edits, [k for k, other in enumerate(spans.names) if other == name])
            if mine.any():
                lengths = spans.ends[mine] - spans.starts[mine]
                counts = {"documents": len(np.unique(spans.rows[mine])), "cuts": int(mine.sum()), "bytes": int(lengths.sum())}
                self.by_edit.setdefault(name, Counter()).update(counts)

    def plain(self) -> Mapping[str, object]:
        """As JSON values."""
        return {"edited": self.edited, "by_edit": {name: dict(counts) for name, counts in sorted(self.by_edit.items())}}


def edit_batch(batch: pa.RecordBatch, editing: Editing, counts: EditCounts) -> EditedBatch:
    """Edit a batch of DOCUMENTS and count what was done to the documents that are left."""
    texts = as_text(batch.column("text"))
    ids = content_ids(texts)
    unedited = select_held_out(ids, editing.source, editing.held_out) if editing.is_meant else np.ones(len(texts), bool)
    edited = edit_texts(texts, editing.settings, ids=ids, unedited=unedited)
    blank = np.zeros(len(texts), bool)
    find_blank(*text_buffers(edited.texts), character_flags(), blank)
    counts.add(without_rows(edited.spans, blank))
    whole = batch.set_column(0, batch.schema.field("text"), edited.texts)
    if not blank.any():
        return EditedBatch(whole, edited.columns, [])
    stay = pa.array(~blank)
    told = [(row, _told(edited.spans, row)) for row in np.flatnonzero(blank).tolist()]
    return EditedBatch(whole.filter(stay), edited.columns.filter(stay), told)


def _told(spans: Spans, row: int) -> str:
    """How often each edit cut one text, most often first."""
    edits: NDArray[np.int32] = spans.edits[spans.rows == row]
    found = Counter(spans.names[k] for k in edits.tolist())
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
