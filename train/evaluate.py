"""Bits per byte on held-out documents, per source: the ruler of every comparison."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.errors import AccountingError
from train.loader import to_batch
from train.objectives import Model, objective_of, token_losses
from train.order import permute
from train.rows import NOT_A_TARGET, Rows, SourceRows, fetch
from train.settings import TrainSettings


@dataclass(frozen=True)
class Score:
    """Bits that a model needs for the scored tokens of one source, and the UTF-8 bytes these tokens stand for."""

    num_bits: float
    num_tokens: int
    num_bytes: int

    @property
    def bits_per_byte(self) -> float | None:
        """None where there was nothing to score."""
        return self.num_bits / self.num_bytes if self.num_bytes else None


def evaluate(model: Model, task: str, sources: Sequence[SourceRows], token_num_bytes: NDArray[np.int64], settings: TrainSettings) -> dict[str, Score]:
    """Score held-out rows source by source, on the model's device, in float32 unless the caller has autocast on.

    causal: every document token is scored once, the first included (its predictor is BOS), EOS is not; bytes are those of
    the documents as frozen. masked: the masked tokens; bytes are theirs (`token_num_bytes`, one per id). With
    `evaluate_rows`, a fixed choice of rows stands for a source and its tokens' bytes are counted from the same table.
    Raises AccountingError if the scored tokens are not the document tokens that rows and metadata state.
    """
    device = model.output_weight.device
    model.eval()
    scores = {}
    for source in sources:
        chosen = _chosen_rows(source, settings)
        num_bits, num_tokens, num_bytes, num_document_tokens = 0.0, 0, 0, 0
        for rows in _passes(source, chosen, settings.evaluate_rows_per_pass):
            batch = to_batch(rows, device)
            words_of = source.vocabulary
            targets = objective_of(task).targets(batch)
            if task == "causal":
                targets = targets.masked_fill(targets == words_of.eos, NOT_A_TARGET)
            losses = token_losses(model, batch, targets)
            words = targets[targets != NOT_A_TARGET].cpu().numpy()
            num_bits += float(losses.double().sum()) / math.log(2)
            num_tokens += len(words)
            num_bytes += int(token_num_bytes[words].sum())
            num_document_tokens += int(((rows.segment_ids >= 0) & (rows.input_ids != words_of.bos) & (rows.input_ids != words_of.eos)).sum())
        whole = len(chosen) == source.num_rows
        _check(source, num_tokens if task == "causal" else None, num_document_tokens, source.num_tokens if whole else None)
        scores[source.name] = Score(num_bits, num_tokens, source.num_bytes if whole and task == "causal" else num_bytes)
    model.train()
    return scores


def _chosen_rows(source: SourceRows, settings: TrainSettings) -> NDArray[np.int64]:
    if settings.evaluate_rows is None or settings.evaluate_rows >= source.num_rows:
        return np.arange(source.num_rows)
    return np.sort(permute(np.arange(settings.evaluate_rows), source.num_rows, settings.seed, f"held-out rows/{source.name}"))


def _passes(source: SourceRows, rows: NDArray[np.int64], rows_per_pass: int) -> Iterator[Rows]:
    for start in range(0, len(rows), rows_per_pass):
        part = rows[start : start + rows_per_pass]
        yield fetch([source], np.zeros(len(part), np.int32), part)


def _check(source: SourceRows, num_scored: int | None, num_in_rows: int, num_stated: int | None) -> None:
    for found, what in ((num_scored, "scored"), (num_stated, "stated by the shards' metadata")):
        if found is not None and found != num_in_rows:
            difference = f"held-out rows of {source.name} hold {num_in_rows} document tokens, but {found} are {what}"
            raise AccountingError(f"{difference}; bits per byte of other tokens would not be comparable. This is a bug")
