"""Cross-document cuts among texts in memory: the run's own search, without a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.cuts import KINDS, Cuts, KindSettings, cuts_batch, find_cuts
from curate.dedup.pieces import LineSettings, ParagraphSettings, PieceSettings, piece_run, repeated_pieces
from curate.dedup.places import Repeats, merge, repeats_of, repeats_table, sorted_run
from curate.dedup.substrings import SubstringSettings, fingerprints, repeated_substrings, token_spans, tokens_of
from curate.documents import as_text


def remove_repeats(
    texts: Sequence[str] | pa.Array | pa.ChunkedArray,
    *,
    lines: LineSettings | None = None,
    paragraphs: ParagraphSettings | None = None,
    substrings: SubstringSettings | None = None,
) -> pa.Table:
    """What repeats in other texts, as spans to be cut: one row a text, columns spans and num_words (see `curate.dedup.cuts.CUTS`; first_part is 0).

    A kind is searched for where its settings are given. `curate.dedup.cuts.cut_texts` applies the spans. Raises ValueError for a null text.
    """
    column = as_text(texts)
    given = dict(zip(KINDS, (paragraphs, lines, substrings), strict=True))
    settings = {kind: chosen for kind, chosen in given.items() if chosen is not None}
    return pa.Table.from_batches([cuts_batch(column, cuts_of_parts({0: column}, settings)[0])])


def cuts_of_parts(parts: Mapping[int, pa.LargeStringArray], settings: Mapping[str, KindSettings], num_ranges: int = 1) -> dict[int, Cuts]:
    """The cuts of each of several columns of texts, by the number that names it; their order is the order in which an occurrence is the first."""
    found = {kind: repeats_of_parts(parts, chosen, num_ranges) for kind, chosen in settings.items()}
    return {part: find_cuts(texts, {kind: mine[part] for kind, mine in found.items()}, settings) for part, texts in parts.items()}


def repeats_of_parts(parts: Mapping[int, pa.LargeStringArray], settings: KindSettings, num_ranges: int = 1) -> dict[int, dict[str, NDArray[np.uint32]]]:
    """The repeats of one kind in each of several columns: `curate.dedup.places.repeats_of`, of substrings as spans of tokens."""
    names = list(parts)
    if isinstance(settings, PieceSettings):
        runs = [piece_run(texts, settings) for texts in parts.values()]
        found: list[Repeats] = [repeated_pieces(merge(runs, number, num_ranges), settings) for number in range(num_ranges)]
        tables = [repeats_table(one, names) for one in found]
        return {part: repeats_of(tables, part) for part in parts}
    tokens = {part: tokens_of(texts, settings) for part, texts in parts.items()}
    runs = [sorted_run(*fingerprints(held, settings)) for held in tokens.values()]
    held_by_rank: Any = list(tokens.values()).__getitem__
    several = [repeated_substrings(merge(runs, number, num_ranges), held_by_rank, settings) for number in range(num_ranges)]
    tables = [repeats_table(one, names) for some in several for one in some]
    return {part: token_spans(repeats_of(tables, part), tokens[part], tokens.__getitem__, settings) for part in parts}
