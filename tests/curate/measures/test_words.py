"""The words family against its plain twin and against counts one can make by hand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.measures import words
from tests.naive import quality as naive

PIECES = st.sampled_from(
    [
        "the",
        "The",
        "THAT",
        "be",
        "with",
        "without",
        "Straße",
        "İstanbul",
        "ﬁx",
        "中文",
        "日本語の",
        "สวัสดี",
        "ကမ္ဘာ",
        "e\u0301",
        "\u0301",
        "१२३",
        "42",
        "3.14",
        "x2",
        "#",
        "##",
        "...",
        "....",
        "......",
        "..",
        "…",
        "\u20ac",
        "¦",
        "👩‍💻",
        "❤️",
        " ",
        "\n",
        "\r\n",
        "-",
        "\x00",
        "𝒳",
        "𠀀",
        "Ж",
        "\u00a6",
        "\u2026a",
    ]
)
TEXTS = st.lists(
    st.one_of(st.lists(PIECES, max_size=30).map("".join), st.lists(PIECES, max_size=30).map(" ".join), st.text(max_size=40)), min_size=1, max_size=5
)


def measured(texts: list[str]) -> list[dict[str, int]]:
    rows: list[dict[str, int]] = words.measure(as_text(texts), words.Settings()).to_pylist()
    return rows


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(TEXTS)
def test_agrees_with_the_plain_twin_on_any_text(texts: list[str]) -> None:
    assert measured(texts) == [naive.measure_words(text) for text in texts]


def test_counts_a_sentence_as_one_would_by_hand() -> None:
    row = measured(["The cat that sat with THE dog... #42 costs 3 of…"])[0]
    assert row == {
        "num_words": 11,
        "num_word_characters": 3 + 3 + 4 + 3 + 4 + 3 + 3 + 2 + 5 + 1 + 2,
        "num_alphabetic_words": 9,
        "num_hash_signs": 1,
        "num_ellipses": 2,
        "num_stop_words": 5,
        "num_distinct_stop_words": 4,
    }


def test_vowel_signs_of_a_script_without_spaces_count_as_alphabetic_and_digits_do_not() -> None:
    thai, emoji = measured(["กี่ ๕", "❤\ufe0f"])
    assert (thai["num_words"], thai["num_alphabetic_words"]) == (4, 3)
    assert (emoji["num_words"], emoji["num_alphabetic_words"]) == (1, 0)


def test_a_slice_of_a_column_is_measured_like_its_own_column() -> None:
    texts = as_text(["the first", "of 中文 and more", "", "last with # signs..."])
    assert words.measure(texts.slice(1, 2), words.Settings()).equals(words.measure(as_text(["of 中文 and more", ""]), words.Settings()))


def test_no_texts_give_no_rows_with_the_same_columns() -> None:
    table = words.measure(as_text([]), words.Settings())
    assert table.num_rows == 0
    assert table.schema == words.SCHEMA
