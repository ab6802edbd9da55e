"""A sweep gives for each value what a view of that value gives, and what the rules' own counts say."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from curate.errors import RecipeError
from curate.storage import read_table
from pipelines.cli import app
from pipelines.parts import parts
from pipelines.runs import open_run
from pipelines.sweep import as_lines, split_values, sweep
from pipelines.whatif import whatif
from tests.pipelines import test_classifiers
from tests.pipelines.test_whatif import RECIPE, really, select, written


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sweep")
    recipe = written(folder, RECIPE.replace("c4: {", "by_language: {de: {gopher_quality: {min_words: 3}}}\n  c4: {"))
    select(recipe, folder / "run")
    return recipe, folder / "run"


def kept(found: dict[str, Any]) -> dict[str, Any]:
    """What a view says of kept documents, as a sweep's row does."""
    sources = {name: (one["kept_now"], one["kept_bytes_now"]) for name, one in found["sources"].items()}
    return {"kept": found["total"]["kept_now"], "kept_bytes": found["total"]["kept_bytes_now"], "sources": sources}


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("gopher_quality.min_words", ["5", "40", "70", "null", "100000"]),
        ("gopher_repetition.max_top_2_gram_characters_fraction", ["0.0", "0.1", "null"]),
        ("languages.allowed", []),
    ],
)
def test_every_value_is_decided_as_a_view_decides(finished: tuple[Path, Path], rule: str, values: list[str]) -> None:
    context = open_run(finished[1])
    if not values:
        with pytest.raises(RecipeError, match="the rule set languages is off"):
            sweep(context, rule, ["[en]"])
        return
    found = sweep(context, rule, values)
    assert [one["value"] for one in found["values"]] == values
    for one in found["values"]:
        sources = {name: (figures["kept"], figures["kept_bytes"]) for name, figures in one["sources"].items()}
        assert {"kept": one["kept"], "kept_bytes": one["kept_bytes"], "sources": sources} == kept(whatif(context, [f"{found['key']}={one['value']}"]))
    assert len({one["kept"] for one in found["values"]}) > 1


def test_failing_documents_are_those_that_the_run_counts(finished: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, folder = finished
    (row,) = sweep(open_run(folder), "gopher_quality.min_words", ["70"])["values"]
    really(recipe, folder, ["rules.gopher_quality.min_words=70"], tmp_path / "run")
    counted = [entry.counts["rules"]["gopher_quality.min_words"][1] for entry in open_run(tmp_path / "run").entries("select/rules/")]
    assert row["failing"] == sum(counted) > 0
    assert row["failing"] == sum(one["failing"] for one in row["sources"].values())


def test_a_classifiers_fraction_is_swept(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(test_classifiers.RECIPE, "utf8")
    select(tmp_path / "recipe.yaml", tmp_path / "run")
    context = open_run(tmp_path / "run")
    found = sweep(context, "classifiers.drama", ["0.1", "0.3", "0.9"])
    scores = np.concatenate([read_table(context.run / part.measure_file("quality"))["drama_score"].to_numpy() for part in parts(context)])
    for row in found["values"]:
        limit = np.sort(scores)[len(scores) - math.ceil(float(row["value"]) * len(scores))]
        assert row["failing"] == int((scores < limit).sum())
        assert row["kept"] == whatif(context, [f"{found['key']}={row['value']}"])["total"]["kept_now"]


@pytest.mark.parametrize(
    ("rule", "values", "message"),
    [
        ("gopher_quality.min_wods", ["3"], "did you mean gopher_quality.min_words"),
        ("own.anything", ["3"], "no such rule with a limit of its own"),
        ("fineweb.max_newlines_per_word", ["3"], "the rule set fineweb is off"),
        ("gopher_quality.min_words", [], "nothing to try"),
        ("gopher_quality.min_words", ["many"], "min_words"),
        ("c4.max_javascript_lines", ["3", "-1"], "max_javascript_lines"),
    ],
)
def test_what_cannot_be_swept_is_refused(finished: tuple[Path, Path], rule: str, values: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        sweep(open_run(finished[1]), rule, values)


def test_values_are_split_at_commas_outside_brackets() -> None:
    assert split_values("20, 50,null") == ["20", "50", "null"]
    assert split_values("[en],[en, de]") == ["[en]", "[en, de]"]
    assert split_values("") == []


def test_the_command_answers_in_a_table_and_in_json(finished: tuple[Path, Path]) -> None:
    asked = ["sweep", str(finished[1]), "--rule", "gopher_quality.min_words", "--values", "20,70"]
    text, plain = CliRunner().invoke(app, asked), CliRunner().invoke(app, [*asked, "--json"])
    assert (text.exit_code, plain.exit_code) == (0, 0)
    found = json.loads(plain.stdout)
    assert found == sweep(open_run(finished[1]), "gopher_quality.min_words", ["20", "70"])
    assert text.stdout == "\n".join(as_lines(found)) + "\n"
    assert found["in_force"] == ["3", "40"]
    assert len([line for line in as_lines(found) if " all " in line]) == 2
