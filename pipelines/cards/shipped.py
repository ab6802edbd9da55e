"""Write the checked-in cards of the shipped recipes anew: `make cards`. A test keeps them true."""

import tempfile
from pathlib import Path

from pipelines.runs import open_run, run
from pipelines.stages.handover import card_of
from pipelines.summary import Summary

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "pipelines" / "recipes" / "quickstart.yaml"
CARD = ROOT / "data_cards" / "quickstart.md"


def shipped_card(summary: Summary, folder: Path) -> str:
    """The card of a run that has its rows: of all its tasks, and without any trained figure."""
    recipe = open_run(folder).recipe
    tasks = [rows.task for rows in summary.rows]
    return card_of(summary, recipe.name, recipe.description, tasks, folder / "shards" / tasks[0])


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        CARD.write_text(shipped_card(run(RECIPE, folder, until="manufacture"), folder), encoding="utf8")


if __name__ == "__main__":
    main()
