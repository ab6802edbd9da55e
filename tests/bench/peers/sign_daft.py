"""daft: normalised text to 112 MinHash values over 5-word shingles, in one thread. Usage: sign_daft.py JSONL

Prints the seconds of the fastest of three passes over texts in memory. Run with one core at hand (taskset, or DAFT's own settings).
"""

import json
import sys
import time
from pathlib import Path

import daft
from daft import col


def main() -> None:
    with Path(sys.argv[1]).open(encoding="utf8") as lines:
        frame = daft.from_pydict({"text": [json.loads(line)["text"] for line in lines]})
    normal = col("text").normalize(remove_punct=True, lowercase=True, white_space=True)
    signed = frame.select(normal.minhash(num_hashes=112, ngram_size=5, seed=1, hash_function="xxhash"))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        signed.to_arrow()
        seconds.append(time.perf_counter() - start)
    print(min(seconds))


main()
