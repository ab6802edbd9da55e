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


def compile_edits() -> None:
    """The same for a recipe that edits documents (another 30 s once a machine)."""
    if any(CACHE.glob("c4_edits*.nbi")) and any(CACHE.glob("line_noise*.nbi")):
        return
    from curate.documents import as_text
    from curate.edits.edit import edit_texts
    from curate.edits.personal_data import PersonalDataSettings
    from curate.edits.settings import C4EditSettings, EditSettings, RefinedWebEditSettings

    edit_texts(as_text(TEXTS), EditSettings(c4=C4EditSettings(), refinedweb=RefinedWebEditSettings(), personal_data=PersonalDataSettings()))


if __name__ == "__main__":
    compile_kernels()
