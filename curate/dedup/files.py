"""Duplicates among the documents of JSON Lines files, without a run: blocks are parsed and signed in threads, signatures
and index lie in a scratch folder, so that memory holds a few blocks and some 40 bytes a document.

A block is parsed by Arrow in one go. Where that refuses it, or finds other records than the block has lines, the block is
read line by line as a run would read it, so that one bad line costs only itself and has its reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from numpy.typing import NDArray

from curate.dedup.duplicates import Duplicates, Indexes, Policy, find_duplicates
from curate.dedup.exact import exact_run
from curate.dedup.index import EXACT_RUN, NEAR_RUN, merge
from curate.dedup.near import NearSettings, near_run
from curate.dedup.numbering import number_parts
from curate.dedup.signatures import Signatures
from curate.documents import as_text
from curate.errors import AccountingError, InputError
from curate.measures import identity, signature
from curate.readers.decompression import blocks as blocks_of
from curate.readers.decompression import compression_of, decompressed
from curate.readers.jsonl import line_document
from curate.readers.records import Document, Refused, UnusableError
from curate.readers.sources import Limits, SourceSettings
from curate.storage import map_scratch, read_table, release, write_scratch

BLOCK_BYTES = 4 << 20
ENTRIES_PER_RANGE = 1 << 18  # of the index merged at a time: 15 MB

_BOM = b"\xef\xbb\xbf"
KEPT, EXACT_DUPLICATE, NEAR_DUPLICATE = "kept", "exact_duplicate", "near_duplicate"


class Fields(NamedTuple):
    """The keys of a record's text and of its own identifier."""

    text: str = "text"
    identifier: str = "id"


class Block(NamedTuple):
    """Whole lines of a file: its number, where the lines begin, their bytes."""

    file: int
    offset: int
    content: bytes


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

    scratch: an empty folder that the caller removes; it grows by about 0.7 kB a document. The result does not depend on
    `threads`. Raises InputError where a file cannot be read.
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


def _indexes(scratch: Path, num_blocks: int, settings: NearSettings) -> Indexes:
    signed = [map_scratch(scratch / f"signature-{number:06d}.arrow") for number in range(num_blocks)]

    def ranges(kind: str, schema: pa.Schema) -> Iterator[pa.Table]:
        mapped = [map_scratch(scratch / f"{kind}-{number:06d}.arrow") for number in range(num_blocks)]
        runs = {number: table for number, (table, _) in enumerate(mapped)}
        total = max(1, -(-sum(map(len, runs.values())) // ENTRIES_PER_RANGE))
        for index in range(total):
            yield merge(schema, runs, index, total)
            release(mapping for _, mapping in (*mapped, *signed))

    return Indexes(ranges("exact", EXACT_RUN), ranges("near", NEAR_RUN), Signatures((table for table, _ in signed), settings.num_perm))


def _in_order(pool: ThreadPoolExecutor, jobs: Iterable[tuple[Path, int, Block, NearSettings, Fields]], most: int) -> Iterator[Measured]:
    """Results in the order of the jobs, at most `most` of them under way: a block is read only when one before it is done."""
    waiting = iter(jobs)
    running = [pool.submit(_measure, *job) for job in islice(waiting, most)]
    while running:
        yield running.pop(0).result()
        running += [pool.submit(_measure, *job) for job in islice(waiting, 1)]


def _measure(scratch: Path, number: int, block: Block, settings: NearSettings, fields: Fields) -> Measured:
    texts, ids, offsets, refused = _parse(block, fields)
    named = identity.measure(texts, identity.Settings())
    signed = signature.measure(texts, settings.signature)
    kinds = {"signature": signed, "near": near_run(signed, settings), "exact": exact_run(named), "ids": pa.table([ids], names=["id"])}
    for kind, table in kinds.items():
        write_scratch(scratch / f"{kind}-{number:06d}.arrow", table)
    return Measured(block.file, offsets, named["num_characters"].to_numpy(), refused)


def _parse(block: Block, fields: Fields) -> tuple[pa.LargeStringArray, pa.StringArray, NDArray[np.int64], list[Refused]]:
    """Texts, identifiers, offsets of the documents, and the refused lines."""
    data = np.frombuffer(block.content, np.uint8)
    ends = np.flatnonzero(data == ord("\n")) + 1
    if not len(ends) or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1]])
    table = _parse_at_once(block.content, fields)
    if table is not None and len(table) == len(starts):
        return table["text"].combine_chunks(), table["id"].combine_chunks(), starts + block.offset, []
    documents: list[Document] = []
    refused: list[Refused] = []
    settings, limits = SourceSettings(name="files", paths=["-"], text_field=fields.text, id_field=fields.identifier, uri_field=None), Limits()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        line = block.content[start:end].removeprefix(_BOM) if block.offset + start == 0 else block.content[start:end]
        if line.strip():
            try:
                documents.append(line_document(line, block.offset + start, settings, limits))
            except UnusableError as why:
                refused.append(why.refused(block.offset + start))
    texts = as_text([document.text for document in documents])
    ids = pa.array([document.identifier for document in documents], pa.string())
    return texts, ids, np.array([document.offset for document in documents], np.int64), refused


