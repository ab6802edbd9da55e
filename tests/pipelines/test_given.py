"""What a recipe names besides its sources is looked at by `plan` and `run` before anything is gathered."""

from pathlib import Path

import pytest

from curate.errors import CorpuscleError
from pipelines.runs import planned, run
from tests.pipelines.corpora import corpus

CLASSIFIER = "classifiers=[{name: good, positives: [letters.jsonl], negatives: [{source: letters}]}]"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["held_out={reuse: nowhere}"], "holds no frozen file"),
        (["perplexity={reference: [nowhere.jsonl]}"], "no file matches nowhere.jsonl"),
        (["classifiers=[{name: good, positives: [nowhere/*.jsonl], negatives: [{source: letters}]}]"], "no file matches nowhere/"),
        (["block_lists={domains: [nowhere]}"], "block_lists.domains: .* is not a file"),
        (["benchmarks=[{name: quiz, path: nowhere.jsonl, fields: [q]}]"], "nowhere.jsonl: the input file cannot be read"),
        (["dedup.representative={measure: words.num_wrods}"], "the family words has no such number"),
        (["dedup.representative={measure: quality.best_score}", CLASSIFIER], "its numbers are good_score"),
        (["dedup.representative={measure: perplexity.bits_per_word}"], "this recipe does not measure perplexity"),
        (["dedup.representative={measure: url.blocked_url}"], "this recipe does not measure url"),
        (["dedup.representative={measure: edits.num_cut_words}"], "the family edits has no such number"),
    ],
)
def test_what_is_not_there_is_refused_before_a_document_is_read(tmp_path: Path, changes: list[str], told: str) -> None:
    recipe = corpus(tmp_path)
    with pytest.raises(CorpuscleError, match=told):
        planned(recipe, tmp_path / "run", changes)
    with pytest.raises(CorpuscleError, match=told):
        run(recipe, tmp_path / "run", changes=changes, until="select", workers=1)
    assert not (tmp_path / "run" / "documents").exists()


@pytest.mark.parametrize(
    "changes",
    [
        ["dedup.representative={measure: quality.good_score}", CLASSIFIER],
        ["dedup.representative={measure: edits.num_cut_words, order: lowest}", "edits={dclm: {}}"],
        ["dedup.representative={measure: language.language_score}"],
    ],
)
def test_a_number_that_the_recipe_measures_may_choose_the_best_copy(tmp_path: Path, changes: list[str]) -> None:
    assert planned(corpus(tmp_path), tmp_path / "run", changes).recipe.dedup.representative.family is not None
