"""The lines family against its plain twin, and the cases in which the definitions differ from each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.measures import lines
from tests.naive import quality as naive

PIECES = st.sampled_from(
    [
        "Hello there world.",
        "Is it so?",
        'He said "yes."',
        "no end",
        "it's'",
        "wait...",
        "wait…",
        "- item",
        "•  点",
        "short",
        "a b c",
        "one two three four five!",
        "x" * 1001,
        "x" * 200,
        "y" * 30 + ".",
        "y" * 31,
        "ends here.[1]",
        "ends here.[12][edit]",
        "ends.[citation needed]",
        "[[1]]",
        "[1",
        "]",
        "[]",
        "JavaScript is on.",
        "javascrip",
        "we use of use cookies here.",
        "Terms of Use apply to you.",
        "Lorem IPSUM dolor sit.",
        "if (x) { y }",
        "{",
        "今日は。良い天気ですね！",
        "नमस्ते।",
        "wow!!! ok",
        "e.g. this",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\r\r\n",
        "\x0b",
        "\x85",
        "\u2028",
        "\x1c",
        " ",
        "\t",
        "\u3000",
        "\x00",
        ".",
        "…",
        "'",
        ")",
        "”",
        "e\u0301",
        "👩‍💻",
        "The same line again",
        "Kelvin",
    ]
)
TEXTS = st.lists(
    st.one_of(st.lists(PIECES, max_size=20).map("".join), st.lists(PIECES, max_size=20).map("\n".join), st.text(max_size=40)), min_size=1, max_size=4
)


def measured(texts: list[str]) -> list[dict[str, int]]:
    rows: list[dict[str, int]] = lines.measure(as_text(texts), lines.Settings()).to_pylist()
    return rows


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(TEXTS)
def test_agrees_with_the_plain_twin_on_any_text(texts: list[str]) -> None:
    assert measured(texts) == [naive.measure_lines(text) for text in texts]


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("", 0),
        ("no end", 1),
        ("One. Two? Three!", 3),
        ('He said "Stop!" Then he left.', 2),
        ("Version 3.14 is out", 1),
        ("今日は。良い天気ですね！", 2),
        ("पहला। दूसरा।", 2),
        ("wait... what", 2),
        ("!!!", 1),
    ],
)
def test_sentences_end_with_a_terminal_mark_before_a_space_or_with_one_that_needs_none(line: str, sentences: int) -> None:
    assert measured([line])[0]["num_sentences"] == sentences


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Three words here.", (1, 1, 0)),
        ("Five words are here now.", (1, 1, 1)),
        ("Five words are here 'now'", (1, 1, 0)),
        ("Five words are here now", (0, 1, 0)),
        ("Five words are here now...", (0, 1, 0)),
        ("Five words are here now.[3][edit]", (1, 1, 1)),
        ("Two words.", (0, 0, 0)),
        ("Please enable JavaScript for this page.", (0, 0, 0)),
        ("This page uses cookies for you.", (0, 0, 0)),
        ("A word " + "w" * 1001 + " too long here.", (0, 0, 0)),
        ("A word " + "w" * 1000 + " just fits here.", (1, 1, 1)),
    ],
)
def test_each_c4_variant_keeps_the_lines_it_should(line: str, kept: tuple[int, int, int]) -> None:
    row = measured([line])[0]
    assert (row["num_c4_lines"], row["num_c4_any_ending_lines"], row["num_c4_code_lines"]) == kept


def test_a_bracket_counts_for_c4_only_in_lines_that_are_long_enough_and_rightly_ended() -> None:
    row = measured(["function f() {\nThe set {1, 2} is small.\nUse javascript {like} this."])[0]
    assert (row["num_curly_bracket_lines"], row["num_c4_curly_bracket_lines"], row["num_c4_any_ending_curly_bracket_lines"]) == (3, 1, 2)


def test_windows_line_ends_change_nothing() -> None:
    text = "A line that ends well.\nshort\n\nshort\n"
    assert measured([text]) == measured([text.replace("\n", "\r\n")])


def test_a_million_short_lines_take_linear_time() -> None:
    row = measured(["x\n" * 1_000_000])[0]
    assert (row["num_lines"], row["num_short_text_lines"], row["num_duplicate_text_line_characters"]) == (1_000_000, 1_000_000, 999_999)


def test_c4_looks_at_a_line_as_if_it_had_no_citation_marks() -> None:
    (counts,) = measured(
        ["It rose slowly.[1] It fell again.[22] It stayed low.[citation needed]\nThe lorem [2]ipsum line is here.\nUses java[1]script here.\nshort [1] line."]
    )
    assert (counts["num_c4_lines"], counts["num_c4_sentences"]) == (3, 5)  # [1] counts as a word of the last line, as in datatrove
    assert (counts["num_c4_lorem_ipsum_lines"], counts["num_lorem_ipsum_lines"]) == (1, 0)
    assert (counts["num_sentences"], counts["num_javascript_lines"]) == (4, 0)
