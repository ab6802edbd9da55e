from pathlib import Path

import pytest

from curate.errors import DamageError
from train.metrics import Metrics


def test_lines_after_the_position_are_cut_and_writing_goes_on_there(tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "causal.jsonl"
    first = Metrics(path, None)
    first.write({"step": 1, "loss": 0.5})
    position = first.position()
    first.write({"step": 2, "loss": 0.25})
    first.close()
    with path.open("ab") as file:
        file.write(b'{"step": 3, "lo')  # torn by a kill
    again = Metrics(path, position)
    again.write({"step": 2, "loss": 0.25})
    again.close()
    assert path.read_text() == '{"loss":0.5,"step":1}\n{"loss":0.25,"step":2}\n'
    fresh = Metrics(path, None)
    fresh.close()
    assert path.read_text() == ""


@pytest.mark.parametrize("damage", ["changed", "short", "missing"])
def test_a_file_that_is_not_the_runs_own_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "causal.jsonl"
    metrics = Metrics(path, None)
    metrics.write({"step": 1, "loss": 0.5})
    position = metrics.position()
    metrics.close()
    if damage == "missing":
        path.unlink()
    else:
        path.write_text({"changed": '{"loss":0.6,"step":1}\n', "short": "{"}[damage])
    with pytest.raises(DamageError, match="is not the file this run wrote"):
        Metrics(path, position)


def test_what_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "causal.jsonl", None)
    with pytest.raises(ValueError, match="not JSON compliant"):
        metrics.write({"loss": float("nan")})
    metrics.close()
    assert (tmp_path / "causal.jsonl").read_text() == ""
