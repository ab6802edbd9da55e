"""A small training run in a process of its own, killed after the step its argument names (or, by 0, not at all).

python -m tests.train.training FOLDER TASK STEP
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.train.models_made import settings
from tests.train.rows_made import documents, token_bytes, write_shard
from train.loop import TrainResult, train
from train.mixture import MixtureSettings, SourceShare
from train.settings import TrainSettings

TABLE = MixtureSettings(sources={"a": SourceShare(weight=0.6), "b": SourceShare(weight=0.4, max_epochs=1.5)})


def shards(folder: Path, task: str) -> tuple[list[Path], list[Path]]:
    """Training and held-out shards of two sources."""
    made = []
    for split, size in (("train", 40), ("held_out", 8)):
        for number, source in enumerate("ab"):
            path = folder / "data" / f"{task}-{split}-{source}.arrow"
            if not path.exists():
                write_shard(path, documents(10 * number + size, size), source=source, task=task, split=split, part=f"0000000{number}")
            made.append(path)
    return made[:2], made[2:]


def run(folder: Path, task: str, kill_at: int = 0, **changes: Any) -> TrainResult:
    """Train in `folder`, or go on there."""
    made: TrainSettings = settings(**({"mixture": TABLE, "rows_per_pass": 3, "evaluate_every": 5} | changes))

    def report(step: int, metrics: dict[str, Any]) -> None:
        if kill_at and step == kill_at and "loss" in metrics:
            os.kill(os.getpid(), signal.SIGKILL)

    return train(made, task, *shards(folder, task), folder / "checkpoints", folder / "metrics.jsonl", token_bytes(), report)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
