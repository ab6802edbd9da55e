"""A measure of an installed package, and rules of the recipe's own over any measure, in a real run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.errors import DamageError, RecipeError
from curate.measures.own import own_families
from curate.storage import read_table
from pipelines import run
from pipelines.recipe import load
from pipelines.rule_columns import check_own_rules
from tests.pipelines.corpora import RECIPE, ROOT, letters, write_jsonl

MODULE = """
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

VERSION = 3
SCHEMA = pa.schema([pa.field("num_words", pa.int64()), pa.field("greets", pa.bool_())])


class Settings(BaseModel):
    letter: str = "e"


def measure(texts, settings):
    counts = pc.count_substring(texts, settings.letter).cast(pa.int64())
    return pa.table([counts, pc.starts_with(texts, "the")], schema=SCHEMA)
"""


def installed(folder: Path, module: str = MODULE) -> dict[str, str]:
    """A package that offers the measure `letters`, and the environment in which Python finds it."""
    site = folder / "site"
    (site / "letter_counts-1.2.dist-info").mkdir(parents=True)
    (site / "letter_counts-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: letter-counts\nVersion: 1.2\n")
    (site / "letter_counts-1.2.dist-info" / "entry_points.txt").write_text("[corpuscle.measures]\nletters = letter_counts\n")
    (site / "letter_counts.py").write_text(module)
    return os.environ | {"PYTHONPATH": str(site)}


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Offers a module as the measure `letters` to this process and to workers that it starts."""

    def offer(module: str) -> None:
        monkeypatch.syspath_prepend(installed(tmp_path, module)["PYTHONPATH"])
        own_families.cache_clear()

    yield offer
    sys.modules.pop("letter_counts", None)
    own_families.cache_clear()


def recipe(folder: Path, rules: str, more: str = "") -> Path:
    write_jsonl(folder / "archives" / "letters.jsonl", letters(30))
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("  gopher_quality: {min_words: 20}\n", rules).replace("{fraction: 0.05}", "{fraction: 0}") + more)
    return path


def corpuscle(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment | {"PYTHONPATH": f"{environment['PYTHONPATH']}{os.pathsep}{ROOT}"}, capture_output=True, text=True
    )


def test_a_packages_measure_is_measured_and_a_rule_reads_it(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    rules = "  own:\n    - {name: few, keep: 'letters.num_words < 60 and words.num_words >= 20', source: a test}\n"
    path = recipe(tmp_path, rules, "measures: {letters: {letter: o}}\n")
    done = corpuscle(tmp_path, environment, "run", str(path), "--run", "run", "--until", "select", "--workers", "1", "--json")
    assert done.returncode == 0, done.stderr
    (measured,) = (tmp_path / "run" / "measures" / "letters").glob("*.arrow")
    counts = read_table(measured)["num_words"].to_pylist()
    assert counts == [text["text"].count("o") for text in letters(30)]
    failed = sum(count >= 60 for count in counts)
    assert json.loads(done.stdout)["sources"]["letters"]["dropped"].get("own.few", 0) == failed
    told = corpuscle(tmp_path, environment, "explain", "run", "letter-3")
    assert "own.few" in told.stdout
    assert f"letters: num_words {counts[3]}" in told.stdout
    again = corpuscle(tmp_path, environment, "plan", str(path), "--run", "run", "--set", "measures.letters.letter=a", "--json")
    assert json.loads(again.stdout)["measure"]["to_run"] == 1


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("VERSION = 1\n", "has no SCHEMA, Settings, measure"),
        (MODULE.replace("pa.int64())", "pa.list_(pa.int64()))", 1), "rules compare numbers, texts and truth values"),
        ("import nowhere_to_be_found\n", "cannot be imported"),
    ],
)
def test_a_package_that_offers_no_family_is_refused_by_name(module: str, told: str, tmp_path: Path, offered: Callable[[str], None]) -> None:
    offered(module)
    path = recipe(tmp_path, "  own: [{name: few, keep: letters.num_words < 60}]\n", "measures: {letters: {}}\n")
    with pytest.raises(RecipeError, match=rf"measure 'letters'.*{told}"):
        run(path, tmp_path / "run", until="select")
    assert not (tmp_path / "run" / "documents").exists()


@pytest.mark.usefixtures("fresh_workers")
def test_a_measure_that_leaves_nulls_fails_the_run_and_names_the_column(tmp_path: Path, offered: Callable[[str], None]) -> None:
    offered(MODULE.replace("counts, pc", "pa.nulls(len(texts), pa.int64()), pc"))
    path = recipe(tmp_path, "  own: [{name: few, keep: letters.num_words < 60}]\n", "measures: {letters: {}}\n")
    with pytest.raises(DamageError, match="30 nulls in 'num_words'"):
        run(path, tmp_path / "run", until="select", workers=1)


@pytest.mark.usefixtures("fresh_workers")
def test_a_column_that_might_hold_nulls_and_holds_none_is_fine(tmp_path: Path, offered: Callable[[str], None]) -> None:
    offered(MODULE.replace('greets", pa.bool_()', 'greets", pa.bool_(), nullable=True'))
    path = recipe(tmp_path, "  own: [{name: few, keep: letters.num_words < 60}]\n", "measures: {letters: {}}\n")
    assert run(path, tmp_path / "run", until="select", workers=1).rules[0].num_judged == 30


def test_own_rules_judge_after_the_published_sets_and_only_their_languages(tmp_path: Path) -> None:
    own = "  own:\n    - {name: never, keep: words.num_words < 0, languages: [de]}\n    - {name: short, keep: words.num_words < 1000}\n"
    rules = "  gopher_quality: {min_words: 20}\n" + own
    summary = run(recipe(tmp_path, rules), tmp_path / "run", until="select", workers=1)
    found: dict[str, Any] = {rule.name: rule for rule in summary.rules}
    assert list(found)[-2:] == ["own.never", "own.short"]
    assert (found["own.never"].num_judged, found["own.short"].num_judged, found["own.short"].num_failed) == (0, 30, 0)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("  own: [{name: few, keep: words.num_wrods < 60}]\n", "near are words.num_words"),
        ("  own: [{name: few, keep: url.num_hard_words < 6}]\n", "no measure 'url.num_hard_words'"),
        ("  own: [{name: few, keep: language.language > 3}]\n", "compares a text with a number"),
        ("  own: [{name: few, keep: words.num_words > 3}, {name: few, keep: words.num_words > 4}]\n", "two rules are called few"),
        ("  own: [{name: few, keep: words.num_words > 3}]\nmeasures: {letters: {}}\n", "no installed package offers any"),
    ],
)
def test_a_rule_over_what_is_not_measured_is_refused_before_anything_runs(rules: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=told):
        check_own_rules(load(recipe(tmp_path, rules)))


@pytest.mark.parametrize("keep", ["words.num_words + 1", "__import__('os').getcwd() == ''", "words.num_words >"])
def test_what_is_no_condition_is_refused_with_its_place_in_the_recipe(keep: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe.yaml:\d+: rules.own.0.keep"):
        load(recipe(tmp_path, f'  own: [{{name: few, keep: "{keep}"}}]\n'))
