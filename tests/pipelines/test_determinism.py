"""What decides a byte and what does not, on whole runs of a small recipe up to its rows."""

import json
import shutil
from pathlib import Path

import pytest

from curate.storage import read_table
from pipelines.context import Context
from pipelines.parts import Part, parts
from pipelines.plan import plan
from pipelines.runs import open_run, planned, run
from tests.torture.harness import ROOT, assert_same, fingerprints, finish

SAMPLES = ROOT / "pipelines" / "samples"
SMALL = (ROOT / "tests" / "recipes" / "small.yaml").read_text()
NO_TRAINING = ["train.causal=null", "train.masked=null"]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the archives that a test may add to, with the recipe beside it."""
    folder = tmp_path_factory.mktemp("corpus")
    for name in ("text", "html", "web", "jsonl", "benchmarks"):
        shutil.copytree(SAMPLES / name, folder / "archives" / name)
    (folder / "recipe.yaml").write_text(SMALL.replace("../../pipelines/samples", "archives"))
    return folder


@pytest.fixture(scope="module")
def first(archives: Path) -> Path:
    """The run that the others are compared with: one worker."""
    run(archives / "recipe.yaml", archives / "first", changes=NO_TRAINING, workers=1)
    return archives / "first"


def units(context: Context, stage: str) -> dict[str, str]:
    return {entry.unit: entry.key for entry in context.entries(stage + "/")}


def lines(folder: Path) -> int:
    return len((folder / "journal.jsonl").read_bytes().splitlines())


def ran_since(folder: Path, before: int) -> list[str]:
    """The units committed after the journal had so many lines."""
    return [record["unit"] for line in (folder / "journal.jsonl").read_text().splitlines()[before:] if "unit" in (record := json.loads(line))]


def test_two_workers_another_hash_seed_and_files_made_in_another_order_change_nothing(first: Path, tmp_path: Path) -> None:
    for path in sorted((p for p in (first.parent / "archives").rglob("*") if p.is_file()), reverse=True):
        target = tmp_path / "archives" / path.relative_to(first.parent / "archives")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "recipe.yaml").write_text((first.parent / "recipe.yaml").read_text())
    finish(tmp_path / "recipe.yaml", tmp_path / "run", "--workers", "2", *(f"--set={change}" for change in NO_TRAINING), env={"PYTHONHASHSEED": "12345"})
    assert_same(tmp_path / "run", first)


def test_a_second_run_does_nothing(first: Path) -> None:
    before = lines(first)
    run(first.parent / "recipe.yaml", first, changes=NO_TRAINING)
    assert lines(first) == before
    assert all(stage.num_to_run == 0 for stage in plan(planned(first.parent / "recipe.yaml", first, NO_TRAINING)))


def test_an_added_file_changes_one_slice(archives: Path, first: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(first, copy)
    added = archives / "archives" / "text" / "1899-added.txt"
    added.write_text("A speech that was not there before. " * 40)
    try:
        old = units(open_run(copy), "gather/part")
        before = lines(copy)
        run(archives / "recipe.yaml", copy, changes=NO_TRAINING, workers=1)
        new = units(open_run(copy), "gather/part")
        assert len(old.items() - new.items()) == 1
        again = [unit for unit in ran_since(copy, before) if unit.startswith(("gather/part/", "measure/", "index/exact/", "index/near/"))]
        changed = {unit.rpartition("/")[2] for unit in again}
        assert changed <= {unit.rpartition("/")[2] for unit in new.keys() - old.keys()} | {
            unit.rpartition("/")[2] for unit in new if new[unit] != old.get(unit)
        }
        assert len(changed) <= 2  # the slice, or the two that the new file parted it into
    finally:
        added.unlink()


def test_an_edited_threshold_reruns_select_and_the_rows_of_changed_ledger_slices_only(first: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    recipe = first.parent / "recipe.yaml"
    shutil.copy(first / "fitted" / "tokenizer.json", tmp_path / "given.json")
    pinned = [*NO_TRAINING, f"tokenizer.path={tmp_path / 'given.json'}"]
    run(recipe, copy, changes=pinned, reuse=first, workers=1)
    ledgers = {path: checksum for path, checksum in fingerprints(copy).items() if path.startswith("ledger/") and "/rules/" not in path}
    edited = [*pinned, "rules.gopher_quality.min_words=300"]
    told = {item.stage: item for item in plan(planned(recipe, copy, edited))}
    assert [told[stage].num_to_run for stage in ("gather", "measure", "index")] == [0, 0, 0]
    assert told["select"].num_to_run
    assert any("min_words: 50 → 300" in why for why in told["select"].reasons)
    assert told["manufacture"].follows == "select"
    before = lines(copy)
    run(recipe, copy, changes=edited, workers=1)
    ran = ran_since(copy, before)
    assert not [unit for unit in ran if unit.startswith(("gather/", "measure/", "index/", "fit/tokenizer"))]
    after = fingerprints(copy)
    changed = {Path(path).stem for path, checksum in ledgers.items() if after[path] != checksum}
    made = {unit.rpartition("train-")[2] for unit in ran if unit.startswith("manufacture/causal/train-")}
    parts_with_rows = {Path(path).stem.removeprefix("train-") for path in after if path.startswith("shards/causal/data/train-")}
    assert made == changed & parts_with_rows
    assert 0 < len(made) < len(parts_with_rows)


def test_reuse_links_what_another_run_has_done(first: Path, tmp_path: Path) -> None:
    summary = run(first.parent / "recipe.yaml", tmp_path / "run", changes=NO_TRAINING, reuse=first, workers=1)
    assert all(stage.num_units_run == 0 for stage in summary.stages)
    assert_same(tmp_path / "run", first)


def test_a_frozen_held_out_set_is_taken_over_and_its_documents_never_trained_on(first: Path, tmp_path: Path) -> None:
    recipe = first.parent / "recipe.yaml"
    reused = [*NO_TRAINING, f"held_out.reuse={first / 'held_out'}", "rules.gopher_quality=null"]
    summary = run(recipe, tmp_path / "run", changes=reused, reuse=first, workers=1)
    mine, theirs = fingerprints(tmp_path / "run"), fingerprints(first)
    frozen = [path for path in theirs if path.startswith("held_out/")]
    assert frozen
    assert all(mine[path] == theirs[path] for path in frozen)
    assert {path for path in mine if "/held_out-" in path} == {path for path in theirs if "/held_out-" in path}
    for source in summary.sources:
        assert source.num_held_out == 0
    assert sum(source.dropped.get("near_held_out", 0) for source in summary.sources) >= sum(len(read_table(first / path)) for path in frozen)
    kept = {row for part in parts(open_run(tmp_path / "run")) for row in kept_content(tmp_path / "run", part)}
    assert not kept & {row for path in frozen for row in read_table(first / path)["content_id"].to_pylist()}


def kept_content(folder: Path, part: Part) -> list[bytes]:
    ids = read_table(folder / part.measure_file("identity"))["content_id"]
    return list(ids.filter(read_table(folder / part.ledger_file)["keep"]).to_pylist())
