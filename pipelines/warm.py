"""Compile the kernels once, in the parent, before workers start.

Numba keeps the machine code on disk; making it costs minutes of a machine's first run, which every worker would otherwise spend on the
same functions at the same time. Compiled already, they load in a second. `make` does it as part of the installation.

Whether all is compiled is told by a note beside the machine code, which names what was compiled from which files, by which
numba, for which processor. Reading it costs some milliseconds; loading the kernels to see would cost a second.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import curate

KERNELS = Path(curate.__file__).parent / "kernels"
TEXTS = ["One short text is enough for every measure.\n\nIts lines, too.", "A second one, so that there is a pair to compare."]
RECORDS = '{"text": "One short text, é\\n.", "id": 7, "url": "u", "x": [{}]}\n'


def compile_kernels(measures: Iterable[str] | None = None, *, edits: bool = True) -> bool:
    """Call what workers will call, on two sentences, unless it has been compiled; whether it had to be.

    measures: the families a recipe needs, all that need no settings when None; those that need some are compiled by the first
    unit that measures them. edits: whether it edits.
    """
    parts = {**_measures(measures), "edits": _edit} if edits else _measures(measures)
    known = _known()
    due = [name for name in parts if name not in known]
    for name in due:
        parts[name]()
    if due:
        _note(sorted({*known, *due}))
    return bool(due)


def _measures(names: Iterable[str] | None) -> dict[str, Callable[[], object]]:
    from curate.measures import FAMILIES, NEEDING_SETTINGS

    chosen = [name for name in (FAMILIES if names is None else names) if name in FAMILIES and name not in NEEDING_SETTINGS]
    return {"readers": _read, "dedup": _deduplicate, "held_out": _hold_out, **{f"measures/{name}": partial(curate.measure, TEXTS, [name]) for name in chosen}}


def _read() -> None:
    from curate.readers.json_blocks import read_block
    from curate.readers.line_blocks import line_blocks
    from curate.readers.sources import Limits, SourceSettings

    [block] = line_blocks(iter([RECORDS.encode()]), 0, 1 << 20)
    read_block(block, SourceSettings(name="warm", paths=["-"]), Limits())


def _deduplicate() -> None:
    curate.deduplicate([*TEXTS, *TEXTS])


def _hold_out() -> None:
    from curate.contamination.held_out import HeldOutSettings, select_held_out
    from curate.documents import as_text, content_ids

    select_held_out(content_ids(as_text(TEXTS)), "warm", HeldOutSettings())


def _edit() -> None:
    from curate.documents import as_text
    from curate.edits.edit import edit_texts
    from curate.edits.personal_data import PersonalDataSettings
    from curate.edits.settings import C4EditSettings, EditSettings, RefinedWebEditSettings

    edit_texts(as_text(TEXTS), EditSettings(c4=C4EditSettings(), refinedweb=RefinedWebEditSettings(), personal_data=PersonalDataSettings()))


def _path() -> Path:
    """The note's place: numba's folder of machine code."""
    return (Path(os.environ["NUMBA_CACHE_DIR"]) if "NUMBA_CACHE_DIR" in os.environ else KERNELS / "__pycache__") / "compiled.json"


def _made_of() -> str:
    """What compiled code depends on. Numba itself looks at the one file a kernel stands in, not at those it takes functions from."""
    files = [(path.relative_to(KERNELS).as_posix(), path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(KERNELS.rglob("*.py"))]
    about = [files, version("numba"), version("llvmlite"), sys.version, platform.processor(), _processor()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _processor() -> list[str]:
    """The features of this processor, as Linux lists them."""
    told = Path("/proc/cpuinfo")
    return next((line.split() for line in told.read_text().splitlines() if line.startswith(("flags", "Features"))), []) if told.exists() else []


def _known() -> list[str]:
    """What the note says was compiled of what there is now."""
    try:
        noted = json.loads(_path().read_text())
    except (OSError, ValueError):  # no note, or one that was cut short: compile, and write it anew
        return []
    return list(noted["parts"]) if noted["made_of"] == _made_of() else []


def _note(parts: list[str]) -> None:
    """Leave a note; where the folder cannot be written, numba keeps its code elsewhere, and loading it shows that it is there."""
    if os.access(_path().parent, os.W_OK):
        attempt = _path().with_suffix(f".{os.getpid()}")
        attempt.write_text(json.dumps({"made_of": _made_of(), "parts": parts}))
        attempt.replace(_path())


if __name__ == "__main__":
    compile_kernels()
