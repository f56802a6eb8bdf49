"""How far everything is: the jobs of the current batch and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass, field

from desktop.tables import formats
from engine.events import Cancelled, Event, Failed, Finished, Progress, Started


@dataclass(slots=True)
class Job:
    """One job: what kind, its last progress, whether it ended."""

    kind: str
    title: str
    progress: Progress | None = None
    ended: bool = False

    @property
    def part(self) -> float:
        """How much is done, 0 to 1."""
        if self.ended:
            return 1.0
        if self.progress is None or not self.progress.total:
            return 0.0
        return min(1.0, self.progress.done / self.progress.total)


@dataclass(slots=True)
class Jobs:
    """All jobs since the batch began; `expected` runs, known before they start."""

    expected: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)

    def begin(self, expected: int) -> None:
        """A new batch of so many runs."""
        self.expected = expected
        self.jobs.clear()

    def take(self, event: Event) -> None:
        """Follow an event."""
        if isinstance(event, Started):
            self.jobs[event.job] = Job(event.kind, event.title)
            return
        job = self.jobs.get(event.job)
        if job is None:
            return
        if isinstance(event, Progress):
            job.progress = event
        elif isinstance(event, Finished | Failed | Cancelled):
            job.ended = True

    def _of(self, kind: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.kind == kind]

    def part(self) -> float | None:
        """How much of everything is done, 0 to 1; None where nobody knows. Fetching counts as its own phase."""
        fetching = [job for job in self._of("fetch") if not job.ended]
        if fetching:
            known = [job.part for job in fetching if job.progress is not None and job.progress.total]
            return sum(known) / len(known) if known else None
        sweeps = self._of("sweep")
        if sweeps:
            return sweeps[-1].part
        runs = self._of("run")
        total = max(self.expected, len(runs))
        return sum(job.part for job in runs) / total if total and runs else None

    def words(self) -> str:
        """What is going on in a few words: 4/6 runs · 18 k candles/s · ETA 00:08."""
        fetching = [job for job in self._of("fetch") if not job.ended]
        if fetching:
            return self._counted(fetching[0])
        sweeps = self._of("sweep")
        if sweeps:
            return self._counted(sweeps[-1])
        runs = self._of("run")
        if not runs:
            return "Preparing …"
        done = sum(job.ended for job in runs)
        left = [
            job.progress.eta_s
            for job in runs
            if job.progress and not job.ended and job.progress.eta_s is not None
        ]
        eta = f" · ETA {formats.remaining(max(left))}" if left else ""
        return f"{done}/{max(self.expected, len(runs))} runs{eta}"

    @staticmethod
    def _counted(job: Job) -> str:
        progress = job.progress
        if progress is None:
            return job.title
        total = "" if progress.total is None else f" of {formats.compact(progress.total)}"
        rate = "" if not progress.rate else f" · {formats.compact(round(progress.rate))} {progress.unit}/s"
        eta = "" if progress.eta_s is None else f" · ETA {formats.remaining(progress.eta_s)}"
        return f"{job.title} · {formats.compact(progress.done)}{total}{rate}{eta}"
