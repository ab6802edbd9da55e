import json
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.errors import InputError, RecipeError
from tests.train.models_made import settings
from tests.train.rows_made import documents, token_bytes, write_shard
from tests.train.training import run, shards
from train.checkpoint import MODEL, STATE
from train.loop import DivergenceError, train
from train.mixture import MixtureSettings


def test_it_learns_and_says_what_it_did(tmp_path: Path) -> None:
    result = run(tmp_path, "causal", num_steps=60, mixture=MixtureSettings())
    for source in ("a", "b"):
        before, after = result.before[source].bits_per_byte, result.after[source].bits_per_byte
        assert before is not None
        assert after is not None
        assert after < 0.8 * before
    assert sum(seen.num_rows for seen in result.seen.values()) == 60 * 4
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 61))
    assert set(steps[0]) == {"step", "loss", "learning_rate", "num_tokens", "grad_norm"}
    assert steps[-1]["num_tokens"] == result.num_tokens
    assert [line["step"] for line in lines if "held_out" in line] == list(range(0, 61, 5))
    assert lines[-1]["held_out"]["a"]["bits_per_byte"] == result.after["a"].bits_per_byte


def test_passes_change_the_sum_by_rounding_only(tmp_path: Path) -> None:
    def losses(name: str, rows_per_pass: int | None) -> list[float]:
        run(tmp_path / name, "causal", rows_per_pass=rows_per_pass)
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        return [line["loss"] for line in lines if "loss" in line]

    assert losses("one", None) == pytest.approx(losses("four", 1), rel=1e-4)


def test_report_hears_of_every_step_with_its_speed_which_no_file_holds(tmp_path: Path) -> None:
    heard: list[tuple[int, dict[str, Any]]] = []
    train(
        settings(), "causal", *shards(tmp_path, "causal"), tmp_path / "checkpoints", tmp_path / "metrics.jsonl", token_bytes(), lambda *line: heard.append(line)
    )
    assert [step for step, line in heard if "tokens_per_second" in line] == list(range(1, 13))
    assert all(line["tokens_per_second"] > 0 for _, line in heard if "loss" in line)
    assert "per_second" not in (tmp_path / "metrics.jsonl").read_text()


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_no_number_stops_with_its_rows_and_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    import train.loop

    plain, calls = train.loop.summed_loss, 0

    def poisoned(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        loss = plain(*arguments)
        if calls < 6:
            return loss
        # An infinite slope at an unchanged value, or a value that is not a number.
        return loss * float("nan") if where == "loss" else loss + (loss - loss.detach()).abs().sqrt()

    monkeypatch.setattr(train.loop, "summed_loss", poisoned)
    with pytest.raises(DivergenceError, match=r"step 6: .*step-00000004\. Lower learning_rate .*\.arrow:\d+"):
        run(tmp_path, "causal", rows_per_pass=None, mixture=MixtureSettings())
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000004"]
    run(tmp_path, "causal", rows_per_pass=None, mixture=MixtureSettings())
    run(tmp_path / "whole", "causal", rows_per_pass=None, mixture=MixtureSettings())
    assert (tmp_path / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_checkpoint_of_other_settings_or_other_rows_is_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path, "causal")
    with pytest.raises(RecipeError, match=r"learning_rate: 0\.01 then, 0\.02 now"):
        run(tmp_path, "causal", learning_rate=0.02)
    run(tmp_path, "causal", checkpoint_every=5, keep_checkpoints=1)  # these decide no bits of the weights
    write_shard(tmp_path / "data" / "causal-train-a.arrow", documents(99, 41), source="a")
    with pytest.raises(RecipeError, match="shards: "):
        run(tmp_path, "causal")


def test_open_choices_and_a_wrong_table_of_bytes_are_refused(tmp_path: Path) -> None:
    places = (*shards(tmp_path, "causal"), tmp_path / "checkpoints", tmp_path / "metrics.jsonl")
    with pytest.raises(RecipeError, match=r"train\.probe\.resolve"):
        train(settings(dtype="auto"), "causal", *places, token_bytes())
    with pytest.raises(InputError, match="byte lengths of 65 tokens were given, but rows were made with 64"):
        train(settings(), "causal", *places, token_bytes(65))


def test_the_caller_s_choices_of_threads_and_kernels_come_back(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    state = torch.random.get_rng_state()
    run(tmp_path, "causal")
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)  # training draws nothing, so a checkpoint need hold no generator


def test_bfloat16_trains_to_about_the_same_loss_and_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    exact, rough = run(tmp_path / "exact", "causal", num_steps=40), run(tmp_path / "rough", "causal", num_steps=40, dtype="bfloat16")
    assert rough.after["a"].bits_per_byte == pytest.approx(exact.after["a"].bits_per_byte, rel=0.05)
    expected = (rough.checkpoint / MODEL).read_bytes()
    broken = rough.checkpoint / STATE
    broken.write_text("{}")
    assert (run(tmp_path / "rough", "causal", num_steps=40, dtype="bfloat16").checkpoint / MODEL).read_bytes() == expected
