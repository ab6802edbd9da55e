"""Why datatrove's filters drop documents; run with the Python of an environment that has datatrove.

    python -m tests.bench.conformance.datatrove_reasons DOCUMENTS REASONS [--terminal MARKS.json]

DOCUMENTS: JSON Lines with text. REASONS: JSON Lines, the reason of each filter or null. With --terminal our words and sentences are
put in the place of datatrove's word tokenizer; the file lists the marks that end a sentence.
"""

import argparse
import json
from pathlib import Path

from datatrove.data import Document  # type: ignore[import-not-found]
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter  # type: ignore[import-not-found]
from datatrove.utils import text as datatrove_text  # type: ignore[import-not-found]
from datatrove.utils import word_tokenizers

from tests.naive.sentences import count_sentences
from tests.naive.words import words


class OurTokenizer:
    """What datatrove asks of a word tokenizer. Of sentences it reads only how many there are."""

    def __init__(self, terminal: frozenset[str]) -> None:
        self.terminal = terminal

    def word_tokenize(self, text: str) -> list[str]:
        return words(text)

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))] * count_sentences(text, self.terminal)


def reason(found: object) -> str | None:
    """The reason of a filter's answer, None where it keeps the document."""
    kept, why = found if isinstance(found, tuple) else (found, "")
    return None if kept else str(why)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", type=Path)
    parser.add_argument("reasons", type=Path)
    parser.add_argument("--terminal", type=Path)
    given = parser.parse_args()
    if given.terminal:
        ours = OurTokenizer(frozenset(json.loads(given.terminal.read_text("utf-8"))))
        word_tokenizers.load_word_tokenizer = lambda language: ours
    filters = {
        "gopher_repetition": GopherRepetitionFilter(),
        "gopher_quality": GopherQualityFilter(),
        "fineweb": FineWebQualityFilter(),
        "c4": C4QualityFilter(),  # last: it rewrites the text
    }
    with given.documents.open(encoding="utf-8") as documents, given.reasons.open("w", encoding="utf-8") as out:
        for number, line in enumerate(documents):
            document = Document(text=json.loads(line)["text"], id=str(number))
            found = {}
            for name, one in filters.items():
                try:
                    found[name] = reason(one.filter(document))
                except ZeroDivisionError:
                    found[name] = "ZeroDivisionError"
            out.write(json.dumps(found) + "\n")
            datatrove_text.split_into_parts.cache_clear()


if __name__ == "__main__":
    main()
