"""The Log page."""

from __future__ import annotations

import time

from PySide6.QtWidgets import QLineEdit

from desktop.pages.log.panel import LogPanel
from desktop.pages.page import Context, Page, Place
from desktop.tables.log import LogLine
from desktop.work.jobs import Task
from engine.events import Log


class LogPage(Page[LogPanel]):
    """Everything that was said, by the window and by the engine."""

    title = "Log"
    place = Place.RESULTS

    def __init__(self, context: Context) -> None:
        super().__init__(context, LogPanel())
        context.logged.connect(self._write)
        context.details_wanted.connect(self._show_line)
        self.bridge.jobs.said.connect(self._said)

    def _write(self, level: str, text: str, details: str) -> None:
        self.panel.add(LogLine(round(time.time() * 1000), level, text, details))

    def _said(self, task: Task, line: Log) -> None:
        if task.label is not None:
            self._write(line.level, f"{task.label}: {line.text}" if task.label else line.text, "")

    def _show_line(self, text: str) -> None:
        self.show()
        self.panel.show_line(text)

    @property
    def filter_field(self) -> QLineEdit:
        """The field of words."""
        return self.panel.text
