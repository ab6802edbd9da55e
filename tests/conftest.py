"""One run of the quickstart for all tests that look at a finished run: its rows in full, its models trained for fewer steps."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.summary import Summary

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "pipelines" / "recipes" / "quickstart.yaml"
FEWER_STEPS = ["train.causal.num_steps=60", "train.masked.num_steps=20", "train.causal.dtype=float32", "train.masked.dtype=float32"]


@dataclass(frozen=True)
class Finished:
    """A run and what it told: up to its rows by the recipe as it stands, then to the end with fewer steps."""

    folder: Path
    rows: Summary
    whole: Summary


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    import pipelines

    folder = tmp_path_factory.mktemp("quickstart") / "run"
    rows = pipelines.run(QUICKSTART, folder, until="manufacture")
    return Finished(folder, rows, pipelines.run(QUICKSTART, folder, changes=FEWER_STEPS))
