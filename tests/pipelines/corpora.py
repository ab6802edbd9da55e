"""Very small archives with something of every fate in them, and the recipes that run them."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.seeds import generator
from curate.storage import read_table
from tests.once import once, shared

ROOT = Path(__file__).parents[2]
STOP_WORDS = ["the", "of", "and", "to", "a", "in", "that", "it", "is", "was", "for", "on", "are", "with", "as", "at", "be", "this", "have", "from"]
NOUNS = ["river", "stone", "lantern", "garden", "market", "winter", "letter", "window", "forest", "captain", "kitchen", "harbour", "meadow", "engine"]
WORDS = [*STOP_WORDS, *NOUNS, "village", "mountain", "paper", "silver", "thread", "candle", "bridge", "orchard"]
QUESTION = "Janet has seven baskets of apples and gives away two every morning before breakfast how many are left on Friday"
UNSEEN = "A train leaves the northern station at noon carrying eleven crates of oranges how long does it take to arrive"
SIGNS = "# # # # # # # #"  # no word at all, so that hash signs a word are infinitely many

RECIPE = """\
name: tiny
root: archives
sources:
  - {name: letters, paths: [letters.jsonl], format: jsonl}
rules:
  gopher_quality: {min_words: 20}
held_out: {fraction: 0.05} # of the letters, number 26
tokenizer: {vocabulary_size: 300}
tasks:
  causal: {context_length: 64}
"""
BENCHMARKED = RECIPE + "benchmarks:\n  - {name: sums, path: sums.jsonl, fields: [question], id_field: id}\n"


def letter(number: int, num_words: int = 60) -> str:
    """A text of its own: the same number always gives the same one."""
    return " ".join(generator(1, f"tests/letter/{number}").choice(WORDS, num_words)) + "."


def write_jsonl(path: Path, records: Sequence[Mapping[str, Any] | str]) -> None:
    """One record a line; a text is written as it is, which is how a bad line gets in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records), encoding="utf8")


def letters(count: int) -> list[dict[str, str]]:
    return [{"id": f"letter-{number}", "text": letter(number), "url": f"https://letters.example/{number}"} for number in range(count)]


def corpus(folder: Path, count: int = 12, recipe: str = RECIPE) -> Path:
    """Write letters and their recipe; returns the recipe's path."""
    write_jsonl(folder / "archives" / "letters.jsonl", letters(count))
    (folder / "recipe.yaml").write_text(recipe, encoding="utf8")
    return folder / "recipe.yaml"


def corpus_of_every_fate(folder: Path) -> Path:
    """Letters, and beside them a copy, a near copy, one too short, one with a benchmark question, one without words, two of one URL, one
    damaged line."""
    near = letter(100, 300)
    special = [
        {"id": "copy", "text": letter(0)},
        {"id": "long", "text": near},
        {"id": "near", "text": near.rstrip(".") + " postscript."},
        {"id": "short", "text": "Far too short to be kept."},
        {"id": "leaked", "text": f"{letter(90)} {QUESTION} {letter(91)}"},
        {"id": "signs", "text": SIGNS},
        {"id": "twin-1", "text": letter(92), "url": "https://letters.example/twins"},
        {"id": "twin-2", "text": letter(93), "url": "https://letters.example/twins"},
        {"id": "0123456789abcdef0123456789abcdef", "text": letter(94)},
    ]
    write_jsonl(folder / "archives" / "letters.jsonl", [*letters(30), *special, '{"id": "cut", "text": "a line that is not'])
    write_jsonl(folder / "archives" / "sums.jsonl", [{"id": "apples", "question": QUESTION}, {"id": "oranges", "question": UNSEEN}])
    (folder / "recipe.yaml").write_text(BENCHMARKED, encoding="utf8")
    return folder / "recipe.yaml"


@functools.cache
def run_of_every_fate(base: Path) -> Path:
    """The folder of the corpus of every fate with its finished run in `run`, this process's own copy; tests may change copies of it only."""
    import pipelines

    def make(folder: Path) -> None:
        pipelines.run(corpus_of_every_fate(folder), folder / "run", workers=1)

    once(base, "every_fate_made", make)
    return Path(shutil.copytree(shared(base) / "every_fate_made", base / "every_fate"))


def document(run: Path, identifier: str) -> str:
    """The part:row of the letter with that id of its own."""
    for file in sorted((run / "documents").glob("*.arrow")):
        identifiers = read_table(file, ["identifier"])["identifier"].to_pylist()
        if identifier in identifiers:
            return f"{file.stem}:{identifiers.index(identifier)}"
    raise AssertionError(f"no document of this run has the id {identifier}")


def corpuscle(*arguments: str | Path, cwd: Path = ROOT, launcher: Sequence[str] = (), **more: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [*launcher, sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(), **more)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
