"""The kept tables are what the running Python says, and nothing changes where none is kept."""

import unicodedata

import numpy as np
import pytest

from curate.kernels import code_points
from curate.kernels.quality import character_flags
from curate.kernels.words import class_table, word_tables

PYTHONS = ("14.0.0", "15.0.0")  # Unicode of Python 3.11 and 3.12


def test_the_running_version_has_a_file_and_it_says_what_python_says() -> None:
    assert code_points.file_of(unicodedata.unidata_version).is_file()
    assert code_points.tables() == code_points.ask_python()


@pytest.mark.parametrize("version", PYTHONS)
def test_every_supported_python_has_its_file(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unicodedata, "unidata_version", version)
    kept = code_points.tables()
    firsts = [first for first, _ in kept["classes"]]
    assert firsts[0] == 0
    assert firsts == sorted(set(firsts))
    assert [0x212A, ord("k")] in kept["folds"]


def test_a_version_without_a_file_gets_the_same_tables_from_python(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [*word_tables(), character_flags()]
    monkeypatch.setattr(unicodedata, "unidata_version", "0.0.0")
    for table in (class_table, word_tables, character_flags):
        table.cache_clear()
    try:
        assert all(np.array_equal(one, other) for one, other in zip(kept, [*word_tables(), character_flags()], strict=True))
    finally:
        for table in (class_table, word_tables, character_flags):
            table.cache_clear()
