"""Build the benches' corpus: 26,648 real documents, 170 MB, from the documentation packages of Debian 12.

    python -m tests.bench.corpus OUT        (needs apt-get, dpkg and the network; some minutes)
    python -m tests.bench.corpus OUT --times 10   also OUT/times-10.jsonl: ten seeded perturbations of each document

Writes OUT/corpus.jsonl (id, text, source) and OUT/shards/part-*.jsonl. Two versions of one package are in it on purpose, like
two crawls of one site. HTML goes through resiliparse, man pages lose their roff marks, the rest stays as it is. Package versions are
those of the archive when it is built; another point release gives other documents.
"""

import argparse
import gzip
import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding

# fmt: off
PACKAGES = (
    "openjdk-17-doc", "rust-doc", "linux-doc-6.1", "python3.11-doc", "debian-handbook", "postgresql-doc-15", "sqlite3-doc", "apache2-doc",
    "libboost1.81-doc", "qtbase5-doc-html", "python-pandas-doc", "python-django-doc", "libglib2.0-doc", "libgtk-3-doc", "octave-doc", "manpages",
    "manpages-dev", "manpages-de", "manpages-fr", "manpages-es", "manpages-pl", "manpages-ja", "debian-reference-en", "developers-reference",
)
# fmt: on
OLDER = "linux-doc-6.1=6.1.170-3"
MAX_PAGES = {"rust-doc": 12000}
MAX_BYTES = 170_000_000
MIN_CHARACTERS, MAX_CHARACTERS, MAX_HTML_BYTES = 200, 1_000_000, 4_000_000
NUM_SHARDS = 8
_ROFF = re.compile(r"\\f[A-Z]|\\f\([A-Z]{2}|\\&|\\/|\\,|\\s[-+]?\d+|\\\(..|\\[-e ]")
_ROFF_LINES = ('.\\"', "'\\\"", ".TH", ".so", ".if", ".ie", ".de", ".nr")


class Page(NamedTuple):
    """A file of a package and how it is read."""

    path: Path
    kind: str
    package: str
    name: str  # relative to the unpacked packages


def unpack(folder: Path) -> None:
    """Download every package and unpack it, each into a folder of its name."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    for package, target in [*((package, folder / "x" / package) for package in PACKAGES), (OLDER, folder / "xold" / "linux-doc-old")]:
        if target.exists():
            continue
        before = set(downloads.glob("*.deb"))
        subprocess.run(["apt-get", "download", "-qq", package], cwd=downloads, check=True, stderr=subprocess.DEVNULL)
        (found,) = set(downloads.glob("*.deb")) - before
        subprocess.run(["dpkg", "-x", found, target], check=True)


def pages(folder: Path) -> list[Page]:
    """The readable files of all packages, in order."""
    found = []
    for base in ("x", "xold"):
        for package in sorted((folder / base).iterdir()):
            mine = sorted(
                Page(path, kind, package.name, str(path.relative_to(folder)))
                for path in package.rglob("*")
                if path.is_file() and not path.is_symlink() and (kind := _kind(path))
            )
            most = MAX_PAGES.get(package.name, len(mine))
            found += sorted(random.Random(7).sample(mine, most)) if len(mine) > most else mine
    return found


def _kind(path: Path) -> str:
    name = str(path)
    if name.endswith((".html", ".htm")):
        return "html"
    if name.endswith((".rst.gz", ".rst", ".txt.gz")):
        return "text"
    return "man" if "/man/" in name and name.endswith(".gz") else ""


def document(page: Page) -> dict[str, str] | None:
    """A page as a record, or None where it is too short, too long or damaged."""
    raw = page.path.read_bytes()
    if page.path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except OSError:
            return None
    if page.kind == "html":
        if len(raw) > MAX_HTML_BYTES:
            return None
        text = extract_plain_text(raw.decode(detect_encoding(raw) or "utf-8", "replace"), main_content=True, alt_texts=False)
    else:
        text = raw.decode("utf-8", "replace")
        text = _without_roff(text) if page.kind == "man" else text
    text = text.replace("\x00", "").strip()
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        return None
    return {"id": hashlib.md5(page.name.encode()).hexdigest(), "text": text, "source": page.package}


def _without_roff(text: str) -> str:
    lines = (line for line in text.splitlines() if not line.startswith(_ROFF_LINES))
    return "\n".join(_ROFF.sub("", re.sub(r"^\.[A-Za-z]{1,3}\s?", "", line)) for line in lines)


def build(out: Path) -> None:
    """Write the corpus."""
    unpack(out / "packages")
    with Pool() as pool:
        records = [record for record in pool.imap(document, pages(out / "packages"), chunksize=64) if record]
    random.Random(11).shuffle(records)
    chosen, size = [], 0
    for record in records:
        num_bytes = len(record["text"].encode())
        if size + num_bytes <= MAX_BYTES:
            chosen.append(json.dumps(record, ensure_ascii=False) + "\n")
            size += num_bytes
    (out / "corpus.jsonl").write_text("".join(chosen), encoding="utf8")
    (out / "shards").mkdir(exist_ok=True)
    for number in range(NUM_SHARDS):
        (out / "shards" / f"part-{number:02d}.jsonl").write_text("".join(chosen[number::NUM_SHARDS]), encoding="utf8")
    print(f"{len(chosen)} documents, {size / 1e6:.1f} MB")


def perturbed(lines: Iterator[str], times: int) -> Iterator[str]:
    """Each document several times: in the k-th copy, a share of k / 100 of its words is replaced by words of its own, drawn
    by (k, id), so that copies are near-duplicates of some degrees and not of others."""
    for line in lines:
        record = json.loads(line)
        words = record["text"].split(" ")
        for k in range(times):
            draw = random.Random(f"{k}/{record['id']}")
            copied = [draw.choice(words) if draw.random() < k / 100 else word for word in words]
            yield json.dumps({"id": f"{record['id']}-{k}", "text": " ".join(copied), "source": record["source"]}, ensure_ascii=False) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--times", type=int)
    given = parser.parse_args()
    if not (given.out / "corpus.jsonl").exists():
        build(given.out)
    if given.times:
        with (given.out / "corpus.jsonl").open(encoding="utf8") as lines, (given.out / f"times-{given.times}.jsonl").open("w", encoding="utf8") as file:
            file.writelines(perturbed(lines, given.times))


if __name__ == "__main__":
    sys.exit(main())
