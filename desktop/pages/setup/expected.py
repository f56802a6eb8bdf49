"""Says below the set-up what it comes to: candles, how many of them are held, how long it takes; measured, or not at all."""

from __future__ import annotations

import time
from typing import Final

from PySide6.QtCore import QObject, QTimer

from desktop.pages.page import Context
from desktop.pages.setup.estimate import Load, rates_of, run_times, total_s, words
from desktop.pages.setup.panel import SetupPanel
from desktop.pages.setup.values import Setup
from desktop.work.jobs import Job
from engine.events import Finished
from engine.model.coverage import Coverage, FetchReport

_RATES: Final = "candles per second"  # by exchange, as the last fetch had it
_TELLING: Final = 500  # a fetch of fewer tells how long asking takes, and not how fast candles come
_GATHER_MS: Final = 100


class Expected(QObject):
    """Follows the set-up, the runs and the jobs."""

    def __init__(self, context: Context, panel: SetupPanel) -> None:
        super().__init__(panel)
        self._panel, self._workspace = panel, context.workspace
        self._preferences, self._workers = context.preferences, context.bridge.engine.settings.workers
        self._compiling: Job | None = None
        self._fetching: dict[Job, float] = {}
        self._rates = rates_of(context.preferences.read(_RATES))
        self._timer = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._timer.timeout.connect(self.tell)
        panel.load_changed.connect(self._timer.start)
        context.workspace.runs_changed.connect(lambda _: self._timer.start())

    def follow(self, job: Job) -> None:
        """The engine is being compiled, which is said; candles came, which tells how fast they do."""
        if job.kind == "compile":
            self._compiling = job if job.ending is None else None
            self.tell()
        elif job.ending is None:
            if job.progress is not None:  # before, it may have waited for its turn
                self._fetching.setdefault(job, time.monotonic())
        else:
            self._measure(job, time.monotonic() - self._fetching.pop(job, time.monotonic()))

    def _measure(self, job: Job, elapsed_s: float) -> None:
        report = job.ending.result if isinstance(job.ending, Finished) else None
        if isinstance(report, FetchReport) and report.fetched >= _TELLING and elapsed_s > 0:
            self._rates[report.market.exchange] = report.fetched / elapsed_s
            self._preferences.save(_RATES, self._rates)

    def tell(self) -> None:
        """Say what is known now."""
        self._timer.stop()
        setup, load = self._panel.setup(), self._panel.load()
        if self._compiling is not None:
            said = "Compiling the engine once, about 20 s …"
        elif setup.data_problem() is not None:
            said = ""
        else:
            said = words(load, self._seconds(setup, load))
        self._panel.figures.setText(said)

    def _seconds(self, setup: Setup, load: Load) -> float | None:
        if load.to_fetch is None or setup.problem() is not None:
            return None
        sizes = [one.expected for _, one in self._panel.coverage.answers if isinstance(one, Coverage)]
        runs, infos = list(self._workspace.runs.values()), self._panel.strategies.infos
        times: list[float] = []
        for name in setup.strategies:
            each = run_times(runs, infos[name], setup.engine, sizes) if name in infos else None
            if each is None:
                return None
            times += each
        return total_s(times, self._workers, load.to_fetch, self._rates.get(setup.exchange))
