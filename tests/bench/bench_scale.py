"""Memory of clustering: synthetic signatures through index, merge and links, with bytes a document by structure, and a plan for 10**9.

    python -m tests.bench.bench_scale [--documents 1_000_000] [--scratch DIR]

Signatures of 112 values are drawn in parts of 100,000 (every tenth document is a copy of an earlier one of its part with some
values changed, so that there are links to find), written where a run would write them, and read memory-mapped. Each step is
a process of its own, as a unit of a run is; what is told of it is its largest anonymous resident memory (RssAnon of
/proc/self/status, every 10 ms), without the mapped files, which the system may take back, and without what Python and
the libraries held before. The limit is 1 GiB. 10 million documents need 8.5 GB of scratch space.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curate.dedup.index import ENTRIES_PER_RANGE, NEAR_RUN, num_ranges, write_buckets
from curate.dedup.near import NearSettings, link_near, write_near_run
from curate.dedup.numbering import number_parts
from curate.dedup.signatures import Signatures
from curate.kernels import union_find
from curate.measures import signature
from curate.storage import count_rows, read_table, write_table

PART = 100_000
COPY_EVERY = 10
LIMIT = 1 << 30
SETTINGS = NearSettings()


class Cost(NamedTuple):
    """What a step took: seconds, anonymous bytes at most beyond what the process began with, and in all; what it returned."""

    seconds: float
    more: int
    peak: int
    result: Any


def write_part(folder: Path, part: int, documents: int) -> None:
    """One part's signatures."""
    rng = np.random.default_rng(part)
    values = rng.integers(0, 2**32, (documents, SETTINGS.num_perm), dtype=np.uint32)
    copies = np.arange(COPY_EVERY, documents, COPY_EVERY)
    values[copies] = values[rng.integers(0, copies)]
    changed = rng.random((len(copies), SETTINGS.num_perm)) < rng.choice([0.0, 0.1, 0.4], (len(copies), 1))
    values[copies] = np.where(changed, rng.integers(0, 2**32, changed.shape, dtype=np.uint32), values[copies])
    schema = signature.schema(SETTINGS.signature)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=schema.field("signature").type)
    write_table(folder / f"signature-{part}", pa.table([column, pa.array(np.full(documents, 100))], schema=schema), compression=None)


def make_run(folder: Path, part: int) -> None:
    write_near_run(folder / f"signature-{part}", folder / f"run-{part}", SETTINGS)


def merge_range(folder: Path, parts: int, index: int, total: int) -> None:
    write_buckets(folder / f"bucket-{index}", NEAR_RUN, {part: folder / f"run-{part}" for part in range(parts)}, index, total)


def link(folder: Path, sizes: list[int], total: int) -> tuple[int, int]:
    """The clusters: how many there are, and how many comparisons it took."""
    numbering = number_parts(enumerate(sizes))
    read = Signatures((read_table(folder / f"signature-{part}") for part in range(len(sizes))), SETTINGS.num_perm)
    parents = union_find.singletons(numbering.num_documents)
    everything = np.ones(numbering.num_documents, bool)
    found = link_near((read_table(folder / f"bucket-{index}") for index in range(total)), numbering, read, everything, SETTINGS, parents)
    union_find.flatten(parents)
    return int((parents == np.arange(len(parents), dtype=np.uint32)).sum()), found.num_comparisons


def measured(work: Callable[..., Any], *arguments: Any) -> Cost:
    """Run work in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_watched, (work, arguments))


def _watched(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Cost:
    work_done, highest = threading.Event(), [_anonymous()]

    def watch() -> None:
        while not work_done.wait(0.01):
            highest.append(max(highest.pop(), _anonymous()))

    began, start = _anonymous(), time.perf_counter()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work(*arguments)
        highest.append(max(highest.pop(), _anonymous()))
    finally:
        work_done.set()
        watcher.join()
    return Cost(time.perf_counter() - start, highest[0] - began, highest[0], result)


def _anonymous() -> int:
    """RssAnon of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


def plan(seconds_a_million: float, documents: int = 10**9, cores: int = 64) -> str:
    """Arithmetic for a larger corpus, from the sizes of the structures and from the time measured here."""
    entries = documents * SETTINGS.bands
    ranges = num_ranges(entries)
    linking = {"parents, exact and near": 8, "marks and reasons": 5, "preferences": 8, "clusters and representatives": 8, "copies": 2}
    return "\n".join(
        [
            f"For {documents:,} documents of {documents / PART:,.0f} parts, by this arithmetic:",
            f"  on disk     signatures {documents * (SETTINGS.num_perm * 4 + 8) / 1e12:.2f} TB, near runs {entries * 12 / 1e9:,.0f} GB, "
            f"exact runs {documents * 20 / 1e9:,.0f} GB;",
            f"              buckets only of shared keys, 16 bytes an entry; ledger about {documents * 32 / 1e9:,.0f} GB before compression",
            f"  index       {ranges:,} ranges of {ENTRIES_PER_RANGE:,} entries; each is one unit, reads its slice of every run (a binary search",
            f"              in each), and is merged in the same memory as one range here; on {cores} cores {ranges / cores:.0f} rounds",
            f"  select      one process: {sum(linking.values())} bytes a document ({', '.join(f'{name} {size}' for name, size in linking.items())}) = "
            f"{sum(linking.values()) * documents / 2**30:.0f} GiB, plus one range;",
            f"  files       {documents / PART * ranges:,.0f} openings of a run by a range; parts of a million documents make that a tenth",
            f"  time        {seconds_a_million * documents / 1e6 / 3600:,.1f} core hours for runs, merges and links at the pace measured here; the links' "
            "share is serial, the rest divides by the cores",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=lambda text: int(text.replace("_", "")), default=200_000)
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    sizes = [min(PART, given.documents - start) for start in range(0, given.documents, PART)]
    with tempfile.TemporaryDirectory(dir=given.scratch) as name:
        folder, parts = Path(name), range(len(sizes))
        for part in parts:
            write_part(folder, part, sizes[part])
        runs = [measured(make_run, folder, part) for part in parts]
        entries = sum(count_rows(folder / f"run-{part}") for part in parts)
        total = num_ranges(entries)
        merges = [measured(merge_range, folder, len(sizes), index, total) for index in range(total)]
        linked = measured(link, folder, sizes, total)
        stored = {kind: sum(path.stat().st_size for path in folder.glob(f"{kind}-*")) for kind in ("signature", "run", "bucket")}
    print(f"{given.documents:,} documents, {entries:,} entries in {total} ranges; {linked.result[0]:,} clusters after {linked.result[1]:,} comparisons")
    print("on disk, bytes a document   " + ", ".join(f"{kind} {size / given.documents:.1f}" for kind, size in stored.items()))
    for step, costs in (("runs, one part each", runs), ("merges, one range each", merges), ("links, over everything", [linked])):
        worst = max(costs, key=lambda cost: cost.peak)
        each = worst.more / (min(PART, given.documents) if costs is runs else given.documents)
        print(
            f"{step:24} {sum(cost.seconds for cost in costs):8.1f} s   anonymous memory {worst.peak / 2**20:6.0f} MiB at most, "
            f"{worst.more / 2**20:6.0f} of it for the work ({each:.1f} bytes a document){'' if worst.peak < LIMIT else '   OVER 1 GiB'}"
        )
    print(f"merges by range, MiB        {', '.join(f'{cost.more / 2**20:.0f}' for cost in merges)}")
    print("\n" + plan(sum(cost.seconds for cost in [*runs, *merges, linked]) / given.documents * 1e6))


if __name__ == "__main__":
    main()
