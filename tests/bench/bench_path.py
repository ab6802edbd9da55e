"""MB/s from archive to ledger (gather, measure, index, select; every rule set on), beside datasketch in the same run.

    python -m tests.bench.bench_path [--data FILE|FOLDER] [--column text] [--megabytes 40] [--workers 2]

The documents (as for bench_signatures) are written as one JSON Lines file; the path is the whole process of `corpuscle
run --until select`, start-up included. datasketch does near-duplicates alone: words by a regular expression, shingles hashed
by xxh32, MinHash, MinHashLSH insert and query, in one process on a share of the documents.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import xxhash
from datasketch import MinHash, MinHashLSH

from curate.measures import measure
from tests.bench.bench_measures import first_megabytes
from tests.bench.bench_signatures import best_of, share, texts_of

RECIPE = """
name: bench
sources: [{{name: texts, paths: [texts.jsonl], format: jsonl}}]
slice_bytes: {slice_bytes}
rules: {{gopher_repetition: {{}}, gopher_quality: {{}}, c4: {{}}, fineweb: {{}}}}
"""
NUM_FOR_DATASKETCH = 400


def find_with_datasketch(texts: list[str]) -> None:
    """112 values over 5-word shingles, 14 bands of 8 rows; each document inserted, then asked for."""
    index = MinHashLSH(num_perm=112, params=(14, 8))
    sketches = []
    for number, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        sketch = MinHash(num_perm=112, scheme="affine32", hashfunc=xxhash.xxh32_intdigest)
        sketch.update_batch({" ".join(words[start : start + 5]).encode() for start in range(len(words) - 4)})
        index.insert(number, sketch)
        sketches.append(sketch)
    for sketch in sketches:
        index.query(sketch)


def seconds_of_the_path(folder: Path, workers: int) -> tuple[float, float]:
    """One run in a process of its own, in a folder of its own: seconds of the whole process, and of its stages alone."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "pipelines.cli", "run", str(folder / "recipe.yaml"), "--run", str(folder / f"run-{start}"), "--until", "select", "--json"]
    done = subprocess.run([*command, "--workers", str(workers)], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 3):  # 3: on such texts a rule may well drop everything
        raise SystemExit(done.stderr)
    return seconds, sum(json.loads(done.stdout)["seconds"].values())


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--data", type=Path)
    options.add_argument("--column", default="text")
    options.add_argument("--megabytes", type=float, default=40)
    options.add_argument("--workers", type=int, default=2)
    given = options.parse_args()
    texts = first_megabytes(texts_of(given.data, given.column), given.megabytes)
    megabytes = texts.nbytes / 1e6
    some = share(texts, NUM_FOR_DATASKETCH)
    measure(some[:1])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (folder / "texts.jsonl").open("w", encoding="utf8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts.to_pylist())
        (folder / "recipe.yaml").write_text(RECIPE.format(slice_bytes=4 << 20))
        whole, stages = (megabytes / min(seconds) for seconds in zip(*(seconds_of_the_path(folder, given.workers) for _ in range(3)), strict=True))
    measures = megabytes / best_of(1, lambda: measure(texts))
    datasketch = sum(len(text.encode()) for text in some) / 1e6 / best_of(2, lambda: find_with_datasketch(some))
    print(f"{len(texts)} documents, {megabytes:.1f} MB")
    print(f"archive to ledger   {whole:8.1f} MB/s   {whole / datasketch:6.1f} times datasketch, {given.workers} workers, whole process with its start")
    print(f"  its stages alone  {stages:8.1f} MB/s   {stages / datasketch:6.1f} times datasketch, {given.workers} workers")
    print(f"all measures        {measures:8.1f} MB/s   {measures / datasketch:6.1f} times datasketch, one process")
    print(f"datasketch          {datasketch:8.1f} MB/s   near-duplicates only, one process")


if __name__ == "__main__":
    main()
