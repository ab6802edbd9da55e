"""MB/s of the measure families on one core, all Gopher, C4 and FineWeb measures together, beside datatrove's filters and dolma's taggers.

    python -m tests.bench.bench_measures [--data FILE] [--column text] [--megabytes 20] [--repeats 5] [--peers DIR] [--documents 600]

FILE: Parquet or JSON Lines with a column of text, or a plain text file, cut into documents of 100 lines; `--megabytes` of its
documents are drawn evenly from all of it. Without one, a made-up text of Zipf-distributed words is measured: 3,000 documents, the
same on every machine. DIR: environments made by `python -m tests.bench.peers dt dolma`; each peer measures `--documents` of the same
documents in a process of its own. Everything is one thread on one core, in CPU seconds, so that other work on the machine counts little.

At the end: how long kernels take to compile on a machine that never ran them, and to load afterwards, in a fresh process each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from curate.documents import as_text, text_buffers
from curate.measures import family

RULE_FAMILIES = ("identity", "words", "lines", "repetition")  # what the rule sets of Gopher, C4 and FineWeb read
_SHOWN = (*RULE_FAMILIES, "language", "signature")
DOLMA_TAGGERS = ("gopher_v1", "gopher_v2", "c4_v2")
_PEERS = Path(__file__).parent / "peers"
_FIRST_MEASURES = """
import time
from curate.measures import family
from curate.documents import as_text
texts = as_text(["One short text."])
for name in {names}:
    module = family(name)
    module.measure(texts, module.Settings())
print(time.process_time())  # from the start of the process
"""


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


def spread(texts: pa.LargeStringArray, num: int) -> pa.LargeStringArray:
    """At most `num` documents, evenly spaced."""
    return texts.take(pa.array(np.unique(np.linspace(0, len(texts) - 1, num).astype(int))))


def megabytes_of(texts: pa.LargeStringArray) -> float:
    _, offsets = text_buffers(texts)
    return float(offsets[-1] - offsets[0]) / 1e6


def fastest(repeats: int, work: Callable[[], object]) -> float:
    """The least of several CPU times, in seconds; one run before them makes kernels and tables ready."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measured(texts: pa.LargeStringArray, names: tuple[str, ...]) -> None:
    for name in names:
        module = family(name)
        module.measure(texts, module.Settings())


def peers(folder: Path, texts: pa.LargeStringArray) -> Iterator[tuple[str, float]]:
    """The CPU seconds of each peer that is there."""
    runs = [("datatrove, four filters", "dt", ["measure_datatrove.py"])]
    runs += [(f"dolma, {tagger}", "dolma", ["measure_dolma.py", tagger]) for tagger in DOLMA_TAGGERS]
    with tempfile.TemporaryDirectory() as temporary:
        documents = Path(temporary) / "documents.jsonl"
        documents.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts.to_pylist()), "utf-8")
        for name, environment, (script, *arguments) in runs:
            python = folder.absolute() / environment / "bin" / "python"
            if python.exists():
                yield name, float(output([str(python), str(_PEERS / script), str(documents), *arguments]))


def output(command: list[str], **environment: str) -> str:
    """The last line of a command's stdout. Raises SystemExit with its stderr where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout.strip().rpartition("\n")[2]


def start_up() -> tuple[float, float]:
    """CPU seconds of a process until its first text is measured by every rule family: with nothing compiled, and with everything compiled (best of 3)."""
    command = [sys.executable, "-c", _FIRST_MEASURES.format(names=RULE_FAMILIES)]
    with tempfile.TemporaryDirectory() as cache:
        cold, *warm = (float(output(command, NUMBA_CACHE_DIR=cache)) for _ in range(4))
    return cold, min(warm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--documents", type=int, default=600)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    everything = read(given.data, given.column) if given.data else made_up()
    texts = spread(everything, max(1, int(len(everything) * min(1.0, given.megabytes / megabytes_of(everything)))))
    megabytes = megabytes_of(texts)
    print(f"{len(texts):,} documents, {megabytes:.1f} MB; best of {given.repeats}, one core")
    for name in _SHOWN:
        seconds = fastest(given.repeats, lambda name=name: measured(texts, (name,)))  # type: ignore[misc]
        print(f"{name:28}{megabytes / seconds:9.1f} MB/s{len(texts) / seconds:12,.0f} documents/s")
    ours = megabytes / fastest(given.repeats, lambda: measured(texts, RULE_FAMILIES))
    print(f"{'all Gopher, C4, FineWeb':28}{ours:9.1f} MB/s   ({', '.join(RULE_FAMILIES)}; every measure of every document)")
    if given.peers:
        some = spread(texts, given.documents)
        for name, seconds in peers(given.peers, some):
            theirs = megabytes_of(some) / seconds
            print(f"{name:28}{theirs:9.2f} MB/s   ours is {ours / theirs:.0f} times as fast ({len(some)} documents)")
    cold, warm = start_up()
    print(f"from process start to the first measured text: {warm:.2f} CPU s; on a machine that never ran it {cold:.0f} (kernels compile, once)")


if __name__ == "__main__":
    main()
