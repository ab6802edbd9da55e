"""`pipelines.run`: the whole way as one call."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipelines
from curate.errors import DamageError, EnvironmentProblem, RecipeError
from pipelines.parts import parts
from pipelines.recipe import load
from pipelines.runs import open_run
from pipelines.summary import Summary
from tests.pipelines.corpora import ROOT, corpus, letter, letters, run_of_every_fate, write_jsonl
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
