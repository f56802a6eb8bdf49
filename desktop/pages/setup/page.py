"""The set-up: what is chosen, joined to the strategies, the symbols and the candles that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from PySide6.QtCore import QTimer, Signal

from desktop.pages.page import Context, Page, Place
from desktop.pages.setup.expected import Expected
from desktop.pages.setup.panel import SetupPanel
from desktop.pages.setup.strategy_desk import StrategyDesk
from desktop.pages.setup.strategy_files import StrategyFiles, all_words, changed_words
from desktop.pages.setup.symbol_desk import SymbolDesk
from desktop.pages.setup.values import Setup
from desktop.tables.series_words import all_fetched_words
from desktop.widgets.actions import Command
from desktop.widgets.preferences import Preferences
from desktop.widgets.undo import Undo
from desktop.work.bridge import Phase
from desktop.work.jobs import Job
from engine.errors import BacktestError
from engine.events import CancelToken, OnEvent
from engine.model.coverage import Coverage, FetchReport, Holding
from engine.model.market import Market, Timeframe
from engine.model.parameters import StrategyInfo

_WARM_MS: Final = 2000  # what the window shows first comes first
_KEEP_MS: Final = 500  # Qt writes its file whole, in a turn of the window's


class SetupPage(Page[SetupPanel]):
    """`strategies_loaded(list[StrategyInfo])`."""

    title = "Set-up"
    place = Place.SIDE
    hears = frozenset({"compile", "fetch"})

    strategies_loaded = Signal(list)

    def __init__(self, context: Context) -> None:
        super().__init__(context, SetupPanel())
        self._coverage_asked = self._reading_asked = 0
        panel = self.panel
        panel.run_wanted.connect(self.run)
        panel.fetch_wanted.connect(self.fetch)
        panel.stop_wanted.connect(self.bridge.stop)
        panel.coverage_wanted.connect(self._ask_coverage)
        panel.coverage_wanted.connect(self._ask_reading)
        panel.strategies.focus_changed.connect(lambda _: self._ask_reading())
        panel.market.exchange_changed.connect(self._load_markets)
        panel.market.refresh_wanted.connect(lambda _: self.reload_symbols())
        self.files = StrategyFiles(self.bridge, self)
        self.files.loading.connect(lambda on: panel.strategies.set_loading(on=on))
        self.files.loaded.connect(self._strategies_read)
        panel.strategies.reload_wanted.connect(self.load_strategies)
        self.symbols = SymbolDesk(context, panel, self.overwrite)
        self.expected = Expected(context, panel)
        self._warming = QTimer(self, singleShot=True, interval=_WARM_MS)
        self._warming.timeout.connect(self._warm_up)
        self.desk = StrategyDesk(context, panel.strategies, self.overwrite)
        panel.strategies.reset_wanted.connect(
            lambda: self.overwrite("The parameters are their defaults again", panel.strategies.reset_params)
        )
        panel.period.preset_wanted.connect(
            lambda name: self.overwrite(
                f"The period is {name} now", partial(panel.use_preset, name), quiet=True
            )
        )
        self._keeping = QTimer(self, singleShot=True, interval=_KEEP_MS)
        self._keeping.timeout.connect(lambda: self._keep(context.preferences))
        panel.setup_changed.connect(self._keeping.start)
        context.candles_changed.connect(panel.ask_coverage_again)
        self.bridge.phase_changed.connect(panel.set_phase)

    def commands(self) -> Sequence[Command]:
        """Run, fetch, reload, search."""
        return (
            Command("run", "&Run", "Run the set-up", self.run, "&Run", 0, ("F5",), ("run", "positive"), idle_only=True),
            Command("fetch", "&Fetch candles", "Fetch the candles that are not held yet", self.fetch, "&Data", 0,
                    ("Ctrl+D",), ("fetch", "text"), idle_only=True),
            Command("symbols", "Reload &symbols", "Load the list of symbols again", self.reload_symbols, "&Data", 10),
            Command("strategies", "Reload s&trategies", "Read the strategy files again", self.load_strategies,
                    "&Data", 11, ("Ctrl+Shift+R",)),
            Command("new_strategy", "&New strategy …", "Write a working strategy to start from", self.new_strategy,
                    "&File", 2),
            Command("edit_strategy", "&Edit strategy", "Open the file of the strategy in focus in an editor",
                    lambda: self.desk.edit(self.panel.strategies.focused()), "&File", 3),
            Command("source", "Strategy s&ource", "Show the source of the strategy in focus",
                    lambda: self.desk.show_source(self.panel.strategies.focused()), "&File", 4, ("Ctrl+U",)),
            Command("find_symbol", "Search s&ymbols", "Go to the symbol search", self.find_symbol, "&Go", 0, ("Ctrl+L",)),
        )  # fmt: skip

    def open(self) -> None:
        """Ask for symbols and strategies."""
        self._load_markets(self.panel.market.exchange_id())
        self.symbols.open()
        self.files.open()
        if self.engine.settings.cluster is None:  # whose workers see to themselves
            told = self.bridge.events()
            self.bridge.ask(lambda: self.engine.runs.prepare(told), lambda _: self._warming.start())

    def _warm_up(self) -> None:
        """Have one worker ready for the first file that is saved, and for the first run."""
        self.bridge.ask(lambda: self.engine.runs.warm_up(workers=1), lambda _: None)

    # -- what the user asks for --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the set-up; a second call while it runs does nothing."""
        setup = self.panel.setup()
        problem = setup.problem()
        if problem is not None:
            self.context.reported.emit("warning", f"{problem}; nothing was run", "")
            return
        self.context.run_wanted.emit(setup.specs())

    def fetch(self) -> None:
        """Fetch what is not held, of what the checked strategies read beside their candles too."""
        setup, timeframe = self.panel.setup(), self.panel.period.chosen_timeframe()
        if setup.data_problem() is not None:
            return
        reading = self.panel.strategies.reading_beside(setup.strategies).values()

        def fetch(*, on_event: OnEvent, cancel: CancelToken) -> list[FetchReport]:
            wanted = [(symbol, timeframe, setup.period, exchange) for symbol, exchange in setup.series()]
            beside = [one for info in reading for _, one in self._held_beside(info, setup, timeframe)]
            wanted += [
                (one.market.name, one.timeframe, one.period, one.market.exchange)
                for one in beside
                if isinstance(one, Coverage)
            ]
            return [
                self.engine.candles.fetch(
                    symbol, length, period, exchange=exchange, on_event=on_event, cancel=cancel
                )
                for symbol, length, period, exchange in dict.fromkeys(wanted)
            ]

        self.bridge.begin(Phase.FETCHING, fetch, self._fetched)

    def _fetched(self, reports: list[FetchReport] | None, error: BaseException | None) -> None:
        if reports is not None and error is None:
            self.context.said.emit(all_fetched_words(reports))

    def overwrite(self, text: str, change: Callable[[], object], *, quiet: bool = False) -> None:
        """Change the set-up in a way that can be taken back; `text` says what it is now."""
        before = self.panel.setup()
        focused = self.panel.strategies.focused()

        def take_back() -> None:
            self.panel.set_setup(before)
            self.panel.strategies.focus(focused)

        change()
        if self.panel.setup() != before:
            self.context.undo_offered.emit(Undo(text, take_back, quiet=quiet))

    def reload_symbols(self) -> None:
        """Load the symbols of the exchange again, from the exchange."""
        self._load_markets(self.panel.market.exchange_id(), refresh=True)

    def load_strategies(self) -> None:
        """Read the strategy files; broken ones are among them."""
        self.files.load()

    def new_strategy(self) -> None:
        """Ask for the name of a new strategy."""
        self.show()
        self.panel.strategies.naming.ask()

    def find_symbol(self) -> None:
        """Go to the symbol search."""
        self.show()
        self.panel.market.search.setFocus()
        self.panel.market.search.selectAll()

    # -- what arrives ------------------------------------------------------------------------------------------------

    def _strategies_read(self, infos: list[StrategyInfo], asked: bool) -> None:
        before = self.panel.strategies.infos
        words = all_words(infos) if asked else changed_words(list(before.values()), infos)
        self.show_strategies(infos)
        self.desk.follow_source()
        if before and words:
            self.context.said.emit(words)

    def show_strategies(self, infos: list[StrategyInfo]) -> None:
        """The strategies are known."""
        self.panel.strategies.set_infos(infos)
        self.strategies_loaded.emit(infos)

    def _load_markets(self, exchange: str, *, refresh: bool = False) -> None:
        def show(markets: list[tuple[Market, bool]]) -> None:
            form.set_markets(exchange, markets)
            self.panel.ask_coverage_again()

        form = self.panel.market
        form.set_loading(exchange)
        self.bridge.ask(
            self.engine.candles.holdings, lambda held: form.set_held(exchange, _markets(held, exchange))
        )
        self.bridge.ask(
            lambda: self.engine.candles.markets(exchange, refresh=refresh),
            show,
            lambda error: form.set_unreachable(exchange, str(error)),
        )

    def _ask_coverage(self) -> None:
        """Ask what is held and missing; a later question makes earlier answers void."""
        setup, timeframe = self.panel.setup(), self.panel.period.chosen_timeframe()
        self._coverage_asked += 1
        asked = self._coverage_asked

        def held(symbol: str, exchange: str) -> Coverage | str:
            try:
                return self.engine.candles.status(symbol, timeframe, setup.period, exchange=exchange)
            except BacktestError as error:
                return str(error)

        def show(answers: list[tuple[str, Coverage | str]]) -> None:
            if asked == self._coverage_asked:
                self.panel.set_coverage(answers)

        self.bridge.ask(
            lambda: [(symbol, held(symbol, exchange)) for symbol, exchange in setup.series()], show
        )

    def _ask_reading(self) -> None:
        """Ask what is held of what the checked strategies, and the one in focus, read beside their candles; as above."""
        self._reading_asked += 1
        asked, form, setup = self._reading_asked, self.panel.strategies, self.panel.setup()
        focused, timeframe = form.focused(), self.panel.period.chosen_timeframe()
        reading = form.reading_beside((*setup.strategies, focused))
        if not reading or setup.data_problem() is not None:
            self.panel.set_beside([])
            return

        def show(answers: dict[str, list[tuple[str, Coverage | str]]]) -> None:
            if asked == self._reading_asked:
                form.reading.set_answers(answers.get(focused, []))
                self.panel.set_beside([one for name in setup.strategies for one in answers.get(name, [])])

        self.bridge.ask(
            lambda: {name: self._held_beside(info, setup, timeframe) for name, info in reading.items()}, show
        )

    def _held_beside(
        self, info: StrategyInfo, setup: Setup, timeframe: Timeframe
    ) -> list[tuple[str, Coverage | str]]:
        try:
            held = self.engine.strategies.held_beside(
                info, setup.symbols, setup.exchange, timeframe, setup.period
            )
        except BacktestError as error:
            return [(info.name, str(error))]
        return list(held.items())

    def follow(self, job: Job) -> None:
        """The engine is being compiled, or candles come."""
        self.expected.follow(job)

    def close(self) -> None:
        """The window closes: look at no more files."""
        self._warming.stop()
        self._keeping.stop()
        self.files.close()

    # -- memory ------------------------------------------------------------------------------------------------------

    def _keep(self, preferences: Preferences) -> None:
        preferences.save("setup", self.panel.setup().to_json())

    def save(self, preferences: Preferences) -> None:
        """Keep what is chosen."""
        super().save(preferences)
        self._keeping.stop()
        self._keep(preferences)

    def restore(self, preferences: Preferences) -> None:
        """Choose what was chosen."""
        super().restore(preferences)
        self.panel.set_setup(Setup.from_json(preferences.read("setup")) or Setup())


def _markets(held: Sequence[Holding], exchange: str) -> list[Market]:
    """The markets of an exchange of which candles are held, each once."""
    markets = (holding.coverage.market for holding in held)
    return list({market.name: market for market in markets if market.exchange == exchange}.values())
