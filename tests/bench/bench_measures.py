"""MB/s of each measure family on one core, and of all of them together.

    python -m tests.bench.bench_measures [--data FILE] [--column text] [--megabytes 20] [--repeats 3]

FILE: Parquet or JSON Lines with a column of text, or a plain text file, cut into documents of 100 lines. Without one, a
made-up text of Zipf-distributed words is measured: 3,000 documents, the same on every machine.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from curate.documents import as_text, text_buffers
from curate.measures import FAMILIES, NEEDING_SETTINGS, family


def made_up(seed: int = 7) -> pa.LargeStringArray:
    """Documents of 50 to 2,000 words drawn by Zipf's law from 30,000, in sentences and lines."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmwfgypbvk"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 11, 30_000)])
    texts = []
    for size in rng.integers(50, 2_000, 3_000):
        chosen = words[np.minimum(rng.zipf(1.3, size), len(words)) - 1]
        ends = np.where(rng.random(size) < 0.07, np.where(rng.random(size) < 0.3, ".\n", ". "), " ")
        texts.append("".join(word + end for word, end in zip(chosen, ends, strict=True)))
    return as_text(texts)


def read(path: Path, column: str) -> pa.LargeStringArray:
    """The documents of a file."""
    if path.suffix == ".parquet":
        return as_text(pq.read_table(path, columns=[column])[column])
    if path.suffix == ".jsonl":
        return as_text(pj.read_json(path, pj.ReadOptions(block_size=64 << 20))[column])
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return as_text(["".join(lines[start : start + 100]) for start in range(0, len(lines), 100)])


def first_megabytes(texts: pa.LargeStringArray, megabytes: float) -> pa.LargeStringArray:
    """As many documents from the start as fit, at least one."""
    _, offsets = text_buffers(texts)
    return texts.slice(0, max(1, int(np.searchsorted(offsets, offsets[0] + megabytes * 1e6, side="right")) - 1))


def timings(texts: pa.LargeStringArray, repeats: int) -> Iterator[tuple[str, float]]:
    """The best time of each family; kernels and tables are made ready first."""
    for name in (name for name in FAMILIES if name not in NEEDING_SETTINGS):
        module = family(name)
        module.measure(texts.slice(0, 1), module.Settings())
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            module.measure(texts, module.Settings())
            seconds.append(time.perf_counter() - start)
        yield name, min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    texts = first_megabytes(read(given.data, given.column) if given.data else made_up(), given.megabytes)
    _, offsets = text_buffers(texts)
    megabytes = (offsets[-1] - offsets[0]) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB; best of {given.repeats}, one core")
    total = 0.0
    for name, seconds in timings(texts, given.repeats):
        total += seconds
        print(f"{name:12}{megabytes / seconds:9.0f} MB/s{len(texts) / seconds:12,.0f} documents/s")
    print(f"{'together':12}{megabytes / total:9.0f} MB/s{len(texts) / total:12,.0f} documents/s")


if __name__ == "__main__":
    main()
