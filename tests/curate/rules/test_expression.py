"""Expressions of a recipe: what they mean, and everything that must not get through."""

import operator
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.rules.expression import MAX_CHARACTERS, ExpressionError, parse

KINDS = {"words.num_words": "number", "lines.num_lines": "number", "language.language": "text", "url.is_blocked": "truth"}
FRAME = pl.DataFrame(
    {
        "words.num_words": pl.Series([0, 10, 100], dtype=pl.UInt32),
        "lines.num_lines": [0, 5, 0],
        "language.language": pl.Series(["en", "de", "fr"], dtype=pl.Categorical),
        "url.is_blocked": [False, True, False],
    }
)


def kept(text: str) -> list[bool]:
    return FRAME.select(parse(text, KINDS).as_polars().alias("keep"))["keep"].to_list()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("words.num_words >= 10", [False, True, True]),
        ("words.num_words >= 50 and not lines.num_lines > 900", [False, False, True]),
        ("words.num_words > 50 or url.is_blocked", [False, True, True]),
        ("5 < words.num_words <= 100", [False, True, True]),
        ("lines.num_lines / words.num_words < 0.4", [True, False, True]),
        ("words.num_words / lines.num_lines > 3", [False, False, True]),
        ("words.num_words - lines.num_lines >= -1", [True, True, True]),
        ("lines.num_lines - words.num_words < 0", [False, True, True]),
        ("language.language in ['en', 'de']", [True, True, False]),
        ("language.language not in ('en', 'de')", [False, False, True]),
        ("words.num_words in [10, 100]", [False, True, True]),
        ("language.language != 'en'", [False, True, True]),
        ("not url.is_blocked", [True, False, True]),
        ("url.is_blocked == False", [True, False, True]),
    ],
)
def test_an_expression_means_what_it_says(text: str, expected: list[bool]) -> None:
    assert kept(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 < 2", "reads no measure"),
        ("words.num_words", "not a condition"),
        ("words.num_words + 1", "not a condition"),
        ("words.num_wrods > 1", "words.num_words"),
        ("language.language > 3", "compares a text with a number"),
        ("language.language in [1, 2]", "compares"),
        ("words.num_words and url.is_blocked", "join conditions"),
        ("language.language + 1 > 2", "take numbers"),
        ("words.num_words in words.num_words", "list of constants"),
        ("words.num_words is 1", "use =="),
        ("words.num_words ** 2 > 1", "is not allowed"),
        ("words.num_words % 2 == 1", "is not allowed"),
        ("words.num_words > 1e400", "beyond what a column can hold"),
        ("words.num_words.real > 1", "is no column"),
        ("words > 1", "is not allowed"),
        ("__import__('os').system('true')", "is not allowed"),
        ("(lambda: words.num_words > 1)()", "is not allowed"),
        ("[word for word in (1, 2)] == words.num_words", "is not allowed"),
        ("words.num_words > 1 if url.is_blocked else True", "is not allowed"),
        ("(x := words.num_words) > 1", "is not allowed"),
        ("f'{words.num_words}' == 'a'", "is not allowed"),
        ("words.num_words > b'a'", "neither a number"),
        ("words.num_words > None", "neither a number"),
        ("words.num_words > 1; url.is_blocked", "is no expression"),
        ("", "is no expression"),
        ("words.num_words > \x00", "is no expression"),
        ("not " * 200 + "words.num_words > 1", "nested"),
        ("words.num_words > 1 " + "and words.num_words > 1 " * 200, str(MAX_CHARACTERS)),
    ],
)
def test_anything_else_is_refused_with_the_piece_at_fault(text: str, told: str) -> None:
    with pytest.raises(ExpressionError, match="(?s).*" + told.replace("*", r"\*").replace("[", r"\[")):
        parse(text, KINDS)  # type: ignore[arg-type]


def test_without_known_columns_any_column_is_taken() -> None:
    assert parse("a.b > 1 and c.d == 'x'").columns == ("a.b", "c.d")


_NAMES = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "==", operator.ne: "!="}


def numbers(depth: int) -> st.SearchStrategy[tuple[str, Any]]:
    """(text, exact value for words = 7, lines = 3) of an arithmetic expression."""
    leaf = st.one_of(
        st.integers(-1000, 1000).map(lambda n: (f"({n})", Fraction(n))),
        st.just(("words.num_words", Fraction(7))),
        st.just(("lines.num_lines", Fraction(3))),
    )
    if depth == 0:
        return leaf
    operations = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    return leaf | st.tuples(numbers(depth - 1), st.sampled_from(sorted(operations)), numbers(depth - 1)).map(
        lambda parts: (f"({parts[0][0]} {parts[1]} {parts[2][0]})", operations[parts[1]](parts[0][1], parts[2][1]))
    )


def conditions(depth: int) -> st.SearchStrategy[tuple[str, bool]]:
    compared = st.tuples(numbers(2), st.sampled_from(sorted(_NAMES, key=_NAMES.__getitem__)), numbers(2)).map(
        lambda parts: (f"{parts[0][0]} {_NAMES[parts[1]]} {parts[2][0]}", parts[1](parts[0][1], parts[2][1]))
    )
    if depth == 0:
        return compared
    inner = conditions(depth - 1)
    joined = st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
        lambda parts: (f"({parts[0][0]}) {parts[1]} ({parts[2][0]})", (parts[0][1] and parts[2][1]) if parts[1] == "and" else (parts[0][1] or parts[2][1]))
    )
    return compared | joined | inner.map(lambda part: (f"not ({part[0]})", not part[1]))


@given(conditions(2))
def test_expressions_agree_with_exact_arithmetic(case: tuple[str, bool]) -> None:
    text, expected = case
    frame = pl.DataFrame({"words.num_words": [7], "lines.num_lines": [3]})
    if not ("words." in text or "lines." in text):
        with pytest.raises(ExpressionError, match="reads no measure"):
            parse(text, KINDS)  # type: ignore[arg-type]
        return
    expression = parse(text, KINDS)  # type: ignore[arg-type]
    assert frame.select(expression.as_polars().alias("keep"))["keep"].to_list() == [expected]
