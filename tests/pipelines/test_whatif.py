"""A view decides as the changed recipe does when it is really run, and leaves no trace."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from curate.errors import RecipeError
from curate.storage import checksum, read_table
from pipelines import engine
from pipelines.cli import app
from pipelines.context import Context
from pipelines.executors.local import Workers
from pipelines.explain import explain_document
from pipelines.journal import Journal
from pipelines.parts import Part, parts
from pipelines.recipe import load
from pipelines.runs import open_run, quiet
from pipelines.stages.cut import decided_file
from pipelines.whatif import FIRST_DECISION, LEDGER, whatif
from pipelines.whatif_text import as_lines
from tests.pipelines import test_classifiers
from tests.pipelines.corpora import QUESTION, UNSEEN, letter, letters, write_jsonl

RECIPE = """\
name: asked
root: archives
sources:
  - {name: letters, paths: [letters.jsonl], format: jsonl}
  - {name: notes, paths: [notes.jsonl], format: jsonl}
slice_bytes: 20000
rules:
  gopher_quality: {min_words: 40, min_alphabetic_words_fraction: null}
  gopher_repetition: {}
  c4: {min_sentences: 1}
held_out: {fraction: 0.05}
benchmarks:
  - {name: sums, path: sums.jsonl, fields: [question], id_field: id}
