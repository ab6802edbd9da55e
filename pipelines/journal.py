"""The journal of a run: which unit produced which files. Readers trust it alone.

One line a committed unit, appended and synced by the parent process only, each with its own checksum:

    {"unit": "measure/words/0a1b2c3d", "key": …, "ingredients": …, "outputs": {path: [bytes, checksum]}, "counts": …, "seconds": …, "check": …}
    {"void": "measure/words/0a1b2c3d", "check": …}     its files are about to be replaced or were removed

A torn last line (the process died while appending) is ignored and cut off by the next append. Damage anywhere else is
an error that names the line, because what follows it can no longer be trusted.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from curate.errors import DamageError, EnvironmentProblem
from curate.storage import refusal, sync_folder


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Entry:
    """A committed unit. `ingredients` is what its key hashes, kept so that `plan` can say which of them changed."""

    unit: str
    key: str
    ingredients: dict[str, Any]
    outputs: dict[str, tuple[int, str]]  # path relative to the run: bytes, xxh3-128
    counts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def stage(self) -> str:
        return self.unit.partition("/")[0]


class Journal:
    """The live entries of a run, in memory and on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.live: dict[str, Entry] = {}
        self.num_changes = 0  # since it was opened; lets readers of `live` know when what they derived is stale
        self._sound_bytes = 0
        if path.exists():
            self._read()

    def record(self, entry: Entry) -> None:
        """Append an entry and make it durable."""
        self._append(asdict(entry))
        self.live[entry.unit] = entry

    def void(self, unit: str) -> None:
        """Withdraw a unit before its files are replaced or removed."""
        if unit in self.live:
            self._append({"void": unit})
            del self.live[unit]

    def outputs(self) -> dict[str, tuple[int, str]]:
        """Every file the journal vouches for: path relative to the run -> (bytes, checksum)."""
        return {path: about for entry in self.live.values() for path, about in entry.outputs.items()}

    def _read(self) -> None:
        content = self.path.read_bytes()
        lines = content.split(b"\n")
        torn = lines.pop()  # what follows the last newline: empty, or a line that was never finished
        for number, line in enumerate(lines, 1):
            record = _parse(line)
            if record is None:
                if number == len(lines) and not torn:
                    break  # finished by its newline, but its bytes never reached the disk: also torn
                raise DamageError(
                    f"{self.path}, line {number}: the line does not match its own checksum, so it and what follows cannot be trusted. "
                    f"Restore the file from a copy, or start a new run folder with `--reuse` of another run."
                )
            self._sound_bytes += len(line) + 1
            if "void" in record:
                self.live.pop(record["void"], None)
            else:
                record["outputs"] = {path: (about[0], about[1]) for path, about in record["outputs"].items()}
                self.live[record["unit"]] = Entry(**record)

    def _append(self, record: dict[str, Any]) -> None:
        body = canonical(record)
        line = canonical({**record, "check": _check(body)}).encode() + b"\n"
        try:
            created = not self.path.exists()
            with self.path.open("ab") as file:
                if file.tell() != self._sound_bytes:
                    file.truncate(self._sound_bytes)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if created:
                sync_folder(self.path.parent)
        except OSError as error:
            if why := refusal(error):
                raise EnvironmentProblem(f"{self.path} could not be appended to: {why}. Everything committed is safe; run again to resume.") from error
            raise
        self._sound_bytes += len(line)
        self.num_changes += 1


def _check(body: str) -> str:
    return xxhash.xxh3_64_hexdigest(body.encode())


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(line)
        check = record.pop("check")
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    return record if check == _check(canonical(record)) else None
