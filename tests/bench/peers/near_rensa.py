"""rensa: RMinHash of 128 values, its LSH of 16 bands, union-find, write kept; two processes. Usage: near_rensa.py JSONL OUT"""

import json
import re
import sys
from multiprocessing import Pool
from pathlib import Path

from rensa import RMinHash, RMinHashLSH

WORD = re.compile(r"\w+")
NUM_PERM, BANDS = 128, 16


def sign(line: str) -> RMinHash:
    words = WORD.findall(json.loads(line)["text"].lower())
    sketch = RMinHash(num_perm=NUM_PERM, seed=1)
    sketch.update(list({" ".join(words[start : start + 5]) for start in range(max(1, len(words) - 4))}))
    return sketch


def main() -> None:
    source, out = map(Path, sys.argv[1:])
    parents: list[int] = []

    def find(document: int) -> int:
        while parents[document] != document:
            parents[document] = parents[parents[document]]
            document = parents[document]
        return document

    index = RMinHashLSH(threshold=0.7, num_perm=NUM_PERM, num_bands=BANDS)
    with source.open(encoding="utf8") as lines, Pool(2) as pool:
        for document, sketch in enumerate(pool.imap(sign, lines, chunksize=64)):
            parents.append(document)
            for other in index.query(sketch):
                first, second = find(document), find(other)
                parents[max(first, second)] = min(first, second)
            index.insert(document, sketch)
    with source.open(encoding="utf8") as lines, out.open("w", encoding="utf8") as kept:
        kept.writelines(line for document, line in enumerate(lines) if find(document) == document)
    print(sum(find(document) == document for document in range(len(parents))))


if __name__ == "__main__":
    main()
