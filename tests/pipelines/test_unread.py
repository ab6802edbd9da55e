"""Settings that decide nothing are named; those that decide something, or were left alone, are not."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe import Recipe, load
from pipelines.unread import READ_WHEN, unread_settings

BARE = "name: bare\nsources: [{name: texts, paths: [a.txt], format: text}]\n"


def unread(tmp_path: Path, *changes: str) -> tuple[str, ...]:
    path = tmp_path / "recipe.yaml"
    path.write_text(BARE)
    return unread_settings(load(path, changes))


def test_a_recipe_of_defaults_has_none(tmp_path: Path) -> None:
    assert unread(tmp_path) == ()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("contamination.min_matched_fraction=0.5", "contamination"),
        ("benchmark_index.max_items_per_ngram=3", "benchmark_index"),
        ("tokenizer.vocabulary_size=5000", "tokenizer"),
        ("limits.max_html_depth=100", "limits.max_html_depth"),
        ("sources.texts.text_field=body", "sources.texts.text_field"),
        ("block_lists={domains: [lists]}", "block_lists"),
        ("classifiers=[{name: good, positives: [a.txt], negatives: [b.txt]}]", "classifiers"),
        ("perplexity={reference: [a.txt]}", "perplexity"),
    ],
)
def test_a_setting_that_nothing_reads_is_named(tmp_path: Path, change: str, key: str) -> None:
    assert unread(tmp_path, change) == (key,)


@pytest.mark.parametrize(
    "changes",
    [
        ["tokenizer.vocabulary_size=5000", "tasks.causal={}"],
        ["contamination.min_matched_fraction=0.5", "benchmarks=[{name: b, path: b.jsonl, fields: [q]}]"],
        ["limits.max_html_depth=100", "sources.texts.format=auto"],
        ["sources.texts.separator='%'"],
        ["dedup.near.max_bucket=10"],
        ["block_lists={domains: [lists]}", "rules.url={}"],
        ["perplexity={reference: [a.txt]}", "rules.perplexity={keep: [head]}"],
        ["classifiers=[{name: good, positives: [a.txt], negatives: [b.txt]}]", "dedup.representative={measure: quality.good_score}"],
    ],
)
def test_a_setting_that_something_reads_is_not(tmp_path: Path, changes: list[str]) -> None:
    assert unread(tmp_path, *changes) == ()


def test_a_setting_of_a_part_that_is_switched_off_is_none(tmp_path: Path) -> None:
    assert unread(tmp_path, "dedup.near=null") == ()


@pytest.mark.parametrize("key", READ_WHEN)
def test_every_key_of_the_table_is_one_of_the_recipe(key: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(BARE)
    at: Any = load(path)
    assert isinstance(at, Recipe)
    for name in key.split("."):
        assert name in type(at).model_fields
        at = getattr(at, name)
