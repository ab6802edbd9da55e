"""Do a recipe: every stage in order, each brought up to date; resuming is running again."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import DamageError, EnvironmentProblem, RecipeError
from curate.storage import write_bytes
from pipelines import engine
from pipelines.context import Context
from pipelines.executors.local import Workers
from pipelines.journal import Journal
from pipelines.lock import locked
from pipelines.stages import STAGES

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.summary import Summary


def quiet(stage: str, done: int, todo: int, reused: int) -> None:
    """Progress that nobody watches."""


def run(
    recipe: "Recipe | str | Path",
    folder: str | Path | None = None,
    *,
    changes: Sequence[str] = (),
    workers: int | None = None,
    until: str | None = None,
    reuse: str | Path | None = None,
    samples: bool = False,
    progress: engine.Progress = quiet,
) -> "Summary":
    """Run a recipe (a file or a `Recipe`) in `folder` (default runs/<name>) and tell what came of it.

    changes: `key=value` strings as the command line's --set. workers: processes, default every core. until: the last
    stage to do. reuse: another run's folder, whose units with equal keys are linked instead of done again. The summary's
    `gates` names every gate that failed; what was made is there all the same. Raises the errors of `curate.errors`.
    """
    from pipelines.recipe import Recipe, load
    from pipelines.report.page import write_page
    from pipelines.summarize import summarize

    if until is not None and until not in STAGES:
        raise RecipeError(f"--until {until}: no such stage; the stages are {', '.join(STAGES)}")
    settings = recipe if isinstance(recipe, Recipe) else load(Path(recipe), changes)
    target = Path(folder if folder is not None else Path("runs") / settings.name).resolve()
    other = _journal_of(Path(reuse)) if reuse is not None else None
    with locked(target):
        context = Context.open(settings, target)
        settings = context.recipe = settings.resolved(target)
        write_bytes(target / "recipe.yaml", settings.as_yaml().encode())
        engine.remove_attempts(target)
        pool = Workers(workers or available_cores())
        seconds: dict[str, float] = {}
        try:
            for stage in STAGES:
                start = time.perf_counter()
                engine.bring_up_to_date(context, stage, pool, progress, other)
                context.inputs.save()
                seconds[stage] = round(time.perf_counter() - start, 3)
                if stage == until:
                    break
        finally:
            pool.stop()
        if until is None:
            engine.sweep(context)
        summary = replace(summarize(context), seconds=seconds)
        write_page(summary, target / "report.html", samples=samples)
    return summary


def available_cores() -> int:
    """The cores this process may use, which a container may have made fewer than the machine's."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _journal_of(folder: Path) -> Journal:
    path = folder.resolve() / "journal.jsonl"
    if not path.exists():
        raise EnvironmentProblem(f"--reuse {folder}: there is no run in this folder (no journal.jsonl)")
    return Journal(path)


def open_run(folder: str | Path) -> Context:
    """An existing run, for reading. Raises DamageError where the folder holds none."""
    from pipelines.recipe import load

    path = Path(folder).resolve()
    for name in ("recipe.yaml", "journal.jsonl"):
        if not (path / name).exists():
            raise DamageError(f"{folder} is not a run: it has no {name}. Give the folder that `corpuscle run` wrote to.")
    return Context.open(load(path / "recipe.yaml"), path)
