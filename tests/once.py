"""What several test processes need and only one makes: the others wait for it, then take what it made."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")


def shared(base: Path) -> Path:
    """The folder that all processes of one pytest command have in common; `base` is this process's own, which pytest-xdist puts inside it."""
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(base: Path, name: str, make: Callable[[Path], Made]) -> Made:
    """What `make(folder)` returned in the first process to ask for `name`; the files it leaves in `folder` are for all to read, for none to change."""
    folder = shared(base) / name
    told = folder.with_suffix(".pickle")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, also by a process that dies
        if not told.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed half-way
            folder.mkdir()
            told.write_bytes(pickle.dumps(make(folder)))
    return pickle.loads(told.read_bytes())  # type: ignore[no-any-return]
