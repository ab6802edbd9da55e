"""What of a document's URI stands in the block-lists: columns for rules; nothing here drops a document.

RefinedWeb's filter (arXiv 2306.01116, appendix G.1), in the form of DCLM and datatrove (a649de79, url_filter.py). What is looked at:

- The host is in lower case and ASCII (Punycode), without user, port and dots at the end. "//" or nothing may stand before it
  instead of a scheme; data:, mailto:, urn: and other URIs without a host have 0 everywhere, as documents without a URI have.
- blocked_domain: the host or one of its parent domains is listed. datatrove looks at the host and its registered domain.
- blocked_url: the URL without scheme, user, port, "www." and fragment, up to its end or to one of / ? & ; is listed. datatrove
  looks at the whole URL alone.
- num_hard_words, num_soft_words: distinct listed runs of ASCII letters and digits, anywhere in the URI as it is written, in any case.
- num_strict_substrings: distinct listed strings in the URI's ASCII letters and digits, with everything between them left out.
"""

import functools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.documents import as_text, text_buffers
from curate.kernels.urls import UrlTables, count_blocked, find_hosts, hash_list
from curate.measures.block_lists import KINDS, read_lists

VERSION = 1
_AROUND = bytes(range(33)) + b'<>"'  # what the kernels leave out around a URI
COLUMN = "uri"  # of the documents; the other families read the text
SCHEMA = pa.schema(
    [
        pa.field(name, pa.int64(), nullable=False)
        for name in ("blocked_domain", "blocked_url", "num_hard_words", "num_soft_words", "num_strict_substrings")  # the first two are 0 or 1
    ]
)


class Settings(BaseModel):
    """Which lists URIs are looked up in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lists: str = Field(min_length=1, description="the file of hashed lists (curate.measures.block_lists.write_lists)")


def measure(uris: pa.StringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n URIs (null: none), n rows. Raises DamageError where the lists are missing or damaged."""
    return look_up(uris, _load(settings.lists))


def look_up(uris: pa.StringArray, tables: UrlTables) -> pa.Table:
    """As `measure`, in lists that are at hand."""
    written = as_text(uris.fill_null(""))
    counts = count_blocked(*in_ascii(written, hosts=True), *text_buffers(written), tables)
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=SCHEMA)


def in_ascii(uris: pa.LargeStringArray, *, hosts: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes and offsets of URIs, hosts beyond ASCII in their ASCII form (IDNA 2003, which Python has); one without such a form stays.

    hosts: whether they have any, as entries of word lists do not.
    """
    foreign = pc.invert(pc.string_is_ascii(uris))
    if not hosts or not pc.any(foreign).as_py():
        return text_buffers(uris)
    chosen = uris.filter(foreign)
    data, offsets = text_buffers(chosen)
    held = data.tobytes()
    changed = []
    for start, end, (first, last) in zip(offsets[:-1].tolist(), offsets[1:].tolist(), find_hosts(data, offsets).tolist(), strict=True):
        if first < 0:
            changed.append(held[start:end])
            continue
        before = held[start:first]
        if b"//" not in before:  # else a name that is now ASCII could be read as a scheme
            before = b"//" + before.lstrip(_AROUND)
        changed.append(before + _punycode(held[first:last]) + held[last:end])
    return text_buffers(as_text(pc.replace_with_mask(uris, foreign, pa.array(changed, pa.large_binary()).cast(pa.large_string()))))


def tables_of(hashes: dict[str, NDArray[np.uint64]], sizes: list[int]) -> UrlTables:
    """The tables of the lists that `read_lists` returns."""
    lengths = np.zeros(max(sizes, default=0) + 1, bool)
    lengths[sizes] = True
    return UrlTables(**{kind: hash_list(hashes[kind]) for kind in KINDS}, sizes=lengths)


@functools.lru_cache(maxsize=1)
def _load(path: str) -> UrlTables:
    """The lists stay loaded while a process measures part after part."""
    return tables_of(*read_lists(Path(path)))


@functools.lru_cache(maxsize=1 << 16)
def _punycode(host: bytes) -> bytes:
    try:
        return host.decode().encode("idna")
    except UnicodeError:  # an empty or overlong label, or characters no domain can have
        return host
