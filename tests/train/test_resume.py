import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.training import run, shards
from train.checkpoint import MODEL, OPTIMIZER, STATE

ROOT = Path(__file__).parent.parent.parent


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Everything a run leaves: the last checkpoint's files and the metrics."""
    last = sorted((folder / "checkpoints").iterdir())[-1]
    assert last.name == "step-00000012"
    return {name: (last / name).read_bytes() for name in (MODEL, OPTIMIZER, STATE)} | {"metrics": (folder / "metrics.jsonl").read_bytes()}


def start(folder: Path, task: str, kill_at: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.train.training", str(folder), task, str(kill_at)], cwd=ROOT, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(("task", "num_kills"), [("causal", 2), ("masked", 1)])
def test_killed_at_any_step_and_resumed_it_ends_in_the_same_bytes(tmp_path: Path, task: str, num_kills: int) -> None:
    whole = tmp_path / "whole"
    shards(whole, task)
    run(whole, task)
    expected = bytes_of(whole)
    killed = tmp_path / "killed"
    shards(killed, task)
    for step in sorted(random.Random(task).sample(range(1, 13), num_kills)):
        assert start(killed, task, step).wait(120) == -signal.SIGKILL
    result = run(killed, task)
    assert bytes_of(killed) == expected
    assert result.messages == []
    assert run(killed, task).after == result.after  # a finished run is cheap to run again
    assert bytes_of(killed) == expected


def test_killed_from_outside_at_a_moment_nobody_chose(tmp_path: Path) -> None:
    shards(tmp_path / "killed", "causal")
    process = start(tmp_path / "killed", "causal", 0)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "checkpoints").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    run(tmp_path / "killed", "causal")
    run(tmp_path / "whole", "causal")
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")


def test_a_damaged_checkpoint_is_passed_over_named_and_made_again(tmp_path: Path) -> None:
    run(tmp_path / "run", "causal")
    expected = bytes_of(tmp_path / "run")
    broken = tmp_path / "run" / "checkpoints" / "step-00000012" / MODEL
    content = broken.read_bytes()
    broken.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = run(tmp_path / "run", "causal")
    assert len(result.messages) == 1
    assert "step-00000012" in result.messages[0]
    assert bytes_of(tmp_path / "run") == expected
