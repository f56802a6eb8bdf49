"""How many trades are looked at, and what was chosen: a button for each choice takes it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from desktop.pages.analysis.view import quote_of
from desktop.tables import formats
from desktop.tables.trades import filter_words
from desktop.widgets.buttons import chip
from desktop.widgets.labels import ElidedLabel
from desktop.workspace import Workspace
from engine.analysis.analysis import Analysis
from engine.model.trade_filter import TradeFilter

_LONGEST = 34
_MOST = 6  # choices of which each has a button


class FilterBar(QWidget):
    """Follows the workspace's filter, which is the one of the table of trades."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.total = ElidedLabel(tip="Win rate and profit factor leave out positions that are still open")
        self.total.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.buttons: list[QToolButton] = [chip("", "Show all trades again") for _ in range(_MOST)]
        self._left: list[TradeFilter] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.setFixedHeight(self.buttons[0].sizeHint().height() + 2)  # whether or not one is there
        row.addWidget(self.total, 1)
        for at, button in enumerate(self.buttons):
            button.hide()
            button.clicked.connect(lambda _=False, at=at: workspace.set_filter(self._left[at]))
            row.addWidget(button)

    def show_analysis(self, analysis: Analysis) -> None:
        """Say how many trades are looked at, and what they made."""
        all_trades, group, quote = len(analysis.run.trades), analysis.total, quote_of(analysis)
        shown = "" if group.trades == all_trades else f"{formats.whole(group.trades)} of "
        parts = [f"{shown}{formats.whole(all_trades)} trade{'s' * (all_trades != 1)}"]
        if group.trades:
            parts.append(f"sum {formats.signed(group.pnl)} {quote}")
            parts.append(f"mean {formats.signed(group.mean_pnl)}")
        if group.win_rate_pct is not None:
            parts.append(f"{formats.number(group.win_rate_pct, 1)} % won")
            parts.append(f"profit factor {formats.number(group.profit_factor)}")
        self.total.setText(" · ".join(parts))

    def show_filter(self) -> None:
        """A button for each choice."""
        choices = list(_choices(self._workspace.filter))[:_MOST]
        self._left = [left for _, left in choices]
        for button, choice in zip(self.buttons, [*choices, *[None] * _MOST][:_MOST], strict=True):
            button.setVisible(choice is not None)
            if choice is not None:
                words = choice[0]
                cut = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
                button.setText(f"✕ {cut}".replace("&", "&&"))
                button.setToolTip(f"Only trades: {words}. A click shows the others too.")
                button.setAccessibleName(f"Only {words}: show the others too")


def _choices(wanted: TradeFilter) -> Iterator[tuple[str, TradeFilter]]:
    """Each choice in words, and the filter without it."""
    side, outcome, words = filter_words(wanted)
    if wanted.side:
        yield side, replace(wanted, side="")
    if wanted.outcome:
        yield outcome, replace(wanted, outcome="")
    if wanted.words:
        yield f"“{words}”", replace(wanted, words="")
    for facet in wanted.facets:
        yield str(facet), wanted.without(facet.dimension)
