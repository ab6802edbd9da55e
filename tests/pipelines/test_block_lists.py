"""Block-lists from the recipe to the ledger."""

from collections import Counter
from pathlib import Path

import pytest

from curate.errors import InputError, RecipeError
from curate.storage import read_table
from pipelines.explain import explain_document
from pipelines.plan import plan
from pipelines.recipe import load
from pipelines.runs import open_run, planned, run
from tests.pipelines.corpora import RECIPE, document, letter, write_jsonl

LISTS = "block_lists: {domains: [../lists], soft_words: [../soft]}\n"
WITH_RULES = RECIPE.replace("rules:\n", "rules:\n  url: {}\n") + LISTS
URLS = {
    "plain": "https://letters.example/1",
    "blocked": "https://www.Bad.example/1",
    "words": "https://letters.example/poker/bet",
    "one-word": "https://letters.example/poker/",
    "none": None,
}


def folder_with(tmp_path: Path, recipe: str) -> Path:
    records = [{"id": name, "text": letter(number), **({"url": url} if url else {})} for number, (name, url) in enumerate(URLS.items())]
    write_jsonl(tmp_path / "archives" / "letters.jsonl", records)
    (tmp_path / "lists" / "adult").mkdir(parents=True)
    (tmp_path / "lists" / "adult" / "domains").write_text("bad.example\n")
    (tmp_path / "soft").write_text("# counted\npoker\nbet\n")
    (tmp_path / "recipe.yaml").write_text(recipe)
    return tmp_path


def reasons(folder: Path) -> Counter[str | None]:
    return Counter(reason for file in sorted((folder / "ledger" / "rules").glob("*.arrow")) for reason in read_table(file)["reason"].to_pylist())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_with(tmp_path_factory.mktemp("block_lists"), WITH_RULES)
    run(folder / "recipe.yaml", folder / "run", workers=1, until="select")
    return folder


def test_documents_are_dropped_by_their_uris(finished: Path) -> None:
    assert reasons(finished / "run") == {None: 3, "url.max_blocked_domains": 1, "url.max_soft_words": 1}


def test_explain_shows_which_url_rule_failed_and_the_counts(finished: Path) -> None:
    opened = open_run(finished / "run")
    found = explain_document(opened, document(finished / "run", "words"))
    assert found["reason"] == "url.max_soft_words"
    verdicts = {rule["rule"]: (rule["value"], rule["limit"], rule["verdict"]) for rule in found["rules"] if rule["rule"].startswith("url.")}
    assert list(verdicts) == [f"url.max_{name}" for name in ("blocked_domains", "blocked_urls", "strict_substrings", "hard_words", "soft_words")]
    assert verdicts["url.max_soft_words"] == (2, 1, "fail")
    assert found["measures"]["url"] == {"blocked_domain": 0, "blocked_url": 0, "num_hard_words": 0, "num_soft_words": 2, "num_strict_substrings": 0}
    assert set(explain_document(opened, document(finished / "run", "none"))["measures"]["url"].values()) == {0}


@pytest.mark.usefixtures("fresh_workers")
def test_a_changed_list_is_read_again_and_nothing_else_is_measured_again(finished: Path) -> None:
    stages = {item.stage: item for item in plan(planned(finished / "recipe.yaml", finished / "run", []))}
    assert stages["measure"].num_to_run == 0
    (finished / "soft").write_text("poker\n")
    try:
        stages = {item.stage: item for item in plan(planned(finished / "recipe.yaml", finished / "run", []))}
        assert (stages["gather"].num_to_run, stages["measure"].num_to_run) == (0, 1)
        assert [reason for reason in stages["measure"].reasons if "soft" in reason]
        run(finished / "recipe.yaml", finished / "run", workers=1, until="select")
        assert reasons(finished / "run") == {None: 4, "url.max_blocked_domains": 1}
    finally:
        (finished / "soft").write_text("# counted\npoker\nbet\n")
        run(finished / "recipe.yaml", finished / "run", workers=1, until="select")


def test_an_edited_limit_measures_nothing_again(finished: Path) -> None:
    stages = {item.stage: item for item in plan(planned(finished / "recipe.yaml", finished / "run", ["rules.url.max_soft_words=2"]))}
    assert (stages["measure"].num_to_run, stages["select"].num_to_run) == (0, 1)


@pytest.mark.parametrize("lists", ["", "block_lists: {}\n", "block_lists: null\n"])
def test_url_rules_without_lists_are_refused(lists: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, WITH_RULES.replace(LISTS, lists))
    with pytest.raises(RecipeError, match=r"rules\.url has no lists"):
        load(folder / "recipe.yaml")


def test_a_list_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, WITH_RULES.replace("../soft", "../nowhere"))
    with pytest.raises(InputError, match=r"block_lists\.soft_words"):
        run(folder / "recipe.yaml", folder / "run", workers=1, until="select")


def test_lists_without_rules_are_measured_and_drop_nothing(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, RECIPE + LISTS)
    run(folder / "recipe.yaml", folder / "run", workers=1, until="select")
    assert reasons(folder / "run") == {None: 5}
    assert explain_document(open_run(folder / "run"), document(folder / "run", "blocked"))["measures"]["url"]["blocked_domain"] == 1
