from pathlib import Path

import numpy as np
import pytest
import torch

from curate.errors import RecipeError
from tests.train.rows_made import documents, write_shard
from train.loader import ROWS_PLANNED_AT_ONCE, Loader, batches
from train.mixture import MixtureSettings, Seen, SourceShare
from train.rows import SourceRows, open_sources


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceRows]:
    shards = [write_shard(tmp_path / f"{name}.arrow", documents(i, 60 * (i + 1)), source=name, part=f"0000000{i}") for i, name in enumerate("abc")]
    return open_sources(shards, "causal")


def test_the_stream_is_the_same_for_any_number_of_ranks_and_any_way_of_asking(sources: list[SourceRows]) -> None:
    loader = Loader(sources, MixtureSettings(), seed=7, num_steps=200, batch_rows=12)
    whole = [loader.rows(step).input_ids for step in range(40)]
    for num_ranks in (1, 2, 3, 4, 12):
        fresh = Loader(sources, MixtureSettings(), seed=7, num_steps=200, batch_rows=12)
        for step in (39, 0, 17):
            parts = [fresh.rows(step, rank, num_ranks).input_ids for rank in range(num_ranks)]
            together = np.empty_like(whole[step])
            for rank, part in enumerate(parts):
                together[rank::num_ranks] = part
            assert np.array_equal(together, whole[step])


def test_planning_in_blocks_changes_nothing(sources: list[SourceRows], monkeypatch: pytest.MonkeyPatch) -> None:
    steps = ROWS_PLANNED_AT_ONCE // 64 + 5
    blocks = Loader(sources, MixtureSettings(), seed=1, num_steps=steps, batch_rows=64)
    monkeypatch.setattr("train.loader.ROWS_PLANNED_AT_ONCE", 1)
    single = Loader(sources, MixtureSettings(), seed=1, num_steps=steps, batch_rows=64)
    for step in range(steps):
        for one, other in zip(blocks.addresses(step), single.addresses(step), strict=True):
            assert np.array_equal(one, other)


def test_an_epoch_visits_each_row_once_and_the_next_in_another_order(sources: list[SourceRows]) -> None:
    total = sum(source.num_rows for source in sources)
    loader = Loader(sources, MixtureSettings(), seed=3, num_steps=2 * total, batch_rows=1)
    visits = [tuple(int(part[0]) for part in loader.addresses(step)) for step in range(2 * total)]
    everything = {(number, row) for number, source in enumerate(sources) for row in range(source.num_rows)}
    assert set(visits[:total]) == set(visits[total:]) == everything
    assert visits[:total] != visits[total:]
    assert loader.seen(total + 1)["c"].num_repeated + loader.seen(total + 1)["b"].num_repeated + loader.seen(total + 1)["a"].num_repeated == 1


def test_rows_of_a_source_keep_their_order_when_another_source_gets_another_weight(sources: list[SourceRows]) -> None:
    def rows_of_a(weight: float) -> list[int]:
        table = {"a": SourceShare(weight=1.0), "b": SourceShare(weight=weight), "c": SourceShare(weight=1.0)}
        loader = Loader(sources, MixtureSettings(sources=table), seed=3, num_steps=30, batch_rows=8)
        addresses = [loader.addresses(step) for step in range(30)]
        return [int(row) for owners, rows in addresses for row in rows[owners == 0]]

    one, other = rows_of_a(1.0), rows_of_a(5.0)
    assert other == one[: len(other)]  # common random numbers: two mixtures are compared on the same rows


def test_counts_follow_the_table(sources: list[SourceRows]) -> None:
    table = {"a": SourceShare(weight=0.5), "b": SourceShare(weight=0.25), "c": SourceShare(weight=0.25, max_epochs=1)}
    loader = Loader(sources, MixtureSettings(sources=table), seed=3, num_steps=100, batch_rows=8)
    rows = {source.name: source.num_rows for source in sources}
    assert loader.seen(10) == {"a": Seen(40, max(0, 40 - rows["a"])), "b": Seen(20, 0), "c": Seen(20, 0)}
    assert loader.seen(100)["c"] == Seen(rows["c"], 0)


def test_asking_beyond_the_stream_or_for_more_than_the_caps_allow_is_an_error(sources: list[SourceRows]) -> None:
    with pytest.raises(ValueError, match="step 5 is not one of the 5"):
        Loader(sources, MixtureSettings(), seed=0, num_steps=5, batch_rows=4).rows(5)
    with pytest.raises(RecipeError, match="raise max_epochs"):
        Loader(sources, MixtureSettings(max_epochs=1), seed=0, num_steps=1000, batch_rows=4)


def test_batches_start_at_any_step_and_name_their_rows(sources: list[SourceRows]) -> None:
    loader = Loader(sources, MixtureSettings(), seed=2, num_steps=6, batch_rows=4)
    late = list(batches(loader, 4, torch.device("cpu")))
    assert len(late) == 2
    assert np.array_equal(late[1].input_ids.numpy(), loader.rows(5).input_ids)
    assert late[0].input_ids.dtype == late[0].position_ids.dtype == late[0].segment_ids.dtype == torch.int64
    names = loader.describe(5).split(", ")
    assert len(names) == 4
    assert all(name.split(":")[0] in {"a.arrow", "b.arrow", "c.arrow"} for name in names)
