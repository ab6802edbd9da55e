"""One part of documents becomes one shard of rows: encode, hide, pack, write; every token is accounted for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.dedup.cuts import kept_texts
from curate.documents import content_words
from curate.errors import AccountingError
from curate.fit.encoder import Encoder, encode, word_starts
from curate.pretext import task as task_named
from curate.pretext.causal import CausalSettings
from curate.pretext.masked import MaskedSettings
from curate.pretext.rows import Packed, Rows, Tokens, pack_rows, row_schema
from curate.seeds import fractions, purpose_key
from curate.shards.writer import write_shard

TaskSettings = CausalSettings | MaskedSettings
HELD_OUT_SEED = 0  # the masks of held-out rows depend on content alone, so that two recipes are measured by one ruler
BYTES_AT_ONCE = 8 << 20
COUNTS = ("num_documents", "num_tokens", "num_bytes", "num_rows", "tokens_in", "dropped", "begin", "text", "pad")
NOT_DRAWN = "not_drawn"  # the reason of documents that `document_fraction` leaves out


class Selection(NamedTuple):
    """Which documents of a file become rows, and what their rows call them. All row-aligned with the file. copies: how often
    each kept document stands in the rows; once when None."""

    keep: NDArray[np.bool_]
    content_ids: pa.FixedSizeBinaryArray
    part: NDArray[np.uint32]
    document: NDArray[np.uint32]
    copies: NDArray[np.uint16] | None = None
    cuts: Path | None = None  # the file of what is cut from the documents (`curate.dedup.cuts.CUTS`)


def selection(
    keep: NDArray[np.bool_], content_ids: pa.FixedSizeBinaryArray, part: int, copies: NDArray[np.uint16] | None = None, cuts: Path | None = None
) -> Selection:
    """The kept documents of a part, called by their own part and row."""
    return Selection(keep, content_ids, np.full(len(keep), part, np.uint32), np.arange(len(keep), dtype=np.uint32), copies, cuts)


def manufacture(
    documents: Path, chosen: Selection, encoder: Encoder, *, task: str, settings: TaskSettings, seed: int, part: int, source: str, split: str, out: Path
) -> dict[str, Any]:
    """Make the shard of one part (or of one source's held-out documents) and return its metadata.

    documents: a DOCUMENTS file. Memory holds about `BYTES_AT_ONCE` of text with its tokens, one open row and one batch of
    rows, whatever the part's size. `split` is "train" or "held_out"; the latter ignores `seed` and `document_fraction`.
    Raises DamageError where `chosen` is not row-aligned with the file, AccountingError where tokens do not add up.
    """
    module = task_named(task)
    vocabulary = encoder.vocabulary
    sums: dict[str, int] = dict.fromkeys(
        ("num_documents", "num_tokens", "num_bytes", "num_rows", "tokens_in", "dropped", "segments", "begin", "end", "text", "pad", "num_repeats"), 0
    )
    metadata: dict[str, Any] = {"task": task, "part": f"{part:08x}", "source": source, "split": split, "context_length": settings.context_length}
    metadata |= {"vocabulary_size": vocabulary.size, **vocabulary.special._asdict()}

    def rows() -> Iterator[Rows]:
        own_seed = HELD_OUT_SEED if split == "held_out" else seed
        blocks = (block for copy in _copies(chosen) for block in _blocks(documents, chosen, copy, encoder, module, settings, own_seed, split, task, sums))
        for some in pack_rows(blocks, settings.context_length, vocabulary.special):
            _count(some, vocabulary.special, sums)
            yield some
        metadata.update({name: sums[name] for name in ("num_rows", "num_documents", "num_tokens", "num_bytes")})
        if sums["num_repeats"]:
            metadata["num_repeats"] = sums["num_repeats"]  # of num_documents, those that stand in the rows once more
        metadata["token_ledger"] = token_ledger(sums, settings.context_length, out)

    write_shard(out, row_schema(settings.context_length, vocabulary, module.LABELLED), rows(), metadata)
    return metadata


class _Copy(NamedTuple):
    """One pass over the documents: those that stand in the rows more than `number` times."""

    number: int
    keep: NDArray[np.bool_]

    def seed(self, seed: int) -> int:
        """Of what is drawn in this pass: the copies of a document hide different words."""
        return seed if self.number == 0 else purpose_key(seed, f"copy/{self.number}")


def _copies(chosen: Selection) -> Iterator[_Copy]:
    """Every kept document once, then once more those with two copies or more, and so on: copies lie far apart."""
    copies = np.where(chosen.keep, 1 if chosen.copies is None else chosen.copies, 0)
    yield _Copy(0, chosen.keep)
    for number in range(1, int(copies.max(initial=0))):
        yield _Copy(number, copies > number)


def _blocks(
    documents: Path,
    chosen: Selection,
    copy: _Copy,
    encoder: Encoder,
    module: Any,
    settings: TaskSettings,
    seed: int,
    split: str,
    task: str,
    sums: dict[str, int],
) -> Iterator[Packed]:
    for texts, rows in _kept_texts(documents, copy.keep, chosen.cuts):
        ids, offsets = encode(encoder, texts)
        words = word_starts(encoder, texts, ids, offsets) if module.CHOOSES_WORDS else None
        tokens = Tokens(ids, offsets, words, content_words(chosen.content_ids.take(pa.array(rows))))
        drawn = np.ones(len(rows), np.bool_)
        if split == "train" and settings.document_fraction < 1:
            drawn = fractions(seed, f"{task}/document", tokens.content) < settings.document_fraction
        lengths = np.diff(offsets)
        sums["tokens_in"] += len(ids)
        sums["dropped"] += int(lengths[~drawn].sum())
        sums["num_documents"] += int(drawn.sum())
        sums["num_repeats"] += int(drawn.sum()) if copy.number else 0
        sums["num_tokens"] += int(lengths[drawn].sum())
        sums["num_bytes"] += int(pc.binary_length(texts).to_numpy(zero_copy_only=False)[drawn].sum())
        tokens = _drawn(tokens, drawn)
        examples = module.examples(tokens, settings, encoder.vocabulary, copy.seed(seed))
        yield Packed(examples, tokens.offsets, chosen.part[rows[drawn]], chosen.document[rows[drawn]])


def _drawn(tokens: Tokens, drawn: NDArray[np.bool_]) -> Tokens:
    """The tokens of some documents only."""
    if drawn.all():
        return tokens
    lengths = np.diff(tokens.offsets)
    inside = np.repeat(drawn, lengths)
    words = None if tokens.word_starts is None else tokens.word_starts[inside]
    return Tokens(tokens.ids[inside], np.concatenate([[0], np.cumsum(lengths[drawn])]), words, tokens.content[drawn])


def _kept_texts(documents: Path, keep: NDArray[np.bool_], cuts: Path | None) -> Iterator[tuple[pa.LargeStringArray, NDArray[np.int64]]]:
    """The kept texts of a DOCUMENTS file, without what is cut from them, with their rows, a few megabytes at a time."""
    done = 0
    for texts, mine in kept_texts(documents, keep, cuts):
        yield from _slices(texts, np.flatnonzero(mine) + done)
        done += len(mine)


def _slices(texts: pa.LargeStringArray, rows: NDArray[np.int64]) -> Iterator[tuple[pa.LargeStringArray, NDArray[np.int64]]]:
    ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False))
    start, before = 0, 0
    while start < len(texts):
        end = max(int(np.searchsorted(ends, before + BYTES_AT_ONCE, "right")), start + 1)
        yield texts[start:end], rows[start:end]
        start, before = end, int(ends[end - 1])


def _count(rows: Rows, special: Any, sums: dict[str, int]) -> None:
    """Count what really stands in the rows."""
    shown = rows.input_ids
    sums["num_rows"] += len(shown)
    sums["pad"] += int((shown == special.pad).sum())
    sums["begin"] += len(rows.segments.length)
    sums["text"] += int(rows.segments.length.sum(dtype=np.int64))


def token_ledger(sums: dict[str, int], context_length: int, path: Path) -> dict[str, Any]:
    """Where every token went: tokens in = in rows + cropped + dropped, and positions = text + begin + end + padding.

    Raises AccountingError where either fails. `utilisation` is the share of positions that are not padding.
    """
    in_rows = sums["text"] - sums["num_documents"]  # each document in the rows brings one end token
    positions = sums["num_rows"] * context_length
    if sums["tokens_in"] != in_rows + sums["dropped"]:
        message = f"{sums['tokens_in']} tokens came in, {in_rows} are in rows and {sums['dropped']} were dropped"
        raise AccountingError(f"{path}: {message}; nothing was published")
    if positions != sums["text"] + sums["begin"] + sums["pad"]:
        raise AccountingError(
            f"{path}: {positions} positions hold {sums['text']} tokens, {sums['begin']} begin tokens and {sums['pad']} of padding; nothing was published"
        )
    return {
        "tokens_in": sums["tokens_in"],
        "in_rows": in_rows,
        "cropped": {},
        "dropped": {NOT_DRAWN: sums["dropped"]} if sums["dropped"] else {},
        "positions": positions,
        "begin": sums["begin"],
        "end": sums["num_documents"],
        "pad": sums["pad"],
        "utilisation": (positions - sums["pad"]) / positions if positions else 0.0,
    }
