"""What runs when: recipes, plans, runs, reports. `pipelines.run(recipe)` is the whole way in one call."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.runs import run as run

__all__ = ["run"]


def __getattr__(name: str) -> Any:
    # Late, so that `corpuscle --help` loads neither numba nor torch.
    if name == "run":
        from pipelines.runs import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
