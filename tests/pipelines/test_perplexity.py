"""A run that keeps what its reference expects: bucket by bucket, the same bytes again, and refusals that say why."""

import json
import math
from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.seeds import generator
from curate.storage import read_table
from pipelines import run
from pipelines.recipe import load
from tests.pipelines.corpora import RECIPE, letter, letters, write_jsonl

REFERENCE = "perplexity: {reference: [reference.jsonl]}\n"


def shuffled(number: int) -> str:
    words = letter(number).split()
    return " ".join(generator(2, f"tests/shuffled/{number}").permutation(words).tolist())


def corpus(folder: Path, rules: str, more: str = REFERENCE) -> Path:
    write_jsonl(folder / "archives" / "reference.jsonl", [{"text": letter(number)} for number in range(20)])
    quoting = [{"id": f"quote-{number}", "text": letter(number)} for number in range(10)]
    write_jsonl(folder / "archives" / "letters.jsonl", [*quoting, *letters(60)[30:]])
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("  gopher_quality: {min_words: 20}\n", rules).replace("{fraction: 0.05}", "{fraction: 0}") + more)
    return path


def test_the_head_bucket_holds_what_the_reference_knows(tmp_path: Path) -> None:
    summary = run(corpus(tmp_path, "  perplexity: {keep: [head], head_fraction: 0.25, middle_fraction: 0.5}\n"), tmp_path / "run", until="select", workers=1)
    (rule,) = summary.rules
    assert rule.name == "perplexity.max_bits_per_word"
    assert (rule.num_judged, rule.num_failed) == (40, 30)
    (ledger,) = (path for path in (tmp_path / "run" / "ledger").glob("*.arrow") if len(path.stem) == 8)
    assert read_table(ledger)["keep"].to_pylist() == [True] * 10 + [False] * 30
    assert sum(source.dropped["perplexity.max_bits_per_word"] for source in summary.sources) == 30


def test_a_limit_in_bits_keeps_what_is_below_it(tmp_path: Path) -> None:
    summary = run(corpus(tmp_path, "  perplexity: {max_bits_per_word: 0.0001}\n"), tmp_path / "run", until="select", workers=1)
    assert summary.gates == ("rule_dropped_everything",)


def test_an_edited_bucket_measures_nothing_again(tmp_path: Path) -> None:
    recipe = corpus(tmp_path, "  perplexity: {keep: [head]}\n")
    run(recipe, tmp_path / "run", until="select", workers=1)
    again = run(recipe, tmp_path / "run", changes=["rules.perplexity.keep=[head, middle]"], until="select", workers=1)
    ran = {stage.name: stage.num_units_run for stage in again.stages}
    assert ran["measure"] == 0
    assert ran["select"] > 0


def test_the_model_of_a_source_is_fitted_on_its_documents(tmp_path: Path) -> None:
    recipe = corpus(tmp_path, "  perplexity: {keep: [head]}\n", "perplexity: {reference: [{source: letters}], order: 2}\n")
    run(recipe, tmp_path / "run", until="select", workers=1)
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    (counts,) = [line["counts"] for line in lines if line.get("unit") == "measure/perplexity_model"]
    assert counts["texts"] == 40
    assert not math.isnan(counts["words"])


@pytest.mark.parametrize(
    ("rules", "more", "told"),
    [
        ("  perplexity: {keep: [head]}\n", "", "no model is fitted"),
        ("  gopher_quality: {}\n", "perplexity: {reference: [{source: nowhere}]}\n", "nowhere, which is no source"),
        ("  perplexity: {keep: [head, tail]}\n", REFERENCE, "neighbouring"),
    ],
)
def test_a_recipe_that_cannot_mean_anything_is_refused(rules: str, more: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=told):
        load(corpus(tmp_path, rules, more))
