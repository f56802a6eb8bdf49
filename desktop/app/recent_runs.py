"""File > Recent runs: the newest runs, each one click away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from PySide6.QtWidgets import QMenu, QWidget

from desktop.tables import formats
from desktop.tables.metrics import metric_text
from desktop.tables.run_names import name_in
from desktop.workspace import Workspace
from engine.model.run import FINISHED, RunResult

_MOST: Final = 10


class RecentRuns(QMenu):
    """Filled when it is opened; `chosen(id)` of the run to be shown."""

    def __init__(self, workspace: Workspace, chosen: Callable[[str], object], parent: QWidget) -> None:
        super().__init__("Re&cent runs", parent)
        self._workspace, self._chosen = workspace, chosen
        self.setToolTipsVisible(True)
        self.menuAction().setToolTip("Show one of the newest runs")
        self.aboutToShow.connect(self.fill)
        self.fill()

    def fill(self) -> None:
        """List the newest runs."""
        self.clear()
        done = [run for run in self._workspace.runs.values() if run.status == FINISHED]
        for run in sorted(done, key=lambda run: run.created_ms, reverse=True)[:_MOST]:
            words = run_words(name_in(self._workspace, run), run)
            action = self.addAction(words.replace("&", "&&"), partial(self._chosen, run.id))
            action.setToolTip(f"Show this run of {formats.minute(run.created_ms)} {formats.zone_name()}")
        if self.isEmpty():
            nothing = self.addAction("No runs yet")
            nothing.setEnabled(False)


def run_words(name: str, run: RunResult) -> str:
    """A run in a line: ema_cross on SOLUSDT 1h · +12.50 %."""
    gained = run.metrics.get("return_pct")
    figure = "" if formats.is_missing(gained) else f" · {metric_text('return_pct')(gained)} %"
    return f"{name} on {run.symbol} {run.timeframe.name}{figure}"
