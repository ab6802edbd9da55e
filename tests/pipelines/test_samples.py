"""The bundled archives are what their README and PROVENANCE.csv say: small, licensed, free of private addresses, broken where stated."""

import csv
import gzip
import hashlib
import json
import re
import zlib
from base64 import b32encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

SAMPLES = Path(__file__).parents[2] / "pipelines" / "samples"
ABOUT = {"README.md", "PROVENANCE.csv", ".gitattributes"}
ALLOWED = {"Apache-2.0", "BSD-2-Clause", "CC0-1.0", "MIT", "PSF-2.0", "PostgreSQL", "LicenseRef-Public-Domain"}
ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
# Offices and lists of organisations, and names reserved for examples (RFC 2606).
NOT_PERSONAL = re.compile(r"@(?:.*\.)?(?:example(?:\.(?:com|org|net|edu))?|invalid|test|local|localhost|lists\.postgresql\.org|github\.com)$", re.IGNORECASE)
WRONG_LENGTH = "https://www.sqlite.org/version3.html"
CUT = "https://httpd.apache.org/docs/2.4/en/configuring.html"


class Frame(NamedTuple):
    """A WARC record found by its first line, whatever length it states."""

    headers: dict[str, str]
    rest: bytes

    @property
    def whole(self) -> bool:
        return self.rest[int(self.headers["Content-Length"]) :] == b"\r\n\r\n"


def archive_files() -> list[str]:
    """Every file that is input or benchmark, relative to the samples."""
    files = [path.relative_to(SAMPLES) for path in sorted(SAMPLES.rglob("*")) if path.is_file()]
    return [path.as_posix() for path in files if path.parts[0] not in ABOUT | {"LICENSES"}]


