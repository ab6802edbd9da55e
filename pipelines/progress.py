"""Progress on a terminal: true counts of units, one line redrawn. Quiet where stderr is not a terminal."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress:
    """Call it with (stage, units done, units to do, units reused)."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._stage = ""

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
            self._bars = Bars(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __call__(self, stage: str, done: int, due: int, reused: int) -> None:
        if self._bars is None:
            return
        if stage != self._stage:
            self._stage, self._row = stage, self._bars.add_task(stage, total=due, note="")
        self._bars.update(self._row, completed=done, total=due, note=f"{reused} reused" if reused else "")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
