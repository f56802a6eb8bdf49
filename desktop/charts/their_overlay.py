"""Another program's trades over the candles of a chart, and the words that tell them from ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from desktop.charts.items.their_trades import LEGEND, TheirPlaces, TheirTradesItem, their_colour
from desktop.charts.pane import Pane
from desktop.theme.colours import Theme
from engine.model.trade_list import TheirTrade


class TheirOverlay:
    """Holds what is to be drawn while the chart draws itself again and again. `item`: what is drawn now."""

    def __init__(self) -> None:
        self.item: TheirTradesItem | None = None
        self._places: TheirPlaces | None = None
        self._selected: int | None = None

    def show(self, trades: Sequence[TheirTrade]) -> None:
        """Draw these from the next drawing on; none: nothing."""
        self._places, self._selected = TheirPlaces.of(trades) if trades else None, None

    def select(self, index: int | None) -> None:
        """Draw one of them strong."""
        self._selected = index
        if self.item is not None:
            self.item.select(index)

    def draw(self, pane: Pane, theme: Theme) -> None:
        """Put them into a pane that was cleared."""
        self.item = None
        if self._places is not None:
            self.item = TheirTradesItem(self._places, theme, pane.scale)
            self.item.select(self._selected)
            pane.add_item(self.item)

    def legend(self, theme: Theme) -> Mapping[str, str]:
        """What the marks mean, with their colour; nothing where there are none."""
        return {} if self._places is None else {LEGEND: their_colour(theme)}
