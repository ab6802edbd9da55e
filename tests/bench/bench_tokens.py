"""From text to shard: how fast documents are encoded, packed and written, beside `tokenizers` in the same run.

    python -m tests.bench.bench_tokens [--data FILE] [--megabytes N]

FILE is JSON Lines with a `text` field, or plain text whose documents are parted by blank lines. Without one, words drawn from
a Zipf law stand in. One thread; the first pass over text not seen before is what counts, since encoders remember words.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import pyarrow as pa

from curate import pretext
from curate.documents import as_text, content_ids
from curate.fit.encoder import encode, load_encoder
from curate.fit.tokenizer import TokenizerSettings, fit_tokenizer
from curate.shards.manufacture import manufacture, selection
from curate.storage import write_table

REFERENCE_BYTES = 2_000_000  # `tokenizers` is timed on this much and scaled


def documents(path: Path | None, max_bytes: int) -> list[str]:
    """At most `max_bytes` of documents."""
    if path is None:
        rng = np.random.default_rng(0)
        words = np.array(["".join(rng.choice(list("etaoinshrdlucmfwy"), rng.integers(1, 11))) for _ in range(50_000)])
        ranks = rng.zipf(1.2, max_bytes // 6) % len(words)
        found = [" ".join(words[some]) for some in np.array_split(ranks, max(1, len(ranks) // 500))]
    elif path.suffix == ".jsonl":
        found = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    else:
        found = path.read_text(encoding="utf-8").split("\n\n")
    ends = np.cumsum([len(text.encode()) for text in found])
    return found[: int(np.searchsorted(ends, max_bytes, "right"))]


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--megabytes", type=int, default=20)
    arguments = parser.parse_args()
    texts = as_text(documents(arguments.data, arguments.megabytes * 10**6))
    ids = content_ids(texts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = folder / "tokenizer.json", folder / "tokenizer_exceptions.json"
        fitting = seconds(lambda: fit_tokenizer([(texts, ids)], TokenizerSettings(max_training_bytes=4 << 20), *paths))
        encoder = load_encoder(*paths)
        size = texts.nbytes / 1e6
        print(f"{len(texts)} documents, {size:.1f} MB; fitting and testing the tokenizer took {fitting:.1f} s")
        few = texts[: int(np.searchsorted(np.cumsum([len(t.as_py().encode()) for t in texts]), REFERENCE_BYTES)) + 1]
        scale = texts.nbytes / few.nbytes
        reference = scale * seconds(lambda: encoder.reference.encode_batch_fast(few.to_pylist(), add_special_tokens=False))
        report("tokenizers, encode only", size, reference, reference)
        for pass_name in ("first", "second"):
            report(f"encode, {pass_name} pass", size, seconds(lambda: encode(encoder, texts)), reference)
        write_table(folder / "documents.arrow", pa.table({"text": texts}))
        chosen = selection(np.ones(len(texts), np.bool_), ids, 0)
        for task, model in pretext.TASKS.items():
            settings = getattr(pretext.task(task), model)()

            def run(task: str = task, settings: object = settings, seed: int = 1) -> None:
                fresh = load_encoder(*paths)
                common = {"task": task, "settings": settings, "seed": seed, "part": 0, "source": "bench", "split": "train"}
                manufacture(folder / "documents.arrow", chosen, fresh, out=folder / "out.arrow", **common)

            run()  # compiles the kernels
            report(f"{task}: documents to shard, encoder cold", size, seconds(run), reference)


def report(what: str, size: float, taken: float, reference: float) -> None:
    print(f"{what:45s} {taken:7.2f} s {size / taken:8.1f} MB/s {reference / taken:8.1f} x tokenizers")


if __name__ == "__main__":
    main()
