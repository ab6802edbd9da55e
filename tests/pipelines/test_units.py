from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.storage import write_bytes
from pipelines.units import Done, Unit, changes, perform


def write(target: Path, content: str) -> Done:
    return Done([write_bytes(target, content.encode())], {"letters": len(content)})


def other_work(target: Path) -> Done:
    return Done([write_bytes(target, b"other")])


UNIT = Unit("measure/words/0a1b2c3d", 1, write, {"target": Path("a"), "content": "x"}, {"min": 1}, {"documents": "00"}, 7)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "measure/words/0a1b2c3e"},
        {"version": 2},
        {"settings": {"min": 2}},
        {"settings": None},
        {"inputs": {"documents": "01"}},
        {"inputs": {"texts": "00"}},
        {"inputs": {}},
        {"seed": 8},
        {"seed": None},
    ],
    ids=str,
)
def test_the_key_changes_with_everything_a_result_depends_on(change: dict[str, Any]) -> None:
    assert replace(UNIT, **change).key != UNIT.key


@pytest.mark.parametrize(
    "change", [{"arguments": {"target": Path("elsewhere")}}, {"work": other_work}, {"in_parent": True}], ids=lambda change: next(iter(change))
)
def test_the_key_does_not_change_with_where_and_by_whom_it_is_done(change: dict[str, Any]) -> None:
    assert replace(UNIT, **change).key == UNIT.key


def test_the_key_does_not_depend_on_the_order_of_settings_or_inputs() -> None:
    one = replace(UNIT, settings={"a": 1, "b": 2}, inputs={"x": "0", "y": "1"})
    assert one.key == replace(UNIT, settings={"b": 2, "a": 1}, inputs={"y": "1", "x": "0"}).key


def test_a_key_is_the_same_in_every_version_of_this_program() -> None:
    """Golden: another value would make every run of every user start anew."""
    assert UNIT.key == "a200a9e53fece9661cd1fdcf3e181ef0"


def test_what_was_performed_is_described_with_paths_relative_to_the_run(tmp_path: Path) -> None:
    unit = replace(UNIT, arguments={"target": tmp_path / "measures" / "words" / "0a1b2c3d.arrow", "content": "abc"})
    entry = perform(unit, tmp_path)
    assert (entry.unit, entry.key, entry.ingredients, entry.stage) == (unit.name, unit.key, unit.ingredients, "measure")
    assert {path: about[0] for path, about in entry.outputs.items()} == {"measures/words/0a1b2c3d.arrow": 3}
    assert entry.counts == {"letters": 3}
    assert entry.seconds >= 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a: 1 → 2"]),
        ({"rules": {"c4": {"min": 1}}}, {"rules": {"c4": {"min": None}}}, ["rules.c4.min: 1 → null"]),
        ({}, {"inputs": {"x": "0"}}, ["inputs: added"]),
        ({"inputs": {"x": "0"}}, {"inputs": {}}, ["inputs.x: removed"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a: [1,2] → [1,3]"]),
        ({"b": 1, "a": "é"}, {"b": 2, "a": "ü"}, ['a: "é" → "ü"', "b: 1 → 2"]),
        ({"a": None}, {"a": {"x": 1}}, ['a: null → {"x":1}']),
        (None, {"x": 1}, [': null → {"x":1}']),
    ],
)
def test_changes_are_told_by_path_with_the_old_and_the_new_value(old: Any, new: Any, told: list[str]) -> None:
    assert changes(old, new) == told


def test_a_long_value_is_cut_short() -> None:
    (line,) = changes({"a": "x" * 200}, {"a": "y"})
    assert len(line) < 80
    assert "…" in line
