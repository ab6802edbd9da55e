"""Batches for training: any batch of a run, on any rank, from a step number alone.

The stream of rows is a pure function of (shards, mixture, seed): global row = step × batch_rows + slot; the mixture says
whose turn it is and the how-manieth, the order says which row that is. So there is nothing to save but the step, and
ranks, workers and kills cannot change what is trained on.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.mixture import Mixture, MixtureSettings, Seen, mixture_sources
from train.order import permute
from train.rows import Rows, SourceRows, fetch

ROWS_PLANNED_AT_ONCE = 4096  # planning 32 rows at a time cost 260 µs, most of it NumPy's own; 4,096 at once cost 0.2 µs a row


@dataclass(frozen=True)
class Batch:
    """Rows on the device. All int64 of shape (rows, context); see `train.rows.Rows`."""

    input_ids: Tensor
    labels: Tensor | None
    segment_ids: Tensor
    position_ids: Tensor

    def slice(self, start: int, stop: int) -> "Batch":
        """Some of the rows."""
        labels = None if self.labels is None else self.labels[start:stop]
        return Batch(self.input_ids[start:stop], labels, self.segment_ids[start:stop], self.position_ids[start:stop])


class Loader:
    """The stream of training rows, `num_steps` × `batch_rows` long; `rows(step)` may be asked for any step in any order.

    Raises RecipeError where the caps of the mixture end the stream before that.
    """

    def __init__(self, sources: Sequence[SourceRows], mixture: MixtureSettings, seed: int, num_steps: int, batch_rows: int) -> None:
        self.sources = list(sources)
        names, rows, tokens = zip(*((s.name, s.num_rows, s.num_tokens) for s in sources), strict=True)
        self.mixture = Mixture(mixture_sources(mixture, names, rows, tokens))
        self.mixture.check_budget(num_steps * batch_rows)
        self.seed, self.num_steps, self.batch_rows = seed, num_steps, batch_rows
        self._block_steps = max(1, ROWS_PLANNED_AT_ONCE // batch_rows)
        self._block: tuple[int, NDArray[np.int32], NDArray[np.int64]] = (-1, np.zeros(0, np.int32), np.zeros(0, np.int64))

    def addresses(self, step: int, rank: int = 0, num_ranks: int = 1) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Source number and row in that source for slots rank, rank + num_ranks, … of a step's global batch."""
        if not 0 <= step < self.num_steps:
            raise ValueError(f"step {step} is not one of the {self.num_steps} steps this loader was made for")
        number, place = divmod(step, self._block_steps)
        if self._block[0] != number:
            end = min((number + 1) * self._block_steps, self.num_steps)
            self._block = (number, *self._plan(number * self._block_steps * self.batch_rows, end * self.batch_rows))
        _, owners, rows = self._block
        slots = slice(place * self.batch_rows + rank, (place + 1) * self.batch_rows, num_ranks)
        return owners[slots], rows[slots]

    def _plan(self, start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Source and row of global rows start … stop − 1."""
        owners, turns = self.mixture.turns(start, stop)
        rows = np.empty_like(turns)
        for owner in np.unique(owners):
            source = self.sources[int(owner)]
            places = np.flatnonzero(owners == owner)
            epochs, indices = np.divmod(turns[places], source.num_rows)
            for epoch in np.unique(epochs):
                chosen = epochs == epoch
                rows[places[chosen]] = permute(indices[chosen], source.num_rows, self.seed, f"order/{source.name}/{epoch}")
        return owners, rows

    def rows(self, step: int, rank: int = 0, num_ranks: int = 1) -> Rows:
        """A rank's rows of a step's global batch."""
        return fetch(self.sources, *self.addresses(step, rank, num_ranks))

    def seen(self, step: int) -> dict[str, Seen]:
        """Rows seen and repeated per source after `step` whole steps."""
        return self.mixture.seen(step * self.batch_rows)

    def describe(self, step: int) -> str:
        """The rows of a step's global batch as `shard:row`, for messages."""
        owners, rows = self.addresses(step)
        places = (self.sources[owner].locate(row) for owner, row in zip(owners.tolist(), rows.tolist(), strict=True))
        return ", ".join(f"{path.name}:{row}" for path, row in places)


def to_batch(rows: Rows, device: torch.device) -> Batch:
    """Rows as tensors on a device; to CUDA from pinned memory, without waiting."""

    def move(array: NDArray[np.int64]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

    labels = None if rows.labels is None else move(rows.labels)
    return Batch(move(rows.input_ids), labels, move(rows.segment_ids), move(rows.position_ids))


def batches(loader: Loader, start: int, device: torch.device) -> Iterator[Batch]:
    """The batches from step `start` to the last. On CUDA one thread fetches the next while this one is in use.

    On the CPU there is no thread: fetching 64 rows takes some 0.1 ms, and a thread would take turns with the kernels.
    """
    stop = loader.num_steps
    if device.type != "cuda":
        for step in range(start, stop):
            yield to_batch(loader.rows(step), device)
        return
    with ThreadPoolExecutor(1, "rows") as pool:
        following = pool.submit(loader.rows, start) if start < stop else None
        for step in range(start, stop):
            assert following is not None
            rows = following.result()
            following = pool.submit(loader.rows, step + 1) if step + 1 < stop else None
            yield to_batch(rows, device)
