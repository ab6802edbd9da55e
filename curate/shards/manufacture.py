"""One part of documents becomes one shard of rows: encode, hide, pack, write; every token is accounted for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.documents import as_text, content_words
from curate.errors import AccountingError, DamageError
from curate.fit.encoder import Encoder, encode, word_starts
from curate.pretext import task as task_named
from curate.pretext.causal import CausalSettings
from curate.pretext.masked import MaskedSettings
from curate.pretext.rows import Packed, Rows, Tokens, pack_rows, row_schema
from curate.seeds import fractions
from curate.shards.writer import write_shard
from curate.storage import read_batches

TaskSettings = CausalSettings | MaskedSettings
HELD_OUT_SEED = 0  # the masks of held-out rows depend on content alone, so that two recipes are measured by one ruler
BYTES_AT_ONCE = 8 << 20
COUNTS = ("num_documents", "num_tokens", "num_bytes", "num_rows", "tokens_in", "dropped", "begin", "text", "pad")
NOT_DRAWN = "not_drawn"  # the reason of documents that `document_fraction` leaves out


class Selection(NamedTuple):
    """Which documents of a file become rows, and what their rows call them. All row-aligned with the file."""

    keep: NDArray[np.bool_]
    content_ids: pa.FixedSizeBinaryArray
    part: NDArray[np.uint32]
    document: NDArray[np.uint32]


def selection(keep: NDArray[np.bool_], content_ids: pa.FixedSizeBinaryArray, part: int) -> Selection:
    """The kept documents of a part, called by their own part and row."""
    return Selection(keep, content_ids, np.full(len(keep), part, np.uint32), np.arange(len(keep), dtype=np.uint32))


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
        ("num_documents", "num_tokens", "num_bytes", "num_rows", "tokens_in", "dropped", "segments", "begin", "end", "text", "pad"), 0
    )
    metadata: dict[str, Any] = {"task": task, "part": f"{part:08x}", "source": source, "split": split, "context_length": settings.context_length}
    metadata |= {"vocabulary_size": vocabulary.size, **vocabulary.special._asdict()}

    def rows() -> Iterator[Rows]:
        blocks = _blocks(documents, chosen, encoder, module, settings, HELD_OUT_SEED if split == "held_out" else seed, split, task, sums)
        for some in pack_rows(blocks, settings.context_length, vocabulary.special):
            _count(some, vocabulary.special, sums)
            yield some
        metadata.update({name: sums[name] for name in ("num_rows", "num_documents", "num_tokens", "num_bytes")})
        metadata["token_ledger"] = token_ledger(sums, settings.context_length, out)

    write_shard(out, row_schema(settings.context_length, vocabulary, module.LABELLED), rows(), metadata)
    return metadata


def _blocks(
    documents: Path, chosen: Selection, encoder: Encoder, module: Any, settings: TaskSettings, seed: int, split: str, task: str, sums: dict[str, int]
) -> Iterator[Packed]:
    for texts, rows in _kept_texts(documents, chosen.keep):
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
        sums["num_tokens"] += int(lengths[drawn].sum())
        sums["num_bytes"] += int(pc.binary_length(texts).to_numpy(zero_copy_only=False)[drawn].sum())
        tokens = _drawn(tokens, drawn)
        yield Packed(module.examples(tokens, settings, encoder.vocabulary, seed), tokens.offsets, chosen.part[rows[drawn]], chosen.document[rows[drawn]])


def _drawn(tokens: Tokens, drawn: NDArray[np.bool_]) -> Tokens:
    """The tokens of some documents only."""
    if drawn.all():
        return tokens
    lengths = np.diff(tokens.offsets)
    inside = np.repeat(drawn, lengths)
    words = None if tokens.word_starts is None else tokens.word_starts[inside]
    return Tokens(tokens.ids[inside], np.concatenate([[0], np.cumsum(lengths[drawn])]), words, tokens.content[drawn])


def _kept_texts(documents: Path, keep: NDArray[np.bool_]) -> Iterator[tuple[pa.LargeStringArray, NDArray[np.int64]]]:
    """The kept texts of a DOCUMENTS file with their rows, a few megabytes at a time."""
    done = 0
    for batch in read_batches(documents, ["text"]):
        texts = as_text(batch.column("text"))
        here = np.flatnonzero(keep[done : done + len(texts)])
        yield from _slices(texts.take(pa.array(here)), here + done)
        done += len(texts)
    if done != len(keep):
        raise DamageError(f"{documents} has {done} documents but its ledger has {len(keep)}; one of them is from another run")


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
