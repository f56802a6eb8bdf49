"""Who has jobs done: this machine's pool (`pool`), or a Dask cluster (`dask_cluster`, imported only where one is set)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from engine.parallel.job import Job, OnProgress, V


class Executor(Protocol):
    """Has jobs done in worker processes. Thread-safe; `close` it when done.

    Whoever does a job, its answer is the same to the last bit.
    """

    @property
    def size(self) -> int:
        """How many jobs are done at once."""

    @property
    def ahead(self) -> int:
        """How many more jobs for each of those should be submitted, lest it be idle between two."""

    @property
    def side_by_side(self) -> int:
        """How many of them on one machine at most: they share its memory."""

    def submit(
        self,
        function: str,
        payload: object,
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None = None,
        read: Callable[[Any], V],
    ) -> Job[V]:
        """Queue `function(payload, report)`, "module:function"; `report(done, total, text)` there reaches `on_progress`.

        `read` makes the value of the plain data that comes back, and may refuse it by TypeError or ValueError. Callbacks of
        the job are called in a thread of the executor's.

        Raises Interrupted when it is closed, and whatever pickle raises when `payload` cannot be sent.
        """

    def warm_up(self, processes: int | None = None) -> None:
        """Start all worker processes in the background, or no more than are needed."""

    def close(self) -> None:
        """Kill what runs, stop what is queued; returns when it is gone. May be called again."""
