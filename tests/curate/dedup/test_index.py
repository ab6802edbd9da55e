from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.index import (
    ENTRIES_PER_RANGE,
    EXACT_RUN,
    NEAR_RUN,
    bucket_members,
    merge,
    num_ranges,
    sorted_run,
    write_buckets,
    write_run,
)
from curate.dedup.numbering import number_parts
from curate.storage import count_rows, read_table

Entry = tuple[int, ...]
# Few values, at both ends of the key space and on the cuts between ranges, so that keys repeat and cuts matter.
WORDS = st.sampled_from([0, 1, 2**62, 2**63 - 1, 2**63, 2**63 + 1, 2**64 // 3, 2**64 // 3 + 1, 2**64 - 1])
PARTS = st.lists(st.lists(st.tuples(WORDS, WORDS), max_size=12), max_size=4)


def run_of(keys: list[Entry], schema: pa.Schema) -> pa.Table:
    width = len(schema.names) - 1
    columns = np.array([key[:width] for key in keys], np.uint64).reshape(-1, width)
    return sorted_run(columns, np.arange(len(keys), dtype=np.uint32), schema)


def shared_entries(parts: dict[int, list[Entry]], width: int) -> list[Entry]:
    entries = sorted((*key[:width], part, row) for part, keys in parts.items() for row, key in enumerate(keys))
    sizes: dict[Entry, int] = defaultdict(int)
    for entry in entries:
        sizes[entry[:width]] += 1
    return [entry for entry in entries if sizes[entry[:width]] > 1]


@settings(deadline=None)
@given(PARTS, st.integers(1, 5), st.sampled_from([NEAR_RUN, EXACT_RUN]))
def test_all_ranges_together_hold_every_shared_key_once_and_in_order(keys: list[list[Entry]], total: int, schema: pa.Schema) -> None:
    parts = {9 - position: one for position, one in enumerate(keys)}
    runs = {part: run_of(one, schema) for part, one in parts.items()}
    tables = [merge(schema, runs, index, total) for index in range(total)]
    assert all(table.schema == tables[0].schema for table in tables)
    entries = [tuple(row.values()) for table in tables for row in table.to_pylist()]
    assert entries == shared_entries(parts, len(schema.names) - 1)


@settings(deadline=None)
@given(PARTS, st.randoms(use_true_random=False))
def test_buckets_are_cut_down_to_the_included_documents(keys: list[list[Entry]], random) -> None:  # type: ignore[no-untyped-def]
    numbering = number_parts([(part, len(one)) for part, one in enumerate(keys)])
    included = np.array([random.random() < 0.7 for _ in range(numbering.num_documents)], bool)
    members, bounds = bucket_members(merge(NEAR_RUN, {part: run_of(one, NEAR_RUN) for part, one in enumerate(keys)}, 0, 1), numbering, included)
    found = [members[start:end].tolist() for start, end in pairwise(bounds)]
    expected = defaultdict(list)
    for document, key in enumerate(key for one in keys for key in one):
        if included[document]:
            expected[key[0]].append(document)
    assert found == [bucket for _, bucket in sorted(expected.items()) if len(bucket) > 1]


def test_files_hold_what_tables_do_and_do_not_depend_on_the_order_of_parts(tmp_path: Path) -> None:
    parts = {part: [(key * 2**60 + part % 2,) for key in range(part, 15)] for part in (3, 1, 2)}
    runs = {part: run_of(keys, NEAR_RUN) for part, keys in parts.items()}
    paths = {part: write_run(tmp_path / f"{part}.arrow", run).path for part, run in runs.items()}
    assert sum(map(count_rows, paths.values())) == 12 + 14 + 13
    assert all(len(read_table(path)["key"].chunks) == 1 for path in paths.values())
    output = write_buckets(tmp_path / "buckets.arrow", NEAR_RUN, paths, 0, 2)
    assert read_table(output.path).equals(merge(NEAR_RUN, runs, 0, 2))
    assert len(read_table(output.path)) > 4
    again = write_buckets(tmp_path / "again.arrow", NEAR_RUN, dict(sorted(paths.items())), 0, 2)
    assert again.checksum == output.checksum


@pytest.mark.parametrize(("entries", "ranges"), [(0, 1), (1, 1), (ENTRIES_PER_RANGE, 1), (ENTRIES_PER_RANGE + 1, 2), (14 * 10**9, 1669)])
def test_the_number_of_ranges_follows_from_the_number_of_entries(entries: int, ranges: int) -> None:
    assert num_ranges(entries) == ranges
