"""How fast the readers are: records/s and MB/s of file, one process.

    python -m tests.bench.bench_readers [--data FOLDER] [--pages N]

Without a folder: synthetic pages in WARC (plain, by record, wholly compressed), JSON Lines, Parquet and text. With one: its
files, whatever their formats.
"""

import argparse
import gzip
import json
import random
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from curate.gather.files import SourceFile, find_files
from curate.gather.slices import slices
from curate.readers import Document, Limits, SourceSettings, read
from tests.curate.readers.archives import http, record


def synthetic(folder: Path, num_pages: int) -> None:
    """Pages of about 30 kB, a third of it text, as WARC; their text in the other formats."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(5000)]
    texts = [[" ".join(rng.choices(words, k=60)) for _ in range(30)] for _ in range(num_pages)]
    navigation = "".join(f"<li class='item n{number}'><a href='/page/{number}?a=b&amp;c=d'>link</a></li>" for number in range(200))
    pages = [f"<html><body><nav><ul>{navigation}</ul></nav><article>{''.join(f'<p>{one}</p>' for one in text)}</article></body></html>" for text in texts]
    records = [record(http(page.encode()), uri=f"http://example.org/{number}") for number, page in enumerate(pages)]
    lines = "".join(json.dumps({"text": "\n".join(text), "id": number}) + "\n" for number, text in enumerate(texts)).encode()
    (folder / "plain.warc").write_bytes(b"".join(records))
    (folder / "by_record.warc.gz").write_bytes(b"".join(map(gzip.compress, records)))
    (folder / "whole.warc.zst").write_bytes(zstandard.compress(b"".join(records)))
    (folder / "lines.jsonl").write_bytes(lines)
    (folder / "lines.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "lines.jsonl.zst").write_bytes(zstandard.compress(lines))
    pq.write_table(pa.table({"text": ["\n".join(text) for text in texts]}), folder / "table.parquet", compression="zstd")
    (folder / "records.txt").write_text("\n%\n".join("\n".join(text) for text in texts))


def measure(file: SourceFile, root: Path, settings: SourceSettings) -> str:
    [slice_] = slices([file], 1 << 60)
    documents = refused = text_bytes = 0
    begin = time.perf_counter()
    for one in slice_.ranges:
        for found in read(one.format, root / one.path, one.start, one.end, settings, Limits()):
            documents += isinstance(found, Document)
            refused += not isinstance(found, Document)
            text_bytes += len(found.text) if isinstance(found, Document) else 0
    seconds = time.perf_counter() - begin
    rate = (documents + refused) / seconds
    return f"{file.path:40} {documents:8} {refused:8} {rate:10.0f} {file.num_bytes / seconds / 1e6:9.1f} {text_bytes / seconds / 1e6:9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of archives")
    parser.add_argument("--pages", type=int, default=500, help="synthetic pages (500)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.data or Path(temporary)
        if options.data is None:
            synthetic(root, options.pages)
        paths = [f"**/*.{name}{packed}" for name in ("warc", "wet", "jsonl", "parquet", "html") for packed in ("", ".gz", ".zst")]
        pages = SourceSettings(name="bench", paths=paths)
        separated = SourceSettings(name="bench", paths=["**/*.txt"], separator="%")
        files = [(file, settings) for settings in (pages, separated) for file in find_files(settings, root, Limits())]
        lines = [f"{'file':40} {'documents':>8} {'refused':>8} {'records/s':>10} {'file MB/s':>9} {'text MB/s':>9}"]
        if files:
            measure(files[0][0], root, files[0][1])  # compile kernels, load libraries
        lines += [measure(file, root, settings) for file, settings in files]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
