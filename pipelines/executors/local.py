"""Worker processes on this machine: maps one top-level function over items. Knows no stages, counts or files.

Workers are spawned, never forked (a fork of a process with threads may deadlock), and keep to one thread each in
polars, OpenMP and rayon, so that `workers` is the number of busy cores. They die with their parent: an orphan must
not publish files behind the back of the next run.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import TypeVar

from curate.errors import CorpuscleError
from pipelines.executors.light import keep_pandas_out

Item = TypeVar("Item")
Result = TypeVar("Result")

ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_PR_SET_PDEATHSIG = 1


class WorkerDiedError(CorpuscleError):
    """A worker was killed or crashed on the same item twice."""


class Workers:
    """A pool that is started on first use and kept for the whole run: starting a worker costs about a second of imports."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], name: Callable[[Item], str]) -> Iterator[Result]:
        """Yield `function(item)` for every item, in the order they finish.

        An item whose worker dies (killed for memory, a crash in native code) is tried once more alone in a fresh worker;
        a second death raises WorkerDiedError naming it. An exception from `function` is raised here, after the items that are
        already running have been waited for and yielded.
        """
        suspects: list[Item] = []
        due = iter(items)
        running: dict[Future[Result], tuple[Item, ProcessPoolExecutor]] = {}
        failure: Exception | None = None
        while True:
            while failure is None and len(running) < 2 * self.count and (item := next(due, None)) is not None:
                future, pool = self._submit(function, item)
                running[future] = item, pool
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                item, pool = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    suspects.append(item)
                    self._forget(pool)
                elif isinstance(error, Exception):
                    failure = failure or error
                else:
                    yield future.result()
        if failure is not None:
            raise failure
        for item in suspects:
            yield self._alone(function, item, name(item))

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """After an error or an interruption workers are stopped at once: what they had not published is redone by the next run."""
        if self._pool is None:
            return
        if error is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = _pool(self.count)
        return self._pool

    def _submit(self, function: Callable[[Item], Result], item: Item) -> tuple[Future[Result], ProcessPoolExecutor]:
        pool = self._start()
        try:
            return pool.submit(function, item), pool
        except BrokenProcessPool:  # a worker died since the last result; the items it takes down come back as suspects
            self._forget(pool)
            pool = self._start()
            return pool.submit(function, item), pool

    def _forget(self, broken: ProcessPoolExecutor) -> None:
        if self._pool is broken:  # not one that was started since
            self._pool = None

    @staticmethod
    def _alone(function: Callable[[Item], Result], item: Item, name: str) -> Result:
        with _pool(1) as pool:
            try:
                return pool.submit(function, item).result()
            except BrokenProcessPool as error:
                raise WorkerDiedError(
                    f"the worker for {name} died twice, the second time with nothing beside it (killed for memory, or a crash in native code). "
                    f"What was committed is safe; free memory or make slice_bytes smaller, then run again to resume."
                ) from error


def available_cores() -> int:
    """The cores this process may use, which a container may have made fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),))


def _begin(parent: int) -> None:
    os.environ.update(ONE_THREAD)  # read by those libraries when they are first imported, which is after this
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    keep_pandas_out()
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
