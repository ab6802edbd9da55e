"""What a reader finds in a file: documents, refused records, and where the first began and the last one ended.

A reader is a generator `read(path, start, end, settings, limits)` that yields `Document` and `Refused` and returns
`Ends`. A bad record never stops it: the record is refused with a reason and the next one is read.

Text is handed on as it stands: no Unicode normalisation, no replacement characters, no characters removed, U+0000
included. It is always valid UTF-8 when encoded; what cannot be decoded strictly is quarantined as `undecodable`.
"""

from collections.abc import Generator
from typing import NamedTuple

MAX_DETAIL_CHARACTERS = 200
DROPPED = "dropped"
QUARANTINED = "quarantined"


class Document(NamedTuple):
    """A record's text. `offset` is in bytes (Parquet: the row in its row group)."""

    text: str
    offset: int
    row_group: int | None = None
    uri: str | None = None
    identifier: str | None = None


class Refused(NamedTuple):
    """A record that became no document: `fate` is "dropped" or "quarantined"; `detail` never quotes its text."""

    offset: int
    fate: str
    reason: str
    detail: str | None = None
    row_group: int | None = None
    uri: str | None = None


class Ends(NamedTuple):
    """Where the first record of a range starts and where its last one ends; both None if no record starts in it."""

    first: int | None
    end: int | None


Records = Generator[Document | Refused, None, Ends]


class UnusableError(Exception):
    """Why one record (or the rest of a stream) cannot become a document. Readers turn it into `Refused`."""

    def __init__(self, reason: str, detail: str, fate: str = QUARANTINED) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.fate = fate

    def refused(self, offset: int, uri: str | None = None, row_group: int | None = None) -> Refused:
        """This as a record of the quarantine file."""
        return Refused(offset, self.fate, self.reason, self.detail[:MAX_DETAIL_CHARACTERS] or None, row_group, uri)


def require_text(text: str) -> str:
    """The text, unless there is none: raises UnusableError (dropped, `empty`) for nothing or only white space."""
    if not text or text.isspace():
        raise UnusableError("empty", "", DROPPED)
    return text
