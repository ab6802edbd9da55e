from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.cut_files import write_cuts, write_repeats, write_runs
from curate.dedup.cuts import cuts_batch
from curate.dedup.pieces import LineSettings
from curate.dedup.places import ENTRIES_PER_RANGE, REPEATS, Repeats, joined_tables, merge, num_ranges, repeats_of, repeats_table, sorted_run, write_places
from curate.dedup.repeats import cuts_of_parts
from curate.dedup.substrings import SubstringSettings
from curate.documents import DOCUMENTS, as_text
from curate.storage import read_table, write_table

KEYS = st.sampled_from([0, 1, 2**62, 2**63 - 1, 2**63, 2**64 // 3, 2**64 // 3 + 1, 2**64 - 1])
PARTS = st.lists(st.lists(KEYS, max_size=12), max_size=4)


def run_of(keys: list[int]) -> pa.Table:
    rows = np.arange(len(keys), dtype=np.uint32) // 3
    return sorted_run(np.array(keys, np.uint64), rows, np.arange(len(keys), dtype=np.uint32) % 3, np.arange(len(keys), dtype=np.uint16))


@settings(deadline=None)
@given(PARTS, st.integers(1, 5))
def test_all_ranges_together_hold_every_shared_key_once_in_the_stated_order(parts: list[list[int]], total: int) -> None:
    merged = [merge([run_of(keys) for keys in parts], index, total) for index in range(total)]
    found = [tuple(entry) for entries in merged for entry in zip(*(column.tolist() for column in entries), strict=True)]
    where = defaultdict(list)
    for rank, keys in enumerate(parts):
        for number, key in enumerate(keys):
            where[key].append((key, rank, number // 3, number % 3, number))
    assert found == [entry for key in sorted(where) if len(where[key]) > 1 for entry in where[key]]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 9), st.integers(0, 1), st.integers(0, 9)), max_size=14, unique_by=lambda t: t[:3])
)
def test_neighbours_that_repeat_neighbours_are_one_line_however_they_were_cut_up(places: list[tuple[int, int, int, int, int]]) -> None:
    def table(some: list[tuple[int, int, int, int, int]]) -> pa.Table:
        columns = [np.array(column, np.uint32) for column in zip(*some, strict=True)] if some else [np.empty(0, np.uint32)] * 5
        return repeats_table(Repeats(columns[0], columns[1], columns[2], columns[3], np.zeros(len(some), np.uint32), columns[4]), [8, 4])

    whole, halves = table(places), [table(places[::2]), table(places[1::2])]
    assert joined_tables(halves).equals(whole)
    for part in (4, 8, 5):
        assert {name: column.tolist() for name, column in repeats_of([whole], part).items()} == {
            name: column.tolist() for name, column in repeats_of(halves, part).items()
        }
    single = [(row["part"], row["row"], row["place"] + k, row["first_part"], row["first_place"] + k) for row in whole.to_pylist() for k in range(row["length"])]
    ids = [8, 4]
    assert sorted(single) == sorted((ids[rank], row, place, ids[first], first_place) for rank, row, place, first, first_place in places)
    ends = [(row["part"], row["row"], row["place"] + row["length"], row["first_part"], row["first_place"] + row["length"]) for row in whole.to_pylist()]
    assert not set(ends) & {(row["part"], row["row"], row["place"], row["first_part"], row["first_place"]) for row in whole.to_pylist()}
    assert whole.schema == REPEATS


@pytest.mark.parametrize("chosen", [LineSettings(min_words=2), SubstringSettings(min_tokens=5)])
def test_files_say_what_memory_does(chosen: LineSettings | SubstringSettings, tmp_path: Path) -> None:
    """Parts in files, several ranges, documents that are not kept: nothing of those counts."""
    kind = "lines" if isinstance(chosen, LineSettings) else "substrings"
    line = "one two three four five six"
    texts = {5: [f"a\n{line}", f"{line}\nb", "c"], 2: [line, f"d\n{line}", "", f"e {line} f"], 9: []}
    keeps = {5: [False, True, True], 2: [True, True, True, True], 9: []}
    documents, runs, tokens = ({part: tmp_path / name / f"{part}.arrow" for part in texts} for name in ("documents", "runs", "tokens"))
    for part, some in texts.items():
        fields = {"text": some, "path": ["p"] * len(some), "offset": list(range(len(some)))}
        columns = [pa.array(fields.get(field.name, [None] * len(some)), field.type) for field in DOCUMENTS]
        write_table(documents[part], pa.table(columns, schema=DOCUMENTS), rows_per_batch=2)
        write_runs(documents[part], np.array(keeps[part], bool), chosen, runs[part], tokens[part])
    files = [write_repeats(list(texts), list(runs.values()), list(tokens.values()), k, 3, chosen, tmp_path / f"{k}.arrow").path for k in range(3)]
    kept = {part: as_text([text if keep else "" for text, keep in zip(some, keeps[part], strict=True)]) for part, some in texts.items()}
    expected = cuts_of_parts(kept, {kind: chosen})
    assert sum(len(cuts.rows) for cuts in expected.values()) > 1
    for part in texts:
        output = write_cuts(documents[part], part, {kind: files}, tokens, {kind: chosen}, tmp_path / "cuts" / f"{part}.arrow")
        assert read_table(output.path).to_pylist() == cuts_batch(kept[part], expected[part]).to_pylist()


def test_runs_lie_in_one_batch_so_that_a_range_is_read_where_it_lies(tmp_path: Path) -> None:
    path = write_places(tmp_path / "run.arrow", run_of([1] * 20000)).path
    assert read_table(path)["key"].num_chunks == 1


@pytest.mark.parametrize(("entries", "ranges"), [(0, 1), (ENTRIES_PER_RANGE, 1), (ENTRIES_PER_RANGE + 1, 2)])
def test_the_number_of_ranges_follows_from_the_number_of_entries(entries: int, ranges: int) -> None:
    assert num_ranges(entries) == ranges
