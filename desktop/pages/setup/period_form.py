"""Timeframe and period in UTC, with presets and the period said in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.tables import formats
from desktop.tables.dates import months_before
from desktop.theme.colours import Theme
from desktop.widgets.buttons import chip
from desktop.widgets.date_field import DateField
from desktop.widgets.labels import PlainLabel, breakable
from desktop.widgets.still_fields import Choice
from engine.model.market import DAY_MS, DEFAULT_EXCHANGE, Period, Timeframe, timeframes_of

PRESETS: Final = {"1M": 1, "3M": 3, "6M": 6, "1Y": 12, "YTD": 0, "Max": -1}
PRESET_TIPS: Final = {"YTD": "From 1 January to now", "Max": "From the first candle to now"}
USUAL: Final = "1h"  # every exchange has it
FIRST_MS: Final = 1_483_228_800_000  # 2017-01-01: older than any market here


def preset_period(name: str, now_ms: int, first_ms: int | None) -> Period:
    """The period of a preset: whole UTC days, ending with today."""
    end = now_ms - now_ms % DAY_MS + DAY_MS
    if name == "Max":
        first = FIRST_MS if first_ms is None else first_ms
        return Period(min(first - first % DAY_MS, end - DAY_MS), end)
    if name == "YTD":
        year = datetime.fromtimestamp(now_ms / 1000, tz=UTC).year
        return Period(round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000), end)
    return Period(months_before(end, PRESETS[name]), end)


class PeriodForm(QWidget):
    """Signals: `changed()`; `preset_wanted(name)`: the owner knows now and the first candle."""

    changed = Signal()
    preset_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.timeframe = Choice()
        self.timeframe.setAccessibleName("Timeframe")
        self.timeframe.setToolTip("Length of a candle; 1m is a minute, 1M a month")
        self.start = DateField("From")
        self.end = DateField("To; a bare date is included, a time is not", is_end=True)
        self.presets = {name: self._preset(name) for name in PRESETS}
        self.echo = PlainLabel(wordWrap=True)
        self.echo.setProperty("role", "muted")
        self.echo.setMinimumWidth(1)
        self.echo.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.echo.setFixedHeight(
            2 * self.echo.fontMetrics().lineSpacing()
        )  # what is typed moves nothing below
        self._lay_out()
        self.timeframe.currentTextChanged.connect(lambda _: self._changed())
        self.start.moment_changed.connect(self._changed)
        self.end.moment_changed.connect(self._changed)
        self._quiet = False
        self.offer(DEFAULT_EXCHANGE)

    def _preset(self, name: str) -> QToolButton:
        button = chip(name, "")
        button.setToolTip(
            PRESET_TIPS.get(name, f"The last {name.replace('M', ' months').replace('Y', ' years')}")
        )
        button.setAccessibleName(f"Period {name}")
        button.clicked.connect(lambda: self.preset_wanted.emit(name))
        return button

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(2)
        for button in self.presets.values():
            row.addWidget(button)
        row.addStretch()
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        for line, (name, field) in enumerate((("Fr&om", self.start), ("&To", self.end))):
            label = PlainLabel(name)
            label.setBuddy(field)
            grid.addWidget(label, line, 0)
            grid.addWidget(field, line, 1)
        length = PlainLabel("T&imeframe")
        length.setBuddy(self.timeframe)
        grid.addWidget(length, 0, 2)
        grid.addWidget(self.timeframe, 1, 2)
        grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(grid)
        layout.addLayout(row)
        layout.addWidget(self.echo)

    def chosen_timeframe(self) -> Timeframe:
        """The chosen timeframe."""
        return Timeframe(self.timeframe.currentText())

    def offer(self, exchange: str) -> None:
        """Offer the timeframes of another exchange; the chosen one stays where that has it."""
        names, chosen = timeframes_of(exchange), self.timeframe.currentText()
        self._quiet = True
        self.timeframe.clear()
        self.timeframe.addItems(list(names))
        self.timeframe.setCurrentText(chosen if chosen in names else USUAL)
        self._quiet = False
        self._changed()

    def bounds(self) -> tuple[int, int]:
        """From and to, ms; from may be after to. Where a text is no date, what stood there before."""
        return self.start.moment, self.end.moment

    def problem(self) -> str:
        """Why what is typed is no period; empty where it is one, be it an empty one."""
        fields = (("From", self.start), ("To", self.end))
        return next((f"{name}: {field.problem}" for name, field in fields if field.problem), "")

    def set_clock(self, now_ms: Callable[[], int]) -> None:
        """What today and now are."""
        self.start.clock = self.end.clock = now_ms

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        self.start.apply_theme(theme)
        self.end.apply_theme(theme)

    def set_values(self, timeframe: str, start: int, end: int) -> None:
        """Choose a timeframe and a period."""
        self._quiet = True
        self.timeframe.setCurrentText(timeframe)
        self.start.set_moment(start)
        self.end.set_moment(end)
        self._quiet = False
        self._changed()

    def _changed(self) -> None:
        if self._quiet:
            return
        self.echo.setText(breakable(self.words()))
        self.changed.emit()

    def words(self) -> str:
        """The period in words: 1 Jan 2024 00:00 (incl.) to 1 Jul 2024 00:00 (excl.) UTC = 4,368 candles."""
        start, end = self.bounds()
        if self.problem():
            return self.problem()
        if start >= end:
            return "From must be before To"
        candles = self.chosen_timeframe().count(Period(start, end))
        return (
            f"{formats.spoken(start)} (incl.) to {formats.spoken(end)} (excl.) UTC = "
            f"{formats.whole(candles)} candle{'' if candles == 1 else 's'}"
        )
