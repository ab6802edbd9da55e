"""The benchmark index: every n-gram and every short run of words of every item of all benchmarks, in one file that measuring reads."""

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
from curate.contamination.benchmark import ITEMS, BenchmarkSettings, choices, file_identity, ngram_lengths, read_items
from curate.contamination.runs import Runs, find_runs, known_texts
from curate.documents import text_buffers
from curate.errors import DamageError, RecipeError
from curate.kernels.coverage import SEED_WORDS, KnownTexts, SeedTable, hash_runs, seed_table
from curate.kernels.ngrams import NgramTable, count_texts, hash_ngrams, ngram_table
from curate.kernels.words import hash_words, word_tables

VERSION = 2

WRITTEN, JOINED = "written", "joined"
TOO_SHORT, SHARED = "fewer than 8 words", "only phrases that many items share"

# One row per form of an item. fields: the choice of fields; form: "written", or "joined" where deleting the punctuation inside words changes
# them ("don't" is two words, "dont" is one; joined forms are looked up by n-grams only). num_ngrams: distinct n-grams that count;
# num_evidence: words in short runs that no stock phrases are; weight: of
# all its words; num_numbers: how many of them have a digit. ngrams, prefixes: hashes of the n-grams and of their first
# 8 words; heads: hashes of runs of 5 words with which n-grams may begin, those in no row's seeds, once in the file; seeds, weights,
# runs: see curate.contamination.runs.
INDEX = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("fields", pa.string(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("num_words", pa.int64(), nullable=False),
        pa.field("n", pa.uint8(), nullable=False),
        pa.field("num_ngrams", pa.int64(), nullable=False),
        pa.field("num_evidence", pa.int64(), nullable=False),
        pa.field("weight", pa.int64(), nullable=False),
        pa.field("num_numbers", pa.int64(), nullable=False),
        pa.field("untestable", pa.string()),  # why; null when testable
        pa.field("ngrams", pa.large_list(pa.uint64()), nullable=False),
        pa.field("prefixes", pa.large_list(pa.uint64()), nullable=False),
        pa.field("seeds", pa.large_list(pa.uint64()), nullable=False),
        pa.field("heads", pa.large_list(pa.uint64()), nullable=False),
        pa.field("weights", pa.large_list(pa.uint8()), nullable=False),
        pa.field("numbers", pa.large_list(pa.bool_()), nullable=False),
        pa.field("runs", pa.large_list(pa.uint64()), nullable=False),
        pa.field("run_positions", pa.large_list(pa.uint32()), nullable=False),
        pa.field("run_sizes", pa.large_list(pa.uint8()), nullable=False),
    ]
)
FORMS = pa.schema([*(INDEX.field(name) for name in ("benchmark", "item_id", "fields", "form")), ITEMS.field("text"), ITEMS.field("pieces")])
ITEM_COLUMNS = tuple(field.name for field in INDEX if not pa.types.is_large_list(field.type))


