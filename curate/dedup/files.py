"""Duplicates among the documents of JSON Lines files, without a run: blocks are parsed and signed in threads, signatures
and index lie in a scratch folder, so that memory holds a few blocks and some 40 bytes a document.

Lines are read as a run would read them: one bad line costs only itself and has its reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.duplicates import Duplicates, Indexes, Policy, find_duplicates
from curate.dedup.exact import exact_run
from curate.dedup.index import EXACT_RUN, NEAR_RUN, merge
from curate.dedup.near import NearSettings, near_run
from curate.dedup.numbering import number_parts
from curate.dedup.shingles import Shingles
from curate.dedup.signatures import Signatures
from curate.errors import AccountingError, InputError
from curate.measures import identity, signature
from curate.measures.shingles import measure_with_signatures
from curate.readers.decompression import blocks as blocks_of
from curate.readers.decompression import compression_of, decompressed
from curate.readers.json_blocks import read_block
from curate.readers.line_blocks import LineBlock, line_blocks
from curate.readers.lines import BrokenLinesError
from curate.readers.records import Refused, UnusableError
from curate.readers.sources import Limits, SourceSettings
from curate.storage import map_scratch, read_table, release, write_scratch

ENTRIES_PER_RANGE = 1 << 18  # of the index merged at a time: 15 MB
DOCUMENTS_PER_LOOK = 4096  # whose signatures are read before the pages they lie on are let go of: 2 MB, on pages of some 20 MB

LIMITS = Limits()
KEPT, EXACT_DUPLICATE, NEAR_DUPLICATE = "kept", "exact_duplicate", "near_duplicate"


class Fields(NamedTuple):
    """The keys of a record's text and of its own identifier."""

    text: str = "text"
    identifier: str = "id"


class Block(NamedTuple):
    """Whole lines of a file, by its number."""

    file: int
    lines: LineBlock


class Measured(NamedTuple):
    """What stays in memory of a block. offsets: int64 (documents,), where their lines begin."""

    file: int
    offsets: NDArray[np.int64]
    num_characters: NDArray[np.int64]
    refused: list[Refused]


@dataclass(frozen=True)
class Found:
    """Every document of the files in order, and what became of it.

    files: uint32, offsets: int64 (documents,), where its line begins; refused: (file, record) of the lines that hold none.
    """

    paths: tuple[Path, ...]
    files: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    duplicates: Duplicates
    refused: list[tuple[int, Refused]]
    scratch: Path

    @property
    def keep(self) -> NDArray[np.bool_]:
        return ~(self.duplicates.exact_duplicate | self.duplicates.near_duplicate)

    def identifiers(self) -> Iterator[tuple[pa.StringArray, NDArray[np.bool_]]]:
        """The documents' own identifiers (null where they have none) a block at a time, each with its part of `keep`."""
        keep, start = self.keep, 0
        for number in range(len(list(self.scratch.glob("ids-*.arrow")))):
            ids = read_table(self.scratch / f"ids-{number:06d}.arrow")["id"].combine_chunks()
            yield ids, keep[start : start + len(ids)]
            start += len(ids)

    def verdicts(self) -> Iterator[pa.RecordBatch]:
        """Every document: where it is, its identifier, its verdict, and the document kept instead, by number."""
        which = self.duplicates.exact_duplicate + 2 * self.duplicates.near_duplicate.astype(np.int8)
        names = pa.array(np.array([KEPT, EXACT_DUPLICATE, NEAR_DUPLICATE]))
        start = 0
        for ids, keep in self.identifiers():
            rows = slice(start, start + len(keep))
            path = pa.DictionaryArray.from_arrays(pa.array(self.files[rows].astype(np.int32)), pa.array(np.array([str(path) for path in self.paths])))
            verdict = pa.DictionaryArray.from_arrays(pa.array(which[rows].astype(np.int8)), names)
            columns = [np.arange(rows.start, rows.stop, dtype=np.uint32), path, self.offsets[rows], ids, verdict, self.duplicates.representative[rows]]
            yield pa.record_batch([column if isinstance(column, pa.Array) else pa.array(column) for column in columns], schema=VERDICTS)
            start = rows.stop


