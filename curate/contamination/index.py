"""The n-gram index: every n-gram of every item of all benchmarks, in one file that measuring reads."""

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate import storage
from curate.contamination.benchmark import BenchmarkSettings, file_identity, ngram_lengths, read_items
from curate.documents import text_buffers
from curate.errors import DamageError, RecipeError
from curate.kernels.ngrams import NgramTable, count_texts, hash_ngrams, ngram_table
from curate.kernels.words import hash_words, word_tables

VERSION = 1

WRITTEN, JOINED = "written", "joined"
TOO_SHORT, SHARED = "fewer than 8 words", "only n-grams that many items share"

# One row per form of an item. form: "written", or "joined" where deleting the punctuation inside words changes them ("don't"
# is two words, "dont" is one). num_ngrams: distinct n-grams that count. ngrams, prefixes: their hashes and those of their first 8 words.
INDEX = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("num_words", pa.int64(), nullable=False),
        pa.field("n", pa.uint8(), nullable=False),
        pa.field("num_ngrams", pa.int64(), nullable=False),
        pa.field("untestable", pa.string()),  # why; null when testable
        pa.field("ngrams", pa.large_list(pa.uint64()), nullable=False),
        pa.field("prefixes", pa.large_list(pa.uint64()), nullable=False),
    ]
)
FORMS = pa.schema([*(INDEX.field(name) for name in ("benchmark", "item_id", "form")), pa.field("text", pa.large_string(), nullable=False)])
ITEM_COLUMNS = tuple(name for name in INDEX.names if name not in ("ngrams", "prefixes"))


