"""Dolma's Gopher and C4 taggers on every document, one thread. Usage: measure_dolma.py JSONL TAGGER (gopher_v1, gopher_v2 or c4_v2)

Prints the CPU seconds, the fastest of two passes, after a document that loads what is loaded late.
"""

import json
import sys
import time
from pathlib import Path

from dolma.core.data_types import Document
from dolma.taggers.c4 import FasterC4Tagger
from dolma.taggers.gopher import GopherTagger, GopherTaggerV2


def main() -> None:
    with Path(sys.argv[1]).open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    tagger = {"gopher_v1": GopherTagger, "gopher_v2": GopherTaggerV2, "c4_v2": FasterC4Tagger}[sys.argv[2]]()
    seconds = []
    for passed in (["warm up the tagger. " * 30], texts, texts):
        documents = [Document(source="", id=str(number), text=text) for number, text in enumerate(passed)]
        start = time.process_time()
        for document in documents:
            tagger.predict(document)
        seconds.append(time.process_time() - start)
    print(min(seconds[1:]))


if __name__ == "__main__":
    main()
