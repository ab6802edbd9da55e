"""`pipelines.run`: the whole way as one call."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipelines
from curate.errors import DamageError, EnvironmentProblem, InputError, RecipeError
from pipelines.parts import parts
from pipelines.plan import plan
from pipelines.recipe import load
from pipelines.runs import open_run, planned
from pipelines.summary import Summary
from tests.pipelines.corpora import RECIPE, ROOT, corpus, letter, letters, run_of_every_fate, write_jsonl
from tests.torture.harness import fingerprints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_every_fate(tmp_path_factory.getbasetemp())


def test_it_returns_a_summary_whose_sums_reconcile(folder: Path) -> None:
    summary = pipelines.run(folder / "recipe.yaml", folder / "run", workers=1)
    assert isinstance(summary, Summary)
    (source,) = summary.sources
    assert (source.num_records, source.num_held_out) == (40, 1)
    assert source.quarantined == {"bad_json": 1}
    assert source.dropped == {"contaminated": 1, "exact_duplicate": 1, "gopher_quality.min_words": 2, "near_duplicate": 1}
    assert source.num_kept + source.num_held_out + source.num_dropped + source.num_quarantined == source.num_records
    assert summary.gates == ()
    assert summary.recipe == load(folder / "recipe.yaml").hash
    (benchmark,) = summary.benchmarks
    assert (benchmark.num_contaminated, benchmark.num_clean) == (1, 1)
    (rows,) = summary.rows
    assert rows.num_train > 0
    assert rows.num_held_out > 0
    assert {stage.name: stage.num_units_run for stage in summary.stages} == dict.fromkeys(pipelines.stages.STAGES, 0)


def test_the_function_is_still_the_function_after_its_first_call() -> None:
    script = (
        "import pipelines\n"
        "assert 'run' in pipelines.__all__\n"
        "first = pipelines.run\n"
        "import pipelines.runs, pipelines.cli, pipelines.plan\n"
        "assert callable(first) and pipelines.run is first is pipelines.runs.run\n"
        "from pipelines import run\n"
        "assert run is first\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_recipe_may_be_an_object_or_a_path_in_text(folder: Path) -> None:
    by_path = pipelines.run(str(folder / "recipe.yaml"), str(folder / "run"), workers=1)
    by_object = pipelines.run(load(folder / "recipe.yaml"), folder / "run", workers=1)
    assert by_path.sources == by_object.sources
    assert by_path.recipe == by_object.recipe


def test_without_a_folder_the_run_lies_in_runs_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    summary = pipelines.run(corpus(tmp_path), until="gather", workers=1)
    assert Path(summary.run).resolve() == tmp_path / "runs" / "tiny"
    assert [stage.name for stage in summary.stages] == ["gather"]
    assert (tmp_path / "runs" / "tiny" / "recipe.yaml").exists()
    assert not (tmp_path / "runs" / "tiny" / "measures").exists()


def test_a_stage_that_does_not_exist_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--until fly: no such stage; the stages are gather, measure"):
        pipelines.run(corpus(tmp_path), tmp_path / "run", until="fly")
    assert not (tmp_path / "run").exists()


def test_a_run_to_reuse_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"there is no run in this folder \(no journal\.jsonl\)"):
        pipelines.run(corpus(tmp_path), tmp_path / "run", reuse=tmp_path)


def test_the_runs_own_recipe_says_everything_and_runs_to_the_same(folder: Path, tmp_path: Path) -> None:
    written = folder / "run" / "recipe.yaml"
    assert load(written).hash == load(folder / "recipe.yaml").hash
    summary = pipelines.run(written, tmp_path / "again", reuse=folder / "run", workers=1)
    assert {stage.num_units_run for stage in summary.stages} == {0}
    assert fingerprints(tmp_path / "again") == fingerprints(folder / "run")


def test_the_report_shows_texts_only_when_asked_and_always_escaped(tmp_path: Path) -> None:
    recipe = corpus(tmp_path)
    write_jsonl(tmp_path / "archives" / "letters.jsonl", [{"text": "<script>alert(1)</script> " + letter(0)}, *letters(4)])
    for samples in (False, True):
        pipelines.run(recipe, tmp_path / "run", until="select", workers=1, samples=samples)
        page = (tmp_path / "run" / "report.html").read_text()
        assert ("alert(1)" in page) is samples
        assert "<script>alert" not in page


def test_a_run_can_be_opened_when_its_archives_and_its_recipe_are_gone(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder / "run", tmp_path / "moved"))
    assert open_run(moved).recipe.hash == load(folder / "recipe.yaml").hash
    for missing in ("journal.jsonl", "recipe.yaml"):
        (moved / missing).unlink()
        with pytest.raises(DamageError, match=f"it has no {missing}"):
            open_run(moved)


def test_a_removed_source_leaves_no_files_behind(tmp_path: Path) -> None:
    recipe = corpus(tmp_path)
    recipe.write_text(recipe.read_text().replace("rules:", "  - {name: notes, paths: [notes.txt], format: text}\nrules:"))
    (tmp_path / "archives" / "notes.txt").write_text(letter(50))
    first = pipelines.run(recipe, tmp_path / "run", until="select", workers=1)
    assert [source.num_records for source in first.sources] == [12, 1]
    (notes,) = [part for part in parts(open_run(tmp_path / "run")) if part.source == "notes"]
    corpus(tmp_path)
    second = pipelines.run(recipe, tmp_path / "run", until="select", workers=1)
    assert [source.name for source in second.sources] == ["letters"]
    files = [path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob(f"{notes.hex}.arrow")]
    assert not set(files) & set(open_run(tmp_path / "run").journal.outputs())
    assert not [file for file in files if file.startswith(("documents/", "measures/", "index/"))]
    assert not (tmp_path / "run" / "held_out" / "notes.arrow").exists()


def test_inputs_are_remembered_by_their_stamps(folder: Path) -> None:
    remembered = json.loads((folder / "run" / ".inputs.json").read_text())
    assert {Path(path).name for path in remembered} == {"letters.jsonl", "sums.jsonl"}


TRAINED = "train: {causal: {size: 1m, num_steps: 2, batch_rows: 2, keep_checkpoints: 2, checkpoint_every: 1, num_threads: 1, dtype: float32}}\n"


def gathered(folder: Path, recipe: Path, *changes: str) -> dict[str, str]:
    pipelines.run(recipe, folder, changes=changes, workers=1, until="gather")
    return {entry.unit: entry.key for entry in open_run(folder).entries("gather/")}


def test_another_slice_size_or_a_file_less_in_a_finished_folder_gives_what_a_new_folder_has(tmp_path: Path) -> None:
    recipe = corpus(tmp_path, 30, RECIPE.replace("letters.jsonl]", "'*.jsonl']"))
    write_jsonl(tmp_path / "archives" / "more.jsonl", letters(40)[30:])
    gathered(tmp_path / "old", recipe, "slice_bytes=2000")
    assert gathered(tmp_path / "old", recipe, "slice_bytes=3000") == gathered(tmp_path / "new", recipe, "slice_bytes=3000")
    (tmp_path / "archives" / "more.jsonl").unlink()
    expected = planned(recipe, tmp_path / "old", ["slice_bytes=3000"])
    assert plan(expected)[0].num_to_run == 1
    assert gathered(tmp_path / "old", recipe, "slice_bytes=3000") == gathered(tmp_path / "newer", recipe, "slice_bytes=3000")
    assert plan(planned(recipe, tmp_path / "old", ["slice_bytes=3000"]))[0].num_to_run == 0


def test_a_folder_with_files_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    recipe = corpus(tmp_path)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "thesis.txt").write_text("mine")
    with pytest.raises(EnvironmentProblem, match=r"no run, and a run would overwrite or delete .*recipe\.yaml, documents"):
        pipelines.run(recipe, tmp_path, workers=1)
    assert (tmp_path / "documents" / "thesis.txt").read_text() == "mine"
    assert recipe.read_text() == RECIPE


def test_without_held_out_documents_a_model_is_trained_and_handed_over_and_nothing_is_scored(tmp_path: Path) -> None:
    recipe = corpus(tmp_path, 3, RECIPE.replace("fraction: 0.05", "fraction: 0") + TRAINED)
    (model,) = pipelines.run(recipe, tmp_path / "run", workers=1).models
    assert model.bits_per_byte == {}
    assert model.max_logits_difference is not None
    # Taken out of the recipe its metrics go, and older checkpoints stay; put back it is trained anew, to the same bytes.
    weights = fingerprints(tmp_path / "run")
    assert pipelines.run(recipe, tmp_path / "run", changes=["train.causal=null"], workers=1).models == ()
    pipelines.run(recipe, tmp_path / "run", workers=1)
    assert fingerprints(tmp_path / "run") == weights


def test_a_training_without_a_kept_document_is_left_out(tmp_path: Path) -> None:
    recipe = corpus(tmp_path, 3, RECIPE.replace("fraction: 0.05", "fraction: 0.9999999") + TRAINED)
    summary = pipelines.run(recipe, tmp_path / "run", workers=1)
    assert (summary.sources[0].num_kept, summary.sources[0].num_held_out, summary.models) == (0, 3, ())
    assert any("none of its 3 records was kept" in problem.text for problem in summary.problems)


@pytest.mark.parametrize("change", ["provenance=none", "tokenizer.path=none", "benchmarks=[{name: b, path: none, fields: [q]}]"])
def test_a_file_that_only_a_late_stage_needs_is_missed_before_the_first(tmp_path: Path, change: str) -> None:
    recipe = corpus(tmp_path, 3)
    with pytest.raises(InputError, match=r"archives/none: the input file cannot be read: .*correct its path in the recipe"):
        pipelines.run(recipe, tmp_path / "run", changes=[change], workers=1)
    assert not (tmp_path / "run" / "journal.jsonl").exists()


def test_documents_too_short_for_a_signature_are_counted_and_can_fail_the_run(tmp_path: Path) -> None:
    recipe = corpus(tmp_path, 6, RECIPE.replace("  gopher_quality: {min_words: 20}\n", "  gopher_quality: {min_words: 2}\n"))
    with (tmp_path / "archives" / "letters.jsonl").open("a") as file:
        file.writelines(json.dumps({"id": f"short-{number}", "text": f"Only these {number} words."}) + "\n" for number in range(3))
    summary = pipelines.run(recipe, tmp_path / "run", until="select", workers=1, changes=["gates.fail_on=[empty_signatures]"])
    assert summary.duplicates is not None
    assert (summary.duplicates.num_documents, summary.duplicates.num_empty_signatures) == (9, 3)
    assert summary.gates == ("empty_signatures",)
