"""A plan says what a run would do, and leaves no trace."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pipelines.plan import StagePlan, as_json, as_lines, plan
from pipelines.runs import planned, run
from pipelines.stages import STAGES
from tests.pipelines.corpora import corpus, letters, run_of_every_fate, write_jsonl


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_every_fate(tmp_path_factory.getbasetemp())


def told(folder: Path, *changes: str, run: str = "run") -> dict[str, StagePlan]:
    return {item.stage: item for item in plan(planned(folder / "recipe.yaml", folder / run, changes))}


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size, path.stat().st_ino) for path in [folder, *folder.rglob("*")]}


def test_a_finished_run_has_nothing_to_do(corpus_folder: Path) -> None:
    stages = told(corpus_folder)
    assert list(stages) == list(STAGES)
    assert {item.num_to_run for item in stages.values()} == {0}
    assert {item.follows for item in stages.values()} == {None}
    assert stages["gather"].num_current == 2  # a slice, and the check that slices meet
    assert as_lines(list(stages.values()))[0] == "gather       nothing to do, 2 units reused"


def test_planning_writes_nothing(corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = listing(corpus_folder)
    told(corpus_folder)
    told(corpus_folder, "rules.gopher_quality.min_words=30", "seed=5")
    os.utime(corpus_folder / "archives" / "letters.jsonl")  # so that its checksum must be taken anew
    before |= {key: value for key, value in listing(corpus_folder).items() if key == "archives/letters.jsonl"}
    told(corpus_folder)
    told(corpus_folder, run="not-there")
    planned(corpus_folder / "recipe.yaml", None, [])
    assert listing(corpus_folder) == before
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_run_the_first_stage_is_counted_and_the_others_follow(tmp_path: Path) -> None:
    corpus(tmp_path)
    stages = told(tmp_path)
    assert (stages["gather"].num_to_run, stages["gather"].num_current, stages["gather"].reasons) == (1, 0, {"not done yet": 1})
    assert {item.follows for name, item in stages.items() if name != "gather"} == {"gather"}
    lines = as_lines(list(stages.values()))
    assert lines[:3] == ["gather       1 unit to run, 0 reused", "             1 × not done yet", "measure      decided after gather"]


def test_a_changed_threshold_is_named_and_runs_no_earlier_stage(corpus_folder: Path) -> None:
    stages = told(corpus_folder, "rules.gopher_quality.min_words=30")
    assert [stages[name].num_to_run for name in ("gather", "measure", "index")] == [0, 0, 0]
    assert (stages["select"].num_to_run, stages["select"].reasons) == (1, {"settings.gopher_quality.min_words: 20 → 30": 1})
    assert {stages[name].follows for name in ("fit", "manufacture", "train", "handover")} == {"select"}
    assert stages["manufacture"].num_current == 2
    assert any("2 units committed; after select" in line for line in as_lines(list(stages.values())))


def test_a_changed_input_and_a_changed_setting_of_its_source_are_named(corpus_folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(corpus_folder, tmp_path / "copy"))
    (reason,) = told(copied, "sources.letters.text_field=body")["gather"].reasons
    assert reason == 'settings.source.text_field: "text" → "body"'
    write_jsonl(copied / "archives" / "letters.jsonl", letters(31))
    reasons = told(copied)["gather"].reasons
    assert any(reason.startswith("inputs.letters.jsonl: ") for reason in reasons), reasons


def test_a_licence_or_a_description_changes_no_document(corpus_folder: Path) -> None:
    stages = told(corpus_folder, "sources.letters.license=MIT", "description=other")
    assert {item.stage for item in stages.values() if item.num_to_run} == {"handover"}


def test_a_damaged_output_is_named(corpus_folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(corpus_folder, tmp_path / "copy"))
    path = next((copied / "run" / "measures" / "words").iterdir())
    path.unlink()
    assert told(copied)["measure"].reasons == {f"measures/words/{path.name} is missing": 1}


def test_the_plan_is_what_the_run_then_does(corpus_folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(corpus_folder, tmp_path / "copy"))
    change = ["rules.gopher_quality.min_words=5"]
    expected = told(copied, *change)
    done = {stage.name: stage for stage in run(copied / "recipe.yaml", copied / "run", changes=change, workers=1, until="select").stages}
    for name in ("gather", "measure", "index"):
        assert (done[name].num_units_run, done[name].num_units_reused) == (0, expected[name].num_current)
    assert done["select"].num_units_run >= expected["select"].num_to_run
    assert {item.num_to_run for item in told(copied, *change).values() if item.stage in done} == {0}


def test_as_json_holds_every_stage_with_counts_and_reasons(corpus_folder: Path) -> None:
    found = json.loads(json.dumps(as_json(list(told(corpus_folder, "rules.gopher_quality.min_words=30").values()))))
    assert list(found) == list(STAGES)
    assert found["select"] == {"current": 0, "to_run": 1, "reasons": {"settings.gopher_quality.min_words: 20 → 30": 1}, "follows": None}
    assert found["fit"]["follows"] == "select"


def test_many_reasons_are_cut_to_the_most_frequent_and_the_cut_is_said() -> None:
    reasons = {f"reason {number}": 10 - number for number in range(9)}
    lines = as_lines([StagePlan("measure", 0, 50, reasons)])
    assert lines[1:3] == ["             10 × reason 0", "             9 × reason 1"]
    assert lines[-1] == "             and 3 reasons more (--json lists all)"
