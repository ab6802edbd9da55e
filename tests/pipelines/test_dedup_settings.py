"""Settings of deduplication in a run: thresholds, representatives, rehydration, and what the report and the card say of them."""

from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.storage import read_table
from pipelines.recipe import load
from pipelines.report.page import render
from pipelines.runs import run
from pipelines.stages.handover import card_of
from tests.pipelines.corpora import RECIPE, document, letter, letters, write_jsonl

LONG = letter(100, 300).rstrip(".")
TWO = RECIPE.replace("fraction: 0.05", "fraction: 0").replace(
    "  - {name: letters, paths: [letters.jsonl], format: jsonl}\n",
    "  - {name: letters, paths: [letters.jsonl], format: jsonl}\n  - {name: books, paths: [books.jsonl], format: jsonl}\n",
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Three near copies of increasing length, the longest in the first source; and one text five times."""
    versions = [{"id": "longest", "text": f"{LONG} with a postscript that is long."}, {"id": "middle", "text": f"{LONG} and more."}]
    write_jsonl(tmp_path / "archives" / "letters.jsonl", [*letters(8), *versions, *({"id": f"same-{n}", "text": letter(50)} for n in range(5))])
    write_jsonl(tmp_path / "archives" / "books.jsonl", [{"id": "shortest", "text": f"{LONG}."}])
    (tmp_path / "recipe.yaml").write_text(TWO, encoding="utf8")
    return tmp_path / "recipe.yaml"


def kept(folder: Path, name: str) -> bool:
    part, _, row = document(folder, name).partition(":")
    return bool(read_table(folder / "ledger" / f"{part}.arrow", ["keep"])["keep"][int(row)].as_py())


@pytest.mark.parametrize(
    ("policy", "stays"),
    [
        ("longest", "longest"),
        ("earliest", "longest"),
        ("{measure: words.num_words, order: lowest}", "shortest"),
        ("{measure: identity.num_bytes}", "longest"),
        ("{sources: [books]}", "shortest"),
        ("{sources: [letters, books], then: earliest}", "longest"),
    ],
)
def test_the_representative_is_chosen_by_the_stated_policy(recipe: Path, policy: str, stays: str) -> None:
    folder = recipe.parent / "run"
    run(recipe, folder, workers=1, until="select", changes=[f"dedup.representative={policy}"])
    assert [name for name in ("longest", "middle", "shortest") if kept(folder, name)] == [stays]
    assert load(folder / "recipe.yaml").dedup == load(recipe, [f"dedup.representative={policy}"]).dedup


def test_rehydrated_documents_stand_in_the_rows_as_often_as_their_clusters_size_says(recipe: Path) -> None:
    folder = recipe.parent / "run"
    steps = "dedup.rehydrate=[{min_size: 3, copies: 2}, {min_size: 5, copies: 4}]"
    plain = run(recipe, folder, workers=1, until="manufacture")
    again = run(recipe, folder, workers=1, until="manufacture", changes=[steps])
    assert (plain.repeated, again.repeated) == ((), ((2, 1), (4, 1)))
    assert (plain.rows[0].num_repeats, again.rows[0].num_repeats) == (0, 1 + 3)
    assert again.rows[0].num_tokens > plain.rows[0].num_tokens
    assert [source.num_kept for source in again.sources] == [source.num_kept for source in plain.sources]
    copies = {name: document(folder, name) for name in ("longest", "same-0", "letter-3", "middle")}
    for name, times in (("longest", 2), ("same-0", 4), ("letter-3", 1), ("middle", 0)):
        part, _, row = copies[name].partition(":")
        assert read_table(folder / "ledger" / f"{part}.arrow", ["copies"])["copies"][int(row)].as_py() == times
    card = card_of(again, "tiny", "", ["causal"], folder / "shards" / "causal")
    assert "| 4 | 1 |" in card
    assert "4 documents in them are repetitions" in card
    assert "stands 4 times in the training rows" in render(again)


def test_the_report_shows_chains_and_both_curves_of_the_chosen_bands(recipe: Path) -> None:
    summary = run(recipe, recipe.parent / "run", workers=1, until="select", changes=["dedup.near.threshold=0.8"])
    found = summary.duplicates
    assert found is not None
    assert (found.num_bands, found.num_band_rows, found.min_similarity) == (9, 12, 0.8)
    assert dict(found.match_curve)[0.8] == 1 - (1 - 0.8**12) ** 9
    chained = next(cluster for cluster in found.largest if cluster.num_texts == 3)
    assert (chained.num_examined, chained.diameter) == (3, 1)
    assert 0.9 < chained.min_similarity <= 1
    page = render(summary)
    assert "9 bands of 12 rows" in page
    assert "Least alike" in page
    assert "Compared" in page
    assert "Linked" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("dedup.representative=shortest", "'longest' or 'earliest'"),
        ("dedup.representative={sources: [films]}", "names films, which is no source"),
        ("dedup.representative={mesure: a.b}", "did you mean 'measure'"),
        ("dedup.near.treshold=0.8", "did you mean 'threshold'"),
        ("dedup.rehydrate=[{min_size: 5, copies: 2}, {min_size: 2, copies: 3}]", "must rise in min_size"),
        ("dedup.rehydrate=[{min_size: 5, copies: 0}]", "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(recipe: Path, change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(recipe, [change])


@pytest.mark.parametrize(
    ("measure", "message"), [("words.num_wods", "has no such number"), ("wods.num_words", "did you mean 'words'"), ("language.language", "its numbers")]
)
def test_a_measure_that_is_not_there_is_refused_before_anything_is_measured(recipe: Path, measure: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        run(recipe, recipe.parent / "run", workers=1, until="select", changes=[f"dedup.representative={{measure: {measure}}}"])
