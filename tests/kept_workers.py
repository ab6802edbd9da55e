"""Workers that stay for the next run of the same test process: starting one costs two seconds of imports, and the tests run hundreds of times."""

from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import ClassVar

from pipelines.executors.local import Workers


class KeptWorkers(Workers):
    """As `Workers`: other processes, stopped at once after an error. After a run that went well they wait for the next with as many workers."""

    _waiting: ClassVar[dict[int, ProcessPoolExecutor]] = {}

    def __enter__(self) -> "KeptWorkers":
        self._pool = self._waiting.pop(self.count, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._pool is not None:
            self._waiting[self.count], self._pool = self._pool, None
        super().__exit__(kind, error, trace)
