"""MB/s of cross-document cuts on one core, beside a plain Counter (lines, paragraphs) and a suffix array (substrings) in the same run.

    python -m tests.bench.bench_cuts [--data FILE|FOLDER] [--column text] [--megabytes 40] [--plain-megabytes 4]

FILE and FOLDER as in bench_signatures. Ours runs from file to file as a run does it: runs a part, repeats a key range, cuts a part, everything
written and synced; peak memory is that of this process, which also holds the texts. The Counter hashes every normalised
line in Python. The suffix array (numpy, prefix doubling over the words of a share of the documents: O(n log² n), all in memory) answers
the same question as Lee et al. 2022: which words lie in a repeat of at least 50. Its answer on that share is compared with ours.
"""

import argparse
import re
import resource
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.cut_files import write_cuts, write_repeats, write_runs
from curate.dedup.cuts import KindSettings
from curate.dedup.pieces import LineSettings, ParagraphSettings
from curate.dedup.places import num_ranges
from curate.dedup.repeats import remove_repeats, repeats_of_parts
from curate.dedup.substrings import SubstringSettings, tokens_of
from curate.documents import DOCUMENTS, text_buffers
from curate.storage import count_rows, read_table, write_table
from tests.bench.bench_measures import first_megabytes
from tests.bench.bench_signatures import texts_of

KINDS: dict[str, KindSettings] = {"lines": LineSettings(), "paragraphs": ParagraphSettings(), "substrings": SubstringSettings()}
_DIGITS, _PUNCTUATION = re.compile(r"\d"), re.compile(r"[^\w\s]")
BYTES_A_PART = 16e6


def write_parts(texts: pa.LargeStringArray, folder: Path) -> dict[int, Path]:
    """DOCUMENTS files of about BYTES_A_PART of text."""
    _, offsets = text_buffers(texts)
    cuts = [*np.unique(np.searchsorted(offsets, np.arange(0, offsets[-1], BYTES_A_PART))).tolist(), len(texts)]
    paths = {}
    for part, (start, end) in enumerate(pairwise(cuts)):
        count = end - start
        given = {"text": texts[start:end], "path": pa.array(["bench"] * count).dictionary_encode(), "offset": pa.array(range(count), pa.int64())}
        columns = [given[field.name].cast(field.type) if field.name in given else pa.nulls(count, field.type) for field in DOCUMENTS]
        paths[part] = write_table(folder / f"documents/{part}.arrow", pa.table(columns, schema=DOCUMENTS)).path
    return paths


def from_file_to_file(documents: dict[int, Path], kind: str, folder: Path) -> tuple[int, dict[str, float]]:
    """Bytes cut, and seconds by pass."""
    settings, seconds = KINDS[kind], {}
    runs, tokens = ({part: folder / f"{kind}/{name}/{part}.arrow" for part in documents} for name in ("runs", "tokens"))
    start = time.perf_counter()
    for part, path in documents.items():
        write_runs(path, np.ones(count_rows(path), bool), settings, runs[part], tokens[part])
    seconds["runs"] = time.perf_counter() - start
    total = num_ranges(sum(map(count_rows, runs.values())))
    start = time.perf_counter()
    order = list(documents)
    ranges = [
        write_repeats(order, list(runs.values()), list(tokens.values()), number, total, settings, folder / f"{kind}/{number}.arrow").path
        for number in range(total)
    ]
    seconds["repeats"] = time.perf_counter() - start
    start = time.perf_counter()
    num_bytes = 0
    for part, path in documents.items():
        output = write_cuts(path, part, {kind: ranges}, tokens, {kind: settings}, folder / f"{kind}/cuts/{part}.arrow")
        spans = read_table(output.path, ["spans"])["spans"].combine_chunks().flatten()
        num_bytes += int((spans.field("end").to_numpy() - spans.field("start").to_numpy()).sum())
    seconds["cuts"] = time.perf_counter() - start
    return num_bytes, seconds


def count_lines(texts: list[str]) -> int:
    """Lines beyond the first of each normalised form, with a Counter."""
    seen: Counter[str] = Counter()
    for text in texts:
        for line in text.split("\n"):
            seen[" ".join(_PUNCTUATION.sub("", _DIGITS.sub("0", line.lower())).split())] += 1
    return sum(count - 1 for count in seen.values())


