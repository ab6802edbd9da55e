"""The repetition family against its plain twin, worked examples, and texts that would be slow if it were quadratic."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.measures import repetition
from tests.naive import quality as naive

PIECES = st.sampled_from(["a", "b", "c", "dd", "A", "中", "文", "ก", "ี", "e\u0301", "👩‍💻", "\x00", "1", "ß", "\r"])
WORDS = st.lists(st.sampled_from(["a", "b", "cc", "中", "é"]), max_size=60).map(" ".join)
BREAKS = st.sampled_from(["", " ", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r\r\n", "\u3000", "\x85"])
TEXTS = st.lists(st.one_of(st.lists(st.one_of(PIECES, BREAKS), max_size=80).map("".join), WORDS, st.text(max_size=40)), min_size=1, max_size=4)


def measured(texts: list[str]) -> list[dict[str, int]]:
    rows: list[dict[str, int]] = repetition.measure(as_text(texts), repetition.Settings()).to_pylist()
    return rows


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(TEXTS)
def test_agrees_with_the_plain_twin_on_any_text(texts: list[str]) -> None:
    assert measured(texts) == [naive.measure_repetition(text) for text in texts]


def test_agrees_with_the_plain_twin_on_long_texts_of_few_words() -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choices(["of", "the", "sea", "and", "wind", "ship", "ships"], k=size)) for size in (10, 300, 3000)]
    texts.append("\n".join(texts[1][start : start + 40] for start in (0, 7, 0, 90, 7, 0)))
    assert measured(texts) == [naive.measure_repetition(text) for text in texts]


def test_only_second_and_later_copies_of_lines_and_paragraphs_count() -> None:
    row = measured(["one\ntwo\n\none\ntwo\n\n\nthree"])[0]
    assert (row["num_separate_lines"], row["num_duplicate_lines"], row["num_duplicate_line_characters"]) == (5, 2, 6)
    assert (row["num_paragraphs"], row["num_duplicate_paragraphs"], row["num_duplicate_paragraph_characters"]) == (3, 1, 7)


def test_the_top_ngram_counts_its_spaces_and_the_first_of_equally_frequent_ones_wins() -> None:
    row = measured(["ab cde x ab cde y longer words z longer words"])[0]
    assert row["num_top_2_gram_characters"] == 2 * len("ab cde")
    assert row["num_top_3_gram_characters"] == len("ab cde x")


def test_a_duplicate_ngram_is_skipped_whole_before_the_next_is_looked_for() -> None:
    assert measured([" ".join(["w"] * 16)])[0]["num_duplicate_5_gram_characters"] == 15
    assert measured(["a b c d e f. A b c d e g"])[0]["num_duplicate_5_gram_characters"] == 5


def test_a_million_equal_words_and_a_megabyte_without_white_space_take_linear_time() -> None:
    words, block, chinese = measured(["ab " * 1_000_000, "x" * 1_000_000, "中" * 333_333])
    assert words["num_top_2_gram_characters"] == 5 * 999_999
    assert words["num_duplicate_10_gram_characters"] == 20 * 99_999  # the first n-gram is new, then every ten words are one met before
    assert block["num_top_2_gram_characters"] == 0
    assert chinese["num_top_3_gram_characters"] == 5 * 333_331
