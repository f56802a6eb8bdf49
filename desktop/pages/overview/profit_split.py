"""Where a run's net profit comes from, in one line: what prices made, less commission, slippage and funding."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from engine.model.metric_definitions import DEFINITIONS
from engine.model.run import RunResult

_LESS = ("commission", "slippage", "funding")


class ProfitSplit(QLabel):
    """Net = price - commission - slippage - funding. Hidden where a run did not keep its parts (of an older version)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, textFormat=Qt.TextFormat.RichText, wordWrap=True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setToolTip("\n".join(f"{DEFINITIONS[name].title}: {DEFINITIONS[name].definition}" for name in
                                  ("price_pnl", *_LESS)))  # fmt: skip
        self._theme = DARK
        self._run: RunResult | None = None
        self._compact = False
        self.show_run(None)

    def show_run(self, run: RunResult | None) -> None:
        """Show a run's parts."""
        self._run = run
        parts = [] if run is None else split_of(run)
        self.setVisible(bool(parts) and not self._compact)
        if run is None or not parts:
            self.clear()
            return
        (net_name, net), *others = parts
        quote = escape(formats.quote_of(run.market.unified))
        terms = " ".join(self._term(name, value, first=not at) for at, (name, value) in enumerate(others))
        self.setText(f"{self._faint(net_name)} {self._money(net)} {quote} = {terms}")
        self.setAccessibleName(
            f"{net_name} {formats.signed(net)} = "
            + ", ".join(f"{name} {formats.signed(value)}" for name, value in others)
        )

    def _term(self, name: str, value: float, *, first: bool) -> str:
        sign = "" if first else "+&nbsp;" if value > 0 else "−&nbsp;"
        text = formats.signed(value) if first else formats.number(abs(value))
        return f"{sign}{self._faint(name.replace(' ', '&nbsp;'))}&nbsp;{text}"

    def _money(self, value: float) -> str:
        colour = (
            self._theme.positive if value > 0 else self._theme.negative if value < 0 else self._theme.text
        )
        return f"<b style='color:{colour}'>{formats.signed(value)}</b>"

    def _faint(self, text: str) -> str:
        return f"<span style='color:{self._theme.muted}'>{text}</span>"

    def set_compact(self, compact: bool) -> None:
        """Leave it out where height is scarce."""
        self._compact = compact
        self.show_run(self._run)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.show_run(self._run)


def split_of(run: RunResult) -> list[tuple[str, float]]:
    """Net profit, then its parts in money, which add up to it; funding only where it was charged. Of a run that did not keep
    them: nothing.
    """
    kept = {
        name: value
        for name, value in run.metrics.items()
        if value is not None and not formats.is_missing(value)
    }
    if not kept.keys() >= {"net_profit", "price_pnl", "commission", "slippage"}:
        return []
    parts = [("Net profit", kept["net_profit"]), ("price", kept["price_pnl"])]
    parts += [(name, -kept[name]) for name in _LESS if name in kept]
    if kept.get("shortfall"):
        parts.append(("still owed after the ruin", kept["shortfall"]))
    return parts
