"""The list of families, and measuring them together."""

import pyarrow as pa
import pytest

from curate.errors import RecipeError
from curate.measures import BY_NAME_ONLY, FAMILIES, NEEDING_SETTINGS, family, measure

TEXTS = ["The cat and the dog.", "", "中文\n中文"]


def test_every_family_has_the_same_shape() -> None:
    for name in FAMILIES:
        module = family(name)
        assert isinstance(module.SCHEMA, pa.Schema)
        assert module.VERSION >= 1
        assert callable(module.measure)


def test_families_side_by_side_have_every_column_once_and_a_row_a_text() -> None:
    table = measure(TEXTS)
    schemas = [measure(TEXTS, [name]).column_names for name in FAMILIES if name not in NEEDING_SETTINGS | BY_NAME_ONLY]
    assert table.num_rows == 3
    assert table.column_names == [column for columns in schemas for column in columns]
    assert len(set(table.column_names)) == table.num_columns


def test_chosen_families_alone_are_measured() -> None:
    table = measure(pa.chunked_array([["a b"], ["c"]]), ["words"])
    assert table.schema == family("words").SCHEMA
    assert table["num_words"].to_pylist() == [2, 1]


def test_an_unknown_family_is_refused_naming_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'repetition'"):
        measure(TEXTS, ["repetitions"])


def test_a_family_that_needs_settings_is_refused() -> None:
    with pytest.raises(RecipeError, match="no default settings"):
        measure(TEXTS, ["benchmarks"])