def suffix_array_repeats(tokens: NDArray[np.uint64], bounds: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Which tokens lie in a run of n that stands elsewhere too: ranks of suffixes by their first 1, 2, 4, … tokens, up to n (Manber and Myers 1990)."""
    _, rank = np.unique(tokens, return_inverse=True)
    rank = rank.astype(np.int64) + 1
    length = 1
    while length < n:
        step = min(length, n - length)  # the last doubling overlaps, so that exactly n tokens count
        behind = np.zeros(len(rank), np.int64)
        behind[:-step] = rank[step:]
        order = np.lexsort((behind, rank))
        same = (rank[order][1:] == rank[order][:-1]) & (behind[order][1:] == behind[order][:-1])
        ranked = np.concatenate([[1], 1 + np.cumsum(~same)])
        rank = np.empty(len(order), np.int64)
        rank[order] = ranked
        length += step
    inside = np.zeros(len(rank), bool)
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        inside[start : max(start, end - n + 1)] = True
    _, which, counts = np.unique(rank[inside], return_inverse=True, return_counts=True)
    starts = np.flatnonzero(inside)[counts[which] > 1]
    marks = np.zeros(len(rank) + 1, np.int64)
    np.add.at(marks, starts, 1)
    np.add.at(marks, starts + n, -1)
    found: NDArray[np.bool_] = np.cumsum(marks)[:-1] > 0
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--plain-megabytes", type=float, default=4)
    given = parser.parse_args()
    texts = first_megabytes(texts_of(given.data, given.column), given.megabytes)
    _, offsets = text_buffers(texts)
    megabytes = (offsets[-1] - offsets[0]) / 1e6
    some = first_megabytes(texts, given.plain_megabytes)
    some_megabytes = (text_buffers(some)[1][-1]) / 1e6
    for settings in KINDS.values():
        remove_repeats(["compile the kernels " * 60] * 2, **{kind: chosen for kind, chosen in KINDS.items() if chosen is settings})  # type: ignore[arg-type]
    print(f"{len(texts):,} documents, {megabytes:.1f} MB, one core, file to file")
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        documents = write_parts(texts, Path(folder))
        for kind in KINDS:
            num_bytes, seconds = from_file_to_file(documents, kind, Path(folder))
            speeds[kind] = megabytes / sum(seconds.values())
            held = sum(file.stat().st_size for file in (Path(folder) / kind).rglob("*.arrow")) / 1e6
            passes = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
            print(f"{kind:12}{speeds[kind]:8.1f} MB/s   {passes}; {num_bytes / 1e6:.2f} MB cut ({num_bytes / 1e6 / megabytes:.1%}); {held:.1f} MB of files")
    print(f"peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    listed = some.to_pylist()
    start = time.perf_counter()
    count_lines(listed)
    plain = some_megabytes / (time.perf_counter() - start)
    print(f"{'Counter of normalised lines':32}{plain:8.1f} MB/s {speeds['lines'] / plain:8.1f} times slower")
    chosen = SubstringSettings()
    tokens = tokens_of(some, chosen)
    start = time.perf_counter()
    repeated = suffix_array_repeats(tokens.values, tokens.bounds, chosen.min_tokens)
    plain = some_megabytes / (time.perf_counter() - start)
    print(f"{'suffix array, tokens at hand':32}{plain:8.1f} MB/s {speeds['substrings'] / plain:8.1f} times slower")
    found = repeats_of_parts({0: some}, chosen)[0]
    ours = np.zeros(len(repeated), bool)
    for row, place, length in zip(*(found[name].tolist() for name in ("row", "place", "length")), strict=True):
        ours[tokens.bounds[row] + place : tokens.bounds[row] + place + length] = True
    print(f"of {int(repeated.sum()):,} repeated tokens by suffix array, first occurrences and overlaps included, {int((ours & repeated).sum()):,} are cut; "
          f"{int((ours & ~repeated).sum())} cut that it does not know")  # fmt: skip


if __name__ == "__main__":
    main()
