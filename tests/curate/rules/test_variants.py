"""Documents on which the variants of a rule set disagree, with the verdict of each."""

from typing import Any

import polars as pl
import pytest

from curate.measures import measure
from curate.rules import RuleSettings, families, judge

PROSE = """The harbour had been quiet for a week when the first ship of the season came in with the tide.
People walked down to the quay and watched her, and some of them waved to the sailors on the deck.
She carried timber and salt, and letters that had been written in the autumn of the year before.
Nobody asked how the voyage had been; that could be seen from the sails.
By evening the crew sat in the inn, and every one of them had a story to tell."""
LINES = PROSE.splitlines()
# 40 words of 4 letters and 20 of 40: the mean is 16, the median 4.
LONG_TAIL = " ".join(["with", "that"] * 20 + ["x" * 40] * 20)


def bulleted(mark: str) -> str:
    return "\n".join(f"{mark} {line}" for line in LINES)


def ending(mark: str) -> str:
    return "\n".join(line.rstrip(".") + mark for line in LINES)


def verdicts(name: str, text: str) -> dict[str, str | None]:
    """The rule each variant of a set drops an English text for."""
    found: dict[str, str | None] = {}
    for variant in RuleSettings.model_json_schema()["$defs"][f"{name.title().replace('_', '')}Settings"]["properties"]["variant"]["enum"]:
        settings = RuleSettings.model_validate({name: {"variant": variant}})
        frame = pl.from_arrow(measure([text], sorted(families(settings) - {"language"})))
        assert isinstance(frame, pl.DataFrame)
        found[variant] = judge(frame.with_columns(language=pl.lit("en")), settings).to_list()[0]
    return {variant: reason and reason.partition(".")[2] for variant, reason in found.items()}


def same(variants: str, reason: str | None) -> dict[str, str | None]:
    return dict.fromkeys(variants.split(), reason)


QUALITY: dict[str, tuple[str, dict[str, str | None]]] = {
    "good prose is kept by all": (PROSE, same("datatrove paper dolma dclm", None)),
    "the mean word is long, the median short": (LONG_TAIL, same("datatrove paper dclm", "max_mean_word_length") | same("dolma", None)),
    "one stop word twice": ("the " * 2 + "harbour ship " * 30, same("datatrove paper", "min_stop_words") | same("dolma dclm", None)),
    "stop words in capitals": ("THE BE TO OF " + "harbour ship " * 30, same("dolma", "min_stop_words") | same("datatrove paper dclm", None)),
    "stop words that touch punctuation": ('"the" (of) ' + "harbour ship " * 30, same("dolma dclm", "min_stop_words") | same("datatrove paper", None)),
    "asterisks as bullets": (bulleted("*"), same("dolma dclm", "max_bullet_lines_fraction") | same("datatrove paper", None)),
    "hyphens as bullets": (bulleted("-"), same("datatrove paper dolma dclm", "max_bullet_lines_fraction")),
    "indented hyphens as bullets": (bulleted("  -"), same("datatrove paper dclm", "max_bullet_lines_fraction") | same("dolma", None)),
    "round bullets": (bulleted("•"), same("datatrove paper dclm", "max_bullet_lines_fraction") | same("dolma", None)),
    "three full stops at the end": (ending("..."), same("datatrove paper dclm", "max_ellipsis_lines_fraction") | same("dolma", None)),
    "one ellipsis character at the end": (ending("…"), same("datatrove paper dolma dclm", "max_ellipsis_lines_fraction")),
    "spaced full stops at the end": (ending(" . . ."), same("dclm", "max_ellipsis_lines_fraction") | same("datatrove paper dolma", None)),
    "few words of many hash signs": (
        PROSE + " ##########" * 2,
        same("datatrove paper", "max_hash_signs_per_word") | same("dclm", "max_symbols_per_word") | same("dolma", None),
    ),
    "hash signs and ellipses below a tenth each": (PROSE + " #" * 7 + " ..." * 7, same("dclm", "max_symbols_per_word") | same("datatrove paper dolma", None)),
    "dashes and slashes between words": (
        "of the " + "harbour harbour / ship - " * 20,
        same("dolma dclm", "min_alphabetic_words_fraction") | same("datatrove paper", None),
    ),
}
# Ten lines, of which three stand twice: 0.3 of them are copies, 0.6 stand more than once.
TWICE = "\n".join([*(f"Line {k} of {k * 7} is about matter {k * k} alone" for k in (2, 3, 5, 8)), *LINES[:3], *LINES[:3]])
REPETITION: dict[str, tuple[str, dict[str, str | None]]] = {
    "good prose is kept by all": (PROSE, same("datatrove paper dolma dclm", None)),
    "three lines of ten stand twice": (
        TWICE,
        same("datatrove paper", "max_duplicate_line_characters_fraction") | same("dolma dclm", "max_duplicate_lines_fraction"),
    ),
    "one line of five stands twice": (
        PROSE + "\n" + LINES[3],
        same("datatrove", None) | same("paper", "max_duplicate_5_gram_characters_fraction") | same("dolma dclm", "max_duplicate_lines_fraction"),
    ),
    "blank lines between lines": (PROSE.replace("\n", "\n\n"), same("datatrove paper dclm", None) | same("dolma", "max_duplicate_lines_fraction")),
    "a sentence stands twice in one line": (
        " ".join([*LINES, LINES[3]]),
        same("datatrove", None) | same("paper dclm", "max_duplicate_5_gram_characters_fraction") | same("dolma", "max_duplicate_5_gram_characters_fraction"),
    ),
}
C4: dict[str, tuple[str, dict[str, str | None]]] = {
    "good prose is kept by all": (PROSE, same("datatrove paper code fineweb dclm dolma", None)),
    "a bracket in a line that is no sentence": (
        PROSE + "\nfunction() {",
        same("paper dolma", "max_curly_bracket_lines") | same("datatrove code fineweb dclm", None),
    ),
    "javascript in one line": (
        PROSE + "\nThis page needs JavaScript to work well.",
        same("dolma", "max_javascript_lines") | same("datatrove paper code fineweb dclm", None),
    ),
    "four sentences": ("\n".join(LINES[:4]), same("datatrove paper fineweb", "min_sentences") | same("code dclm dolma", None)),
    "lines of three and four words": (
        "\n".join(f"It was {what}." for what in ("cold", "late", "quiet", "all dark", "over now")),
        same("code dclm", "min_sentences") | same("datatrove paper fineweb dolma", None),
    ),
    "no full stops": (PROSE.replace(".", ""), same("datatrove paper code dclm", "min_sentences") | same("fineweb dolma", None)),
    "two hundred thousand characters": (PROSE * 500, same("dclm", "max_characters") | same("datatrove paper code fineweb dolma", None)),
}
CASES = [(name, title, *case) for name, cases in (("gopher_quality", QUALITY), ("gopher_repetition", REPETITION), ("c4", C4)) for title, case in cases.items()]


@pytest.mark.parametrize(("name", "title", "text", "expected"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_variants_decide_as_their_sources_do(name: str, title: str, text: str, expected: dict[str, Any]) -> None:
    assert verdicts(name, text) == expected
