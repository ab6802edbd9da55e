"""A command measured as its user meets it: seconds from start to end, and the memory of all its processes together."""

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SAMPLE_SECONDS = 0.05


class Metered(NamedTuple):
    """seconds: wall clock; peak_bytes: the largest sum over processes of proportional memory (PSS), mapped files included;
    peak_anonymous_bytes: of that which no file backs; output: the last line of stdout."""

    seconds: float
    peak_bytes: int
    peak_anonymous_bytes: int
    output: str


def metered(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None, allowed: Sequence[int] = (0,)) -> Metered:
    """Run a command to its end. Raises SystemExit with its stderr where it fails."""
    peaks = [0, 0]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watcher = threading.Thread(target=_watch, args=(process, peaks))
    watcher.start()
    out, error = process.communicate()
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode not in allowed:
        raise SystemExit(f"{' '.join(map(str, command))} failed with {process.returncode}:\n{error[-3000:]}")
    return Metered(seconds, peaks[0], peaks[1], out.strip().rpartition("\n")[2])


def _watch(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.poll() is None:
        found = [_memory(pid) for pid in _tree(process.pid)]
        for kind in (0, 1):
            peaks[kind] = max(peaks[kind], sum(memory[kind] for memory in found))
        time.sleep(SAMPLE_SECONDS)


def _tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    found = [root]
    for pid in found:
        try:
            found += [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return found


def _memory(pid: int) -> tuple[int, int]:
    """(proportional bytes, anonymous bytes) of a process; none of one that ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return kilobytes.get("Pss", 0) * 1024, kilobytes.get("Pss_Anon", 0) * 1024
