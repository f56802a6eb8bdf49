"""The Trade list page: reads a file of another program's trades and compares them with the current run's, in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QFileDialog, QTableView

from desktop.pages.page import Context, Page, Place
from desktop.pages.trade_list.panel import HINT, TradeListPanel
from desktop.tables.trade_list import in_the_window
from desktop.widgets.actions import Command
from engine.errors import InputError, Interrupted
from engine.events import CancelToken
from engine.model.run import FINISHED
from engine.model.trade_comparison import TradeListComparison, TradeListDifference

_FILTER: Final = "Trade lists (*.csv *.json *.zip *.txt);;All files (*)"
_ROOM: Final = 20  # candles beside a trade of theirs alone


class TradeListPage(Page[TradeListPanel]):
    """Nothing of it is stored: a list is kept until the window closes, one a run."""

    title = "Trade list"
    place = Place.RESULTS

    def __init__(self, context: Context) -> None:
        super().__init__(context, TradeListPanel())
        self._workspace = context.workspace
        self._files: dict[str, tuple[Path, str]] = {}  # of runs: the file and its zone
        self._problems: dict[str, str] = {}
        self._asked: dict[str, CancelToken] = {}  # of runs: what the question that counts is stopped with
        context.trade_list_wanted.connect(self.ask_file)
        self.panel.open_wanted.connect(lambda: self.ask_file(self._workspace.current or ""))
        self.panel.closed.connect(self._close_list)
        self.panel.zone_chosen.connect(self._use_zone)
        self.panel.picked.connect(self._pick)
        self.panel.table.clicked.connect(lambda _: self.context.show_wanted.emit("Chart"))
        self._workspace.current_changed.connect(self.refresh)
        self._workspace.details_changed.connect(self._details_changed)
        self._workspace.trade_list_changed.connect(self.refresh)

    def commands(self) -> Sequence[Command]:
        """A file for the current run."""
        return (
            Command("trade_list", "Compare with a trade &list …", "Compare the current run with another program's trades",
                    lambda: self.ask_file(self._workspace.current or ""), "&Run", 11),
        )  # fmt: skip

    def ask_file(self, run_id: str) -> None:
        """Ask for a file and compare a run with it."""
        run = self._workspace.runs.get(run_id)
        if run is None or run.status != FINISHED:
            self.context.reported.emit("info", "Select a finished run to compare with a trade list", "")
            return
        path, _ = QFileDialog.getOpenFileName(self.panel.window(), "Compare with a trade list", "", _FILTER)
        if path:
            self._workspace.show(run_id)
            self.open_file(Path(path), self.panel.zone.currentText().strip() or "UTC")

    def open_file(self, path: Path, zone: str = "UTC") -> None:
        """Compare the current run with a file; of a run the last question is answered, the others are stopped."""
        run_id = self._workspace.current
        if run_id is None:
            return
        self._stop(run_id)
        asked = self._asked[run_id] = CancelToken()
        self._files[run_id] = path, zone
        self.bridge.ask(
            partial(self._compared, run_id, path, zone, asked),
            lambda found: self._show_answer(run_id, found) if asked is self._asked.get(run_id) else None,
        )
        self.show()

    def _stop(self, run_id: str) -> None:
        """Whatever is asked of a run is not wanted any more."""
        asked = self._asked.pop(run_id, None)
        if asked is not None:
            asked.cancel()

    def _compared(self, run_id: str, path: Path, zone: str, cancel: CancelToken) -> TradeListComparison | str:
        """In a thread; what cannot be compared is said where it was asked."""
        try:
            return self.engine.runs.compare_trades(run_id, path, zone=zone, cancel=cancel)
        except (InputError, Interrupted) as error:
            return str(error)

    def _show_answer(self, run_id: str, found: TradeListComparison | str) -> None:
        if isinstance(found, str):
            self._problems[run_id] = in_the_window(found)
            self._workspace.put_trade_list(run_id, None)
        else:
            self._problems.pop(run_id, None)
            self._workspace.put_trade_list(run_id, found)

    def _details_changed(self, run_id: str) -> None:
        if run_id == self._workspace.current and self.panel.found is None:
            self.refresh()

    def refresh(self) -> None:
        """Show what the current run was compared with."""
        run = self._workspace.current_run()
        found = None if run is None else self._workspace.trade_list(run.id)
        if run is None or found is None or len(run.trades) < found.ours:  # its trades are not here yet
            self.panel.show_nothing(self._problems.get("" if run is None else run.id, HINT))
        elif found is not self.panel.found:
            self.panel.show_comparison(run, found, self._files[run.id][1])

    def _use_zone(self, zone: str) -> None:
        held = self._files.get(self._workspace.current or "")
        if held is not None:
            self.open_file(held[0], zone.strip() or "UTC")

    def _close_list(self) -> None:
        run_id = self._workspace.current
        if run_id is not None:
            self._stop(run_id)
            self._files.pop(run_id, None)
            self._problems.pop(run_id, None)
            self._workspace.put_trade_list(run_id, None)

    def _pick(self, one: TradeListDifference) -> None:
        """Show a difference in the chart: our trade, or theirs where it is alone."""
        self._workspace.select_their_trade(one.theirs)
        if one.ours is not None:
            self._workspace.select_trade(one.ours)
            return
        run, found = self._workspace.current_run(), self.panel.found
        if run is not None and found is not None and one.theirs is not None:
            theirs = found.theirs[one.theirs]
            last = theirs.entry_time if theirs.exit_time is None else theirs.exit_time
            room = run.timeframe.shift(theirs.entry_time, _ROOM) - theirs.entry_time
            self.context.range_wanted.emit(theirs.entry_time - room, last + room)

    def tables(self) -> Mapping[str, QTableView]:
        """The differences."""
        return {"trade_list": self.panel.table}
