"""The set-up dock: sections that scroll, and below them what they add up to with the buttons."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.page import Panel
from desktop.pages.setup.costs_form import CostsForm
from desktop.pages.setup.coverage_view import Answer, CoverageView
from desktop.pages.setup.engine_form import EngineForm
from desktop.pages.setup.estimate import Load
from desktop.pages.setup.market_form import MarketForm
from desktop.pages.setup.period_form import PeriodForm, preset_period
from desktop.pages.setup.strategy_form import StrategyForm
from desktop.pages.setup.values import Setup, clock_ms
from desktop.tables import formats
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.labels import ElidedLabel
from desktop.widgets.section import Section
from desktop.work.bridge import WORKING, Phase
from engine.model.coverage import Coverage
from engine.model.market import Timeframe
from engine.model.simulators import ENGINES

_SETTLE_MS = 250
_LEAST_WIDTH = 312


class WideScrollArea(QScrollArea):
    """Scrolls up and down only; never narrower than its content, so that nothing is cut off at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._follow)

    def _follow(self, old: QWidget | None, new: QWidget | None) -> None:
        """Show what a key gave the focus to; Qt does so for Tab alone."""
        del old
        content = self.widget()
        if (
            new is not None
            and content is not None
            and content.isAncestorOf(new)
            and new.visibleRegion().isEmpty()
        ):
            self.ensureWidgetVisible(new)

    def minimumSizeHint(self) -> QSize:
        """As wide as the content and the scroll bar."""
        bar = self.verticalScrollBar().sizeHint().width()
        content = self.widget()
        least = max(content.minimumSizeHint().width() if content else 0, _LEAST_WIDTH)
        return QSize(least + bar, 120)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Tell the layout around when the content asks for another width; QScrollArea keeps that to itself."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.widget():
            self.updateGeometry()
        return super().eventFilter(watched, event)


