"""Block-lists of URLs: which files a recipe names, and the one file of hashes that documents are looked up in.

No list comes with Corpuscle, since their licences differ. The lists of the University of Toulouse (UT1,
https://dsi.ut-capitole.fr/blacklists/, CC BY-SA 4.0) are what RefinedWeb, FineWeb and DCLM used for domains and URLs; lists of words are
printed in RefinedWeb's appendix G.1 (arXiv 2306.01116) and part of datatrove. A list is plain text, perhaps gzipped, one entry a line; empty
lines and lines that start with # are left out. A folder stands for all files below it that are named as UT1 names
them (adult/domains, adult/urls).
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from curate.errors import DamageError, InputError
from curate.storage import Output, read_schema, read_table, write_table

VERSION = 1
MAX_WORD = 64  # characters of a substring; URLs are searched for every length in use
_BLOCK = 8 << 20
_SCHEMA = pa.schema([pa.field("list", pa.uint8(), nullable=False), pa.field("hash", pa.uint64(), nullable=False)])

Paths = Annotated[tuple[str, ...], Field(strict=False)]
_WHERE = "Files, .gz too, one entry a line, # comments; UT1 (https://dsi.ut-capitole.fr/blacklists/) has such lists."


class BlockListSettings(BaseModel):
    """The list files, relative to the recipe's root."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    domains: Paths = Field((), description=f"Hosts that are blocked with all their subdomains. A folder: every file `domains` below it. {_WHERE}")
    urls: Paths = Field((), description=f"URLs that are blocked with all that lies below their path. A folder: every file `urls` below it. {_WHERE}")
    hard_words: Paths = Field((), description=f"Words of a URL of which one is enough (arXiv 2306.01116, appendix G.1). {_WHERE}")
    soft_words: Paths = Field((), description=f"Words of a URL that are counted. {_WHERE}")
    strict_substrings: Paths = Field((), description=f"Strings looked for in a URL's letters and digits, everything else left out. {_WHERE}")

    @property
    def is_given(self) -> bool:
        """Whether any file is named."""
        return any(getattr(self, kind) for kind in type(self).model_fields)


KINDS = tuple(BlockListSettings.model_fields)
IN_FOLDERS = frozenset({"domains", "urls"})  # the lists that UT1 has


def list_files(settings: BlockListSettings, root: Path) -> dict[str, list[Path]]:
    """The files of every list, folders opened, in order. Raises InputError where there is none of a name."""
    found: dict[str, list[Path]] = {}
    for kind in KINDS:
        found[kind] = []
        for name in getattr(settings, kind):
            path = root / name
            files = sorted(file for ending in ("", ".gz") for file in path.rglob(kind + ending)) if path.is_dir() and kind in IN_FOLDERS else [path]
            if not files or not all(file.is_file() for file in files):
                wanted = f"a file, or a folder with files named {kind}" if kind in IN_FOLDERS else "a file"
                raise InputError(f"block_lists.{kind}: {path} is not {wanted}; without it nothing would be blocked, so correct or remove the path")
            found[kind] += files
    return found


def write_lists(target: Path, files: Mapping[str, Sequence[Path]]) -> Output:
    """Hash the entries of all lists into one file, 8 bytes an entry while they are looked up.

    files: by name of the list. Raises InputError naming file and line of an entry that nothing could match.
    """
    tables, sizes = [], np.zeros(MAX_WORD + 1, bool)
    for number, kind in enumerate(KINDS):
        hashes: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = [np.zeros(0, np.uint64)]
        for file in files.get(kind, ()):
            for values, lengths in _hashed(file, kind):
                hashes.append(values)
                if kind == "strict_substrings":
                    sizes[lengths] = True
        distinct = np.unique(np.concatenate(hashes))
        tables.append(pa.table([np.full(len(distinct), number, np.uint8), distinct], schema=_SCHEMA))
    facts = {"version": VERSION, "sizes": np.flatnonzero(sizes).tolist()}
    return write_table(target, pa.concat_tables(tables).replace_schema_metadata({"corpuscle": json.dumps(facts)}), compression=None)


def read_lists(path: Path) -> tuple[dict[str, np.ndarray[tuple[int], np.dtype[np.uint64]]], list[int]]:
    """The hashes of every list, ascending, and the lengths that substrings have. Raises DamageError where the file is not one of `write_lists`."""
    metadata = (read_schema(path).metadata or {}).get(b"corpuscle")
    if metadata is None:
        raise DamageError(f"{path} holds no block-lists; run again to make them anew")
    table = read_table(path)
    ends = np.searchsorted(table["list"].to_numpy(), np.arange(len(KINDS) + 1))
    hashes = table["hash"].to_numpy()
    return {kind: hashes[ends[number] : ends[number + 1]] for number, kind in enumerate(KINDS)}, json.loads(metadata)["sizes"]


def _hashed(file: Path, kind: str) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """Hashes and lengths of the entries of a file, a block at a time."""
    from curate.kernels.urls import DOMAIN, URL, WORD, hash_entries
    from curate.measures.url import in_ascii

    way = {"domains": DOMAIN, "urls": URL}.get(kind, WORD)
    for first, lines in _lines(file):
        is_entry = pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, "#"))).to_numpy(zero_copy_only=False)
        hashes, lengths = hash_entries(*in_ascii(lines, hosts=way != WORD), way)
        longest = MAX_WORD if kind == "strict_substrings" else np.iinfo(np.int64).max
        bad = np.flatnonzero(is_entry & ((lengths == 0) | (lengths > longest)))
        if len(bad):
            why = f"is longer than {MAX_WORD} characters" if lengths[bad[0]] else "has nothing to look up (a host; for words, ASCII letters or digits)"
            raise InputError(
                f"{file}:{first + int(bad[0])}: the entry {lines[int(bad[0])].as_py()[:80]!r} {why}; a list of {kind} has one entry a line, # before comments"
            )
        yield hashes[is_entry], lengths[is_entry]


def _lines(file: Path) -> Iterator[tuple[int, pa.LargeStringArray]]:
    """The lines of a file without white space around them, a block at a time, with the number of the first."""
    number, rest = 1, b""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                whole, newline, rest = (rest + block).rpartition(b"\n")
                if newline:
                    lines = _split(whole)
                    yield number, lines
                    number += len(lines)
            yield number, _split(rest)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: the block-list cannot be read: {error}; get it again or correct its path") from error


def _split(block: bytes) -> pa.LargeStringArray:
    text = pa.array([block.decode("utf-8", "replace")], pa.large_string())
    return pc.utf8_trim_whitespace(pc.split_pattern(text, "\n").flatten())
