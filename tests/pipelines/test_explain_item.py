"""Every document that a benchmark item contaminates is named, from the files of the run alone."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.errors import InputError
from pipelines.cli import app
from pipelines.context import Context
from pipelines.explain import as_json, explain_document
from pipelines.explain_item import as_text, explain_item
from pipelines.runs import open_run
from tests.pipelines.corpora import document, run_of_every_fate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_every_fate(tmp_path_factory.getbasetemp()) / "run"


@pytest.fixture(scope="module")
def opened(folder: Path) -> Context:
    return open_run(folder)


def _asked(context: Context) -> str:
    """A contaminated item, as the explanation of its document names it."""
    (hit,) = explain_document(context, "leaked")["benchmarks"]
    return f"{hit['benchmark']}:{hit['item']}"


def test_an_item_lists_its_documents_with_their_places(opened: Context, folder: Path) -> None:
    found = explain_item(opened, _asked(opened))
    assert (found["status"], found["untestable"]) == ("contaminated", None)
    (hit,) = [hit for hit in found["documents"] if hit["document"] == document(folder, "leaked")]
    assert hit["identifier"] == "leaked"
    assert hit["path"].endswith(".jsonl")
    assert hit["matched_fraction"] == 1
    assert 0.99 < hit["covered_fraction"] <= 1
    text = as_text(found)
    assert "contaminated" in text
    assert f"{hit['document']}  100% of its n-grams, 100% of its words in one place" in text
    assert json.loads(as_json(found))["documents"] == found["documents"]


@pytest.mark.parametrize(("query", "message"), [("nothing:1", "the benchmarks of this run are"), ("", "give BENCHMARK:ITEM_ID")])
def test_an_unknown_benchmark_is_refused_with_those_there_are(opened: Context, query: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        explain_item(opened, query)


def test_an_unknown_item_is_refused(opened: Context) -> None:
    with pytest.raises(InputError, match="has no item '4711'"):
        explain_item(opened, _asked(opened).split(":")[0] + ":4711")


def test_the_command_answers_for_an_item_and_takes_one_question_at_a_time(opened: Context, folder: Path) -> None:
    answer = CliRunner().invoke(app, ["explain", str(folder), "--item", _asked(opened), "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["status"] == "contaminated"
    both = CliRunner().invoke(app, ["explain", str(folder), "leaked", "--item", _asked(opened)])
    assert "one of the three" in str(both.exception)
