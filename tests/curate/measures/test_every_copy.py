"""The spaced, dolma, dclm and stop_words families against their plain twins, and worked examples."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.errors import RecipeError
from curate.measures import dclm, dolma, spaced, stop_words
from curate.rules.stop_words import STOP_WORDS
from tests.naive import every_copy as naive

PIECES = st.sampled_from(
    [
        "a",
        "the",
        "The",
        "BE",
        "of",
        "und",
        "die",
        "的",
        "中",
        "ก",
        "ี",
        "e\u0301",
        "👩‍💻",
        "\x00",
        "1",
        "ß",
        "#",
        "…",
        "...",
        ". . .",
        ".",
        "*",
        "-",
        "•",
        "●",
        '"',
        "?",
        "İ",
        "\u212a",
    ]
)
BREAKS = st.sampled_from(["", " ", " ", "\n", "\n", "\n\n", "\n\n\n", "\r\n", "\t", "\v", "\u3000", "\x85", "\u2028", "\x1c"])
WORDS = st.lists(st.sampled_from(["a", "b", "cc", "中", "é"]), max_size=60).map(" ".join)
LINES = st.lists(st.sampled_from(["- a b", "* a", "", " ", "end.", "end…", "end ... ", "x y z?"]), max_size=12).map("\n".join)
TEXTS = st.lists(st.one_of(st.lists(st.one_of(PIECES, BREAKS), max_size=80).map("".join), WORDS, LINES, st.text(max_size=40)), min_size=1, max_size=4)
FAMILIES: list[tuple[Any, Callable[[str], Any]]] = [
    (spaced, naive.measure_spaced),
    (dolma, naive.measure_dolma),
    (dclm, naive.measure_dclm),
    (stop_words, lambda text: naive.measure_stop_words(text, STOP_WORDS)),
]


def measured(family: Any, texts: list[str], **given: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = family.measure(as_text(texts), family.Settings(**given)).to_pylist()
    return rows


@pytest.mark.parametrize(("family", "twin"), FAMILIES, ids=lambda item: getattr(item, "__name__", None))
@settings(max_examples=300, deadline=None)  # the first call compiles
@given(TEXTS)
def test_agrees_with_the_plain_twin_on_any_text(family: Any, twin: Callable[[str], Any], texts: list[str]) -> None:
    assert measured(family, texts) == [twin(text) for text in texts]


@pytest.mark.parametrize(("family", "twin"), FAMILIES, ids=lambda item: getattr(item, "__name__", None))
def test_agrees_with_the_plain_twin_on_long_texts_of_few_words(family: Any, twin: Callable[[str], Any]) -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choices(["of", "the", "sea", "and", "wind", "ship", "ships"], k=size)) for size in (10, 300, 3000)]
    texts.append("\n".join(texts[1][start : start + 40] for start in (0, 7, 0, 90, 7, 0)))
    assert measured(family, texts) == [twin(text) for text in texts]


def test_columns_are_those_of_the_schema_and_empty_batches_have_them_too() -> None:
    for family, _ in FAMILIES:
        assert family.measure(as_text([]), family.Settings()).schema == family.SCHEMA
        assert family.measure(as_text(["a b", ""]), family.Settings()).schema == family.SCHEMA


def test_every_copy_of_a_line_counts_where_datatrove_counts_second_ones() -> None:
    assert measured(dolma, ["a b\nc\na b\na b"])[0]["num_newline_repeated_lines"] == 3
    row = measured(dclm, ["  a b\n\nc\na b \n\n\n\na b"])[0]
    assert (row["num_stripped_lines"], row["num_repeated_stripped_lines"], row["num_repeated_stripped_line_characters"]) == (4, 3, 9)
    assert (row["num_stripped_paragraphs"], row["num_repeated_stripped_paragraphs"]) == (3, 2)


def test_words_in_overlapping_ngrams_count_once_for_dclm_and_again_and_again_for_dolma() -> None:
    text = " ".join("abcdef") + " x " + " ".join("abcdef")
    assert measured(dclm, [text])[0]["num_covered_5_gram_characters"] == 12
    assert measured(dolma, [text])[0]["num_repeated_spaced_5_gram_characters"] == 20


def test_the_first_of_the_most_frequent_ngrams_for_dolma_and_the_longest_for_dclm() -> None:
    text = "a b x a b y long words z long words"
    assert measured(dolma, [text])[0]["num_top_spaced_2_gram_characters"] == 2 * 2
    assert measured(dclm, [text])[0]["num_longest_top_2_gram_characters"] == 2 * 9
    assert measured(dclm, ["no two alike"])[0]["num_longest_top_2_gram_characters"] == 0
    assert measured(dolma, ["no two alike"])[0]["num_top_spaced_2_gram_characters"] == 5


def test_a_nul_byte_before_a_word_makes_it_another_word() -> None:
    assert measured(spaced, ["\x00the the"])[0]["num_spaced_stop_words"] == 1
    assert measured(dolma, ["\x00a b c d e a b c d e"])[0]["num_repeated_spaced_5_gram_characters"] == 0


def test_stop_words_are_counted_for_every_language_at_once() -> None:
    row = measured(stop_words, ["Der Hund und die Katze und das Haus, de la mer"], words={"de": ("der", "die", "und", "das"), "fr": ("de", "la")})[0]
    assert row == {"num_stop_words_de": 5, "num_distinct_stop_words_de": 4, "num_stop_words_fr": 2, "num_distinct_stop_words_fr": 2}


def test_long_batches_are_hashed_piece_by_piece_with_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["und die " * k for k in range(40)]
    whole = measured(stop_words, texts)
    monkeypatch.setattr(stop_words, "_BATCH", 50)
    assert measured(stop_words, texts) == whole


def test_a_stop_word_that_is_several_words_is_refused() -> None:
    with pytest.raises(RecipeError, match="'というの' of language 'ja' is 4 words"):
        measured(stop_words, ["x"], words={"ja": ("というの",)})


def test_every_bundled_stop_word_is_one_word_and_every_list_has_a_dozen() -> None:
    measured(stop_words, ["x"])
    for language, words in STOP_WORDS.items():
        assert len(set(words)) == len(words) >= 8, language


def test_a_million_words_and_a_megabyte_without_white_space_take_linear_time() -> None:
    texts = ["ab " * 500_000, "x" * 1_000_000, "中" * 333_333]
    assert measured(dolma, texts)[0]["num_repeated_spaced_5_gram_characters"] == 10 * 499_996
    assert measured(dclm, texts)[2]["num_covered_10_gram_characters"] == 333_333
    assert measured(spaced, texts)[1]["median_spaced_word_length"] == 1_000_000
