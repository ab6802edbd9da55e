"""The names `import curate` promises."""

import subprocess
import sys

import pytest

import curate


def test_importing_curate_loads_nothing_heavy() -> None:
    program = "import sys, curate; print(sorted({'numba', 'numpy', 'polars', 'pyarrow', 'pydantic', 'torch'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", curate.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert name in dir(curate)
    assert getattr(curate, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'deduplicates'"):
        _ = curate.deduplicates
