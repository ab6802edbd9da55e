from pathlib import Path

import pytest

from curate.errors import DamageError
from pipelines.journal import Entry, Journal, canonical


def entry(unit: str, key: str = "k") -> Entry:
    return Entry(unit, key, {"version": 1}, {f"{unit}.arrow": (3, "00")}, {"documents": 2}, 0.5)


def filled(path: Path) -> Journal:
    journal = Journal(path)
    for unit in ("gather/a", "gather/b", "measure/words/a"):
        journal.record(entry(unit))
    return journal


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    journal = filled(tmp_path / "journal.jsonl")
    assert Journal(tmp_path / "journal.jsonl").live == journal.live
    assert journal.outputs()["gather/a.arrow"] == (3, "00")


def test_a_later_line_replaces_an_earlier_one_and_a_void_withdraws_it(tmp_path: Path) -> None:
    journal = filled(tmp_path / "journal.jsonl")
    journal.record(entry("gather/a", "new"))
    journal.void("gather/b")
    read = Journal(tmp_path / "journal.jsonl").live
    assert read["gather/a"].key == "new"
    assert "gather/b" not in read


def test_a_torn_last_line_is_ignored_at_every_length_and_cut_off_by_the_next_append(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    filled(path)
    whole = path.read_bytes()
    start_of_last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for length in range(start_of_last, len(whole)):
        path.write_bytes(whole[:length])
        journal = Journal(path)
        assert set(journal.live) == {"gather/a", "gather/b"}
        journal.record(entry("measure/words/a"))
        assert path.read_bytes() == whole


def test_a_last_line_of_zeros_is_torn_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    filled(path)
    path.write_bytes(path.read_bytes() + b"\0" * 40 + b"\n")
    assert len(Journal(path).live) == 3


def test_damage_before_the_last_line_is_an_error_naming_the_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    filled(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamageError, match="line 2"):
        Journal(path)


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical({"b": 1, "a": [1, "ü"]}) == canonical({"a": [1, "ü"], "b": 1}) == '{"a":[1,"ü"],"b":1}'
