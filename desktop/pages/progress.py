"""How far everything is: the jobs of what the user waits for, and what they add up to."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.tables import formats
from desktop.work.bridge import Bridge, Phase
from desktop.work.jobs import Job

_GATHER_MS: Final = 100  # a progress bar repaints on every value
FETCHES: Final = ("fetch", "warmup")


class Overall(QObject):
    """`moved()`: at most ten times a second."""

    moved = Signal()

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._jobs: dict[Job, None] = {}
        self._timer = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._timer.timeout.connect(self.moved)
        bridge.phase_changed.connect(self._phase_changed)
        bridge.jobs.changed.connect(self._follow)

    def _phase_changed(self, phase: Phase) -> None:
        if phase is Phase.IDLE:
            self._jobs.clear()
            self._timer.stop()

    def _follow(self, job: Job) -> None:
        if job.task is not self._bridge.task or self._bridge.phase is Phase.IDLE:
            return
        self._jobs.setdefault(job)
        if not self._timer.isActive():
            self._timer.start()

    def _of(self, *kinds: str) -> list[Job]:
        return [job for job in self._jobs if job.kind in kinds]

    def part(self) -> float | None:
        """How much of everything is done, 0 to 1; None where nobody knows. Fetching counts as its own phase."""
        fetching = [job for job in self._of(*FETCHES) if job.ending is None]
        if fetching:
            known = [job.part for job in fetching if job.part is not None]
            return sum(known) / len(known) if known else None
        sweeps = self._of("sweep", "walk-forward")
        if sweeps:
            return sweeps[-1].part or 0.0
        runs = self._of("run")
        total = max(self._bridge.task.expected, len(runs))
        return sum(job.part or 0.0 for job in runs) / total if total and runs else None

    def words(self) -> str:
        """What is going on in a few words: 4/6 runs · 18 k candles/s · ETA 00:08."""
        fetching = [job for job in self._of(*FETCHES) if job.ending is None]
        if fetching:
            return self._counted(fetching[0])
        sweeps = self._of("sweep", "walk-forward")
        if sweeps:
            return self._counted(sweeps[-1])
        runs = self._of("run")
        if not runs:
            return "Preparing …"
        done = sum(job.ending is not None for job in runs)
        left = [
            job.progress.eta_s
            for job in runs
            if job.progress and job.ending is None and job.progress.eta_s is not None
        ]
        eta = f" · ETA {formats.remaining(max(left))}" if left else ""
        return f"{done}/{max(self._bridge.task.expected, len(runs))} runs{eta}"

    @staticmethod
    def _counted(job: Job) -> str:
        progress = job.progress
        if progress is None:
            return job.title
        total = "" if progress.total is None else f" of {formats.compact(progress.total)}"
        rate = "" if not progress.rate else f" · {formats.compact(round(progress.rate))} {progress.unit}/s"
        eta = "" if progress.eta_s is None else f" · ETA {formats.remaining(progress.eta_s)}"
        return f"{job.title} · {formats.compact(progress.done)}{total}{rate}{eta}"
