"""Workers that outlive a command: starting them is most of a command's time, and what most tests of commands are not about.

The window keeps its workers for a day of runs, so a command that finds warm ones sees nothing that users do not. Tests of
how workers start, end and keep jobs apart make pools, engines or programs of their own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.errors import Interrupted
from engine.parallel.pool import Job, WorkerPool


class LentPool:
    """A pool as its borrower sees it: closing it ends the borrower's jobs; the workers stay."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        # without it a job that comes between the check and the end outlives its borrower
        self._lock = threading.Lock()
        self._jobs: list[Job[Any]] = []
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def submit(self, *job: Any, **options: Any) -> Job[Any]:
        with self._lock:
            if self._closed:
                raise Interrupted("the worker pool is closed; what was stored by then is kept")
            self._jobs.append(self._pool.submit(*job, **options))
            return self._jobs[-1]

    def close(self) -> None:
        with self._lock:
            self._closed = True
        for job in self._jobs:
            job.cancel()
        for job in self._jobs:
            job.result(60)


class Lender:
    """Stands where the engine looks for WorkerPool; one pool for each set of options, whatever the scratch folder."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._folders = tmp_path_factory
        self._pools: dict[str, WorkerPool] = {}

    def __call__(self, workers: int, _: object, **options: Any) -> LentPool:
        key = f"{workers} {options}"
        if key not in self._pools:
            self._pools[key] = WorkerPool(workers, self._folders.mktemp("workers"), **options)
        return LentPool(self._pools[key])

    @contextmanager
    def lending(self) -> Iterator[None]:
        """Engines that first need workers in here borrow theirs."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("engine.parallel.pool.WorkerPool", self)
            yield

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """The workers of this test process, started when first asked for."""
    made = Lender(tmp_path_factory)
    yield made
    made.close()


@pytest.fixture
def lent_workers(lender: Lender) -> Iterator[None]:
    """Engines of this test borrow their workers."""
    with lender.lending():
        yield
