"""The Analysis page: what is seen joined to the engine's figures, which are computed in a thread when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Any

from PySide6.QtCore import QTimer

from desktop.pages.analysis.account_view import AccountView
from desktop.pages.analysis.costs_desk import KIND, CostsDesk
from desktop.pages.analysis.costs_view import CostsView
from desktop.pages.analysis.exits_view import ExitsView
from desktop.pages.analysis.groups_view import GroupsView
from desktop.pages.analysis.market_view import MarketView
from desktop.pages.analysis.panel import AnalysisPanel
from desktop.pages.analysis.view import View
from desktop.pages.page import Context, Page, Place
from desktop.pages.setup.page import SetupPage
from desktop.tables import formats
from desktop.tables.badges import trades_beside_holes
from desktop.work.bridge import Phase
from desktop.work.jobs import Job
from engine.analysis.analysis import Analysis, analyse
from engine.analysis.market import Bitcoin
from engine.model.market import Timeframe
from engine.model.parameters import StrategyInfo
from engine.model.run import FINISHED, RunResult

_GATHER_MS = 60  # a click on a run changes several things at once
_DAILY = "1d"


class AnalysisPage(Page[AnalysisPanel]):
    """Figures of the current run; each is a click away from its trades."""

    title = "Analysis"
    place = Place.CENTRE
    hears = frozenset({KIND})

    def __init__(self, context: Context) -> None:
        workspace = context.workspace
        super().__init__(context, AnalysisPanel(workspace))
        self._workspace = workspace
        self._asked = 0
        self._bitcoin_of: str | None = None
        self._params: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._costs: CostsDesk | None = None
        self._timer = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._timer.timeout.connect(self._refresh)
        for changed in (workspace.current_changed, workspace.filter_changed, workspace.checked_changed):
            changed.connect(self._timer.start)
        workspace.details_changed.connect(self._details_changed)
        workspace.runs_removed.connect(lambda _: self._timer.start())
        panel = self.panel
        panel.seen.connect(self._timer.start)
        panel.market_seen.connect(self._ask_bitcoin)
        panel.built.connect(self._join)
        context.page(SetupPage).strategies_loaded.connect(self._strategies_loaded)
        context.candles_changed.connect(self._candles_changed)
        context.times_changed.connect(self._timer.start)

    def close(self) -> None:
        """Ask no more."""
        self._timer.stop()

    def _strategies_loaded(self, infos: list[StrategyInfo]) -> None:
        self._params = {info.name: info.params for info in infos if not info.error}
        for view in self.panel.views.values():
            if isinstance(view, ExitsView):
                view.set_params(self._params)

    def _join(self, view: View) -> None:
        """A tab was built: join it to the work."""
        if isinstance(view, AccountView):
            view.range_wanted.connect(self._show_range)
        elif isinstance(view, ExitsView):
            view.set_params(self._params)
            view.set_idle(self.bridge.phase is Phase.IDLE)
            view.trade_wanted.connect(self._show_trade)
            view.rerun_wanted.connect(self._run_again)
            self.bridge.phase_changed.connect(lambda phase: view.set_idle(phase is Phase.IDLE))
        elif isinstance(view, CostsView):
            self._costs = CostsDesk(self.bridge, view)
        elif isinstance(view, GroupsView):
            view.symbol_wanted.connect(self._show_symbol)
        elif isinstance(view, MarketView):
            view.fetch_wanted.connect(partial(self._fetch_bitcoin, view))

    def follow(self, job: Job) -> None:
        """Other costs are being tried."""
        if self._costs is not None:
            self._costs.surfaces.follow(job)

    # -- figures -----------------------------------------------------------------------------------------------------

    def _details_changed(self, run_id: str) -> None:
        if run_id == self._workspace.current or run_id in self._workspace.checked:
            self._timer.start()

    def _refresh(self) -> None:
        """Ask for figures where they are looked at; showing the page asks again."""
        run = self._workspace.current_run()
        self.panel.show_state(run)
        if run is None or run.equity is None or run.status != FINISHED or not self.panel.isVisible():
            return
        self._asked += 1
        self.bridge.ask(self._question(run), partial(self._answered, self._asked))

    def _question(self, run: RunResult) -> partial[Analysis]:
        candles = self._workspace.candles(run.id)
        others = [
            other
            for other in self._workspace.checked_runs()
            if other.id != run.id and other.equity is not None
        ]
        return partial(
            analyse, run, candles, self._workspace.filter, beside_holes=trades_beside_holes(run), others=others,
            zone=None if formats.is_local() else UTC,
        )  # fmt: skip

    def _answered(self, number: int, analysis: Analysis) -> None:
        """A late answer to what is no longer asked is dropped."""
        if number == self._asked and self._workspace.current == analysis.run.id:
            self.panel.show_analysis(analysis)

    # -- where a click goes ------------------------------------------------------------------------------------------

    def _show_trade(self, place: int) -> None:
        self.context.show_wanted.emit("Chart")
        self._workspace.select_trade(place)

    def _show_range(self, start_ms: int, end_ms: int) -> None:
        self.context.show_wanted.emit("Chart")
        self.context.range_wanted.emit(start_ms, end_ms)

    def _show_symbol(self, symbol: str) -> None:
        run = next((run for run in self._workspace.shown_runs() if run.symbol == symbol), None)
        if run is not None:
            self._workspace.show(run.id)

    def _run_again(self, name: str, value: float | int) -> None:
        """Make the current run with that parameter; both stay in the comparison."""
        run = self._workspace.current_run()
        if run is None or self.bridge.phase is not Phase.IDLE:
            return
        self.context.run_wanted.emit([replace(run.spec, params={**run.params, name: value})])
        self._workspace.check(run.id, on=True)
        self.context.show_wanted.emit("Overview")

    # -- Bitcoin -----------------------------------------------------------------------------------------------------

    def _candles_changed(self) -> None:
        self._bitcoin_of = None
        if self.panel.isVisible() and self.panel.tab == "Market":
            self._ask_bitcoin()

    def _ask_bitcoin(self) -> None:
        run = self._workspace.current_run()
        if run is None or run.id == self._bitcoin_of:
            return
        self._bitcoin_of = run.id

        def answered(bitcoin: Bitcoin) -> None:
            if self._workspace.current == run.id:
                self.panel.view(MarketView).show_bitcoin(bitcoin)
            else:
                forget()

        def forget(_: object = None) -> None:  # what nobody saw is asked again
            if self._bitcoin_of == run.id:
                self._bitcoin_of = None

        self.bridge.ask(partial(self.engine.runs.bitcoin, run), answered, forget)

    def _fetch_bitcoin(self, view: MarketView) -> None:
        run, bitcoin = self._workspace.current_run(), view.bitcoin
        if run is None or bitcoin is None or bitcoin.symbol is None:
            return
        period = self.engine.runs.bitcoin_period(run)
        call = partial(
            self.engine.candles.fetch, bitcoin.symbol, Timeframe(_DAILY), period, exchange=run.exchange
        )
        view.set_fetching(True)

        def ended(report: object, error: BaseException | None) -> None:
            del report
            view.set_fetching(False)
            if error is None:
                self.context.candles_changed.emit()

        self.bridge.start("fetch", (run.exchange, bitcoin.symbol, _DAILY), call, ended)
