"""Compile the kernels once, in the parent, before workers start.

Numba keeps the machine code on disk; it costs some 30 s once a machine, which every worker would otherwise spend on the
same functions at the same time. Compiled already, they load in a second. `make` does it as part of the installation.
"""

from pathlib import Path

import curate

CACHE = Path(curate.__file__).parent / "kernels" / "__pycache__"
TEXTS = ["One short text is enough for every measure.", "A second one, so that there is a pair to compare."]


def compile_kernels() -> None:
    """Call what workers will call, on two sentences; nothing where numba has left its index files (loading costs 1.6 s)."""
    if not any(CACHE.glob("*.nbi")):
        curate.measure(TEXTS)
        curate.deduplicate(TEXTS)


if __name__ == "__main__":
    compile_kernels()
