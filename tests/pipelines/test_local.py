import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curate.errors import InputError
from pipelines.executors.local import WorkerDiedError, Workers


def double(value: int) -> int:
    return 2 * value


def fail_on_three(value: int) -> int:
    if value == 3:
        raise InputError("three")
    return value


def die_once(marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


def threads(_: int) -> str | None:
    return os.environ.get("POLARS_MAX_THREADS")


def test_every_item_comes_back_once_and_workers_keep_to_one_thread() -> None:
    with Workers(2) as workers:
        assert sorted(workers.map(double, range(20), str)) == [2 * value for value in range(20)]
        assert set(workers.map(threads, [1], str)) == {"1"}


def test_an_error_in_the_function_is_raised_after_what_was_running_is_yielded() -> None:
    seen = []
    with Workers(2) as workers:
        results = workers.map(fail_on_three, [1, 2, 3], str)
        with pytest.raises(InputError, match="three"):
            seen.extend(results)
    assert sorted(seen) == [1, 2]


def test_an_item_whose_worker_was_killed_is_tried_again_alone(tmp_path: Path) -> None:
    with Workers(2) as workers:
        assert list(workers.map(die_once, [str(tmp_path / "marker")], str)) == ["done"]


def test_an_item_that_kills_its_worker_twice_is_named() -> None:
    with Workers(1) as workers, pytest.raises(WorkerDiedError, match="item 7"):
        list(workers.map(die, [7], lambda item: f"item {item}"))


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from pipelines.executors.local import Workers\n"
        "from tests.pipelines.test_local import note_and_sleep\n"
        "if __name__ == '__main__':\n"
        "    list(Workers(1).map(note_and_sleep, [sys.argv[1]], str))\n"
    )
    note = tmp_path / "note"
    parent = subprocess.Popen([sys.executable, str(script), str(note)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(note.read_text())
    parent.kill()
    parent.wait()
    while Path(f"/proc/{child}").exists() and "zombie" not in Path(f"/proc/{child}/status").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    alive = Path(f"/proc/{child}").exists() and "zombie" not in Path(f"/proc/{child}/status").read_text()
    assert not alive


def note_and_sleep(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_a_pool_that_broke_between_two_items_is_replaced_before_the_next(tmp_path: Path) -> None:
    with Workers(1) as workers:
        assert list(workers.map(double, [1], str)) == [2]
        pool = workers._pool
        assert pool is not None
        for process in pool._processes.values():
            process.kill()
            process.join()
        while not pool._broken:
            time.sleep(0.01)
        assert list(workers.map(double, [2, 3], str)) == [4, 6]
        assert workers._pool is not pool
