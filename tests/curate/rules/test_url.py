"""The rules over block-lists."""

import polars as pl

from curate.rules import RuleSettings, judge

COLUMNS = ("blocked_domain", "blocked_url", "num_strict_substrings", "num_hard_words", "num_soft_words")


def test_one_hit_of_a_list_drops_and_soft_words_need_two() -> None:
    rows = [(0, 0, 0, 0, 0), (1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1), (0, 0, 0, 0, 2), (1, 1, 1, 1, 9)]
    measures = pl.DataFrame(rows, schema=list(COLUMNS), orient="row")
    names = [None, "max_blocked_domains", "max_blocked_urls", "max_strict_substrings", "max_hard_words", None, "max_soft_words", "max_blocked_domains"]
    settings = RuleSettings.model_validate({"url": {}})
    assert judge(measures, settings).to_list() == [name and f"url.{name}" for name in names]


def test_the_url_is_judged_before_anything_else() -> None:
    settings = RuleSettings.model_validate({"gopher_quality": {}, "languages": {}, "url": {}})
    assert [reason for reason, _ in settings.active()][:5] == [
        "url.max_blocked_domains",
        "url.max_blocked_urls",
        "url.max_strict_substrings",
        "url.max_hard_words",
        "url.max_soft_words",
    ]
