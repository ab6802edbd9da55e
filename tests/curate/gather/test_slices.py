import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.gather.files import SourceFile
from curate.gather.slices import Range, Slice, check_ranges_meet, rejoin, slices
from curate.readers import Ends

SIZE = 10_000
NAMES = st.text("abcdef/.", min_size=1, max_size=12)
SMALL = st.dictionaries(NAMES, st.integers(0, 3 * SIZE), max_size=40)


def small_files(sizes: dict[str, int], source: str = "s") -> list[SourceFile]:
    return [SourceFile(source, path, size, "html", "whole") for path, size in sizes.items()]


@given(SMALL, st.randoms(use_true_random=False))
def test_every_file_is_in_exactly_one_slice_whatever_the_order(sizes: dict[str, int], rng: random.Random) -> None:
    files = small_files(sizes)
    found = slices(files, SIZE)
    assert sorted(one.path for slice_ in found for one in slice_.ranges) == sorted(sizes)
    rng.shuffle(files)
    assert slices(files, SIZE) == found
    assert len({slice_.part for slice_ in found}) == len(found)


@given(SMALL, NAMES, st.integers(0, 3 * SIZE))
@settings(max_examples=300)
def test_adding_a_file_touches_one_slice(sizes: dict[str, int], path: str, size: int) -> None:
    sizes.pop(path, None)
    before = slices(small_files(sizes), SIZE)
    after = slices(small_files({**sizes, path: size}), SIZE)
    left = [slice_ for slice_ in before if slice_ not in after]
    assert len(left) <= 1
    new = [slice_ for slice_ in after if slice_ not in before]
    assert len(new) <= 2
    assert sorted(one.path for slice_ in new for one in slice_.ranges) == sorted([path, *(one.path for slice_ in left for one in slice_.ranges)])


def test_groups_hold_about_the_wanted_bytes() -> None:
    rng = random.Random(0)
    files = small_files({f"pages/{number}.html": rng.randrange(200) for number in range(20_000)})
    found = slices(files, SIZE)
    total = sum(file.num_bytes for file in files)
    assert 0.7 < total / len(found) / SIZE < 1.4
    sizes = {file.path: file.num_bytes for file in files}
    largest = max(sum(sizes[one.path] for one in slice_.ranges) for slice_ in found)
    assert largest < 12 * SIZE


def test_files_as_large_as_a_slice_stand_alone_and_are_cut_where_they_can_be() -> None:
    files = [
        SourceFile("s", "cut.jsonl", 2 * SIZE + 5, "jsonl", "bytes"),
        SourceFile("s", "one.jsonl.gz", 3 * SIZE, "jsonl", "whole"),
        SourceFile("s", "table.parquet", 5 * SIZE, "parquet", "row_groups", (SIZE // 2, SIZE // 2, SIZE // 2, 2 * SIZE, 7)),
        SourceFile("s", "small.parquet", 100, "parquet", "row_groups", (40, 50)),
        SourceFile("t", "cut.jsonl", 10, "jsonl", "bytes"),
    ]
    found = slices(files, SIZE)
    assert [(slice_.source, slice_.ranges) for slice_ in found] == [
        ("s", (Range("cut.jsonl", "jsonl", 0, SIZE),)),
        ("s", (Range("cut.jsonl", "jsonl", SIZE, 2 * SIZE),)),
        ("s", (Range("cut.jsonl", "jsonl", 2 * SIZE, 2 * SIZE + 5),)),
        ("s", (Range("one.jsonl.gz", "jsonl", 0, 3 * SIZE),)),
        ("s", (Range("small.parquet", "parquet", 0, 2),)),
        ("s", (Range("table.parquet", "parquet", 0, 2),)),
        ("s", (Range("table.parquet", "parquet", 2, 4),)),
        ("s", (Range("table.parquet", "parquet", 4, 5),)),
        ("t", (Range("cut.jsonl", "jsonl", 0, 10),)),
    ]
    assert all(0 <= slice_.part < 1 << 32 for slice_ in found)


def test_part_ids_are_what_they_always_were() -> None:
    found = slices([SourceFile("web", "a.warc", 25, "warc", "bytes"), SourceFile("web", "b.html", 3, "html", "whole")], 10)
    assert [f"{slice_.part:08x}" for slice_ in found] == ["6e5b9946", "1357650f", "6d7c03ea", "3442b63c"]


def test_equal_part_ids_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    import xxhash

    real = xxhash.xxh3_64_intdigest

    def nearly_equal(data: bytes, seed: int = 0) -> int:
        return real(data, seed) & 0x3FFFFFFFF if data.startswith(b"[") else real(data, seed)

    monkeypatch.setattr("curate.gather.slices.xxhash.xxh3_64_intdigest", nearly_equal)
    files = [SourceFile("s", f"{number}", SIZE, "html", "whole") for number in range(4)]
    assert sorted(slice_.part for slice_ in slices(files, SIZE)) == [0, 1, 2, 3]


def test_slices_survive_json() -> None:
    [slice_] = slices(small_files({"a": 5}), SIZE)
    assert Slice.from_json(json.loads(json.dumps(slice_.to_json()))) == slice_


def ranges(*ends: tuple[int | None, int | None]) -> list[tuple[Range, Ends]]:
    return [(Range("a", "warc", 10 * number, 10 * number + 10), Ends(*pair)) for number, pair in enumerate(ends)]


@pytest.mark.parametrize("good", [[(0, 10), (10, 20)], [(0, 13), (13, 20)], [(0, 24), (None, None), (24, 30)], [(0, 30), (None, None), (None, None)], [(0, 5)]])
def test_ranges_that_meet_pass_in_any_order(good: list[tuple[int | None, int | None]]) -> None:
    assert check_ranges_meet(ranges(*good)) == []
    assert check_ranges_meet(ranges(*good)[::-1]) == []


@pytest.mark.parametrize("bad", [[(0, 10), (12, 20)], [(0, 15), (12, 20)], [(0, 14), (None, None)], [(0, 24), (None, None), (None, None)], [(0, 10), (10, 19)]])
def test_ranges_that_lose_or_repeat_something_do_not(bad: list[tuple[int | None, int | None]]) -> None:
    assert check_ranges_meet(ranges(*bad)) == ["a"]


def test_rejoined_files_are_read_by_the_slice_of_their_first_range() -> None:
    found = slices([SourceFile("s", "a", 25, "warc", "bytes"), SourceFile("s", "b", 25, "warc", "bytes")], 10)
    joined = rejoin(found, ["a"])
    assert [slice_.ranges for slice_ in joined] == [(Range("a", "warc", 0, 25),), *(slice_.ranges for slice_ in found[3:])]
    assert joined[0].part == found[0].part
    assert rejoin(found, []) == found
