"""The Portfolio page: a file of legs, played on one wallet when somebody asks for it; stored ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QFileDialog, QTableView

from desktop.pages.optimize.page import OptimizePage
from desktop.pages.optimize.subject import PORTFOLIO_KEY
from desktop.pages.page import Context, Page, Place
from desktop.pages.portfolio.panel import PortfolioPanel
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.values import Setup
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.tables import formats
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.widgets.tab_order import bring_to_front
from desktop.widgets.undo import Undo
from desktop.widgets.when_seen import WhenSeen
from desktop.work.bridge import Phase, refusable
from desktop.work.jobs import Job
from desktop.work.latest import Latest
from engine.errors import ExchangeError, InputError
from engine.events import CancelToken, OnEvent
from engine.model.coverage import Coverage
from engine.model.market import DAY_MS
from engine.model.portfolio import MOST_NAME, LegSpec, PortfolioSpec
from engine.model.portfolio_file import PortfolioFile, parse_portfolio, portfolio_text, text_of
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import FINISHED, RunSpec

_KEY: Final = "portfolio"
_SETTLE_MS: Final = 200
_FILTER: Final = "Portfolios (*.toml);;All files (*)"
_AROUND_MS: Final = 5 * DAY_MS  # what the chart shows at each side of a moment


class PortfolioPage(Page[PortfolioPanel]):
    """The text in the editor is what is run; the legs are what stands in it."""

    title = "Portfolio"
    place = Place.CENTRE
    hears = frozenset({"fetch", "warmup", "portfolio"})
    is_tall = True

    def __init__(self, context: Context) -> None:
        super().__init__(context, PortfolioPanel())
        self._plan = context.page(OptimizePage).panel.plan
        self._file: PortfolioFile | None = None
        self._failure = self._opening = ""
        self._reading = WhenSeen(self.panel, self._read, _SETTLE_MS)
        self._held = Latest(self.bridge, self._ask_held, self.panel.show_held)
        self._stored = Latest(
            self.bridge, lambda: self.engine.portfolios.stored, self.panel.stored.set_stored
        )
        self._connect()

    @property
    def spec(self) -> PortfolioSpec | None:
        """What stands in the editor; None where that is none."""
        return None if self._file is None else self._file.spec

    def _connect(self) -> None:
        panel, editor, stored = self.panel, self.panel.editor, self.panel.stored
        self.bridge.phase_changed.connect(lambda _: self._reading.wish())
        self.context.candles_changed.connect(self._held.want)
        self.context.portfolio_wanted.connect(self.open_text)
        editor.edited.connect(self._edited)
        editor.new_wanted.connect(self.write_new)
        editor.open_wanted.connect(self._ask_open)
        editor.save_wanted.connect(self.save_file)
        editor.save_as_wanted.connect(self._ask_save)
        panel.run_wanted.connect(self.start)
        panel.stop_wanted.connect(self.bridge.stop)
        panel.optimize.clicked.connect(lambda: self.vary(OptimizePage.title))
        panel.walk.clicked.connect(lambda: self.vary(WalkForwardPage.title))
        panel.leg_wanted.connect(self._run_leg)
        panel.moment_wanted.connect(
            lambda at: self.context.range_wanted.emit(at - _AROUND_MS, at + _AROUND_MS)
        )
        stored.open_wanted.connect(self._open_stored)
        stored.export_wanted.connect(self._ask_export)
        stored.delete_wanted.connect(self._delete)

    def commands(self) -> Sequence[Command]:
        """Run it, open a file."""
        return (
            Command("portfolio", "Run &portfolio", "Play all legs of the portfolio on one wallet", self.start, "&Run", 3,
                    ("F8",), idle_only=True),
            Command("open_portfolio", "Open port&folio …", "Open a portfolio's file", self._ask_open, "&File", 5),
        )  # fmt: skip

    def open(self) -> None:
        """Ask for the stored ones, and for what is held."""
        self._load()
        self._held.want()

    def tables(self) -> Mapping[str, QTableView]:
        """Legs, requests, trades."""
        return self.panel.tables

    # -- the file ----------------------------------------------------------------------------------------------------

    def write_new(self) -> None:
        """Write a portfolio of what the set-up holds."""
        setup = self.context.page(SetupPage).panel.setup()
        try:
            text = portfolio_text(portfolio_of(setup))
        except InputError as error:
            self.context.reported.emit("warning", f"{error}; no portfolio was written", "")
            return
        self.panel.tabs.setCurrentWidget(self.panel.editor)
        self._overwrite(text, None, "A new portfolio is written")

    def _overwrite(self, text: str, path: Path | None, words: str) -> None:
        """Show another text, of a file where there is one; what stood there can be brought back."""
        editor = self.panel.editor
        before, where, is_saved = editor.text, editor.path, not editor.is_changed

        def take_back() -> None:
            editor.put(before, where, saved=is_saved)

        editor.put(text, path, saved=path is not None)
        if before.strip() and before != text:
            self.context.undo_offered.emit(Undo(words, take_back, quiet=is_saved))

    def open_text(self, text: str, words: str, runs: bool) -> None:
        """Show a portfolio that no file holds yet, and play it where it `runs`; `words`: what it is."""
        self._overwrite(text, None, words)
        self.panel.tabs.setCurrentWidget(self.panel.editor)
        self.show()
        if runs:
            self.start()

    def open_file(self, path: Path) -> None:
        """Show a portfolio's file; what is wrong in it is told there."""

        def show(text: str) -> None:
            self._overwrite(text, path, f"{path.name} is open")
            self.show()

        self.bridge.ask(lambda: text_of(path), show)

    def save_file(self) -> None:
        """Save what stands in the editor in its file; one that has none is asked for it."""
        path = self.panel.editor.path
        if path is None:
            self._ask_save()
        else:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Save it in that file, whole or not at all."""
        text = self.panel.editor.text

        def saved(_: None) -> None:
            self.panel.editor.kept(path, text)
            self.context.said.emit(f"Saved: {path.name}")

        self.bridge.ask(lambda: self.engine.portfolios.save_file(text, path), saved)

    def _ask_open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self.panel.window(), "Open a portfolio", "", _FILTER)
        if name:
            self.open_file(Path(name))

    def _ask_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self.panel.window(), "Save the portfolio", self.panel.editor.file_name, _FILTER
        )
        if name:
            self.save_as(Path(name))

    def _edited(self) -> None:
        self._failure = ""
        self._plan.subjects.set_portfolio(None)  # nothing is tried of what stood there before
        self._reading.wish()

    def _read(self) -> None:
        """What stands in the editor now."""
        editor, idle = self.panel.editor, self.bridge.phase is Phase.IDLE
        before, self._file, problem = self.spec, None, ""
        if editor.text.strip():
            try:
                self._file = parse_portfolio(editor.text, editor.file_name)
            except InputError as error:
                problem = str(error)
        self._plan.subjects.set_portfolio(self.spec, gone=not editor.text.strip())
        problem = problem or self._failure
        editor.tell(problem)
        legs = () if self.spec is None else self.spec.legs
        busy = "" if idle else f"{self.bridge.phase.value} …"
        self.panel.show_plan(
            legs,
            _plan_words(self.spec),
            problem or busy,
            can_run=idle and self.spec is not None,
        )
        self._keep(self.context.preferences)
        if self.spec != before:
            self._held.want()

    def _ask_held(self) -> Callable[[], Mapping[str, Coverage]] | None:
        spec = self.spec
        if spec is None:
            return None
        candles = self.engine.candles

        def ask() -> dict[str, Coverage]:
            found: dict[str, Coverage] = {}
            for leg in spec.legs:
                try:
                    found[leg.name] = candles.status(
                        leg.symbol, leg.timeframe, spec.period, exchange=leg.exchange
                    )
                except (
                    InputError,
                    ExchangeError,
                ):  # a symbol that is not known, nobody to ask: the run says so
                    continue
            return found

        return ask

    # -- one under way -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Play what stands in the editor; does nothing while anything runs."""
        self.show()
        self._read()
        if self._file is None or not self.bridge.begin(
            Phase.COMBINING, refusable(partial(self._make, self._file)), self._end
        ):
            return
        self._failure = self._opening = ""
        self.panel.set_running(on=True)

    def vary(self, title: str) -> None:
        """Go to the page of sweeps or of walk-forwards, with the portfolio as what is varied there."""
        self._read()
        if self._file is not None:
            self._plan.subjects.choose(PORTFOLIO_KEY)
            self.context.show_wanted.emit(title)

    def _make(self, file: PortfolioFile, *, on_event: OnEvent, cancel: CancelToken) -> PortfolioResult:
        """What is wrong with it is said with its place in the file."""
        with file.located():
            return self.engine.portfolios.make(file.spec, on_event=on_event, cancel=cancel)

    def follow(self, job: Job) -> None:
        """It, or the fetch of its candles, went on; a walk-forward stitched one."""
        if job.kind == "portfolio" and job.ending is not None:
            self._load()
        is_mine = job.task is self.bridge.task and self.bridge.phase is Phase.COMBINING
        if job.progress is not None and job.ending is None and is_mine:
            self.panel.show_progress(job.progress)

    def _end(self, result: PortfolioResult | InputError | None, error: BaseException | None) -> None:
        problem = result if isinstance(result, InputError) else error
        self._failure = "" if problem is None else str(problem)
        self.panel.set_running(on=False)
        if isinstance(result, PortfolioResult):
            self.panel.show_result(result)
            self.panel.tabs.setCurrentIndex(0)
            if result.status == FINISHED:
                self.context.said.emit(f"{result.spec.name}: {formats.whole(len(result.legs))} legs played")
        self._load()
        self._read()

    def _run_leg(self, name: str) -> None:
        """By itself, with the cash of the whole."""
        shown = self.panel.result
        spec = self.spec or (None if shown is None else shown.spec)
        if spec is None:
            return
        found = [run for leg, run in zip(spec.legs, spec.run_specs(), strict=True) if leg.name == name]
        if found:
            self.context.run_wanted.emit(found)

    # -- stored ones, memory -----------------------------------------------------------------------------------------

    def _open_stored(self, portfolio_id: str) -> None:
        def show(result: PortfolioResult) -> None:
            if self._opening != portfolio_id:  # another one was opened meanwhile, or begun
                return
            self._overwrite(portfolio_text(result.spec), None, f"{result.spec.name} is open")
            self.panel.show_result(result)
            bring_to_front(self.panel.tabs, 0)

        self._opening = portfolio_id
        self.bridge.ask(lambda: self.engine.portfolios.get(portfolio_id), show)

    def _ask_export(self, portfolio_id: str) -> None:
        folder = QFileDialog.getExistingDirectory(self.panel.window(), "Export the portfolio into a folder")
        if folder:
            self.export(portfolio_id, Path(folder))

    def export(self, portfolio_id: str, folder: Path) -> None:
        """Write a stored one as files."""
        self.bridge.ask(
            lambda: self.engine.portfolios.export(portfolio_id, folder),
            lambda paths: self.context.said.emit(f"Written: {', '.join(path.name for path in paths)}"),
        )

    def _load(self) -> None:
        self._stored.want()

    def _delete(self, ids: list[str]) -> None:
        """Hide some; they are deleted for good when it is too late to bring them back."""

        def removed(count: int) -> None:
            self._load()
            self.context.removed(
                f"{count} portfolio{'s' * (count != 1)} deleted", lambda: self._bring_back(ids)
            )

        self.bridge.ask(lambda: self.engine.portfolios.remove(ids), removed)

    def _bring_back(self, ids: list[str]) -> None:
        def restored(count: int) -> None:
            self._load()
            if count != len(ids):
                self.context.reported.emit(
                    "warning", "The deleted portfolios are gone: it is too late to undo that", ""
                )

        self.bridge.ask(lambda: self.engine.portfolios.restore(ids), restored)

    def save(self, preferences: Preferences) -> None:
        """Keep the text."""
        super().save(preferences)
        self._keep(preferences)

    def _keep(self, preferences: Preferences) -> None:
        """What was typed outlives a crash too."""
        editor = self.panel.editor
        preferences.save(
            _KEY, {"text": editor.text, "path": str(editor.path or ""), "saved": not editor.is_changed}
        )

    def restore(self, preferences: Preferences) -> None:
        """What stood in the editor."""
        super().restore(preferences)
        kept = preferences.read(_KEY)
        if isinstance(kept, Mapping) and kept.get("text"):
            path = str(kept.get("path") or "")
            self.panel.editor.put(
                str(kept["text"]), Path(path) if path else None, saved=bool(kept.get("saved"))
            )
            self._read()  # before the strategies are known, of which the plan then chooses


