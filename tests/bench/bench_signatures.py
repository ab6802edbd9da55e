"""MB/s of MinHash signatures on one core, and how many times datasketch's speed that is, in the same run.

    python -m tests.bench.bench_signatures [--data FILE|FOLDER] [--column text] [--megabytes 20] [--repeats 5] [--peers DIR]

FILE: Parquet, JSON Lines or plain text; FOLDER: its .txt, .md, .rst and .py files, one a document. Without either, the
sources of Python's standard library. datasketch is given a share of the documents (it is slow) in two ways: from text, as its users do it
(words by a regular expression, each shingle joined and hashed by xxh32), and from ready shingle hashes. With --peers (see
`python -m tests.bench.peers`) daft signs the same documents, pinned to one core.
"""

import argparse
import json
import re
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from datasketch import MinHash

import curate
from curate.documents import as_text, text_buffers
from curate.measures import signature
from tests.bench.bench_measures import first_megabytes, read

_WORD = re.compile(r"\w+")
_SUFFIXES = {".txt", ".md", ".rst", ".py"}


def texts_of(data: Path | None, column: str) -> pa.LargeStringArray:
    """The documents to sign."""
    folder = Path(sysconfig.get_paths()["stdlib"]) if data is None else data
    if not folder.is_dir():
        return read(folder, column)
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and "site-packages" not in path.parts)
    return as_text([path.read_text("utf-8", errors="replace") for path in paths])


def share(texts: pa.LargeStringArray, num: int) -> list[str]:
    """At most `num` documents, evenly spaced."""
    return texts.take(pa.array(np.unique(np.linspace(0, len(texts) - 1, num).astype(int)))).to_pylist()


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """The shortest of several times, in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def sketch_texts(texts: list[str]) -> None:
    """datasketch from text: 112 values over 5-word shingles."""
    for text in texts:
        words = _WORD.findall(text.casefold())
        shingles = {" ".join(words[start : start + 5]).encode() for start in range(len(words) - 4)}
        MinHash(num_perm=112, scheme="affine32", hashfunc=xxhash.xxh32_intdigest).update_batch(shingles)


def sketch_hashes(hashes: list[list[int]]) -> None:
    """datasketch from ready hashes."""
    for one in hashes:
        MinHash(num_perm=112, scheme="affine32", hashfunc=int).update_batch(one)


def sign_with_daft(texts: pa.LargeStringArray, peers: Path) -> float:
    """Seconds that daft takes, in a process of its own on one core."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "texts.jsonl"
        with source.open("w", encoding="utf8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts.to_pylist())
        command = ["taskset", "-c", "0", peers.resolve() / "misc" / "bin" / "python", Path(__file__).parent / "peers" / "sign_daft.py", source]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=Path)
    given = parser.parse_args()
    texts = first_megabytes(texts_of(given.data, given.column), given.megabytes)
    _, offsets = text_buffers(texts)
    megabytes = (offsets[-1] - offsets[0]) / 1e6
    chosen = signature.Settings()
    num_shingles = np.sum(signature.measure(texts, chosen)["num_shingles"].to_numpy())  # compiles, too
    ours = megabytes / best_of(given.repeats, lambda: signature.measure(texts, chosen))
    some = share(texts, 200)
    some_megabytes = sum(len(text.encode()) for text in some) / 1e6
    theirs = some_megabytes / best_of(2, lambda: sketch_texts(some))
    ready = [np.unique(curate.shingle_hashes(text)).tolist() for text in some]
    theirs_ready = some_megabytes / best_of(2, lambda: sketch_hashes(ready))
    print(f"{len(texts):,} documents, {megabytes:.1f} MB, {num_shingles:,} shingles; {chosen.num_perm} values, best of {given.repeats}, one core")
    print(f"{'text to signature':32}{ours:9.1f} MB/s {len(texts) / megabytes * ours:11,.0f} documents/s")
    peers = [("datasketch, text to signature", theirs), ("datasketch, from ready hashes", theirs_ready)]
    if given.peers is not None:
        peers.append(("daft.minhash, text to signature", megabytes / sign_with_daft(texts, given.peers)))
    for name, speed in peers:
        print(f"{name:32}{speed:9.1f} MB/s {ours / speed:11.1f} times slower")


if __name__ == "__main__":
    main()
