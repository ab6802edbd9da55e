"""Cross-document cuts from file to file, in three passes over bounded memory: runs a part, repeats a key range, cuts a part.

In memory are, at most: one part's tokens and fingerprints (8 bytes a token, about 1.3 times its text); one range's entries;
one batch of texts with the part's repeats. Tokens of other parts are memory-mapped and read only where something repeats.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.cuts import CUTS, KindSettings, cuts_of_part, kept_texts
from curate.dedup.pieces import LineSettings, ParagraphSettings, PieceSettings, piece_entries, repeated_pieces
from curate.dedup.places import joined_tables, merge, repeats_of, repeats_table, sorted_run, write_places
from curate.dedup.substrings import (
    SubstringSettings,
    Tokens,
    fingerprints,
    repeated_substrings,
    token_arrays,
    token_spans,
    tokens_from,
    tokens_of,
    tokens_table,
)
from curate.documents import as_text
from curate.storage import Output, read_batches, read_table, write_batches

SETTINGS: dict[str, type[LineSettings] | type[ParagraphSettings] | type[SubstringSettings]] = {
    "lines": LineSettings,
    "paragraphs": ParagraphSettings,
    "substrings": SubstringSettings,
}


def write_runs(documents: Path, keep: NDArray[np.bool_], settings: KindSettings, run: Path, tokens: Path) -> list[Output]:
    """The run of one part's kept documents, and for substrings their tokens in a file of its own. keep: bool, one a document."""
    if isinstance(settings, PieceSettings):
        keys, rows, numbers = _joined([_in_rows(piece_entries(texts, settings), here) for texts, here in _kept(documents, keep)], 3)
        return [write_places(run, sorted_run(keys, rows, numbers))]
    held = _tokens(documents, keep, settings)
    return [write_places(tokens, tokens_table(held)), write_places(run, sorted_run(*fingerprints(held, settings)))]


def write_repeats(parts: Sequence[int], runs: Sequence[Path], tokens: Sequence[Path], index: int, total: int, settings: KindSettings, target: Path) -> Output:
    """The repeats of one range of the keys. parts: ids in the stated order; runs, tokens: their files, in the same order."""
    entries = merge([read_table(path) for path in runs], index, total)
    if isinstance(settings, PieceSettings):
        return write_places(target, repeats_table(repeated_pieces(entries, settings), parts))
    held = _reader(dict(enumerate(tokens)))
    return write_places(target, joined_tables([repeats_table(found, parts) for found in repeated_substrings(entries, held, settings)]))


def write_cuts(
    documents: Path, part: int, repeats: Mapping[str, Sequence[Path]], tokens: Mapping[int, Path], settings: Mapping[str, KindSettings], target: Path
) -> Output:
    """The cuts of one part. repeats: the files of all ranges, by kind; tokens: by part id, where substrings are cut."""
    mine: dict[str, dict[str, NDArray[np.uint32]]] = {}
    for kind, paths in repeats.items():
        mine[kind] = repeats_of([read_table(path) for path in paths], part)
        chosen = settings[kind]
        if isinstance(chosen, SubstringSettings):
            held = _reader(tokens)
            mine[kind] = token_spans(mine[kind], held(part), held, chosen)
    texts = (as_text(batch.column("text")) for batch in read_batches(documents, ["text"]))
    return write_batches(target, CUTS, cuts_of_part(texts, mine, settings))


def checked(settings: Mapping[str, Any]) -> dict[str, KindSettings]:
    """Settings by kind, from plain data."""
    return {kind: SETTINGS[kind].model_validate(given) for kind, given in settings.items()}


def _kept(documents: Path, keep: NDArray[np.bool_]) -> Iterator[tuple[pa.LargeStringArray, NDArray[np.uint32]]]:
    """Kept texts with their rows in the part."""
    done = 0
    for texts, mine in kept_texts(documents, keep):
        yield texts, (np.flatnonzero(mine) + done).astype(np.uint32)
        done += len(mine)


def _in_rows(entries: Sequence[NDArray[Any]], rows: NDArray[np.uint32]) -> tuple[NDArray[Any], ...]:
    """Entries whose second column counts texts of a batch, with rows of the part instead."""
    return entries[0], rows[entries[1]], *entries[2:]


def _joined(pieces: Sequence[tuple[NDArray[Any], ...]], num_columns: int) -> list[NDArray[Any]]:
    if not pieces:
        return [np.empty(0, np.uint64), *(np.empty(0, np.uint32) for _ in range(num_columns - 1))]
    return [np.concatenate(column) for column in zip(*pieces, strict=True)]


def _tokens(documents: Path, keep: NDArray[np.bool_], settings: SubstringSettings) -> Tokens:
    """The tokens of a part, row-aligned; documents that are not kept have none."""
    values, lengths = [np.empty(0, np.uint64)], np.zeros(len(keep) + 1, np.int64)
    for texts, rows in _kept(documents, keep):
        found = tokens_of(texts, settings)
        values.append(found.values)
        lengths[rows.astype(np.int64) + 1] = np.diff(found.bounds)
    return token_arrays(np.concatenate(values), np.cumsum(lengths))


def _reader(paths: Mapping[int, Path]) -> Callable[[int], Tokens]:
    """Tokens by number, memory-mapped; a few files stay open."""

    @lru_cache(maxsize=64)
    def read(number: int) -> Tokens:
        return tokens_from(read_table(paths[number]))

    return read