def portfolio_of(setup: Setup) -> PortfolioSpec:
    """A leg for each of the set-up's strategies on each of its symbols; raises InputError where there is none."""
    problem = setup.problem()
    if problem is not None:
        raise InputError(problem)
    costs = setup.costs
    legs = tuple(
        LegSpec(_leg_name(run), run.strategy, run.symbol, run.exchange, run.timeframe, params=dict(run.params), costs=costs)
        for run in setup.specs()
    )  # fmt: skip
    return PortfolioSpec(setup.period, legs, costs.cash, costs.leverage, costs.funding)


def _leg_name(run: RunSpec) -> str:
    """STRATEGY_SYMBOL, as a constraint can compute with it: of letters, digits and _, no digit first."""
    name = re.sub(r"^(?=\d)|\W", "_", f"{run.strategy}_{run.symbol}")
    return re.sub(r"^\d", "_", name[-MOST_NAME:])


def _plan_words(spec: PortfolioSpec | None) -> str:
    if spec is None:
        return ""
    days = f"{formats.day(spec.period.start)} – {formats.day(spec.period.end - 1)}"
    most = "" if spec.max_open is None else f", at most {spec.max_open} at once"
    return (
        f"{spec.name}: {formats.whole(len(spec.legs))} legs, {days}, cash {formats.number(spec.cash)}, {spec.allocation} "
        f"weights, rebalanced {spec.rebalance}, {spec.contention}{most}"
    )
