"""Settings that were given but decide nothing in this recipe: as good as a misspelt key, so they are told."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from pipelines.recipe import Recipe

Reads = Callable[[Recipe], bool]


def _measured_for_something(recipe: Recipe, family: str) -> bool:
    """Whether a rule, or the choice among copies, reads a measure family."""
    return recipe.dedup.representative.family == family or any(family in rule.families for _, rule in recipe.rules.active())


def _formats(recipe: Recipe, *kinds: str) -> bool:
    return any(source.format in (*kinds, "auto") for source in recipe.sources)


# Dotted key -> whether anything in the recipe reads what stands there.
READ_WHEN: dict[str, Reads] = {
    "benchmark_index": lambda recipe: bool(recipe.benchmarks),
    "contamination": lambda recipe: bool(recipe.benchmarks),
    "block_lists": lambda recipe: _measured_for_something(recipe, "url"),
    "classifiers": lambda recipe: _measured_for_something(recipe, "quality"),
    "perplexity": lambda recipe: _measured_for_something(recipe, "perplexity"),
    "edits.sources": lambda recipe: recipe.edits.is_on,
    "held_out.fraction": lambda recipe: recipe.held_out.reuse is None,
    "held_out.source_fractions": lambda recipe: recipe.held_out.reuse is None,
    "held_out.seed": lambda recipe: recipe.held_out.reuse is None,
    "tokenizer": lambda recipe: bool(recipe.tasks.model_dump(exclude_none=True)),
    "dedup.near.max_bucket": lambda recipe: recipe.dedup.near is not None and recipe.dedup.near.min_similarity is not None,
    "dedup.min_words_after_cuts": lambda recipe: any((recipe.dedup.lines, recipe.dedup.paragraphs, recipe.dedup.substrings)),
    "limits.max_html_depth": lambda recipe: _formats(recipe, "warc", "html"),
    "limits.max_html_attributes": lambda recipe: _formats(recipe, "warc", "html"),
    "limits.max_html_nodes": lambda recipe: _formats(recipe, "warc", "html"),
    "limits.max_json_depth": lambda recipe: _formats(recipe, "jsonl"),
    "limits.max_line_bytes": lambda recipe: _formats(recipe, "jsonl", "text"),
}
# Key of a source -> the formats that read it.
_OF_FORMATS = {"separator": ("text",), "encoding": ("text", "html", "warc"), "text_field": ("jsonl", "parquet"), "id_field": ("jsonl", "parquet")}


def unread_settings(recipe: Recipe) -> tuple[str, ...]:
    """The dotted keys that differ from their defaults and that nothing reads, in the order of the recipe's keys."""
    unread = [key for key, reads in READ_WHEN.items() if _differs(recipe, key.split(".")) and not reads(recipe)]
    for source in recipe.sources:
        for key, formats in _OF_FORMATS.items():
            if source.format not in (*formats, "auto") and getattr(source, key) != type(source).model_fields[key].default:
                unread.append(f"sources.{source.name}.{key}")
    unread += [f"measures.{name}" for name in recipe.measures if not _measured_for_something(recipe, name)]
    return tuple(unread)


def _differs(model: BaseModel, key: list[str]) -> bool:
    """Whether a setting was changed. A part that is null, or whose model has no such key, was not."""
    at: Any = model
    for name in key[:-1]:
        at = getattr(at, name)
        if at is None:
            return False
    return bool(getattr(at, key[-1]) != type(at).model_fields[key[-1]].get_default(call_default_factory=True))
