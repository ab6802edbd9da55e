"""Loops over bytes and numbers, compiled by numba: arrays in, arrays out. Nothing else of the tree imports numba.

Loading the first kernel makes numba start up its extensions and look for BLAS, which imports awkward, pandas and scipy.linalg where
other packages brought them along: 0.6 s in every process. No kernel uses them, so both are answered beforehand.
"""

from typing import NoReturn

from numba.core import entrypoints
from numba.np import linalg


def _no_blas() -> NoReturn:
    raise ImportError("kernels multiply no matrices")


entrypoints._already_initialized = True
linalg.ensure_blas = _no_blas
