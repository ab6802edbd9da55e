"""daft: normalise, 112 MinHash values over 5-word shingles, 14 bands of 8, union-find, write kept. Usage: near_daft.py JSONL OUT

daft makes signatures; bands and components are its user's own (its documentation shows them in a notebook), so they are plain Python here.
"""

import shutil
import sys

import daft
import numpy as np
from daft import col

NUM_PERM, BANDS = 112, 14
ROWS = NUM_PERM // BANDS


def main() -> None:
    source, out = sys.argv[1:]
    shutil.rmtree(out, ignore_errors=True)
    frame = daft.read_json(source)
    normal = col("text").normalize(remove_punct=True, lowercase=True, white_space=True)
    signed = frame.select(col("id"), normal.minhash(num_hashes=NUM_PERM, ngram_size=5, seed=1, hash_function="xxhash").alias("signature")).to_arrow()
    signatures = signed["signature"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, NUM_PERM)
    ids = signed["id"].to_pylist()
    parents = list(range(len(ids)))

    def find(document: int) -> int:
        while parents[document] != document:
            parents[document] = parents[parents[document]]
            document = parents[document]
        return document

    for band in range(BANDS):
        first: dict[bytes, int] = {}
        values = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        for document in range(len(values)):
            other = find(first.setdefault(values[document].tobytes(), document))
            own = find(document)
            parents[max(own, other)] = min(own, other)
    kept = [ids[document] for document in range(len(ids)) if find(document) == document]
    frame.join(daft.from_pydict({"id": kept}), on="id", how="inner").write_parquet(out)
    print(len(kept))


main()