"""
STAGES_HERE = ("gather", "measure", "index", "select")
CHANGES = [
    "rules.gopher_quality.min_words=70",
    "rules.gopher_quality.min_words=5",
    "rules.gopher_quality.min_words=null",
    "rules.gopher_quality=null",
    "rules.c4.min_sentences=2",
    "rules.fineweb={min_terminal_lines_fraction: 0.6}",
    "rules.by_language={en: {gopher_quality: {min_words: 70}}}",
    "rules.own=[{name: no_silver, keep: words.num_words < 50 or words.num_words > 90}]",
    "dedup.representative=earliest",
    "dedup.representative={sources: [notes]}",
    "dedup.representative={measure: words.num_words, order: lowest}",
    "dedup.near.min_similarity=0.95",
    "dedup.near=null",
    "contamination={min_matched_fraction: 1, min_covered_fraction: 1, min_covered_fraction_short: 1}",
]


def written(folder: Path, recipe: str) -> Path:
    """Letters of several lengths; notes that repeat some of them, or nearly, or are too short; pages with a benchmark question."""
    several = [{"id": f"of-{number}", "text": f"{letter(number, 30 + number)[: -1 - number % 2]}\n{letter(500 + number, 8)}"} for number in range(60)]
    repeated = [{"id": f"again-{number}", "text": letter(number)} for number in range(5)]
    longer = [letter(200 + number, 250) for number in range(6)]
    nearly = [{"id": f"near-{number}", "text": text.rstrip(".") + " postscript" * number + "."} for number, text in enumerate(longer, 1)]
    asked = [
        {"id": f"asked-{number}", "text": f"{letter(300 + number)} {question} {letter(310 + number)}"} for number, question in enumerate((QUESTION, UNSEEN))
    ]
    part = [{"id": "part", "text": f"{letter(320)} {' '.join(QUESTION.split()[:15])} {letter(321)}"}]
    write_jsonl(
        folder / "archives/letters.jsonl", [*letters(30), *several, *({"id": f"long-{k}", "text": text} for k, text in enumerate(longer)), *asked, *part]
    )
    write_jsonl(folder / "archives/notes.jsonl", [{"id": "short", "text": "Far too short\nto be\x1b[2J kept."}, *repeated, *nearly])
    write_jsonl(folder / "archives/sums.jsonl", [{"id": "apples", "question": QUESTION}, {"id": "oranges", "question": UNSEEN}])
    (folder / "recipe.yaml").write_text(recipe, "utf8")
    return folder / "recipe.yaml"


def select(recipe: Path, target: Path, changes: Sequence[str] = (), *, reuse: Path | None = None, stages: Sequence[str] = STAGES_HERE) -> None:
    """Run a recipe through select in this process, taking over what another run has under the same keys."""

    class Here:
        def map(self, work: Callable[[Any], Any], items: Iterable[Any], name: Callable[[Any], str]) -> Iterator[Any]:
            return map(work, items)

    target.mkdir(exist_ok=True)
    context = Context.open(load(recipe, changes), target)
    for stage in stages:
        engine.bring_up_to_date(context, stage, cast(Workers, Here()), quiet, Journal(reuse / "journal.jsonl") if reuse else None)
    (target / "recipe.yaml").write_text(context.recipe.as_yaml(), "utf8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("whatif")
    recipe = written(folder, RECIPE)
    select(recipe, folder / "run")
    return recipe, folder / "run"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("judged")
    (folder / "recipe.yaml").write_text(test_classifiers.RECIPE, "utf8")
    select(folder / "recipe.yaml", folder / "run")
    return folder / "recipe.yaml", folder / "run"


def fates(folder: Path, *, first: bool = False) -> dict[tuple[str, str, int], tuple[str, int]]:
    """What the files say became of each document, with its bytes."""
    found: dict[tuple[str, str, int], tuple[str, int]] = {}
    for part in parts(open_run(folder)):
        reasons = read_table(folder / (decided_file(part) if first else part.ledger_file))["reason"].to_pylist()
        lengths = read_table(folder / part.measure_file("identity"))["num_bytes"].to_pylist()
        found |= {(part.source, part.hex, row): (reason or "kept", lengths[row]) for row, reason in enumerate(reasons)}
    return found


def expected(before: dict[Any, tuple[str, int]], now: dict[Any, tuple[str, int]]) -> dict[str, Any]:
    """The figures of an answer, document by document."""
    moves: Counter[tuple[str, str]] = Counter()
    num_bytes: Counter[tuple[str, str]] = Counter()
    for place, (reason, length) in before.items():
        if reason != now[place][0]:
            moves[reason, now[place][0]] += 1
            num_bytes[reason, now[place][0]] += length
    return {
        "moves": {pair: (count, num_bytes[pair]) for pair, count in moves.items()},
        "sources": {name: figures(before, now, name) for name in {place[0] for place in before}},
    }


def figures(before: dict[Any, tuple[str, int]], now: dict[Any, tuple[str, int]], source: str) -> dict[str, int]:
    kept = [[place for place, (reason, _) in side.items() if reason == "kept" and place[0] == source] for side in (before, now)]
    return {
        "kept_before": len(kept[0]),
        "kept_now": len(kept[1]),
        "kept_bytes_before": sum(before[place][1] for place in kept[0]),
        "kept_bytes_now": sum(before[place][1] for place in kept[1]),
        "newly_kept": len(set(kept[1]) - set(kept[0])),
        "no_longer_kept": len(set(kept[0]) - set(kept[1])),
    }


def told(found: dict[str, Any]) -> dict[str, Any]:
    return {"moves": {(move["before"], move["now"]): (move["documents"], move["bytes"]) for move in found["moves"]}, "sources": found["sources"]}


def really(recipe: Path, folder: Path, changes: list[str], target: Path) -> dict[Any, tuple[str, int]]:
    """What running the changed recipe makes of the documents."""
    select(recipe, target, changes, reuse=folder)
    return fates(target)


@pytest.mark.parametrize("change", CHANGES)
def test_a_view_decides_as_the_run_does(finished: tuple[Path, Path], change: str, tmp_path: Path) -> None:
    recipe, folder = finished
    found = whatif(open_run(folder), [change])
    assert told(found) == expected(fates(folder), really(recipe, folder, [change], tmp_path / "run"))
    assert found["moves"], "the change must move something, or the test shows nothing"
    assert found["total"] == {name: sum(one[name] for one in found["sources"].values()) for name in found["total"]}
    assert found["compared_with"] == LEDGER


def test_several_changes_at_once(finished: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, folder = finished
    changes = ["rules.gopher_quality.min_words=60", "rules.c4.min_sentences=2", "dedup.near.min_similarity=0.9", "dedup.representative=earliest"]
    assert told(whatif(open_run(folder), changes)) == expected(fates(folder), really(recipe, folder, changes, tmp_path / "run"))


@pytest.mark.parametrize("change", ["rules.classifiers.drama.keep_top_fraction=0.5", "rules.classifiers.drama={min_score: 0.9}"])
def test_cut_offs_are_found_in_memory(judged: tuple[Path, Path], change: str, tmp_path: Path) -> None:
    _, folder = judged
    found = whatif(open_run(folder), [change])
    assert told(found) == expected(fates(folder), really(folder / "recipe.yaml", folder, [change], tmp_path / "run"))
    assert found["moves"]


def test_the_same_setting_moves_nothing(finished: tuple[Path, Path]) -> None:
    found = whatif(open_run(finished[1]), ["rules.gopher_quality.min_words=40"])
    assert (found["changes"], found["moves"], found["examples"]) == ([], [], {"newly_kept": [], "no_longer_kept": []})
    assert found["total"]["kept_now"] == sum(reason == "kept" for reason, _ in fates(finished[1]).values())


def test_nothing_in_the_run_folder_changes(finished: tuple[Path, Path]) -> None:
    def listing() -> dict[str, tuple[int, int, str]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_ino, checksum(path) if path.is_file() else "")
            for path in [finished[1], *finished[1].rglob("*")]
        }

    before = listing()
    whatif(open_run(finished[1]), ["rules.gopher_quality.min_words=70", "dedup.near=null"])
    assert listing() == before


def test_examples_name_the_rule_its_value_and_both_limits(finished: tuple[Path, Path]) -> None:
    context = open_run(finished[1])
    found = whatif(context, ["rules.gopher_quality.min_words=70"], 7)
    assert len(found["examples"]["no_longer_kept"]) == min(7, found["total"]["no_longer_kept"])
    for example in found["examples"]["no_longer_kept"]:
        explained = explain_document(context, example["document"])
        assert explained["keep"]
        assert example["before"] == "kept"
        assert (example["path"], example["identifier"], example["source"]) == tuple(explained[name] for name in ("path", "identifier", "source"))
        if example["now"] == "gopher_quality.min_words":
            assert 40 <= example["rule"]["value"] == explained["measures"]["words"]["num_words"] < 70
            assert (example["rule"]["limit_before"], example["rule"]["limit_now"], example["rule"]["comparison"]) == (40, 70, ">=")
    assert len({example["document"] for example in found["examples"]["no_longer_kept"]}) == 7


def test_examples_of_duplicates_name_the_document_kept_instead(finished: tuple[Path, Path]) -> None:
    context = open_run(finished[1])
    found = whatif(context, ["dedup.representative={sources: [notes]}"])
    for example in found["examples"]["no_longer_kept"]:
        assert example["rule"] is None
        assert explain_document(context, example["in_favour_of"])["source"] == "notes"
    for example in found["examples"]["newly_kept"]:
        assert explain_document(context, example["document"])["representative"] == example["in_favour_of"]
    assert found["examples"]["newly_kept"]
    assert found["examples"]["no_longer_kept"]


def test_text_is_safe_for_a_terminal(finished: tuple[Path, Path]) -> None:
    found = whatif(open_run(finished[1]), ["rules.gopher_quality=null", "rules.gopher_repetition=null", "rules.c4=null"], 100)
    lines = as_lines(found)
    (shown,) = [line for line in lines if "Far too short" in line]
    assert shown == "    Far too short to be⟨U+001B⟩[2J kept."
    assert not any(character in line for line in lines for character in "\x1b\n")
    assert any(line.startswith("total") for line in lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rules.gopher_quality={variant: dolma}", r"measure would have to run: measure/\w+ \(\d+ units\)"),
        ("dedup.near.shingle_words=6", "measure would have to run: measure/signature"),
        ("dedup.representative={measure: dolma.num_words}", "has no such number|measure would have to run: measure/dolma"),
        ("dedup.near.bands=7", "index would have to run: index/near"),
        ("slice_bytes=8192", "gather would have to run: gather/part"),
        ("held_out.fraction=0.1", "held_out.fraction cannot be changed in a view: the held-out documents are frozen"),
        ("dedup.near.threshold=0.9", "set dedup.near.min_similarity"),
        ("dedup.lines={}", "found in their texts"),
        ("dedup.rehydrate=[{min_size: 2, copies: 3}]", "repeats kept documents"),
        ("seed=4", "nothing that decides about documents reads it"),
        ("rules.gopher_quality.variant=dolma", r"give the whole set: --set 'rules.gopher_quality=\{variant: dolma\}'"),
        ("rules.gopher_quality.min_wods=3", "did you mean 'min_words'"),
    ],
)
def test_what_needs_more_than_a_decision_is_refused(finished: tuple[Path, Path], change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        whatif(open_run(finished[1]), [change])


def test_no_change_is_refused(finished: tuple[Path, Path]) -> None:
    with pytest.raises(RecipeError, match="nothing to change"):
        whatif(open_run(finished[1]), [])


def test_a_run_without_a_ledger_is_refused(tmp_path: Path) -> None:
    select(written(tmp_path, RECIPE), tmp_path / "run", stages=STAGES_HERE[:3])
    with pytest.raises(RecipeError, match="has no ledger yet"):
        whatif(open_run(tmp_path / "run"), ["rules.gopher_quality.min_words=70"])


def test_a_ledger_of_another_recipe_is_refused(finished: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, folder = finished
    select(recipe, tmp_path / "run", reuse=folder)
    select(recipe, tmp_path / "run", ["rules.c4.min_sentences=3"], stages=STAGES_HERE[:3])
    with pytest.raises(RecipeError, match="the ledger is not that of the run's recipe"):
        whatif(open_run(tmp_path / "run"), ["rules.gopher_quality.min_words=70"])


def test_with_cuts_the_first_decision_is_compared(tmp_path: Path) -> None:
    recipe = written(tmp_path, RECIPE + "dedup: {lines: {}, min_words_after_cuts: 45}\n")
    select(recipe, tmp_path / "run")
    found = whatif(open_run(tmp_path / "run"), ["rules.gopher_quality.min_words=60"])
    really(recipe, tmp_path / "run", ["rules.gopher_quality.min_words=60"], tmp_path / "other")
    assert told(found) == expected(fates(tmp_path / "run", first=True), fates(tmp_path / "other", first=True))
    assert found["compared_with"] == FIRST_DECISION
    assert any(FIRST_DECISION in line for line in as_lines(found))


def test_the_command_answers_in_text_and_json(finished: tuple[Path, Path]) -> None:
    asked = ["whatif", str(finished[1]), "--set", "rules.gopher_quality.min_words=70", "--examples", "1"]
    text, plain = CliRunner().invoke(app, asked), CliRunner().invoke(app, [*asked, "--json"])
    assert (text.exit_code, plain.exit_code) == (0, 0)
    assert text.stdout.startswith("rules.gopher_quality.min_words: 40 → 70\n")
    assert json.loads(plain.stdout)["total"] == whatif(open_run(finished[1]), [asked[3]])["total"]


def test_parts_are_several(finished: tuple[Path, Path]) -> None:
    found: list[Part] = parts(open_run(finished[1]))
    assert len(found) >= 3
    assert len({part.source for part in found}) == 2
