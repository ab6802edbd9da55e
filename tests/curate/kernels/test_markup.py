import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import markup
from tests.naive import readers as naive

NAMES = (
    *("p", "div", "span", "b", "i", "a", "table", "tr", "td", "th", "tbody", "ul", "li", "dl", "dt", "dd", "h1", "h2", "select", "option", "br", "img"),
    *("svg", "g", "math", "title", "script", "style", "textarea", "button", "template", "object", "x", "foreignObject", "html"),
)
ODD = (
    *("text", "<", "</", "</ >", "<!-- <div> -->", "<!-->", "<!--->", "<!---!>", "<!doctype html>", "<?php <b> ?>", "<b class=x>", "<font size=1>"),
    *("<a href=/x/>", "<div =a==b / / c = 'd>", "'", '"', ">", "--", "/", "<path d='x'/>", "é", "語", "\U0001f600", "\u0301", "\0", "\v", "\n", "<svg/>"),
)
PIECES = st.one_of(
    st.sampled_from(NAMES).map(lambda name: f"<{name}>"),
    st.sampled_from(NAMES).map(lambda name: f"</{name}>"),
    st.sampled_from(NAMES).map(lambda name: f"<{name.upper()} a=1 b='>' c=\">\"/>"),
    st.sampled_from(ODD),
)
PAGES = st.lists(PIECES, max_size=60).map("".join)


def extent(page: str, max_depth: int = 2000, max_attributes: int = 500, max_nodes: int = 1_000_000) -> tuple[int, ...]:
    found = markup.markup_extent(np.frombuffer(page.encode(), np.uint8), *markup.name_tables(), max_depth, max_attributes, max_nodes)
    return tuple(int(value) for value in found)


@given(PAGES)
@settings(max_examples=600, deadline=None)
def test_agrees_with_its_plain_twin_on_tag_soup(page: str) -> None:
    assert extent(page) == naive.markup_extent(page, 2000, 500, 1_000_000)


@given(PAGES, st.integers(1, 6), st.integers(1, 3), st.integers(1, 20))
@settings(max_examples=300, deadline=None)
def test_agrees_with_its_plain_twin_on_which_limit_is_passed(page: str, depth: int, attributes: int, nodes: int) -> None:
    assert extent(page, depth, attributes, nodes) == naive.markup_extent(page, depth, attributes, nodes)


def test_an_ordinary_page_is_as_deep_as_its_tree() -> None:
    verdict, depth, attributes, nodes = extent("<html><body><div id=a class='b c'><p>one<p>two <b>bold</b><br><ul><li>x<li>y</ul></div></body></html>")
    assert (verdict, depth, attributes) == (markup.FITS, 3, 2)
    assert nodes == 10


@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        ("<div>" * 20_000, markup.TOO_DEEP),
        ("<div " + " ".join(f"a{number}" for number in range(50_000)) + ">x", markup.TOO_MANY_ATTRIBUTES),
        ("<div " + " ".join(f'a{number}=">"' for number in range(50_000)) + ">x", markup.TOO_MANY_ATTRIBUTES),
        ("<select>" + "<option>x" * 50_000, markup.TOO_MANY_NODES),
        ("".join(f"<p><b id={number}>x" for number in range(3000)), markup.TOO_MANY_NODES),
        ("<span><div></span>" * 3000, markup.TOO_DEEP),
        ("<x/>" * 3000, markup.TOO_DEEP),
        ("<div></x>" * 3000, markup.TOO_DEEP),
    ],
)
def test_costly_pages_are_recognised(page: str, verdict: int) -> None:
    assert extent(page)[0] == verdict


@pytest.mark.parametrize(
    "page",
    [
        "<p>" * 20_000,
        "<ul>" + "<li>x" * 20_000,
        "<table>" + "<tr><td><font size=2>x" * 20_000,
        "<p><font size=2>x" * 20_000,
        "<a name=x>" * 20_000,
        "<svg>" + "<path d='M0'/>" * 20_000 + "</svg>",
        "<script>" + "document.write('<div>')" * 20_000 + "</script>",
        "<!--" + "<div>" * 20_000 + "-->",
        "<b>x</i></b>" * 20_000,
        "<dl>" + "<dt>a<dd>b" * 20_000,
        "<div>x</div></div>" * 20_000,
    ],
)
def test_long_and_sloppy_but_cheap_pages_fit(page: str) -> None:
    assert extent(page)[0] == markup.FITS


@pytest.mark.parametrize("piece", ["<", "<!--", "<a ", "</", "<title></", "<x a='", "<div><b></div>", "<option>", "</p>", "<b><table>"])
def test_time_is_linear_in_the_page(piece: str) -> None:
    extent(piece)
    begin = time.perf_counter()
    extent(piece * (4_000_000 // len(piece)))
    assert time.perf_counter() - begin < 2.0
