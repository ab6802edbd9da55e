"""A recipe with quality classifiers, from archives to ledger, report and card."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from curate.errors import InputError, RecipeError
from curate.storage import read_table
from pipelines import summary as told
from pipelines.cards.dataset import dataset_card
from pipelines.explain import as_text, explain_document
from pipelines.parts import parts
from pipelines.plan import plan
from pipelines.problems import problems
from pipelines.recipe import load
from pipelines.runs import open_run, planned, run
from pipelines.stages.classifiers import report_file
from pipelines.stages.cutoffs import CUTOFFS
from tests.samples import FOLDER

RECIPE = f"""\
name: judged
root: {FOLDER}
sources:
  - {{name: plays, paths: [parquet/plays.parquet]}}
  - {{name: law, paths: [parquet/law.parquet]}}
slice_bytes: 262144
classifiers:
  - name: drama
    positives: [{{source: plays}}]
    negatives: [parquet/law.parquet]
    dimensions: 8
    epochs: 20
    learning_rate: 0.5
    num_buckets: 2048
rules:
  classifiers: {{drama: {{keep_top_fraction: 0.3}}}}
dedup: {{near: null}}
held_out: {{fraction: 0}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, told.Summary]:
    folder = tmp_path_factory.mktemp("judged")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE, "utf-8")
    return recipe, folder / "run", run(recipe, folder / "run", workers=1, until="select")


def test_the_best_share_of_all_documents_is_kept(finished: tuple[Path, Path, told.Summary]) -> None:
    _, folder, summary = finished
    context = open_run(folder)
    scores = np.concatenate([read_table(folder / part.measure_file("quality"))["drama_score"].to_numpy() for part in parts(context)])
    (limit,) = json.loads((folder / CUTOFFS).read_text("utf-8")).values()
    assert limit == np.sort(scores)[len(scores) - math.ceil(0.3 * len(scores))]
    (rule,) = summary.rules
    assert (rule.name, rule.num_judged, rule.num_failed) == ("classifiers.drama", len(scores), int((scores < limit).sum()))
    assert len(scores) - rule.num_failed >= math.ceil(0.3 * len(scores))
    law = next(source for source in summary.sources if source.name == "law")
    assert (
        law.dropped["classifiers.drama"] + law.num_kept + law.dropped.get("exact_duplicate", 0) + law.dropped["empty"] + law.num_quarantined == law.num_records
    )


def test_figures_stand_in_the_summary_the_report_and_the_card(finished: tuple[Path, Path, told.Summary]) -> None:
    _, folder, summary = finished
    (classifier,) = summary.classifiers
    fitted = json.loads((folder / report_file("drama")).read_text("utf-8"))
    assert (classifier.precision, classifier.recall, classifier.roc_auc) == (fitted["precision"], fitted["recall"], fitted["roc_auc"])
    assert classifier.num_held_out == sum(tenth.num_texts for tenth in classifier.calibration)
    assert classifier.condition.startswith("quality.drama_score >= 0.")
    assert fitted["negatives"]["refused"] == {"empty": 1, "no_text_field": 1}
    page = (folder / "report.html").read_text("utf-8")
    assert "Quality classifiers" in page
    assert classifier.condition.replace(">", "&gt;") in page
    assert "### Quality classifiers" in dataset_card(summary, name="judged", configs={})
    assert told.from_json(told.to_json(summary)) == summary


def test_explain_shows_score_and_limit(finished: tuple[Path, Path, told.Summary]) -> None:
    _, folder, _ = finished
    context = open_run(folder)
    part = next(part for part in parts(context) if part.source == "law")
    found = explain_document(context, f"{part.hex}:0")
    (rule,) = found["rules"]
    assert (found["reason"], rule["rule"], rule["verdict"]) == ("classifiers.drama", "classifiers.drama", "fail")
    assert rule["value"] == found["measures"]["quality"]["drama_score"] < rule["limit"]
    assert f"{rule['limit']:.4g}" in as_text(found)


def test_another_share_decides_anew_and_measures_nothing(finished: tuple[Path, Path, told.Summary]) -> None:
    recipe, folder, _ = finished
    changed = {item.stage: item.num_to_run for item in plan(planned(recipe, folder, ["rules.classifiers.drama.keep_top_fraction=0.5"]))}
    assert changed["gather"] == changed["measure"] == changed["index"] == 0
    assert changed["select"] > 0
    refitted = {item.stage: item.num_to_run for item in plan(planned(recipe, folder, ["classifiers.drama.epochs=3"]))}
    assert (refitted["gather"], refitted["measure"]) == (0, 1)


def test_a_classifier_no_better_than_chance_is_told(finished: tuple[Path, Path, told.Summary]) -> None:
    _, _, summary = finished
    useless = told.Classifier("drama", 10, 4, 0, None, 0.0, 0.5)
    changed = told.from_json(told.to_json(summary))
    object.__setattr__(changed, "classifiers", (useless,))
    assert any("hardly better than chance" in problem.text for problem in problems(changed))
    assert not any("hardly better than chance" in problem.text for problem in summary.problems)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("{source: plays}", "{source: poems}", "learns from poems, which is no source"),
        ("keep_top_fraction: 0.3", "keep_top_fraction: 0.3, min_score: 0.5", "not both"),
        ("{drama: {keep", "{comedy: {keep", "a rule reads quality.comedy_score"),
        ("    epochs: 20", "    epoch: 20", "did you mean 'epochs'"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(old: str, new: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace(old, new), "utf-8")
    with pytest.raises(RecipeError, match=why):
        load(tmp_path / "recipe.yaml")


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("negatives: [parquet/law.parquet]", "negatives: [parquet/lore.parquet]"), "utf-8")
    with pytest.raises(InputError, match="no file matches"):
        run(tmp_path / "recipe.yaml", tmp_path / "run", workers=1, until="measure")