class IndexSettings(BaseModel):
    """What of the items is indexed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_items_per_ngram: int = Field(
        default=10,
        ge=1,
        description="an n-gram or run that occurs in more different items than this is a stock phrase (instructions, a template) and no evidence for any",
    )
    min_evidence_words: int = Field(
        default=8,
        ge=5,
        le=100,
        description="an item with fewer words outside stock phrases is not looked for by short runs; below 8 a common question is no find",
    )


class Index(NamedTuple):
    """items: the rows that `hits` point to (ITEM_COLUMNS); table, seeds, texts: what documents are looked up in."""

    items: pa.Table
    table: NgramTable
    seeds: SeedTable
    texts: KnownTexts


def index_key(benchmarks: Sequence[BenchmarkSettings], settings: IndexSettings) -> str:
    """What an index is made of, as 32 hex digits: the files' bytes, the settings that choose text from them, the
    version of this module and of the Unicode tables that decide what a word is; not the files' paths. Raises InputError
    where a file is missing or of an unknown kind."""
    chosen = [[b.name, choices(b), b.labels, b.id_field, *file_identity(b)] for b in benchmarks]
    made_of = [VERSION, unicodedata.unidata_version, settings.model_dump(), chosen]
    return xxhash.xxh3_128_hexdigest(json.dumps(made_of, sort_keys=True).encode())


def build_index(benchmarks: Sequence[BenchmarkSettings], settings: IndexSettings) -> pa.Table:
    """Read the benchmarks and hash their n-grams: a table with the columns of `INDEX`, items in the given order.

    Raises RecipeError where two benchmarks have one name, InputError where a file cannot be used (see `read_items`).
    """
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise RecipeError(f"two benchmarks are called {max(names, key=names.count)!r}; a report could not tell their items apart, so give each its own name")
    forms = pa.concat_tables([FORMS.empty_table(), *(_forms(read_items(benchmark)) for benchmark in benchmarks)]).combine_chunks()
    written = np.asarray(forms["form"]) == WRITTEN
    whole = _whole(forms, benchmarks)
    words, bounds = hash_words(*text_buffers(forms["text"].combine_chunks()), word_tables())
    n = ngram_lengths(np.diff(bounds))
    ngrams, prefixes, owners = _distinct(*hash_ngrams(words, bounds, n))
    counted = _evidence(ngrams, prefixes, owners, words, bounds, n, (whole & written, whole & ~written), settings)
    ngrams, prefixes, owners = ngrams[counted], prefixes[counted], owners[counted]
    num_ngrams = np.bincount(owners, minlength=len(n))
    pieces = pc.if_else(pa.array(written), forms["pieces"].combine_chunks(), pa.scalar([], ITEMS.field("pieces").type))
    runs = find_runs(pieces, whole & written, settings.max_items_per_ngram, settings.min_evidence_words)
    testable = (num_ngrams > 0) | (np.diff(runs.seed_offsets) > 0)
    untestable = pc.if_else(pa.array(testable), pa.scalar(None, pa.string()), pc.if_else(pa.array(n == 0), TOO_SHORT, SHARED))
    columns: list[Any] = [*(forms[name] for name in ("benchmark", "item_id", "fields", "form")), np.diff(bounds), n.astype(np.uint8)]
    columns += [num_ngrams, runs.evidence, _sums(runs.weights, runs.words), _sums(runs.numbers, runs.words), untestable]
    offsets = np.concatenate(([0], np.cumsum(num_ngrams)))
    lists: list[tuple[NDArray[np.int64], NDArray[Any]]] = [
        (offsets, ngrams),
        (offsets, prefixes),
        (runs.seed_offsets, runs.seeds),
        _heads(words, bounds, num_ngrams > 0, runs.seeds),
    ]
    lists += [(runs.words, runs.weights), (runs.words, runs.numbers)]
    lists += [(runs.offsets, values) for values in (runs.runs, runs.positions, runs.sizes)]
    columns += [pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(values)) for ends, values in lists]
    return pa.table(columns, schema=INDEX)


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
    return index_of(stored)


def index_of(stored: pa.Table) -> Index:
    """The look-up tables of an index: about 30 bytes an n-gram or seed, 13 a run."""
    lists = {name: stored[name].combine_chunks() for name in INDEX.names if name not in ITEM_COLUMNS}
    values = {name: _values(column) for name, column in lists.items()}
    table = ngram_table(values["ngrams"], values["prefixes"], _owners(lists["ngrams"]), stored["n"].to_numpy().astype(np.int64), len(stored))
    known = Runs(
        evidence=stored["num_evidence"].to_numpy(),
        words=lists["weights"].offsets.to_numpy(),
        weights=values["weights"],
        numbers=values["numbers"],
        offsets=lists["runs"].offsets.to_numpy(),
        runs=values["runs"],
        positions=values["run_positions"],
        sizes=values["run_sizes"],
        seed_offsets=lists["seeds"].offsets.to_numpy(),
        seeds=values["seeds"],
    )
    return Index(stored.select(list(ITEM_COLUMNS)), table, seed_table(known.seeds, _owners(lists["seeds"]), values["heads"]), known_texts(known))


def _values(lists: pa.LargeListArray) -> NDArray[Any]:
    values: NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    return values


def _sums(values: NDArray[Any], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(np.concatenate(([0], np.cumsum(values, dtype=np.int64)))[bounds])


def _owners(lists: pa.LargeListArray) -> NDArray[np.uint32]:
    return np.repeat(np.arange(len(lists), dtype=np.uint32), np.diff(lists.offsets.to_numpy()))


def joined(text: str) -> str:
    """The text without punctuation and symbols, as a careless cleaner leaves it: what they separated grows together."""
    return "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] in "LMNZC")


def _forms(items: pa.Table) -> pa.Table:
    """The items as written and, under each whose words change and stay 8 or more, as joined."""
    rows: list[dict[str, Any]] = []
    for item in items.to_pylist():
        rows.append(item | {"form": WRITTEN})
        rows.append(item | {"form": JOINED, "text": joined(item["text"])})
    forms = pa.Table.from_pylist(rows, schema=FORMS)
    words, bounds = hash_words(*text_buffers(forms["text"].combine_chunks()), word_tables())
    keep = np.ones(len(forms), bool)
    for row in range(1, len(forms), 2):
        as_written, as_joined = words[bounds[row - 1] : bounds[row]], words[bounds[row] : bounds[row + 1]]
        keep[row] = bool(ngram_lengths(np.array([as_joined.size]))[0]) and not np.array_equal(as_written, as_joined)
    return forms.filter(pa.array(keep))


def _whole(forms: pa.Table, benchmarks: Sequence[BenchmarkSettings]) -> NDArray[np.bool_]:
    """Which rows hold all fields of their item: those in which stock phrases are counted, so that no item counts twice."""
    all_fields = {benchmark.name: " + ".join(choices(benchmark)[0]) for benchmark in benchmarks}
    told = zip(forms["benchmark"].to_pylist(), forms["fields"].to_pylist(), strict=True)
    return np.array([fields == all_fields[name] for name, fields in told], bool)


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
    countings: Sequence[NDArray[np.bool_]],
    settings: IndexSettings,
) -> NDArray[np.bool_]:
    """Which n-grams occur in at most `max_items_per_ngram` different texts of items, of whatever length.

    Equal items (the same question in two benchmarks) count as one text, and the forms of an item (the rows of each of `countings`) are
    looked up apart, so that none makes an n-gram look common.
    """
    table = ngram_table(ngrams, prefixes, owners, n, len(n))
    num_items = np.zeros(table.keys.size, np.int64)
    for form in countings:
        num_items = np.maximum(num_items, count_texts(*_different(words, bounds, np.flatnonzero(form)), table))
    return num_items[np.searchsorted(table.keys, ngrams)] <= settings.max_items_per_ngram


def _heads(
    words: NDArray[np.uint64], bounds: NDArray[np.int64], with_ngrams: NDArray[np.bool_], seeds: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Offsets and values: the runs of 5 words of texts with n-grams, each under the first text that has it, that are no seeds."""
    runs, _, owners = hash_runs(words, bounds, np.where(with_ngrams, SEED_WORDS, 0))
    heads, first = np.unique(runs, return_index=True)
    new = ~np.isin(heads, seeds)
    order = np.lexsort((heads[new], owners[first[new]]))
    counts = np.bincount(owners[first[new]], minlength=len(with_ngrams))
    return np.concatenate(([0], np.cumsum(counts))), heads[new][order]


def _different(words: NDArray[np.uint64], bounds: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The word hashes of the given rows, equal texts once."""
    texts = {words[bounds[row] : bounds[row + 1]].tobytes(): None for row in rows.tolist()}
    flat = np.frombuffer(b"".join(texts), np.uint64)
    return flat, np.concatenate(([0], np.cumsum([len(text) // 8 for text in texts]))).astype(np.int64)
