"""What a rule is: a row in a table, comparing a measure with a limit.

A rule names the columns it reads as "family.column". Its value is the sum of `numerator`, divided by the sum of
`denominator` where it has one: one float64 division of two integers, with 0 / 0 = 0 and n / 0 = infinity. A document
keeps to the rule where `value comparison limit` holds.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

Comparison = Literal[">=", "<=", ">", "in"]
Limit = int | float | tuple[str, ...] | None  # None: the rule is switched off
_COMPARISONS = get_args(Comparison)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `languages`: applies to documents of these languages only (None: all); `except_languages`: not to these."""

    name: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...] = ()
    comparison: Comparison
    limit: Limit
    source: str
    languages: tuple[str, ...] | None = None
    except_languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.numerator or self.comparison not in _COMPARISONS or not self.source:
            raise ValueError(f"rule {self.name!r} needs a numerator, a comparison of {_COMPARISONS} and a source")
        for column in self.columns:
            if column.count(".") != 1:
                raise ValueError(f"rule {self.name!r} reads {column!r}, which is not of the form family.column")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column its value is computed from, as family.column."""
        return (*self.numerator, *self.denominator)

    @property
    def is_language_bound(self) -> bool:
        return self.languages is not None or bool(self.except_languages)

    @property
    def measure(self) -> str:
        """The value written out, such as "words.num_word_characters / words.num_words"."""
        sums = [" + ".join(columns) if len(columns) == 1 else f"({' + '.join(columns)})" for columns in (self.numerator, self.denominator) if columns]
        return " / ".join(sums)

    @property
    def families(self) -> frozenset[str]:
        """The measure families it reads."""
        own = {column.partition(".")[0] for column in self.columns}
        return frozenset(own | ({"language"} if self.is_language_bound else set()))

    def with_limit(self, limit: Limit) -> "Rule":
        return replace(self, limit=limit)


ENGLISH = ("en",)
# Scripts written without spaces, where a word is a single character: there an n-gram of words is a few characters long,
# and long texts repeat those all the time (codes of lid.176).
SINGLE_CHARACTER_WORDS = ("ja", "km", "lo", "my", "th", "wuu", "yue", "zh")