def _parse_at_once(content: bytes, fields: Fields) -> pa.Table | None:
    """The block's records as columns text and id; None where Arrow's parser does not take it, or takes what a reader would refuse."""
    for identifier in (pa.string(), pa.int64()):
        schema = pa.schema([pa.field(fields.text, pa.large_string()), pa.field(fields.identifier, identifier)])
        parsing = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        try:
            table = pj.read_json(pa.BufferReader(content), pj.ReadOptions(use_threads=False, block_size=len(content) + 1), parsing)
            table.validate(full=True)  # the parser lets bytes through that are not UTF-8
        except pa.ArrowInvalid:
            continue
        text = table[fields.text]
        start = pc.utf8_ltrim_whitespace(pc.utf8_slice_codeunits(text, 0, 64))  # all white space is none, which a reader refuses
        if text.null_count or pc.any(pc.equal(pc.binary_length(start), 0)).as_py():
            return None
        return pa.table({"text": text, "id": table[fields.identifier].cast(pa.string())})
    return None


def _blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Whole lines of every file in turn, about BLOCK_BYTES at a time."""
    for number, path in enumerate(paths):
        try:
            yield from (Block(number, offset, content) for offset, content in _whole_lines(path))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); give JSON Lines files that are there and readable") from error
        except UnusableError as why:
            raise InputError(f"{path} is damaged ({why}); `corpuscle run` would keep its whole lines, or fetch it again") from why


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(offset, whole lines) of a file; offsets of a compressed one are those of its content."""
    compression = compression_of(path)
    with path.open("rb", buffering=0) as file:
        pieces = iter(lambda: file.read(BLOCK_BYTES), b"") if compression == "none" else decompressed(blocks_of(file), compression, Limits())
        offset, held = 0, b""
        for piece in pieces:
            if cut := piece.rfind(b"\n") + 1:
                content = b"".join((held, memoryview(piece)[:cut]))
                yield offset, content
                offset, held = offset + len(content), piece[cut:]
            else:
                held += piece
        if held:
            yield offset, held


def _joined(pieces: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *pieces])


def copy_kept(found: Found) -> Iterator[bytes]:
    """The kept documents' lines as they stand, file after file. Raises AccountingError where a file changed meanwhile."""
    for number, path in enumerate(found.paths):
        kept = found.offsets[found.keep & (found.files == number)]
        num_copied = 0
        for offset, content in _whole_lines(path):
            for at in kept[np.searchsorted(kept, offset) : np.searchsorted(kept, offset + len(content))].tolist():
                end = content.find(b"\n", at - offset)
                yield content[at - offset :] + b"\n" if end < 0 else content[at - offset : end + 1]
                num_copied += 1
        if num_copied != len(kept):
            raise AccountingError(f"{path} changed while it was read: {len(kept)} lines were to be kept, {num_copied} were found")
