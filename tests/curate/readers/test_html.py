import gzip
import time
from pathlib import Path

import pytest

from curate.readers import Limits, SourceSettings
from curate.readers.html import page_text
from curate.readers.records import UnusableError
from tests.curate.readers.archives import LIMITS, everything, page, reasons


def read_page(folder: Path, content: bytes, name: str = "a.html", limits: Limits = LIMITS):
    (folder / name).write_bytes(content)
    return everything("html", folder / name, limits=limits)


def test_the_main_text_is_kept_with_its_lines_and_the_rest_is_left_out(tmp_path: Path) -> None:
    content = (
        "<html><head><title>T</title><script>var x = '<p>no</p>'</script></head><body><nav><a href='/'>Home</a></nav><article><h1>Größe</h1>"
        "<p>First paragraph of the article.</p><p>a&nbsp;b &amp; c</p></article><footer>Imprint</footer></body></html>"
    )
    documents, refused, _ = read_page(tmp_path, content.encode())
    assert refused == []
    text = documents[0].text
    assert "Größe" in text
    assert "First paragraph of the article.\n" in text
    assert "a\u00a0b & c" in text or "a b & c" in text
    assert "var x" not in text
    assert "Imprint" not in text
    assert "Home" not in text


@pytest.mark.parametrize(
    "content",
    [
        "<p>" + "<div>" * 20_000 + "deep",
        "<div " + " ".join(f"a{number}=1" for number in range(50_000)) + ">x</div>",
        "<select>" + "<option>x" * 50_000 + "</select>",
        "".join(f"<p><b id={number}>x" for number in range(3000)),
    ],
)
def test_pages_that_would_take_long_are_quarantined_at_once(tmp_path: Path, content: str) -> None:
    page_text("<p>x</p>", LIMITS)
    begin = time.perf_counter()
    documents, refused, _ = read_page(tmp_path, content.encode())
    assert time.perf_counter() - begin < 1.0
    assert documents == []
    assert reasons(refused) == ["too_complex"]
    assert "max_html_" in refused[0].detail


@pytest.mark.parametrize(
    "content",
    [
        b"<p>" * 3000 + b"text",
        b"<!-- <p>never ends",
        b"<table><tr><td colspan=9007199254740992>text</td></tr></table>",
        b"<script>only()</script>",
        b"<!doctype nonsense \x00><p>a\x00b",
        b"<p>&#xD800; &#x110000; &#0; text",
        b"<svg>" + b"<g>" * 1500 + b"text",
        b"<",
        b"<a",
    ],
)
def test_odd_pages_give_text_or_a_reason(tmp_path: Path, content: bytes) -> None:
    documents, refused, _ = read_page(tmp_path, content)
    assert len(documents) + len(refused) == 1
    assert all(one.text.encode() for one in documents)
    assert reasons(refused) in ([], ["empty"])


def test_files_may_be_compressed_empty_too_large_or_undecodable(tmp_path: Path) -> None:
    assert "Page number 5" in read_page(tmp_path, gzip.compress(page(5).encode()), "a.html.gz")[0][0].text
    assert read_page(tmp_path, b"")[:2] == ([], [])
    assert reasons(read_page(tmp_path, page(5).encode(), limits=Limits(max_document_bytes=50))[1]) == ["too_large"]
    assert reasons(read_page(tmp_path, "<meta charset=utf-8><p>日本語のテキスト".encode() + b"\xff")[1]) == ["undecodable"]


def test_a_declared_encoding_is_believed_where_the_page_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes("<p>Größe ░▒▓".encode("cp437"))
    settings = SourceSettings(name="s", paths=["*"], encoding="cp437")
    assert everything("html", tmp_path / "a.html", settings=settings)[0][0].text == "Größe ░▒▓"


def test_limits_are_settings() -> None:
    with pytest.raises(UnusableError, match="max_html_depth is 3"):
        page_text("<div>" * 4, Limits(max_html_depth=3))
    with pytest.raises(UnusableError, match="max_html_attributes is 1"):
        page_text("<p a b>", Limits(max_html_attributes=1))
    with pytest.raises(UnusableError, match="max_html_nodes is 2"):
        page_text("<p><p><p>", Limits(max_html_nodes=2))