def provenance() -> list[dict[str, str]]:
    with (SAMPLES / "PROVENANCE.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def unpacked(name: str) -> bytes:
    """All bytes a file holds, gzip members undone, a cut last one as far as it goes; Parquet as its columns of text."""
    path = SAMPLES / name
    if path.suffix == ".parquet":
        columns = pq.read_table(path).to_pydict()
        return "\n".join(str(value) for values in columns.values() for value in values).encode()
    return b"".join(content for content, _ in members(path)) if path.suffix == ".gz" else path.read_bytes()


def members(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The gzip members of a file and whether each is complete."""
    data = path.read_bytes()
    while data:
        stream = zlib.decompressobj(wbits=31)
        content = stream.decompress(data)
        yield content, stream.eof
        data = stream.unused_data


def frames(name: str) -> list[Frame]:
    pieces = re.split(rb"(?m)^WARC/1\.0\r\n", unpacked(name))[1:]
    found = []
    for piece in pieces:
        head, _, rest = piece.partition(b"\r\n\r\n")
        found.append(Frame(dict(line.split(": ", 1) for line in head.decode().split("\r\n")), rest))
    return found


def pages(name: str) -> dict[str, str]:
    """Main text of the HTML answers of a compressed WARC file, by address (the latest where there are two)."""
    texts = {}
    with (SAMPLES / name).open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True, auto_decode="all"):
            body = record.reader.read()
            if record.http_headers is not None and record.http_headers.status_code == 200 and record.http_content_type == "text/html":
                tree = HTMLTree.parse(body.decode("utf-8", "replace"))
                texts[record.headers["WARC-Target-URI"]] = extract_plain_text(tree, main_content=True, alt_texts=False)
    return texts


def lines(name: str) -> tuple[list[dict[str, Any]], int]:
    """The records of a JSON Lines file that have a text, and the number of lines that yield none."""
    good, bad = [], 0
    for line in gzip.decompress((SAMPLES / name).read_bytes()).splitlines():
        try:
            record = json.loads(line.decode())
        except ValueError:
            bad += 1
            continue
        if isinstance(record.get("text"), str) and record["text"]:
            good.append(record)
        else:
            bad += 1
    return good, bad


def words(text: str) -> str:
    return " " + " ".join(re.findall(r"\w+", text.lower())) + " "


def gsm8k() -> list[str]:
    return [json.loads(line)["question"] for line in (SAMPLES / "benchmarks/gsm8k-test-200.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_samples_stay_within_six_mebibytes() -> None:
    total = sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file())
    assert 4 << 20 < total <= 6 << 20


def test_every_file_has_an_allowed_licence_whose_text_is_here() -> None:
    rows = provenance()
    assert {row["file"] for row in rows} == set(archive_files())
    for row in rows:
        assert row["license"] in ALLOWED, row
        assert row["license_file"] == f"LICENSES/{row['license']}.txt"
        assert (SAMPLES / row["license_file"]).stat().st_size > 500
        assert all(row[column] for column in ("part", "what", "origin", "holder"))


def test_apache_files_come_with_their_notice() -> None:
    assert "Apache Software Foundation" in (SAMPLES / "LICENSES/NOTICE-Apache-HTTP-Server.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in archive_files() if not name.startswith(("html/", "text/"))] + ["html", "text", "LICENSES"])
def test_no_mail_address_of_a_person(name: str) -> None:
    folder = SAMPLES / name
    data = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else unpacked(name)
    found = {address for address in ADDRESS.findall(data.decode("utf-8", "replace")) if not NOT_PERSONAL.search(address)}
    assert not found


@pytest.mark.parametrize("name", ["README.md", "PROVENANCE.csv"])
def test_what_is_said_about_the_samples_names_no_machine(name: str) -> None:
    assert not re.search(r"/(?:work|tmp|home|root)/|localhost", (SAMPLES / name).read_text(encoding="utf-8"))


def test_one_plain_record_states_a_wrong_length_and_the_others_are_whole() -> None:
    found = frames("web/crawl-01.warc")
    wrong = [frame for frame in found if not frame.whole]
    assert [frame.headers["WARC-Target-URI"] for frame in wrong] == [WRONG_LENGTH]
    assert len(wrong[0].rest) - len(b"\r\n\r\n") - int(wrong[0].headers["Content-Length"]) == 1234
    assert 10 < found.index(wrong[0]) < len(found) - 10


def test_the_last_compressed_record_is_cut_and_the_others_are_whole() -> None:
    complete = [complete for _, complete in members(SAMPLES / "web/crawl-02.warc.gz")]
    assert complete == [True] * (len(complete) - 1) + [False]
    found = frames("web/crawl-02.warc.gz")
    assert len(found) == len(complete) > 150
    assert [frame.whole for frame in found] == complete
    assert found[-1].headers["WARC-Target-URI"] == CUT
    assert 0 < len(found[-1].rest) < int(found[-1].headers["Content-Length"])


@pytest.mark.parametrize("name", ["web/manual-ja.warc.gz", "web/manual-european.warc.gz", "web/manual-excerpt.warc.wet.gz"])
def test_the_other_web_files_are_whole(name: str) -> None:
    assert all(frame.whole for frame in frames(name))


@pytest.mark.parametrize("name", [name for name in archive_files() if name.startswith("web/")])
def test_block_digests_hold_wherever_the_length_does(name: str) -> None:
    for frame in frames(name):
        if frame.whole:
            digest = b32encode(hashlib.sha1(frame.rest[: int(frame.headers["Content-Length"])]).digest()).decode()
            assert frame.headers["WARC-Block-Digest"] == f"sha1:{digest}"


def test_a_crawl_holds_more_than_pages() -> None:
    found = frames("web/crawl-02.warc.gz")
    assert {frame.headers["WARC-Type"] for frame in found} == {"warcinfo", "request", "response", "metadata", "revisit"}
    answers = [frame.rest.split(b"\r\n\r\n")[0].decode() for frame in found if frame.headers["WARC-Type"] == "response"]
    for sign in ("404 Not Found", "301 Moved", "image/gif", "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Content-Type: text/html\r"):
        assert any(sign in answer for answer in answers), sign


@pytest.mark.parametrize(
    ("name", "num_good", "num_bad"), [("jsonl/bills-1.jsonl.gz", 406, 3), ("jsonl/bills-2.jsonl.gz", 259, 4), ("jsonl/worksheets.jsonl.gz", 320, 1)]
)
def test_json_lines_are_broken_where_stated(name: str, num_good: int, num_bad: int) -> None:
    good, bad = lines(name)
    assert (len(good), bad) == (num_good, num_bad)
    assert len({record["id"] for record in good}) == num_good


def test_parquet_files_have_several_row_groups_and_two_rows_without_text() -> None:
    for name in ("law", "plays"):
        file = pq.ParquetFile(SAMPLES / f"parquet/{name}.parquet")
        assert file.num_row_groups >= 4
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    texts = pq.read_table(SAMPLES / "parquet/law.parquet")["text"].to_pylist()
    assert texts.count(None) == 1
    assert sum(text is not None and not text.strip() for text in texts) == 1


def test_text_files_hold_an_empty_one_another_encoding_and_a_byte_order_mark() -> None:
    undecodable = []
    for path in (SAMPLES / "text").iterdir():
        try:
            path.read_bytes().decode()
        except UnicodeDecodeError:
            undecodable.append(path.name)
    assert undecodable == ["2009-obama-1.txt"]
    assert (SAMPLES / "text/empty.txt").read_bytes() == b""
    marked = (SAMPLES / "text/1841-harrison-2.txt").read_bytes()
    assert marked.startswith(b"\xef\xbb\xbf")
    assert marked.count(b"\n") == marked.count(b"\r\n") > 0


def test_ten_pages_are_both_in_a_crawl_and_loose() -> None:
    loose = {path.read_bytes() for path in (SAMPLES / "html").glob("*.html")}
    found = frames("web/crawl-02.warc.gz")
    bodies = [frame.rest[:-4].partition(b"\r\n\r\n")[2] for frame in found if "postgresql.org" in frame.headers.get("WARC-Target-URI", "")]
    assert sum(body in loose for body in bodies if body) == 10


def test_two_editions_of_the_guide_share_pages() -> None:
    def text(path: Path) -> str:
        return extract_plain_text(HTMLTree.parse(path.read_text(encoding="utf-8")), main_content=True, alt_texts=False)

    older = sorted((SAMPLES / "html/edition-15.18").iterdir())
    same = [text(path) == text(SAMPLES / "html" / path.name) for path in older]
    assert (same.count(True), same.count(False)) == (6, 11)


def test_planted_questions_stand_where_the_readme_says() -> None:
    worksheets = {record["id"]: record["text"] for record in lines("jsonl/worksheets.jsonl.gz")[0]}
    crawl = pages("web/crawl-02.warc.gz")
    questions = gsm8k()
    assert len(questions) == 200
    for k in range(36):
        sheet = worksheets[f"worksheet-{4 + 9 * k:03d}"]
        assert words(questions[k]) in words(sheet), k
        assert (questions[k] in sheet) == (k % 4 == 0), k
    everything = [words(text) for text in worksheets.values()]
    assert [k for k in range(200) if any(words(questions[k]) in text for text in everything)] == list(range(36))
    for page, items in {"ch15-01-box": (36, 37), "ch13-02-iterators": (38, 39)}.items():
        text = words(crawl[f"https://doc.rust-lang.org/1.63.0/book/{page}.html"])
        assert all(words(questions[k]) in text for k in items)


def test_planted_prompts_of_humaneval_survive_extraction() -> None:
    prompts = {}
    with gzip.open(SAMPLES / "benchmarks/HumanEval.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            prompts[item["task_id"]] = item["prompt"]
    assert len(prompts) == 164
    crawl = pages("web/crawl-02.warc.gz")
    planted = {"library/zipapp": (4, 10), "library/intro": (17, 26), "library/_thread": (32, 51), "library/site": (64, 92), "faq/extending": (105, 139)}
    for page, items in planted.items():
        text = words(crawl[f"https://docs.python.org/3.11/{page}.html"])
        assert all(words(prompts[f"HumanEval/{k}"]) in text for k in items), page


def test_japanese_is_enough_to_be_a_source_of_its_own() -> None:
    texts = list(pages("web/manual-ja.warc.gz").values())
    kana_or_han = [sum("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in text) / len(text) for text in texts]
    assert len(texts) >= 60
    assert min(kana_or_han) > 0.2


def test_the_excerpt_is_text_in_many_languages() -> None:
    found = [frame for frame in frames("web/manual-excerpt.warc.wet.gz") if frame.headers["WARC-Type"] == "conversion"]
    languages = [frame.headers["WARC-Identified-Content-Language"] for frame in found]
    assert languages.count("rus") >= 60
    assert languages.count("zho") >= 15
    assert len(set(languages)) >= 30


def test_english_text_is_enough_to_learn_from() -> None:
    texts = [record["text"] for name in ("bills-1", "bills-2", "worksheets") for record in lines(f"jsonl/{name}.jsonl.gz")[0]]
    texts += [text for name in ("law", "plays") for text in pq.read_table(SAMPLES / f"parquet/{name}.parquet")["text"].to_pylist() if text]
    texts += [path.read_bytes().decode("utf-8", "replace") for path in (SAMPLES / "text").iterdir()]
    texts += pages("web/crawl-02.warc.gz").values()
    assert sum(len(text.encode()) for text in texts) > 4_000_000