class SetupPanel(Panel):
    """Signals: `run_wanted()`, `fetch_wanted()`, `stop_wanted()`; `coverage_wanted()` once the series settled;
    `load_changed()` what the set-up comes to may be another.
    """

    run_wanted = Signal()
    fetch_wanted = Signal()
    stop_wanted = Signal()
    coverage_wanted = Signal()
    setup_changed = Signal()
    load_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("setupPanel")
        self.market, self.period = MarketForm(), PeriodForm()
        self.strategies, self.costs = StrategyForm(), CostsForm()
        self.engine = EngineForm()
        self.coverage = CoverageView()
        self.period.set_clock(lambda: clock_ms(self.market.exchange_id()))
        self.phase = Phase.IDLE
        self._asked: object = None
        self._beside: list[Coverage] = []
        self._told_of = ""
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._timer.timeout.connect(self._ask_coverage)
        self.sections = [
            Section("Symbols", self.market),
            Section("Period", _stack(self.period, self.coverage)),
            Section("Strategies", self.strategies),
            Section("Money and costs", self.costs),
            Section("Terms", self.costs.terms, folded=True),
            Section("Advanced", self.engine, folded=True),
        ]
        self.period.offer(self.market.exchange_id())
        self.costs.offer(self.market.exchange_id())
        self._build_footer()
        self._lay_out()
        self._connect()
        self._update()

    def _build_footer(self) -> None:
        self.summary = ElidedLabel()
        self.summary.setProperty("role", "title")
        self.reason = ElidedLabel()
        self.reason.setProperty("role", "warning")
        self.figures = ElidedLabel()
        self.figures.setProperty("role", "muted")
        self.figures.setAccessibleName("What the set-up comes to")
        self.fetch = QPushButton("Fetch")
        self.fetch.setToolTip("Fetch the candles that are not held yet, and run nothing")
        self.run = QPushButton("Run")
        self.run.setProperty("primary", True)
        self.run.setToolTip("Fetch what is missing, then run every strategy on every symbol (F5)")
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("Stop the work; what is finished is kept (Esc)")
        for button in (self.fetch, self.run, self.stop):
            button.setAccessibleName(button.text())

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("setupContent")
        inner = QVBoxLayout(content)
        inner.setContentsMargins(10, 2, 10, 8)
        inner.setSpacing(4)
        for section in self.sections:
            inner.addWidget(section)
        inner.addStretch()
        scroll = WideScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(content)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        footer = QWidget()
        footer.setObjectName("setupFooter")
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.fetch)
        buttons.addWidget(self.run, 1)
        buttons.addWidget(self.stop)
        bottom = QVBoxLayout(footer)
        bottom.setContentsMargins(10, 8, 10, 8)
        bottom.setSpacing(4)
        line = QGridLayout()  # of the two one is seen, in the same place
        line.addWidget(self.summary, 0, 0)
        line.addWidget(self.reason, 0, 0)
        bottom.addLayout(line)
        bottom.addWidget(self.figures)
        bottom.addLayout(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(footer)

    def _connect(self) -> None:
        self.market.changed.connect(self._changed)
        self.market.exchange_changed.connect(self.period.offer)
        self.market.exchange_changed.connect(self.costs.offer)
        self.market.exchange_changed.connect(lambda _: self._changed())
        self.period.changed.connect(self._changed)
        self.strategies.changed.connect(self._changed)
        self.costs.changed.connect(self._changed)
        self.engine.changed.connect(self._changed)
        self.fetch.clicked.connect(lambda: self.fetch_wanted.emit())
        self.run.clicked.connect(lambda: self.run_wanted.emit())
        self.stop.clicked.connect(lambda: self.stop_wanted.emit())

    def sizeHint(self) -> QSize:
        """Wide enough for two columns of parameters."""
        return QSize(336, 800)

    # -- the value ---------------------------------------------------------------------------------------------------

    def setup(self) -> Setup:
        """What is chosen now."""
        start, end = self.period.bounds()
        return Setup(
            exchange=self.market.exchange_id(),
            symbols=self.market.symbols(),
            timeframe=self.period.chosen_timeframe().name,
            start=start,
            end=end,
            strategies=self.strategies.chosen(),
            params=self.strategies.changed_params(),
            costs=self.costs.costs(),
            engine=self.engine.engine(),
            unreadable=self.period.problem() or self.strategies.problem() or self.costs.terms.problem(),
            warmup=self.engine.warmup(),
        )

    def set_setup(self, setup: Setup) -> None:
        """Choose all of this."""
        self.strategies.set_choice(setup.strategies, setup.params)
        self.costs.offer(setup.exchange)
        self.costs.set_costs(setup.costs)
        self.engine.set_choice(setup.engine, setup.warmup)
        self.period.offer(setup.exchange)
        self.period.set_values(setup.timeframe, setup.start, setup.end)
        self.market.set_choice(setup.exchange, setup.symbols)

    def load(self) -> Load:
        """How many candles the set-up needs, and how many of them are to be fetched."""
        setup = self.setup()
        found = [answer for _, answer in self.coverage.answers]
        if not self.coverage.waiting and found and not any(isinstance(one, str) for one in found):
            return Load.of([*(one for one in found if isinstance(one, Coverage)), *self._beside])
        timeframe = Timeframe(setup.timeframe)
        return Load(timeframe.count(timeframe.align(setup.period)) * len(setup.symbols), None)

    def use_preset(self, name: str) -> None:
        """Choose a preset period that ends today; the sample market has a clock of its own."""
        now = clock_ms(self.market.exchange_id()) - 1
        first = self.market.listed_ms()
        period = preset_period(name, now, first)
        self.period.set_values(self.period.timeframe.currentText(), period.start, period.end)

    # -- what arrives ------------------------------------------------------------------------------------------------

    def set_phase(self, phase: Phase) -> None:
        """Work began or ended."""
        self.phase = phase
        if phase is Phase.IDLE:
            self._asked = None
            self._timer.start()
        self._update()

    def set_coverage(self, answers: list[Answer]) -> None:
        """What is held arrived."""
        self.coverage.set_answers(answers)
        self.load_changed.emit()

    def set_beside(self, answers: list[Answer]) -> None:
        """What is held of what the checked strategies read beside their candles; a series may be named more than once."""
        self._beside = list({name: found for name, found in answers if isinstance(found, Coverage)}.values())
        self.load_changed.emit()

    def ask_coverage_again(self) -> None:
        """What is held may have changed."""
        self._asked = None
        self._timer.start()

    def apply_theme(self, theme: Theme = DARK) -> None:
        """Colour icons and strips."""
        for section in self.sections:
            section.apply_theme(theme)
        self.market.apply_theme(theme)
        self.period.apply_theme(theme)
        self.strategies.apply_theme(theme)
        self.coverage.apply_theme(theme)
        self.run.setIcon(icon("run", theme.accent_text))
        self.fetch.setIcon(icon("fetch", theme.text))
        self.stop.setIcon(icon("stop", theme.negative))

    def _changed(self) -> None:
        self._update()
        self._timer.start()
        self.setup_changed.emit()
        self.load_changed.emit()

    def _ask_coverage(self) -> None:
        setup = self.setup()
        reading = tuple(self.strategies.reading_beside(setup.strategies))
        asked = (setup.exchange, setup.symbols, setup.timeframe, setup.start, setup.end, reading)
        if asked == self._asked:
            return
        self._asked = asked
        if setup.data_problem() is not None:
            self.set_coverage([])
            self.strategies.reading.set_answers([])
            return
        if setup.exchange != self._told_of:  # what another exchange has says nothing of this one
            self._told_of = setup.exchange
            self.strategies.reading.set_answers([])
            self.set_beside([])
            self.set_coverage([])
        self.coverage.set_waiting()
        self.coverage_wanted.emit()

    def _update(self) -> None:
        setup = self.setup()
        idle = self.phase is Phase.IDLE
        self.summary.setText(setup.summary())
        chosen = [] if setup.engine == ENGINES[0] else [f"{setup.engine} engine"]
        if setup.warmup is not None:
            chosen.append(f"warm-up of {formats.whole(setup.warmup)}")
        self.sections[-1].tell(" · ".join(chosen))
        self.sections[-2].tell(self.costs.terms.words())
        problem = setup.problem() if idle else f"{self.phase.value} …"
        self.reason.setText(problem or "")
        self.reason.setVisible(problem is not None)
        self.summary.setVisible(problem is None)
        self.run.setEnabled(idle and problem is None)
        self.fetch.setEnabled(idle and setup.data_problem() is None)
        self.stop.setEnabled(self.phase in WORKING)


def _stack(*widgets: QWidget) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget)
    return box
