from pathlib import Path

import pytest

from curate.errors import EnvironmentProblem, RecipeError
from pipelines.init import QUICKSTART, SAMPLES, create
from pipelines.plan import plan
from pipelines.recipe import load
from pipelines.runs import planned


def test_a_new_folder_holds_the_quickstart_and_every_sample(tmp_path: Path) -> None:
    create(tmp_path / "new")
    mine, theirs = load(tmp_path / "new" / "recipe.yaml"), load(QUICKSTART)
    assert mine.hash == theirs.hash
    assert mine.root_folder == tmp_path / "new" / "archives"
    copied = {path.relative_to(tmp_path / "new" / "archives"): path.read_bytes() for path in (tmp_path / "new" / "archives").rglob("*") if path.is_file()}
    assert copied == {path.relative_to(SAMPLES): path.read_bytes() for path in SAMPLES.rglob("*") if path.is_file()}


def test_the_recipe_keeps_its_comments(tmp_path: Path) -> None:
    create(tmp_path / "new")
    mine = (tmp_path / "new" / "recipe.yaml").read_text()
    assert mine.count("#") == QUICKSTART.read_text().count("#") > 0


def test_the_recipe_can_be_planned_where_it_lies(tmp_path: Path) -> None:
    create(tmp_path / "new")
    first = plan(planned(tmp_path / "new" / "recipe.yaml", tmp_path / "run", ["train.causal=null", "train.masked=null"]))[0]
    assert first.stage == "gather"
    assert first.num_to_run > 5


def test_an_empty_folder_will_do_and_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    create(tmp_path / "empty")
    create(tmp_path / "some" / "where")
    assert (tmp_path / "empty" / "recipe.yaml").exists()
    assert (tmp_path / "some" / "where" / "recipe.yaml").exists()


def test_nothing_of_anybodys_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for folder in (tmp_path, tmp_path / "mine"):
        with pytest.raises(RecipeError, match="`init` overwrites nothing"):
            create(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine").read_text() == "x"


def test_a_folder_that_cannot_be_made_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="could not be written: Not a directory"):
        create(tmp_path / "file" / "new")
