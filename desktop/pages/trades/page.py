"""The Trades page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtWidgets import QLineEdit, QTableView

from desktop.pages.page import Context, Page, Place
from desktop.pages.trades.panel import TradesPanel
from desktop.widgets.actions import Command
from desktop.widgets.table_view import table_action


class TradesPage(Page[TradesPanel]):
    """The trades of the current run; a selected one shows in the chart."""

    title = "Trades"
    place = Place.RESULTS

    def __init__(self, context: Context) -> None:
        super().__init__(context, TradesPanel(context.workspace))
        self.panel.saved.connect(lambda path: context.said.emit(f"Trades written to {path}"))
        self.panel.not_saved.connect(lambda text: context.reported.emit("error", text, ""))
        self.panel.trade_list_wanted.connect(context.trade_list_wanted)
        table = self.panel.table
        table.clicked.connect(lambda _: self._show_chart())
        table.offer(table_action("Show in the chart", "Return", self._show_chart, table))

    def commands(self) -> Sequence[Command]:
        """Export, and walking over the trades."""
        return (
            Command("export", "E&xport trades …", "Write the visible trades to a CSV file", self.panel.ask_and_export,
                    "&File", 0, ("Ctrl+E",), ("export", "text")),
            Command("next_trade", "&Next trade", "Select the next visible trade", partial(self.step, 1), "&Go", 10, ("N",)),
            Command("previous_trade", "&Previous trade", "Select the previous visible trade", partial(self.step, -1),
                    "&Go", 11, ("P",)),
        )  # fmt: skip

    def step(self, by: int) -> None:
        """Select the next or previous visible trade and show it."""
        self._show_chart()
        self.panel.step(by)

    def _show_chart(self) -> None:
        self.context.show_wanted.emit("Chart")

    @property
    def filter_field(self) -> QLineEdit:
        """The field of words."""
        return self.panel.text

    def tables(self) -> Mapping[str, QTableView]:
        """The trades."""
        return {"trades": self.panel.table}
