"""Folders published whole: written beside their place, made durable, then renamed into it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from curate.errors import EnvironmentProblem
from curate.storage import ATTEMPT_SUFFIX, refusal, sync_folder


def publish_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill an attempt folder with files, then put it at `path`, in place of what may be there.

    After a crash at any moment `path` is what was there before, the new folder, or (only if something was there) missing;
    never half of one. Raises EnvironmentProblem where the machine refuses; the attempt is then removed.
    """
    attempt = path.with_name(f"{path.name}.{os.getpid()}{ATTEMPT_SUFFIX}")
    try:
        remove_attempts(path.parent, path.name)
        attempt.mkdir(parents=True)
        write(attempt)
        for file in sorted(attempt.iterdir()):
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        sync_folder(attempt)
        if path.exists():
            path.rename(path.with_name(f"{path.name}.replaced{ATTEMPT_SUFFIX}"))
        attempt.rename(path)
        sync_folder(path.parent)
        remove_attempts(path.parent, path.name)
    except OSError as error:
        shutil.rmtree(attempt, ignore_errors=True)
        if why := refusal(error):
            raise EnvironmentProblem(
                f"{path} could not be written: {why}. What was there before is safe; make room or give access, then run again to resume."
            ) from error
        raise


def remove_attempts(folder: Path, name: str) -> None:
    """Remove what earlier writers of `folder`/`name` left unfinished."""
    for leftover in sorted(folder.glob(f"{name}.*{ATTEMPT_SUFFIX}")):
        shutil.rmtree(leftover)
