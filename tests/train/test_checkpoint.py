import errno
import os
from pathlib import Path

import pytest
import torch

import train.checkpoint
import train.folders
from curate.errors import DamageError, EnvironmentProblem
from train.checkpoint import MODEL, OPTIMIZER, STATE, Checkpoint, newest_checkpoint, read_checkpoint, save_checkpoint, tensor_bytes


def save(folder: Path, step: int, keep: int = 2) -> Checkpoint:
    weights = {"b": torch.full((3,), float(step)), "a": torch.arange(6.0).reshape(2, 3)}
    return save_checkpoint(folder, step, weights, {"step/a": torch.tensor(float(step))}, {"num_tokens": step * 10}, keep)


def test_what_was_saved_is_read_back_and_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000015"]
    newest, messages = newest_checkpoint(tmp_path)
    assert messages == []
    assert newest is not None
    assert (newest.step, newest.state["num_tokens"]) == (15, 150)
    assert newest.tensors(MODEL)["b"].tolist() == [15.0] * 3
    assert newest.tensors(OPTIMIZER)["step/a"].item() == 15.0


def test_bytes_are_a_function_of_the_content(tmp_path: Path) -> None:
    one, other = save(tmp_path / "one", 3), save(tmp_path / "other", 3)
    for name in (MODEL, OPTIMIZER, STATE):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes()
    assert tensor_bytes({"x": torch.zeros(2), "y": torch.ones(1)}) == tensor_bytes({"y": torch.ones(1), "x": torch.zeros(2)})


@pytest.mark.parametrize("name", [MODEL, OPTIMIZER, STATE])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "missing"])
def test_a_damaged_checkpoint_is_passed_over_with_a_message(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path, 1)
    broken = save(tmp_path, 2).path / name
    content = broken.read_bytes()
    if damage == "missing":
        broken.unlink()
    else:
        flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        broken.write_bytes({"flip": flipped, "cut": content[:-1] if name != STATE else content[:-5], "empty": b""}[damage])
    newest, messages = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 1
    assert len(messages) == 1
    assert "step-00000002" in messages[0]
    with pytest.raises(DamageError):
        read_checkpoint(tmp_path / "step-00000002")


def test_a_crash_at_any_file_operation_leaves_a_whole_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        """Like a kill: nothing cleans up after it."""

    def crashing(number: int) -> int:
        """Save step 2 over a folder with step 1, and crash before the n-th operation. How many there were."""
        folder, count = tmp_path / str(number), 0
        save(folder, 1)

        def counted(original):  # type: ignore[no-untyped-def]
            def call(*args, **kwargs):  # type: ignore[no-untyped-def]
                nonlocal count
                count += 1
                if count == number:
                    raise Crash
                return original(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            for owner, name in (
                (os, "fsync"),
                (Path, "rename"),
                (Path, "mkdir"),
                (Path, "write_bytes"),
                (Path, "write_text"),
                (train.checkpoint.shutil, "rmtree"),
            ):
                patch.setattr(owner, name, counted(getattr(owner, name)))
            try:
                save(folder, 2, keep=1)
            except Crash:
                pass
            else:
                return count
        newest, messages = newest_checkpoint(folder)
        assert newest is not None
        assert messages == []
        save(folder, 3, keep=1)  # whoever goes on is not in the way of what was left
        assert [path.name for path in folder.iterdir() if "step-00000003" in path.name] == ["step-00000003"]
        return 0

    number = 1
    while not (operations := crashing(number)):
        number += 1
    assert operations >= 10


def test_a_full_disk_says_so_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_no_checkpoint_is_none_and_no_message(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "nowhere") == (None, [])
