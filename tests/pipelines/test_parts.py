from pathlib import Path

import pytest

from pipelines.context import Context
from pipelines.journal import Entry
from pipelines.parts import Part, parts
from pipelines.recipe import load
from tests.pipelines.corpora import RECIPE, corpus

SOURCES = "sources:\n  - {name: second, paths: [b.jsonl]}\n  - {name: first, paths: [a.jsonl]}\n"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    recipe = RECIPE[: RECIPE.index("sources:")] + SOURCES + RECIPE[RECIPE.index("rules:") :]
    (tmp_path / "run").mkdir()
    return Context.open(load(corpus(tmp_path, recipe=recipe)), tmp_path / "run")


def gathered(part: int, source: str, documents: int) -> Entry:
    return Entry(f"gather/part/{part:08x}", "k", {}, {}, {"part": part, "source": source, "documents": documents})


def test_parts_come_in_the_order_of_sources_then_of_ids(context: Context) -> None:
    for part, source in ((0x30, "second"), (0x10, "first"), (0xFFFFFFFF, "first"), (0x20, "second")):
        context.journal.record(gathered(part, source, 5))
    assert [(part.source, part.id) for part in parts(context)] == [("second", 0x20), ("second", 0x30), ("first", 0x10), ("first", 0xFFFFFFFF)]


def test_parts_without_documents_and_of_sources_that_left_the_recipe_are_no_parts(context: Context) -> None:
    context.journal.record(gathered(1, "first", 0))
    context.journal.record(gathered(2, "third", 5))
    context.journal.record(gathered(3, "first", 1))
    assert parts(context) == [Part(3, "first", 1)]


def test_the_files_of_a_part_carry_its_id_in_eight_hex_digits() -> None:
    part = Part(0x1A2B, "first", 1)
    assert part.document_file == "documents/00001a2b.arrow"
    assert part.measure_file("words") == "measures/words/00001a2b.arrow"
    assert part.ledger_file == "ledger/00001a2b.arrow"
    assert part.rules_file == "ledger/rules/00001a2b.arrow"
    assert part.documents(Path("run")) == Path("run/documents/00001a2b.arrow")
