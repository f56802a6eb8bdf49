"""The figures of the current run that matter first, in a strip of tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from engine.model.run import RunResult

_WIDE_TILE: Final = 108
Text = Callable[[Any], str]
_TILES: Final[tuple[tuple[str, str, Text, bool], ...]] = (
    ("return_pct", "Return", formats.percent, True),
    ("cagr_pct", "CAGR", formats.percent, True),
    ("max_drawdown_pct", "Max DD", formats.percent, False),
    ("sharpe", "Sharpe", formats.number, False),
    ("profit_factor", "Profit factor", formats.number, False),
    ("win_rate_pct", "Win rate", lambda value: _plain_percent(value), False),
    ("trades", "Trades", formats.whole, False),
)


def _plain_percent(value: Any) -> str:
    return formats.NO_VALUE if formats.is_missing(value) else f"{formats.number(value, 1)} %"


class Tiles(QWidget):
    """One tile per figure; the return also says how it compares with buy & hold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._run: RunResult | None = None
        self._values: dict[str, QLabel] = {}
        self._notes: dict[str, QLabel] = {}
        self._boxes: dict[str, QWidget] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        for column, (key, title, _, _) in enumerate(_TILES):
            grid.addWidget(self._tile(key, title), 0, column)
            grid.setColumnStretch(column, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_run(None)

    def _tile(self, key: str, title: str) -> QWidget:
        box = QWidget()
        box.setObjectName("tile")
        name, value, note = QLabel(title), QLabel(), QLabel()
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
        layout.setContentsMargins(9, 5, 9, 5)
        layout.setSpacing(0)
        for label in (name, value, note):
            label.setMinimumWidth(10)
            layout.addWidget(label)
        self._values[key], self._notes[key], self._boxes[key] = value, note, box
        return box

    def set_definitions(self, definitions: dict[str, Any]) -> None:
        """Tooltips say what each figure means."""
        for key, box in self._boxes.items():
            if key in definitions:
                box.setToolTip(definitions[key].definition)

    def show_run(self, run: RunResult | None) -> None:
        """Show a run's figures."""
        self._run = run
        metrics = {} if run is None else run.metrics
        for key, title, text, coloured in _TILES:
            value = metrics.get(key)
            label = self._values[key]
            label.setText(text(value))
            label.setAccessibleName(f"{title}: {label.text()}")
            colour = self._theme.text
            if coloured and not formats.is_missing(value) and value:
                colour = self._theme.positive if value > 0 else self._theme.negative
            label.setStyleSheet(f"color: {colour};")
            self._notes[key].setText(_note(key, metrics))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Narrow tiles write smaller, so that no figure is cut."""
        super().resizeEvent(event)
        width = next(iter(self._boxes.values())).width()
        size = self.font().pointSizeF() * (1.35 if width >= _WIDE_TILE else 1.0)
        for label in self._values.values():
            font = label.font()
            if font.pointSizeF() != size:
                font.setPointSizeF(size)
                label.setFont(font)

    def set_compact(self, compact: bool) -> None:
        """Leave the second lines out where height is scarce."""
        for note in self._notes.values():
            note.setVisible(not compact)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.show_run(self._run)


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
    return " "