VERDICTS = pa.schema(
    [
        pa.field("document", pa.uint32(), nullable=False),
        pa.field("path", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("verdict", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("representative", pa.uint32(), nullable=False),
    ]
)


def find_in_files(paths: Sequence[Path], scratch: Path, settings: NearSettings, fields: Fields, policy: Policy, threads: int) -> Found:
    """Exact and near-duplicates among the records of plain JSON Lines files, numbered in the order of the files.

    scratch: an empty folder that the caller removes; it grows by about 0.7 kB a document, and 4 bytes a word where the shingles verify.
    The result does not depend on `threads`. Raises InputError where a file cannot be read.
    """
    sizes: list[int] = []
    blocks: list[Measured] = []
    with ThreadPoolExecutor(threads) as pool:
        jobs = ((scratch, number, block, settings, fields) for number, block in enumerate(_blocks(paths)))
        for measured in _in_order(pool, jobs, 2 * threads):
            blocks.append(measured)
            sizes.append(len(measured.offsets))
    numbering = number_parts(enumerate(sizes))
    everything = np.ones(numbering.num_documents, bool)
    lengths = _joined(block.num_characters for block in blocks)
    duplicates = find_duplicates(_indexes(scratch, len(sizes), settings), numbering, everything, lengths, settings, policy)
    return Found(
        tuple(paths),
        np.repeat(np.array([block.file for block in blocks], np.uint32), sizes),
        _joined(block.offsets for block in blocks),
        duplicates,
        [(block.file, refused) for block in blocks for refused in block.refused],
        scratch,
    )


class _Released(Signatures):
    """Signatures in files that are mapped while some are copied and let go of afterwards, so that memory does not grow with the files."""

    def __init__(self, mapped: Sequence[tuple[pa.Table, mmap]], num_perm: int) -> None:
        super().__init__((table for table, _ in mapped), num_perm)
        self._mappings = [mapping for _, mapping in mapped]
        release(self._mappings)  # what opening them read: 64 kB a file

    def gather(self, documents: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """As they are asked for, though read in the order of the files: few pages at a time."""
        found = np.empty((len(documents), self.num_perm), np.uint32)
        order = np.argsort(documents, kind="stable")
        for start in range(0, len(order), DOCUMENTS_PER_LOOK):
            chosen = order[start : start + DOCUMENTS_PER_LOOK]
            found[chosen] = super().gather(documents[chosen])
            release(self._mappings)
        return found


def _indexes(scratch: Path, num_blocks: int, settings: NearSettings) -> Indexes:
    signed = [map_scratch(scratch / f"signature-{number:06d}.arrow") for number in range(num_blocks)]
    exactly = settings.verify == "shingles"
    hashes = [map_scratch(scratch / f"shingles-{number:06d}.arrow") for number in range(num_blocks if exactly else 0)]
    release(mapping for _, mapping in hashes)
    shingles = Shingles((table for table, _ in hashes), lambda place: release([hashes[place][1]])) if exactly else None

    def ranges(kind: str, schema: pa.Schema) -> Iterator[pa.Table]:
        mapped = [map_scratch(scratch / f"{kind}-{number:06d}.arrow") for number in range(num_blocks)]
        release(mapping for _, mapping in mapped)
        runs = {number: table for number, (table, _) in enumerate(mapped)}
        total = max(1, -(-sum(map(len, runs.values())) // ENTRIES_PER_RANGE))
        for index in range(total):
            yield merge(schema, runs, index, total)
            release(mapping for _, mapping in mapped)

    return Indexes(ranges("exact", EXACT_RUN), ranges("near", NEAR_RUN), _Released(signed, settings.num_perm), shingles)


def _in_order(pool: ThreadPoolExecutor, jobs: Iterable[tuple[Path, int, Block, NearSettings, Fields]], most: int) -> Iterator[Measured]:
    """Results in the order of the jobs, at most `most` of them under way: a block is read only when one before it is done."""
    waiting = iter(jobs)
    running = [pool.submit(_measure, *job) for job in islice(waiting, most)]
    while running:
        yield running.pop(0).result()
        running += [pool.submit(_measure, *job) for job in islice(waiting, 1)]


def _measure(scratch: Path, number: int, block: Block, settings: NearSettings, fields: Fields) -> Measured:
    source = SourceSettings(name="files", paths=["-"], text_field=fields.text, id_field=fields.identifier, uri_field=None)
    rows, refused, _ = read_block(block.lines, source, LIMITS)
    named = identity.measure(rows.texts, identity.Settings())
    exactly = settings.verify == "shingles"
    signed, hashes = measure_with_signatures(rows.texts, settings.signature) if exactly else (signature.measure(rows.texts, settings.signature), None)
    kinds = {"signature": signed, "near": near_run(signed, settings), "exact": exact_run(named), "ids": pa.table([rows.identifiers], names=["id"])}
    kinds |= {"shingles": hashes} if hashes is not None else {}
    for kind, table in kinds.items():
        write_scratch(scratch / f"{kind}-{number:06d}.arrow", table)
    return Measured(block.file, rows.offsets, named["num_characters"].to_numpy(), refused)


def _blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Whole lines of every file in turn. A compressed file that breaks is an error: what is missing cannot be told from what is a duplicate."""
    for number, path in enumerate(paths):
        try:
            yield from (Block(number, lines) for lines in _whole_lines(path))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); give JSON Lines files that are there and readable") from error
        except (BrokenLinesError, UnusableError) as why:
            raise InputError(f"{path} is damaged ({why}); `corpuscle run` would keep its whole lines, or fetch it again") from why


def _whole_lines(path: Path) -> Iterator[LineBlock]:
    """Offsets of a compressed file are those of its content."""
    compression = compression_of(path)
    with path.open("rb", buffering=0) as file:
        yield from line_blocks(decompressed(blocks_of(file), compression, LIMITS), 0, LIMITS.max_line_bytes)


def _joined(pieces: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *pieces])


def copy_kept(found: Found) -> Iterator[bytes]:
    """The kept documents' lines as they stand, file after file. Raises AccountingError where a file changed meanwhile."""
    for number, path in enumerate(found.paths):
        kept = found.offsets[found.keep & (found.files == number)]
        num_copied = 0
        for offset, end, padded in _whole_lines(path):
            if padded is None:
                continue
            for at in kept[np.searchsorted(kept, offset) : np.searchsorted(kept, end)].tolist():
                yield padded[at - offset : padded.index(b"\n", at - offset) + 1]
                num_copied += 1
        if num_copied != len(kept):
            raise AccountingError(f"{path} changed while it was read: {len(kept)} lines were to be kept, {num_copied} were found")
