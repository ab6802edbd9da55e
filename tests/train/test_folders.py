from pathlib import Path

import pytest

from train.folders import publish_folder


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    publish_folder(target, lambda attempt: _fill(attempt, "a", "b"))
    publish_folder(target, lambda attempt: _fill(attempt, "c"))
    assert [path.name for path in target.iterdir()] == ["c"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_writer_that_fails_leaves_what_was_there_and_the_next_one_removes_its_remains(tmp_path: Path) -> None:
    target = tmp_path / "model"
    publish_folder(target, lambda attempt: _fill(attempt, "a"))

    def fail(attempt: Path) -> None:
        _fill(attempt, "half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        publish_folder(target, fail)
    assert [path.name for path in target.iterdir()] == ["a"]
    (tmp_path / "model.1.attempt").mkdir()
    publish_folder(target, lambda attempt: _fill(attempt, "b"))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def _fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(name)
