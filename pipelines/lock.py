"""One writer at a time: the lock of a run folder. Readers never take it."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curate.errors import EnvironmentProblem


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run's lock; raises EnvironmentProblem naming the holder when another process has it.

    The kernel frees the lock when its holder dies, however it dies, so a stale lock cannot exist.
    """
    path = run / ".lock"
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise EnvironmentProblem(f"{run} cannot be used as a run folder: {error.strerror}. Give another with --run.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise EnvironmentProblem(f"{run} is in use by {holder}. Wait for it, or give another folder with --run.") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
