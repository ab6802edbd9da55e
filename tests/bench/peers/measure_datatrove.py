"""datatrove's four quality filters in FineWeb's order, each document until the first that drops it, one thread. Usage: measure_datatrove.py JSONL

Prints the CPU seconds, the fastest of two passes, after a document that loads the word splitter.
"""

import json
import sys
import time
from pathlib import Path

import datatrove.utils.text
import datatrove.utils.word_tokenizers
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter


def forget() -> None:
    """Empty the caches in which datatrove keeps the words of texts seen before."""
    for module in (datatrove.utils.text, datatrove.utils.word_tokenizers):
        for name, value in vars(module).items():
            if hasattr(value, "cache_clear") and name not in ("load_word_tokenizer", "load_tokenizer"):
                value.cache_clear()


def main() -> None:
    with Path(sys.argv[1]).open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    filters = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]
    seconds = []
    for passed in (["warm up the tokenizer. " * 30], texts, texts):
        documents = [Document(text=text, id=str(number)) for number, text in enumerate(passed)]
        forget()
        start = time.process_time()
        for document in documents:
            for one in filters:
                answer = one.filter(document)
                if not (answer[0] if isinstance(answer, tuple) else answer):
                    break
        seconds.append(time.process_time() - start)
    print(min(seconds[1:]))


if __name__ == "__main__":
    main()
