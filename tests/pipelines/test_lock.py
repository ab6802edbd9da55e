import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import EnvironmentProblem
from pipelines.lock import locked

ROOT = Path(__file__).parents[2]


def test_a_second_writer_is_refused_with_the_holders_name(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        script = f"from pathlib import Path; from pipelines.lock import locked\nwith locked(Path({str(tmp_path / 'run')!r})): pass"
        other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "is in use by process" in other.stderr
    assert other.returncode != 0


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "run"):
            assert (tmp_path / "run" / ".lock").exists()


def test_a_folder_that_cannot_be_made_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="cannot be used as a run folder"), locked(tmp_path / "file" / "run"):
        pytest.fail("a lock inside a plain file")
