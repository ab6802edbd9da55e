"""What of a URI is found in block-lists."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import DamageError
from curate.kernels.urls import UrlTables
from curate.measures import url
from curate.measures.block_lists import KINDS, read_lists, write_lists
from tests.naive import urls as naive

LISTS = {
    "domains": ["bad.example", "*.worse.example", "http://Worst.Example/path", "203.0.113.9", "xn--bcher-kva.example", "straße.example", "[2001:db8::9]"],
    "urls": ["ok.example/adult", "https://www.ok.example/a/b/?x=1", "only.example", "ok.example/q?page=2"],
    "hard_words": ["casino", "X-Rated"],
    "soft_words": ["poker", "bet", "win"],
    "strict_substrings": ["freeslots", "xxx"],
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> UrlTables:
    folder = tmp_path_factory.mktemp("lists")
    for kind, entries in LISTS.items():
        (folder / kind).write_text("\n".join(entries), "utf8")
    write_lists(folder / "lists.arrow", {kind: [folder / kind] for kind in KINDS})
    return url.tables_of(*read_lists(folder / "lists.arrow"))


def counted(uris: list[str | None], tables: UrlTables) -> list[list[int]]:
    return [list(row.values()) for row in url.look_up(pa.array(uris, pa.string()), tables).to_pylist()]


BLOCKED_HOSTS = [
    "http://bad.example/",
    "https://BAD.Example",
    "http://a.b.bad.example./x",
    "http://user:secret@bad.example:8080/x",
    "bad.example",
    "bad.example:8080/x",
    "//bad.example/x",
    "<http://bad.example>",
    "  http://bad.example\t",
    "http://x.worse.example",
    "ftp://worst.example?q",
    "http://203.0.113.9/a",
    "http://bücher.example/",
    "http://BÜCHER.example:80",
    "http://xn--bcher-kva.example",
    "http://strasse.example",
    "http://[2001:db8::9]:443/",
    "http://bad.example\\path",
]
OTHER_HOSTS = [
    "http://notbad.example/",
    "http://bad.example.org/",
    "http://example/",
    "http://ok.example/bad.example",
    "http://bad.example@ok.example/",
    "http://ok.example?u=http://bad.example",
    "mailto:info@bad.example",
    "data:text/html,http://bad.example/casino",
    "urn:bad.example:casino",
    "javascript:casino()",
    "http:///casino",
    "http://.../casino",
    "",
]


def test_a_host_is_blocked_with_its_subdomains_however_it_is_written(tables: UrlTables) -> None:
    assert [uri for uri, row in zip(BLOCKED_HOSTS, counted(BLOCKED_HOSTS, tables), strict=True) if not row[0]] == []  # type: ignore[arg-type]


def test_other_hosts_are_not(tables: UrlTables) -> None:
    assert [uri for uri, row in zip(OTHER_HOSTS, counted(OTHER_HOSTS, tables), strict=True) if row[0]] == []  # type: ignore[arg-type]


def test_what_has_no_host_counts_nothing_and_neither_does_no_uri(tables: UrlTables) -> None:
    assert counted([*OTHER_HOSTS[6:], None], tables) == [[0] * 5] * 8


@pytest.mark.parametrize(
    ("uri", "blocked"),
    [
        ("http://ok.example/adult", 1),
        ("https://www.ok.example:443/Adult/page#top", 1),
        ("http://ok.example/adult?x", 1),
        ("http://ok.example/adultery", 0),
        ("http://sub.ok.example/adult", 0),
        ("http://ok.example/", 0),
        ("http://ok.example/a/b/?x=1&y=2", 1),
        ("http://ok.example/a/b/?x=12", 0),
        ("http://only.example", 1),
        ("http://only.example/any/thing", 1),
        ("http://ok.example/q?page=2", 1),
        ("http://ok.example/#/adult", 0),
    ],
)
def test_a_url_is_blocked_with_what_lies_below_it(uri: str, blocked: int, tables: UrlTables) -> None:
    assert counted([uri], tables)[0][1] == blocked


@pytest.mark.parametrize(
    ("uri", "hard", "soft", "substrings"),
    [
        ("http://ok.example/Casino/casino", 1, 0, 0),
        ("http://ok.example/casinos", 0, 0, 0),
        ("http://ok.example/xrated", 1, 0, 0),
        ("http://ok.example/poker_BET-bet", 0, 2, 0),
        ("http://win.example/?q=poker#bet", 0, 3, 0),
        ("http://ok.example/free-sl.ots/x%xx", 0, 0, 2),
        ("http://ok.example/xxxxxx", 0, 0, 1),
    ],
)
def test_words_are_whole_and_substrings_are_not(uri: str, hard: int, soft: int, substrings: int, tables: UrlTables) -> None:
    assert counted([uri], tables)[0][2:] == [hard, soft, substrings]


_MARKS = 'http:// https://www. // : / ? # @ . & \\ [ ] 80 < %20 ü é 中文 👩 ok.example data: WWW. - ß " strasse STRAßE'
PIECES = st.sampled_from([*(entry for entries in LISTS.values() for entry in entries), *_MARKS.split(" "), " ", "\n", "\x00"])


def test_a_host_with_a_nul_in_it_is_another_host(tables: UrlTables) -> None:
    assert counted(["http://worse.example\x00?a", "http://worse.example?a"], tables) == [[0] * 5, [1, 0, 0, 0, 0]]


@settings(max_examples=500, deadline=None)  # the first call compiles
@given(st.lists(st.none() | st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20), min_size=1, max_size=5))
def test_agrees_with_the_plain_twin_on_any_uri(uris: list[str | None]) -> None:
    assert counted(uris, _LOADED[0]) == [naive.count(uri, LISTS) for uri in uris]


_LOADED: list[UrlTables] = []


@pytest.fixture(autouse=True, scope="module")
def _load(tables: UrlTables) -> None:
    _LOADED.append(tables)


def test_no_lists_block_nothing_and_no_rows_give_no_rows() -> None:
    empty = url.tables_of({kind: np.zeros(0, np.uint64) for kind in KINDS}, [])
    assert counted(["http://bad.example/casino"], empty) == [[0] * 5]
    assert url.look_up(pa.array([], pa.string()), empty).schema == url.SCHEMA


def test_lists_that_are_missing_are_damage(tmp_path: Path) -> None:
    with pytest.raises(DamageError):
        url.measure(pa.array(["x"]), url.Settings(lists=str(tmp_path / "lists.arrow")))
