"""Personal data and secrets as spans with a word in their place: e-mail, IP addresses, phone numbers, accounts, cards, keys.

FineWeb replaces e-mail and public IP addresses (arXiv 2406.17557, section 3.1; datatrove a649de79, formatters/pii.py): that is
`{iban: null, card: null, phone: null, secret: null}` here. Known differences to its code: every address becomes the same
word; a dotted quad is left where the text around it says version or section; IPv6 is looked for too.

One pass over the bytes finds the regions where anything can be (`curate.kernels.regions`, some tenth of ordinary text);
each pattern runs over those of its triggers alone, all documents of a batch together.
"""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.documents import text_buffers

if TYPE_CHECKING:  # a recipe has the settings; the kernels and RE2 are loaded where something is searched
    from curate.edits.spans import Spans
    from curate.kernels.regions import RegionTables

VERSION = 1
_BYTES_A_BATCH = 16 << 20


def _replacement(word: str, what: str) -> Any:
    return Field(default=word, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*$", description=f"what stands in the place of {what}; null leaves them in")


class PersonalDataSettings(BaseModel):
    """Which kinds are taken out, and the word left in their place."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    email: str | None = _replacement("<EMAIL>", "e-mail addresses, also those written with [at] and [dot]")
    ip_address: str | None = _replacement("<IP>", "IPv4 and IPv6 addresses")
    phone: str | None = _replacement("<PHONE>", "telephone numbers (international, North American, with trunk zero; others next to a word such as phone)")
    iban: str | None = _replacement("<IBAN>", "bank accounts with the right length and check digits")
    card: str | None = _replacement("<CARD>", "payment card numbers with a known prefix and the right check digit")
    secret: str | None = _replacement("<SECRET>", "keys, tokens, passwords in assignments and URLs, private key blocks")
    public_ips_only: bool = Field(default=True, description="leave addresses that the IANA sets apart (private, loopback, documentation, multicast)")

    @property
    def replacements(self) -> dict[str, str]:
        """The kinds that are on, in the order of the fields, with their words."""
        chosen = {kind: getattr(self, kind) for kind in ("email", "ip_address", "phone", "iban", "card", "secret")}
        return {kind: word for kind, word in chosen.items() if word is not None}


def find_personal_data(texts: pa.LargeStringArray, settings: PersonalDataSettings) -> "Spans":
    """What is to be replaced in n texts. Where two kinds overlap, the more trustworthy one stays (see `curate.edits.patterns`).

    Linear in the bytes for any text; memory is one batch of 16 MB (or the longest text) at most.
    """
    from curate.edits.spans import Spans, no_spans

    words = settings.replacements
    if not words or not len(texts):
        return no_spans()
    data, offsets = text_buffers(texts)
    found: list[NDArray[np.int64]] = []
    first = 0
    while first < len(texts):
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _BYTES_A_BATCH, side="right")) - 1)
        found.append(_find(data, offsets[first : last + 1], settings) + np.array([[first], [0], [0], [0]]))
        first = last
    rows, starts, ends, kinds = np.concatenate(found, axis=1)
    return Spans(rows, starts, ends, kinds.astype(np.int32), tuple(f"personal_data.{kind}" for kind in words), tuple(words.values()))


@functools.cache
def _tables() -> "RegionTables":
    from curate.edits.secrets import KEY_BLOCK, NAMES, PREFIXES
    from curate.kernels.regions import region_tables

    return region_tables(PREFIXES, NAMES, [KEY_BLOCK])


def _find(data: NDArray[np.uint8], offsets: NDArray[np.int64], settings: PersonalDataSettings) -> NDArray[np.int64]:
    """Row, start, end and kind of every span in some texts, (4, spans)."""
    from curate.edits.patterns import patterns, search
    from curate.kernels.regions import NEAR_AT, NEAR_MARKS, NEAR_PHRASE, copy_regions, find_regions

    starts, ends, holds = find_regions(data, offsets, _tables())
    copies: dict[int, tuple[bytes, NDArray[np.int64], NDArray[np.int64]]] = {}
    for near in (NEAR_AT, NEAR_MARKS, NEAR_PHRASE):
        chosen = starts[holds & near != 0]
        copied, places = copy_regions(data, chosen, ends[holds & near != 0])
        copies[int(near)] = copied.tobytes(), places, chosen - places
    found = []
    for pattern in patterns(frozenset(settings.replacements), public_ips_only=settings.public_ips_only):
        text, places, moves = copies[pattern.near]
        bounds = np.array(list(search(pattern, text)), np.int64).reshape(-1, 2).T
        found.append((pattern.kind, bounds + moves[np.searchsorted(places, bounds[0], side="right") - 1]))
    at, kinds = first_come(found, list(settings.replacements))
    rows = np.searchsorted(offsets, at[0], side="right") - 1
    return np.stack([rows, at[0] - offsets[rows], at[1] - offsets[rows], kinds])


def first_come(found: Iterable[tuple[str, NDArray[np.int64]]], order: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of several lists of spans, (kind, int64 (2, spans) ascending and apart), those that overlap none of an earlier list.

    Returns starts and ends, ascending, (2, spans), and the place of each one's kind in `order`.
    """
    accepted = np.zeros((3, 0), np.int64)
    for kind, (starts, ends) in found:
        following = np.searchsorted(accepted[1], starts, side="right")  # the first accepted span that ends after the start
        free = np.append(accepted[0], np.iinfo(np.int64).max)[following] >= ends
        new = np.stack([starts[free], ends[free], np.full(free.sum(), order.index(kind))])
        accepted = np.concatenate([accepted, new], axis=1)
        accepted = accepted[:, np.argsort(accepted[0], kind="stable")]
    return accepted[:2], accepted[2]
