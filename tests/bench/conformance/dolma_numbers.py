"""The numbers Dolma's taggers give documents; run with the Python of an environment that has dolma.

    python -m tests.bench.conformance.dolma_numbers DOCUMENTS NUMBERS

DOCUMENTS: JSON Lines with text. NUMBERS: JSON Lines, for each tagger its numbers by name, and of c4_v2 how many spans of each type.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from dolma.core.data_types import Document  # type: ignore[import-not-found]
from dolma.taggers.c4 import FasterC4Tagger  # type: ignore[import-not-found]
from dolma.taggers.gopher import GopherTagger, GopherTaggerV2  # type: ignore[import-not-found]


def main() -> None:
    first, second, c4 = GopherTagger(), GopherTaggerV2(), FasterC4Tagger()
    with Path(sys.argv[1]).open(encoding="utf-8") as documents, Path(sys.argv[2]).open("w", encoding="utf-8") as out:
        for number, line in enumerate(documents):
            document = Document(source="", id=str(number), text=json.loads(line)["text"])
            found = {name: {span.type: span.score for span in tagger.predict(document).spans} for name, tagger in (("gopher_v1", first), ("gopher_v2", second))}
            spans = c4.predict(document).spans
            counts = Counter(span.type for span in spans)
            counts["line_count"] = int(next(span.score for span in spans if span.type == "line_count"))
            out.write(json.dumps(found | {"c4_v2": dict(counts)}) + "\n")


if __name__ == "__main__":
    main()
