"""The status bar: phase, progress, rate and time left, Stop, the database, workers, the UTC clock."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QProgressBar, QStatusBar, QWidget

from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import ElidedLabel, PlainLabel

_STEPS = 1000


class StatusBar(QStatusBar):
    """`stop_wanted()`."""

    stop_wanted = Signal()

    def __init__(self, workers: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.phase = PlainLabel()
        self.phase.setContentsMargins(8, 0, 6, 0)
        self.progress = QProgressBar(minimum=0, maximum=_STEPS, textVisible=False)
        self.progress.setFixedWidth(180)
        self.progress.setAccessibleName("Progress")
        self.words = ElidedLabel()
        self.words.setProperty("role", "muted")
        self.stop = tool_button("Stop", "Stop the work; what is finished is kept (Esc)")
        self.database = PlainLabel("● Opening the database …")
        self.workers = PlainLabel(f"{workers} worker{'' if workers == 1 else 's'}")
        self.workers.setProperty("role", "muted")
        self.clock = PlainLabel()
        self.clock.setContentsMargins(0, 0, 8, 0)
        for widget in (self.phase, self.progress, self.stop):
            self.addWidget(widget)
        self.addWidget(self.words, 1)
        for widget in (self.database, self.workers, self.clock):
            self.addPermanentWidget(widget)
        self._theme = DARK
        self._database: bool | None = None
        self.stop.clicked.connect(lambda: self.stop_wanted.emit())
        self._timer = QTimer(self, interval=1000)
        self._timer.timeout.connect(self.tick)
        self._timer.start()
        self.tick()
        self.set_phase("Ready", busy=False, can_stop=False)

    def tick(self) -> None:
        """Move the clock."""
        self.clock.setText(f"{formats.zone_name()} {formats.second(time.time() * 1000)[-8:]}")

    def set_phase(self, words: str, *, busy: bool, can_stop: bool) -> None:
        """Work began or ended; while it is being stopped, how far it was stays."""
        self.phase.setText(f"{words} …" if busy else words)
        self.progress.setVisible(busy)
        self.stop.setVisible(busy)
        self.stop.setEnabled(can_stop)
        if can_stop or not busy:
            self.words.clear()

    def show_progress(self, part: float | None, words: str) -> None:
        """How far the work is, 0 to 1; None where nobody knows."""
        self.progress.setRange(0, 0 if part is None else _STEPS)
        if part is not None:
            self.progress.setValue(round(part * _STEPS))
        self.words.setText(words)

    def say(self, text: str) -> None:
        """A line that stays until the next one."""
        self.words.setText(text)

    def set_database(self, ok: bool, text: str) -> None:
        """Whether the database is open."""
        self._database = ok
        self.database.setText("● Database" if ok else "● No database")
        self.database.setToolTip(text or "Connected")
        self._colour()

    def _colour(self) -> None:
        colours = {True: self._theme.positive, False: self._theme.negative, None: self._theme.warning}
        self.database.setStyleSheet(f"color: {colours[self._database]};")

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.stop.setIcon(icon("stop", theme.negative))
        self._colour()
