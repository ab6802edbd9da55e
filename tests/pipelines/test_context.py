import os
from pathlib import Path

import pytest

from curate.errors import InputError
from curate.storage import checksum
from pipelines.context import Context, InputChecksums
from pipelines.journal import Entry
from pipelines.recipe import load
from tests.pipelines.corpora import corpus


def entry(unit: str, **outputs: str) -> Entry:
    return Entry(unit, "k", {}, {path.replace("_", "/"): (1, checksum) for path, checksum in outputs.items()})


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "run").mkdir()
    return Context.open(load(corpus(tmp_path)), tmp_path / "run")


def test_a_checksum_is_remembered_until_size_time_or_inode_change(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_text("one")
    known = InputChecksums(tmp_path / "memory")
    first = known.of(path)
    assert first == checksum(path)
    stamp = path.stat()
    path.write_text("two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert known.of(path) == first  # as the stamp is: this is what makes an unchanged file free
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    second = known.of(path)
    assert second == checksum(path) != first
    path.write_text("longer")
    assert known.of(path) == checksum(path)
    other = tmp_path / "other"
    other.write_text("taller")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert known.of(path) == checksum(path)


def test_what_was_remembered_survives_and_an_unchanged_memory_is_not_written_again(tmp_path: Path) -> None:
    path, memory = tmp_path / "input", tmp_path / "memory"
    path.write_text("one")
    known = InputChecksums.load(memory)
    value = known.of(path)
    known.save()
    written = memory.stat().st_mtime_ns, memory.stat().st_ino
    again = InputChecksums.load(memory)
    assert again.known == known.known
    assert again.of(path) == value
    again.save()
    assert (memory.stat().st_mtime_ns, memory.stat().st_ino) == written


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", '{"x": 5}'])
def test_a_memory_that_cannot_be_understood_is_made_anew(tmp_path: Path, content: str) -> None:
    path, memory = tmp_path / "x", tmp_path / "memory"
    path.write_text("one")
    memory.write_text(content.replace('"x"', f'"{path}"'))
    known = InputChecksums.load(memory)
    assert known.of(path) == checksum(path)
    known.save()
    assert InputChecksums.load(memory).known == known.known


def test_an_input_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing-here: the input file cannot be read: No such file"):
        InputChecksums(tmp_path / "memory").of(tmp_path / "nothing-here")
    with pytest.raises(InputError, match="Is a directory"):
        InputChecksums(tmp_path / "memory").of(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="loop"):
        InputChecksums(tmp_path / "memory").of(tmp_path / "loop")


def test_entries_come_by_name_and_only_those_of_the_prefix(context: Context) -> None:
    for unit in ("measure/words/b", "gather/part/a", "measure/words/a", "measure/lines/a"):
        context.journal.record(entry(unit))
    assert [found.unit for found in context.entries("measure/words/")] == ["measure/words/a", "measure/words/b"]
    assert [found.unit for found in context.entries("")] == ["gather/part/a", "measure/lines/a", "measure/words/a", "measure/words/b"]


def test_the_checksum_of_a_committed_file_follows_the_journal(context: Context) -> None:
    context.journal.record(entry("gather/a", documents_a="01"))
    assert context.written("documents/a") == "01"
    context.journal.void("gather/a")
    with pytest.raises(KeyError):
        context.written("documents/a")
    context.journal.record(entry("gather/a", documents_a="02"))
    assert context.written("documents/a") == "02"
