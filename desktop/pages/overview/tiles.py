"""The figures of the current run that matter first, in a strip of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from desktop.widgets.labels import ElidedLabel, PlainLabel
from engine.model.run import RunResult

_WIDE_TILE: Final = 108
_MARGIN: Final = 9
_LEAST_TILE: Final = 88  # where more than usual are shown, narrower ones stand in two rows
_SPACING: Final = 6
Text = Callable[[Any], str]
_TILES: Final[tuple[tuple[str, str, Text, bool], ...]] = (
    ("return_pct", "Return", formats.percent, True),
    ("cagr_pct", "CAGR", formats.percent, True),
    ("max_drawdown_pct", "Max DD", formats.percent, False),
    ("sharpe", "Sharpe", formats.number, False),
    ("profit_factor", "Profit factor", formats.number, False),
    ("win_rate_pct", "Win rate", lambda value: _plain_percent(value), False),
    ("trades", "Trades", formats.whole, False),
    ("funding", "Funding", lambda value: formats.number(None if value is None else abs(value)), False),
    ("liquidations", "Liquidations", lambda value: _taken(value), False),
)
_ONLY_WHERE_ANY: Final = ("funding", "liquidations")


def _plain_percent(value: Any) -> str:
    return formats.NO_VALUE if formats.is_missing(value) else f"{formats.number(value, 1)} %"


def _taken(value: Any) -> str:
    return formats.NO_VALUE if formats.is_missing(value) else f"✖ {formats.whole(value)}"


class Tiles(QWidget):
    """One tile per figure; the return also says how it compares with buy & hold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._run: RunResult | None = None
        self._values: dict[str, QLabel] = {}
        self._notes: dict[str, QLabel] = {}
        self.boxes: dict[str, QWidget] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(_SPACING)
        self._grid = grid
        self._placed: tuple[list[str], int] = [], 0
        for key, title, _, _ in _TILES:
            self._tile(key, title)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_run(None)

    def _tile(self, key: str, title: str) -> None:
        box = QWidget(self)
        box.setObjectName("tile")
        name, value, note = ElidedLabel(title), PlainLabel(), PlainLabel()
        name.setProperty("role", "tileName")
        note.setProperty("role", "muted")
        font = value.font()
        font.setPointSizeF(font.pointSizeF() * 1.35)
        font.setBold(True)
        value.setFont(font)
        small = note.font()
        small.setPointSizeF(small.pointSizeF() * 0.86)
        note.setFont(small)
        name.setFont(small)
        layout = QVBoxLayout(box)
        layout.setContentsMargins(_MARGIN, 5, _MARGIN, 5)
        layout.setSpacing(0)
        for label in (name, value, note):
            label.setMinimumWidth(10)
            layout.addWidget(label)
        self._values[key], self._notes[key], self.boxes[key] = value, note, box

    def texts(self, key: str) -> tuple[QLabel, QLabel]:
        """A tile's figure, and the line below it."""
        return self._values[key], self._notes[key]

    def set_definitions(self, definitions: dict[str, Any]) -> None:
        """Tooltips say what each figure means."""
        for key, box in self.boxes.items():
            if key in definitions:
                box.setToolTip(definitions[key].definition)

    def show_run(self, run: RunResult | None) -> None:
        """Show a run's figures."""
        self._run = run
        metrics = {} if run is None else run.metrics
        for key, title, text, coloured in _TILES:
            value = metrics.get(key)
            label = self._values[key]
            label.setAccessibleName(f"{title}: {text(value)}")
            colour = self._theme.negative if key == "liquidations" else self._theme.text
            if coloured and not formats.is_missing(value) and value:
                colour = self._theme.positive if value > 0 else self._theme.negative
            label.setStyleSheet(f"color: {colour};")
            self._notes[key].setText(_note(key, metrics))
        self._place(
            [key for key, *_ in _TILES if key not in _ONLY_WHERE_ANY or _has_any(key, metrics.get(key))]
        )
        self._fit()

    def _place(self, shown: list[str]) -> None:
        """Lay these tiles out in one row, or in two where one would be too narrow."""
        usual = len(_TILES) - len(_ONLY_WHERE_ANY)
        fits = len(shown) <= usual or self.width() >= len(shown) * _LEAST_TILE
        columns = len(shown) if fits else math.ceil(len(shown) / 2)
        if self._placed == (shown, columns):
            return
        self._placed = shown, columns
        for column in range(len(_TILES)):
            self._grid.setColumnStretch(column, int(column < columns))
        for key, box in self.boxes.items():
            self._grid.removeWidget(box)
            box.setVisible(key in shown)
        for at, key in enumerate(shown):
            self._grid.addWidget(self.boxes[key], *divmod(at, columns))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Narrow tiles stand in two rows and write smaller, so that no figure is cut."""
        super().resizeEvent(event)
        shown, _ = self._placed
        self._place(shown)
        width = self._tile_width()
        size = self.font().pointSizeF() * (1.35 if width >= _WIDE_TILE else 1.0)
        for label in self._values.values():
            font = label.font()
            if font.pointSizeF() != size:
                font.setPointSizeF(size)
                label.setFont(font)
        self._fit()

    def _tile_width(self) -> int:
        """What a tile gets, also before they are laid out anew."""
        columns = max(1, self._placed[1])
        return (self.width() - (columns - 1) * _SPACING) // columns

    def _fit(self) -> None:
        """Write figures whole, percentages with as many digits as have room."""
        metrics = {} if self._run is None else self._run.metrics
        for key, _, text, _ in _TILES:
            label, value = self._values[key], metrics.get(key)
            shorter = [formats.percent(value, digits) for digits in (1, 0)] if text is formats.percent else []
            room = self._tile_width() - 2 * _MARGIN
            fits = (
                told
                for told in (text(value), *shorter)
                if label.fontMetrics().horizontalAdvance(told) <= room
            )
            label.setText(next(fits, shorter[-1] if shorter else text(value)))

    def set_compact(self, compact: bool) -> None:
        """Leave the second lines out where height is scarce."""
        for note in self._notes.values():
            note.setVisible(not compact)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.show_run(self._run)


def _has_any(key: str, value: Any) -> bool:
    return not formats.is_missing(value) and (key != "liquidations" or value > 0)


def _note(key: str, metrics: Any) -> str:
    if key == "return_pct" and not formats.is_missing(metrics.get("buy_hold_return_pct")):
        return f"hold {formats.percent(metrics['buy_hold_return_pct'], 1)}"
    if key == "max_drawdown_pct" and not formats.is_missing(metrics.get("max_drawdown_days")):
        return f"{formats.number(metrics['max_drawdown_days'], 1)} days"
    if key == "sharpe" and not formats.is_missing(metrics.get("sortino")):
        return f"Sortino {formats.number(metrics['sortino'])}"
    if key == "win_rate_pct" and not formats.is_missing(metrics.get("avg_trade_pct")):
        return f"avg {formats.percent(metrics['avg_trade_pct'])}"
    if key == "trades" and not formats.is_missing(metrics.get("exposure_pct")):
        return f"{formats.number(metrics['exposure_pct'], 1)} % exposed"
    if key == "profit_factor" and not formats.is_missing(metrics.get("expectancy_pct")):
        return f"expect {formats.percent(metrics['expectancy_pct'])}"
    if key == "cagr_pct" and not formats.is_missing(metrics.get("final_equity")):
        return f"→ {formats.number(metrics['final_equity'], 0)}"
    if key == "funding" and not formats.is_missing(metrics.get("funding_coverage_pct")):
        way = "received" if (metrics.get("funding") or 0) < 0 else "paid"
        return f"{way}, {formats.number(metrics['funding_coverage_pct'], 0)} % known"
    if key == "liquidations" and not formats.is_missing(metrics.get("liquidation_loss")):
        return f"{formats.number(metrics['liquidation_loss'])} lost"
    return " "
