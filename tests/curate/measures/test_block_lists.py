"""Reading block-lists as they are published."""

import gzip
from pathlib import Path

import pytest

from curate.errors import InputError
from curate.measures.block_lists import BlockListSettings, list_files, read_lists, write_lists


def written(folder: Path, **files: list[Path]) -> dict[str, int]:
    """How many entries each list has."""
    write_lists(folder / "lists.arrow", files)
    return {kind: len(hashes) for kind, hashes in read_lists(folder / "lists.arrow")[0].items() if len(hashes)}


def test_comments_empty_lines_and_doubles_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "domains").write_bytes(b"# of today\nbad.example\n\n  worse.example \r\nbad.example\nBAD.example.\n")
    assert written(tmp_path, domains=[tmp_path / "domains"]) == {"domains": 2}


def test_a_gzipped_list_reads_like_the_plain_one(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("bad.example\nworse.example")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"worse.example\nbad.example\n"))
    assert written(tmp_path, domains=[tmp_path / "packed.gz"]) == {"domains": 2}
    first = (tmp_path / "lists.arrow").read_bytes()
    written(tmp_path, domains=[tmp_path / "plain"])
    assert (tmp_path / "lists.arrow").read_bytes() == first


def test_a_folder_stands_for_the_files_that_ut1_has(tmp_path: Path) -> None:
    for category, name in (("adult", "domains"), ("adult", "urls"), ("gambling", "domains.gz"), ("adult", "usage")):
        (tmp_path / "ut1" / category).mkdir(parents=True, exist_ok=True)
        (tmp_path / "ut1" / category / name).touch()
    (tmp_path / "words").touch()
    found = list_files(BlockListSettings(domains=("ut1",), urls=("ut1/adult",), hard_words=("words",)), tmp_path)
    told = {kind: [path.relative_to(tmp_path).as_posix() for path in paths] for kind, paths in found.items() if paths}
    assert told == {"domains": ["ut1/adult/domains", "ut1/gambling/domains.gz"], "urls": ["ut1/adult/urls"], "hard_words": ["words"]}


@pytest.mark.parametrize("given", [{"domains": ("nowhere",)}, {"hard_words": ("folder",)}, {"urls": ("folder",)}])
def test_a_name_without_a_list_is_refused(given: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"block_lists.{next(iter(given))}"):
        list_files(BlockListSettings.model_validate(given), tmp_path)


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("domains", "good.example\nmailto:x\n", "2: the entry 'mailto:x'"),
        ("hard_words", "#\n\n--\n", "3: the entry '--'"),
        ("soft_words", "слово", "1: the entry 'слово'"),
        ("strict_substrings", "a" * 65, "longer than 64"),
    ],
)
def test_an_entry_that_nothing_could_match_is_refused_at_its_line(kind: str, content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(content, "utf8")
    with pytest.raises(InputError, match=says):
        written(tmp_path, **{kind: [tmp_path / "list"]})


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.gz").write_bytes(gzip.compress(b"bad.example\n" * 100)[:-12])
    with pytest.raises(InputError, match="cannot be read"):
        written(tmp_path, domains=[tmp_path / "list.gz"])
