"""The parts of a run, in the one order everything agrees on."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.context import Context


@dataclass(frozen=True)
class Part:
    """The documents of one slice of one source. Files of a part are named by its id in 8 hex digits."""

    id: int
    source: str
    num_documents: int
    frozen: bool = False  # held-out documents of another run: measured and indexed, never judged, kept or counted

    @property
    def hex(self) -> str:
        return f"{self.id:08x}"

    def documents(self, run: Path) -> Path:
        return run / self.document_file

    @property
    def document_file(self) -> str:
        return f"documents/{self.hex}.arrow"

    def measure_file(self, family: str) -> str:
        return f"measures/{family}/{self.hex}.arrow"

    @property
    def ledger_file(self) -> str:
        return f"ledger/{self.hex}.arrow"

    @property
    def rules_file(self) -> str:
        return f"ledger/rules/{self.hex}.arrow"


def with_frozen(context: Context) -> list[Part]:
    """The parts that duplicates are looked for in: frozen ones of another run first, so that theirs are the first copies."""
    found = [Part(entry.counts["part"], entry.counts["source"], entry.counts["documents"], frozen=True) for entry in context.entries("gather/frozen/")]
    return [part for part in found if part.num_documents] + parts(context)


def parts(context: Context) -> list[Part]:
    """Every gathered part that holds documents: sources in the recipe's order, then by part id."""
    order = {source.name: position for position, source in enumerate(context.recipe.sources)}
    found = [Part(entry.counts["part"], entry.counts["source"], entry.counts["documents"]) for entry in context.entries("gather/part/")]
    return sorted((part for part in found if part.num_documents and part.source in order), key=lambda part: (order[part.source], part.id))
