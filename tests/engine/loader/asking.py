"""Asks real workers what strategy files hold."""

from collections.abc import Callable, Sequence

from engine.parallel.job import OnProgress, Stopped
from engine.parallel.pool import WorkerPool
from engine.parallel.tasks import A, Answered, DescribeTask, Task, submit


class Asked:
    """Asks real workers, and remembers what was asked."""

    def __init__(self, pool: WorkerPool, timeout_s: float | None = None) -> None:
        self.pool, self.timeout_s = pool, timeout_s
        self.paths: list[str] = []

    def __call__(
        self,
        tasks: Sequence[Task[A]],
        timeout_s: float,
        on_progress: OnProgress | None = None,
        on_done: Callable[[], None] | None = None,
    ) -> list[Answered[A]]:
        self.paths += [task.path.name for task in tasks if isinstance(task, DescribeTask)]
        jobs = [submit(self.pool, task, timeout_s=self.timeout_s or timeout_s) for task in tasks]
        ended = [job.result() for job in jobs]
        return [one for one in ended if not isinstance(one, Stopped)]
