"""What the window shows: the runs, which of them are overlaid, which one is current, which trade is selected.

One object that every pane listens to, so that one selection drives all views and each pane can be tested alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QObject, Signal

from engine.model.market import Candles, Period
from engine.model.remark import Remark
from engine.model.run import FINISHED, RunResult
from engine.model.trade_comparison import TradeListComparison
from engine.model.trade_filter import TradeFilter

MAX_SETS: Final = 12
Defaults = Mapping[str, Mapping[str, Any]]  # of parameters, per strategy
SetKey = tuple[str, str, str, Period, int]


def set_key(run: RunResult) -> SetKey:
    """Which candles a run needs: series, period, and the version of the series that it saw."""
    version = 0 if run.seen is None else run.seen.version
    return run.exchange, run.symbol, run.timeframe.name, run.period, version


@dataclass(frozen=True, slots=True)
class Removed:
    """Runs that were taken out, which of them were overlaid, and the current one where it was among them."""

    runs: tuple[RunResult, ...]
    checked: tuple[str, ...]
    current: str | None


class Workspace(QObject):
    """Runs by id, in the order they arrived, and the selection.

    Signals: `runs_changed(ids)` rows came or changed; `runs_removed(ids)`; `checked_changed()`; `current_changed()`;
    `details_changed(id)` equity, trades or candles of a run arrived; `trade_changed()`; `details_wanted(id)`: somebody
    wants to see a run whose details are not loaded; `filter_changed()` which trades of the current run are looked at;
    `trade_list_changed()` another program's trades came beside a run, or went; `their_trade_changed()`.
    """

    runs_changed = Signal(list)
    runs_removed = Signal(list)
    checked_changed = Signal()
    current_changed = Signal()
    details_changed = Signal(str)
    details_wanted = Signal(str)
    trade_changed = Signal()
    filter_changed = Signal()
    trade_list_changed = Signal()
    their_trade_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: dict[str, RunResult] = {}
        self.checked: list[str] = []
        self.current: str | None = None
        self.trade: int | None = None
        self.their_trade: int | None = None
        self.filter = TradeFilter()
        self._slots: dict[str, int] = {}
        self._candles = CandleSets()
        self._changed: dict[str, bool | None] = {}
        self._checking: dict[str, str] = {}
        self._trade_lists: dict[str, TradeListComparison] = {}
        self.remarks: dict[str, Remark] = {}
        self.defaults: Defaults = {}
        self._recalled: list[str] = []  # overlaid at the end of the last start, and not here yet
        self._recalled_current: str | None = None

    def put(self, results: Iterable[RunResult]) -> None:
        """Add runs, or replace those of the same id; full ones are never replaced by mere summaries."""
        changed = []
        for result in results:
            known = self.runs.get(result.id)
            if known is not None and known.equity is not None and result.equity is None:
                continue
            self.runs[result.id] = result
            changed.append(result.id)
        if not changed:
            return
        self.runs_changed.emit(changed)
        for run_id in changed:
            if self.runs[run_id].equity is not None:
                self.details_changed.emit(run_id)
        for run_id in [one for one in self._recalled if one in self.runs]:
            self._recalled.remove(run_id)
            self.check(run_id, on=True)

    def recall(self, compared: Sequence[str], current: str | None) -> None:
        """Overlay these as they come, and show that one if it is among the first."""
        self._recalled, self._recalled_current = list(compared), current

    def compared(self) -> list[str]:
        """The overlaid runs, those that are still to come included."""
        return [*self.checked, *self._recalled]

    def fill(self, stored: Sequence[RunResult]) -> None:
        """Add stored runs, the newest first; it is shown where nothing is yet and nothing was at the last start."""
        self.put(reversed(stored))
        newest = next((result for result in stored if result.status == FINISHED), None)
        if newest is None or self.current is not None:
            return
        if not self.compared():
            self.check(newest.id, on=True)
        shown = next(iter(self.checked), newest.id)
        self.show(self._recalled_current if self._recalled_current in self.runs else shown)

    def remove(self, ids: Iterable[str]) -> Removed:
        """Forget runs; what is returned brings them back as they were."""
        gone = [run_id for run_id in ids if run_id in self.runs]
        removed = Removed(
            tuple(self.runs.pop(run_id) for run_id in gone),
            tuple(run_id for run_id in self.checked if run_id in gone),
            self.current if self.current in gone else None,
        )
        for run_id in removed.checked:
            self.check(run_id, on=False)
        if self.current in gone:
            self.show(self.checked[0] if self.checked else None)
        self.runs_removed.emit(gone)
        return removed

    def bring_back(self, removed: Removed) -> None:
        """Have runs again that were removed, overlaid and current as they were."""
        self.put(removed.runs)
        for run_id in removed.checked:
            self.check(run_id, on=True)
        if removed.current is not None:
            self.show(removed.current)

    def check(self, run_id: str, *, on: bool) -> None:
        """Overlay a run in the comparison, or take it out."""
        if on == (run_id in self.checked):
            return
        if on:
            taken = {self._slots[other] for other in self.checked}
            self._slots[run_id] = next(slot for slot in range(len(taken) + 1) if slot not in taken)
            self.checked.append(run_id)
            self._want(run_id)
        else:
            self.checked.remove(run_id)
        self.checked_changed.emit()

    def clear_checks(self) -> None:
        """Overlay nothing."""
        self._recalled.clear()
        if self.checked:
            self.checked.clear()
            self.checked_changed.emit()

    def slot(self, run_id: str) -> int:
        """The run's place in the palette; kept as long as it is overlaid."""
        return self._slots.get(run_id, 0)

    def show(self, run_id: str | None) -> None:
        """Make a run the current one: its trades are listed and its candles drawn."""
        if run_id == self.current:
            return
        self.current, self.trade, self.their_trade = run_id, None, None
        self.set_filter(self.filter.without_facets())  # they name places in the list of the run before
        self.current_changed.emit()
        self.trade_changed.emit()
        if run_id is not None:
            self._want(run_id)

    def select_trade(self, index: int | None) -> None:
        """Select a trade of the current run by its position in the run's list."""
        if index != self.trade:
            self.trade = index
            self.trade_changed.emit()

    def put_trade_list(self, run_id: str, found: TradeListComparison | None) -> None:
        """Put another program's trades beside a run, until the window closes; None: take them away."""
        self._trade_lists.pop(run_id, None)
        if found is not None:
            self._trade_lists[run_id] = found
        self.their_trade = None
        self.trade_list_changed.emit()

    def trade_list(self, run_id: str) -> TradeListComparison | None:
        """What a run was compared with."""
        return self._trade_lists.get(run_id)

    def select_their_trade(self, index: int | None) -> None:
        """Select a trade of the list beside the current run, by its place there."""
        if index != self.their_trade:
            self.their_trade = index
            self.their_trade_changed.emit()

    def set_filter(self, wanted: TradeFilter) -> None:
        """Look at other trades of the current run, in every view."""
        if wanted != self.filter:
            self.filter = wanted
            self.filter_changed.emit()

    def current_run(self) -> RunResult | None:
        """The current run, or None."""
        return None if self.current is None else self.runs.get(self.current)

    def checked_runs(self) -> list[RunResult]:
        """The overlaid runs, in the order they were checked."""
        return [self.runs[run_id] for run_id in self.checked if run_id in self.runs]

    def candles(self, run_id: str) -> Candles | None:
        """The candles of a run's period, once loaded."""
        run = self.runs.get(run_id)
        return None if run is None else self._candles.get(run)

    def put_candles(self, run_id: str, candles: Candles) -> None:
        """Keep the candles of a run; every shown run on the same ones has them then."""
        run = self.runs.get(run_id)
        if run is None or not self._candles.put(run, candles):
            return
        for other in dict.fromkeys([run_id, *self.checked, self.current or run_id]):
            if other in self.runs and set_key(self.runs[other]) == set_key(run):
                self.details_changed.emit(other)

    def put_judgement(self, run_id: str, changed: bool | None) -> None:
        """Whether the candles held now differ from those that the run saw; None: not known."""
        if run_id in self.runs and self._changed.get(run_id) != changed:
            self._changed[run_id] = changed
            self.runs_changed.emit([run_id])

    def put_remarks(self, remarks: Mapping[str, Remark]) -> None:
        """What the user noted of runs."""
        self.remarks |= remarks
        known = [run_id for run_id in remarks if run_id in self.runs]
        if known:
            self.runs_changed.emit(known)

    def put_defaults(self, defaults: Defaults) -> None:
        """The parameters that strategies have by themselves: runs are named by the others."""
        before, self.defaults = self.defaults, defaults
        others = {name for name in {*before, *defaults} if before.get(name) != defaults.get(name)}
        renamed = [run.id for run in self.runs.values() if run.strategy in others]
        if renamed:
            self.runs_changed.emit(renamed)

    def remark(self, run_id: str) -> Remark:
        """What the user noted of a run."""
        return self.remarks.get(run_id, Remark())

    def shown_runs(self) -> list[RunResult]:
        """The overlaid runs and the current one, which is always among what is drawn."""
        runs = self.checked_runs()
        current = self.current_run()
        return runs if current is None or current.id in self.checked else [*runs, current]

    def put_checking(self, run_id: str, words: str) -> None:
        """How far a run's pending cross-check is, in a few words."""
        if run_id in self.runs and self._checking.get(run_id, "") != words:
            self._checking[run_id] = words
            self.runs_changed.emit([run_id])

    def has_changed_candles(self, run_id: str) -> bool:
        """Whether the candles held now are known to differ from those that the run saw."""
        return bool(self._changed.get(run_id))

    def checking(self, run_id: str) -> str:
        """How far a run's pending cross-check is; empty where nothing is to be said."""
        return self._checking.get(run_id, "")

    def lacks_details(self, run_id: str) -> bool:
        """Whether equity, trades or candles of a run are still to be loaded."""
        result = self.runs.get(run_id)
        if result is None or result.status != FINISHED:
            return False
        return result.equity is None or self._candles.get(result) is None

    def _want(self, run_id: str) -> None:
        if self.lacks_details(run_id):
            self.details_wanted.emit(run_id)


class CandleSets:
    """The candles behind the shown runs, each distinct set once: compared runs mostly stand on the same ones.

    The oldest go first.
    """

    def __init__(self) -> None:
        self._sets: dict[SetKey, Candles] = {}

    def get(self, run: RunResult) -> Candles | None:
        """The candles of a run's period, once loaded."""
        return self._sets.get(set_key(run))

    def put(self, run: RunResult, candles: Candles) -> bool:
        """Keep the candles of a run; False where the very same ones are kept already."""
        key = set_key(run)
        if self._sets.get(key) is candles:
            return False
        self._sets.pop(key, None)
        self._sets[key] = candles
        while len(self._sets) > MAX_SETS:
            self._sets.pop(next(iter(self._sets)))
        return True