class IndexSettings(BaseModel):
    """What of the items is indexed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_items_per_ngram: int = Field(
        default=10,
        ge=1,
        description="an n-gram that occurs in more different items than this is a stock phrase (instructions, a template) and no evidence for any",
    )


class Index(NamedTuple):
    """items: the rows that `hits` point to (ITEM_COLUMNS); table: what documents are looked up in."""

    items: pa.Table
    table: NgramTable


def index_key(benchmarks: Sequence[BenchmarkSettings], settings: IndexSettings) -> str:
    """What an index is made of, as 32 hex digits: the files' bytes, the settings that choose text from them, the
    version of this module and of the Unicode tables that decide what a word is; not the files' paths. Raises InputError
    where a file is missing or of an unknown kind."""
    chosen = [[b.name, b.fields, b.id_field, *file_identity(b)] for b in benchmarks]
    made_of = [VERSION, unicodedata.unidata_version, settings.model_dump(), chosen]
    return xxhash.xxh3_128_hexdigest(json.dumps(made_of, sort_keys=True).encode())


def build_index(benchmarks: Sequence[BenchmarkSettings], settings: IndexSettings) -> pa.Table:
    """Read the benchmarks and hash their n-grams: a table with the columns of `INDEX`, items in the given order.

    Raises RecipeError where two benchmarks have one name, InputError where a file cannot be used (see `read_items`).
    """
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise RecipeError(f"two benchmarks are called {max(names, key=names.count)!r}; a report could not tell their items apart, so give each its own name")
    forms = pa.concat_tables([FORMS.empty_table(), *(_forms(read_items(benchmark)) for benchmark in benchmarks)])
    words, bounds = hash_words(*text_buffers(forms["text"].combine_chunks()), word_tables())
    n = ngram_lengths(np.diff(bounds))
    ngrams, prefixes, owners = _distinct(*hash_ngrams(words, bounds, n))
    counted = _evidence(ngrams, prefixes, owners, words, bounds, n, np.asarray(forms["form"]) == WRITTEN, settings)
    ngrams, prefixes, owners = ngrams[counted], prefixes[counted], owners[counted]
    num_ngrams = np.bincount(owners, minlength=len(n))
    untestable = pc.if_else(pa.array(n == 0), TOO_SHORT, pc.if_else(pa.array(num_ngrams == 0), SHARED, pa.scalar(None, pa.string())))
    offsets = pa.array(np.concatenate(([0], np.cumsum(num_ngrams))), pa.int64())
    columns: list[Any] = [
        forms["benchmark"],
        forms["item_id"],
        forms["form"],
        np.diff(bounds),
        n.astype(np.uint8),
        num_ngrams,
        untestable,
    ]
    lists = [pa.LargeListArray.from_arrays(offsets, pa.array(values)) for values in (ngrams, prefixes)]
    return pa.table([*columns, *lists], schema=INDEX)


def write_index(path: Path, benchmarks: Sequence[BenchmarkSettings], settings: IndexSettings) -> storage.Output:
    """Build the index and publish it as an Arrow file whose metadata holds its key."""
    about = {"key": index_key(benchmarks, settings), "version": VERSION, "unicode": unicodedata.unidata_version}
    table = build_index(benchmarks, settings).replace_schema_metadata({"corpuscle": json.dumps(about, sort_keys=True)})
    return storage.write_table(path, table)


def read_index(path: Path) -> Index:
    """Load an index for look-up. Raises DamageError where it is not an index of this version and Unicode tables."""
    stored = storage.read_table(path)
    metadata = stored.schema.metadata or {}
    about = json.loads(metadata[b"corpuscle"]) if b"corpuscle" in metadata else {}
    found, wanted = (about.get("version"), about.get("unicode")), (VERSION, unicodedata.unidata_version)
    if found != wanted or stored.schema.names != INDEX.names:
        raise DamageError(
            f"{path} is no benchmark index that this installation can use: it is (version, Unicode) {found}, needed is {wanted};"
            " its words would hash differently and contamination be missed, so build it again"
        )
    return Index(stored.select(list(ITEM_COLUMNS)), table_of(stored))


def table_of(index: pa.Table) -> NgramTable:
    """The look-up table of an index: about 30 bytes an n-gram."""
    ngrams, prefixes = (index[name].combine_chunks() for name in ("ngrams", "prefixes"))
    owners = np.repeat(np.arange(len(index), dtype=np.uint32), np.diff(ngrams.offsets.to_numpy()))
    n = index["n"].to_numpy().astype(np.int64)
    return ngram_table(ngrams.flatten().to_numpy(), prefixes.flatten().to_numpy(), owners, n, len(index))


def joined(text: str) -> str:
    """The text without punctuation and symbols, as a careless cleaner leaves it: what they separated grows together."""
    return "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] in "LMNZC")


def _forms(items: pa.Table) -> pa.Table:
    """The items as written and, under each whose words change and stay 8 or more, as joined."""
    rows = []
    for benchmark, item_id, text in zip(*(items[name].to_pylist() for name in ("benchmark", "item_id", "text")), strict=True):
        rows.append((benchmark, item_id, WRITTEN, text))
        rows.append((benchmark, item_id, JOINED, joined(text)))
    forms = pa.Table.from_pylist([dict(zip(FORMS.names, row, strict=True)) for row in rows], schema=FORMS)
    words, bounds = hash_words(*text_buffers(forms["text"].combine_chunks()), word_tables())
    keep = np.ones(len(forms), bool)
    for row in range(1, len(forms), 2):
        as_written, as_joined = words[bounds[row - 1] : bounds[row]], words[bounds[row] : bounds[row + 1]]
        keep[row] = bool(ngram_lengths(np.array([as_joined.size]))[0]) and not np.array_equal(as_written, as_joined)
    return forms.filter(pa.array(keep))


def _distinct(
    ngrams: NDArray[np.uint64], prefixes: NDArray[np.uint64], owners: NDArray[np.uint32]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
    """Each n-gram once per item, ordered by item and hash."""
    order = np.lexsort((ngrams, owners))
    ngrams, prefixes, owners = ngrams[order], prefixes[order], owners[order]
    first = np.ones(ngrams.size, bool)
    first[1:] = (ngrams[1:] != ngrams[:-1]) | (owners[1:] != owners[:-1])
    return ngrams[first], prefixes[first], owners[first]


def _evidence(
    ngrams: NDArray[np.uint64],
    prefixes: NDArray[np.uint64],
    owners: NDArray[np.uint32],
    words: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    n: NDArray[np.int64],
    written: NDArray[np.bool_],
    settings: IndexSettings,
) -> NDArray[np.bool_]:
    """Which n-grams occur in at most `max_items_per_ngram` different texts of items, of whatever length.

    Equal items (the same question in two benchmarks) count as one text, and the two forms of an item are looked up apart, so that
    neither makes an n-gram look common.
    """
    table = ngram_table(ngrams, prefixes, owners, n, len(n))
    num_items = np.zeros(table.keys.size, np.int64)
    for form in (written, ~written):
        num_items = np.maximum(num_items, count_texts(*_different(words, bounds, np.flatnonzero(form)), table))
    return num_items[np.searchsorted(table.keys, ngrams)] <= settings.max_items_per_ngram


def _different(words: NDArray[np.uint64], bounds: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The word hashes of the given rows, equal texts once."""
    texts = {words[bounds[row] : bounds[row + 1]].tobytes(): None for row in rows.tolist()}
    flat = np.frombuffer(b"".join(texts), np.uint64)
    return flat, np.concatenate(([0], np.cumsum([len(text) // 8 for text in texts]))).astype(np.int64)
