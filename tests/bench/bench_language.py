"""Language identification by our kernel and by fastText itself, in one process: speed, equality of labels, difference of scores.

    python -m tests.bench.bench_language [--data FILE] [--column text] [--megabytes 20] [--max-characters 1000] [--repeats 3]

FILE: Parquet, JSON Lines or plain text; without one, the test documents (tests/corpus.py) and the bundled samples. Times are of
the processor, so that other work on the machine counts less. The library gets each document as its users hand it over: cut, one line.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fasttext_pybind
import numpy as np
import pyarrow as pa

from curate.documents import as_text, text_buffers
from curate.measures.language import MODEL, load_model
from tests.bench.bench_measures import first_megabytes, read
from tests.corpus import documents
from tests.samples import sample_texts


def best_of(repeats: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest processor time of several, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        found = work()
        seconds.append(time.process_time() - start)
    return min(seconds), found


def by_library(texts: pa.LargeStringArray, max_characters: int) -> list[tuple[float, str]]:
    """fastText's answer to every text."""
    model = fasttext_pybind.fasttext()
    model.loadModel(str(MODEL))
    return [model.predict(text[: max_characters or None].replace("\n", " ") + "\n", 1, 0.0, "strict")[0] for text in texts.to_pylist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--max-characters", type=int, default=1000, help="0: all")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    texts = first_megabytes(read(given.data, given.column) if given.data else as_text([*documents(), *sample_texts()]), given.megabytes)
    _, offsets = text_buffers(texts)
    megabytes = (offsets[-1] - offsets[0]) / 1e6
    start = time.perf_counter()
    model = load_model()
    model.predict(texts.slice(0, 1), given.max_characters)
    print(f"{len(texts):,} documents, {megabytes:.1f} MB, {given.max_characters or 'all'} characters read; ready after {time.perf_counter() - start:.1f} s")
    ours, (labels, scores) = best_of(given.repeats, lambda: model.predict(texts, given.max_characters))
    theirs, answers = best_of(max(1, given.repeats - 1), lambda: by_library(texts, given.max_characters))
    for name, seconds in (("kernel", ours), ("fastText", theirs)):
        print(f"{name:9}{len(texts) / seconds:10,.0f} documents/s{megabytes / seconds:8.1f} MB/s of whole documents")
    differing = sum(f"__label__{model.labels[label]}" != answer for label, (_, answer) in zip(labels.tolist(), answers, strict=True))
    difference = np.abs(scores.astype(np.float64) - np.array([score for score, _ in answers])).max()
    print(f"{theirs / ours:.1f} times as fast; {differing} labels differ; scores differ by {difference:.1e} at most")


if __name__ == "__main__":
    main()
