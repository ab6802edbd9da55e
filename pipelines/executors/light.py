"""Processes of ours start without pandas, which none of our own code uses.

Arrow asks for it the first time it makes an array from a list or from numpy, in case it were given a Series: a quarter of a second and
40 MB in every worker. Told once that there is none, it does not ask again; `to_pandas` imports it all the same when it is called.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec


class _NoPandas:
    """An importer that finds no pandas."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def keep_pandas_out() -> None:
    """Let Arrow find no pandas when it looks for it; nothing where it has been imported already."""
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        import pyarrow

        pyarrow.array([0])
    finally:
        sys.meta_path.remove(_NoPandas)


def let_pandas_in() -> None:
    """Let Arrow know pandas after all, for code of others, which may hand it a Series."""
    if find_spec("pandas") is not None:
        import pyarrow

        pyarrow.array([0]).to_pandas()
