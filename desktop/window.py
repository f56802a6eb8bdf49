"""The window: docks, tabs, menus; connects bridge, workspace and panels, and does nothing else."""

from __future__ import annotations

import time
from typing import Any, Final

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QLabel,
    QLineEdit,
    QMainWindow,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.actions import Actions
from desktop.pages.chart.panel import ChartPanel
from desktop.pages.data.desk import DataDesk
from desktop.pages.data.panel import DataPanel
from desktop.pages.jobs import Jobs
from desktop.pages.log.panel import LogPanel
from desktop.pages.metrics.panel import MetricsPanel
from desktop.pages.optimize.desk import SweepDesk
from desktop.pages.optimize.panel import OptimizePanel
from desktop.pages.overview.panel import OverviewPanel
from desktop.pages.runs.batch import Batch
from desktop.pages.runs.desk import RunDesk
from desktop.pages.runs.panel import RunsPanel
from desktop.pages.setup.panel import SetupPanel
from desktop.pages.setup.values import Setup
from desktop.pages.trades.panel import TradesPanel
from desktop.tables.log import LogLine
from desktop.theme.apply import apply_theme
from desktop.theme.colours import SYSTEM, THEME_NAMES, Theme, theme_named
from desktop.widgets.banner import Banner
from desktop.widgets.bottom_panel import BottomPanel, DockTitle
from desktop.widgets.preferences import LAYOUT_VERSION, Preferences
from desktop.widgets.status import StatusBar
from desktop.work.bridge import WORKING, Bridge, Phase
from desktop.workspace import Workspace
from engine.model.run import RunSpec

TITLE: Final = "Backtest"
CENTRE: Final = ("Overview", "Chart", "Optimize")


class MainWindow(QMainWindow):
    """Everything visible."""

    def __init__(self, bridge: Bridge, preferences: Preferences, *, workers: int = 1) -> None:
        super().__init__()
        self.setWindowTitle(TITLE)
        self.resize(1440, 900)
        self.setMinimumSize(900, 600)
        self.bridge, self.preferences = bridge, preferences
        self.workspace = Workspace(self)
        self.batch = Batch(self.workspace, self)
        self.theme: Theme = theme_named(SYSTEM)
        self._laid_out = False
        self._build(workers)
        self.actions_ = Actions(self)
        self.actions_.fill_menus()
        self._connect_bridge()
        self._connect_batch()
        self._connect_panels()
        self._default_layout = self.saveState(LAYOUT_VERSION)
        self.use_theme(str(preferences.read("theme", SYSTEM)))
        self.restore()
        self._phase_changed(Phase.IDLE)

    # -- building ----------------------------------------------------------------------------------------------------

    def _build(self, workers: int) -> None:
        self.setup_panel = SetupPanel()
        self.overview, self.chart = OverviewPanel(self.workspace), ChartPanel(self.workspace)
        self.runs, self.trades = RunsPanel(self.workspace), TradesPanel(self.workspace)
        self.metrics, self.data, self.log = MetricsPanel(self.workspace), DataPanel(), LogPanel()
        self.banner = Banner()
        self.optimize = OptimizePanel()
        self.desk = DataDesk(self.bridge, self.data, self.setup_panel, self)
        self.sweeps = SweepDesk(self.bridge, self.optimize, self.setup_panel, self.preferences, self)
        self.run_desk = RunDesk(self.bridge, self.workspace, self.runs, self.setup_panel, self)
        self.setAcceptDrops(True)
        self.installEventFilter(self.desk)
        self.status = StatusBar(workers)
        self.setStatusBar(self.status)
        self.centre = QTabWidget(documentMode=True)
        for page, name in zip((self.overview, self.chart, self.optimize), CENTRE, strict=True):
            self.centre.addTab(page, name)
        self.centre.tabBar().setAccessibleName("Views")
        middle = QWidget()
        middle.setObjectName("centrePanel")
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(_with_margins(self.banner))
        layout.addWidget(self.centre, 1)
        self.setCentralWidget(middle)
        self.results = BottomPanel()
        pages = (self.runs, self.trades, self.metrics, self.data, self.log)
        for name, page in zip(("Runs", "Trades", "Metrics", "Data", "Log"), pages, strict=True):
            self.results.add_page(name, page)
        self.setup_dock = self._dock(
            "Set-up", "setupDock", self.setup_panel, Qt.DockWidgetArea.LeftDockWidgetArea
        )
        self.results_dock = self._dock(
            "Results", "resultsDock", self.results, Qt.DockWidgetArea.BottomDockWidgetArea
        )
        heading = QLabel("Set-up")
        heading.setProperty("role", "title")
        heading.setContentsMargins(10, 5, 0, 5)
        self.setup_dock.setTitleBarWidget(DockTitle(heading))
        self.results_dock.setTitleBarWidget(self.results.title_bar)
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self._share_room()
        for field in self.findChildren(QLineEdit):  # a file dropped on one is no text
            field.setAcceptDrops(False)

    def _dock(self, title: str, name: str, content: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(content)
        self.addDockWidget(area, dock)
        return dock

    def _share_room(self) -> None:
        self.resizeDocks([self.setup_dock], [340], Qt.Orientation.Horizontal)
        self.resizeDocks([self.results_dock], [round(self.height() * 0.3)], Qt.Orientation.Vertical)

    def showEvent(self, event: QShowEvent) -> None:
        """The first time, without a layout to restore, share the room out for this height."""
        super().showEvent(event)
        if not self._laid_out:
            self._laid_out = True
            self._share_room()

    def _connect_bridge(self) -> None:
        bridge = self.bridge
        bridge.phase_changed.connect(self._phase_changed)
        bridge.happened.connect(self.batch.take)
        bridge.problem.connect(self.report)
        bridge.batch_done.connect(self.batch.end)
        bridge.strategies_loaded.connect(self.setup_panel.strategies.set_infos)
        bridge.markets_loaded.connect(self.setup_panel.market.set_markets)
        bridge.markets_loaded.connect(lambda *_: self.setup_panel.ask_coverage_again())
        bridge.coverage_loaded.connect(self.setup_panel.set_coverage)
        bridge.definitions_loaded.connect(self.metrics.set_definitions)
        bridge.definitions_loaded.connect(self.overview.tiles.set_definitions)
        bridge.database_changed.connect(self.status.set_database)
        bridge.exported.connect(lambda paths: self.say(f"Written: {', '.join(path.name for path in paths)}"))

    def _connect_batch(self) -> None:
        batch = self.batch
        batch.progressed.connect(self._show_jobs)
        batch.logged.connect(self.write_log)
        batch.done.connect(self.say)
        batch.failed.connect(lambda text: self.banner.show_message("error", text, has_details=True))

    def _connect_panels(self) -> None:
        panel = self.setup_panel
        panel.run_wanted.connect(self.start_run)
        panel.fetch_wanted.connect(self.start_fetch)
        panel.stop_wanted.connect(self.stop)
        panel.coverage_wanted.connect(self._ask_coverage)
        panel.market.exchange_changed.connect(self.bridge.load_markets)
        panel.market.refresh_wanted.connect(lambda _: self.reload_symbols())
        panel.strategies.reload_wanted.connect(self.reload_strategies)
        panel.setup_changed.connect(self._setup_changed)
        self.status.stop_wanted.connect(self.stop)
        self.banner.details_wanted.connect(self._show_details)
        self.chart.step_wanted.connect(self.step_trade)
        self.trades.saved.connect(lambda path: self.say(f"Trades written to {path}"))
        self.trades.not_saved.connect(lambda text: self.report("error", text, ""))
        self.trades.table.clicked.connect(lambda _: self.show_page("Chart"))
        self.desk.shown.connect(lambda: self.show_page("Data"))
        self.desk.reported.connect(self.report)
        self.desk.jobs.logged.connect(self.write_log)
        self.desk.jobs.changed.connect(self._show_data_jobs)
        self.sweeps.run_wanted.connect(self.run_specs)
        self.sweeps.shown.connect(lambda: self.show_page("Optimize"))
        self.sweeps.said.connect(self.say)

    # -- what the user asks for --------------------------------------------------------------------------------------

    def start_run(self) -> None:
        """Run the set-up; a second call while it runs does nothing."""
        setup = self.setup_panel.setup()
        problem = setup.problem()
        if problem is not None:
            self.report("warning", f"{problem}; nothing was run", "")
            return
        self.run_specs(setup.specs())

    def run_specs(self, specs: list[RunSpec]) -> None:
        """Run all of these, unless something runs already."""
        if self.bridge.phase is not Phase.IDLE:
            return
        self.batch.begin(len(specs))
        self.banner.hide()
        if self.bridge.run(specs):
            self.workspace.clear_checks()
            self.results.show_page("Runs")

    def start_fetch(self) -> None:
        """Fetch what is not held."""
        setup = self.setup_panel.setup()
        if setup.data_problem() is not None or self.bridge.phase is not Phase.IDLE:
            return
        self.batch.begin(0)
        self.banner.hide()
        self.bridge.fetch(setup.series(), self.setup_panel.period.chosen_timeframe(), setup.period)

    def stop(self) -> None:
        """Stop the work."""
        self.bridge.stop()

    def reload_symbols(self) -> None:
        """Load the symbols of the exchange again, from the exchange."""
        self.bridge.load_markets(self.setup_panel.market.exchange_id(), refresh=True)

    def reload_strategies(self) -> None:
        """Read the strategy files again."""
        self.bridge.load_strategies()

    def export(self) -> None:
        """Export the visible trades."""
        self.trades.ask_and_export()

    def find_symbol(self) -> None:
        """Go to the symbol search."""
        self.setup_dock.show()
        self.setup_panel.market.search.setFocus()
        self.setup_panel.market.search.selectAll()

    def focus_filter(self) -> None:
        """Go to the filter of the visible table."""
        fields = {"Runs": self.runs.search, "Trades": self.trades.text, "Log": self.log.text}
        field = fields.get(self.results.page())
        if field is None:
            self.results.show_page("Trades")
            field = self.trades.text
        field.setFocus()
        field.selectAll()

    def step_trade(self, by: int) -> None:
        """Select the next or previous visible trade and show it."""
        self.show_page("Chart")
        self.trades.step(by)

    def compare_none(self) -> None:
        """Take every run out of the comparison."""
        self.workspace.clear_checks()

    def show_page(self, name: str) -> None:
        """Bring a page of the centre or of the results to the front."""
        if name in CENTRE:
            self.centre.setCurrentIndex(CENTRE.index(name))
            return
        self.results_dock.show()
        self.results.show_page(name)

    def toggle_full_screen(self) -> None:
        """Use the whole screen, or not."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def reset_layout(self) -> None:
        """Put every panel back to its place."""
        self.preferences.forget_layout()
        self.restoreState(QByteArray(self._default_layout), LAYOUT_VERSION)

    def use_theme(self, name: str) -> None:
        """Show another theme everywhere."""
        name = name if name in THEME_NAMES else SYSTEM
        self.theme = theme_named(name)
        self.actions_.themes[name].setChecked(True)
        self.preferences.save("theme", name)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, self.theme)
        self.actions_.apply_theme(self.theme)
        for part in (
            self.setup_panel, self.overview, self.chart, self.optimize, self.runs, self.trades, self.metrics, self.data,
            self.log, self.banner, self.status,
        ):  # fmt: skip
            part.apply_theme(self.theme)

    # -- what arrives ------------------------------------------------------------------------------------------------

    def report(self, level: str, text: str, details: str) -> None:
        """Say what went wrong: in the banner and in the log, never in a dialog."""
        self.banner.show_message(level, text, has_details=bool(details))
        self.write_log(level, text, details)

    def write_log(self, level: str, text: str, details: str = "") -> None:
        """Add a line to the log."""
        self.log.add(LogLine(round(time.time() * 1000), level, text, details))

    def say(self, text: str) -> None:
        """Say something good."""
        self.status.say(text)
        self.write_log("info", text)

    def _phase_changed(self, phase: Phase) -> None:
        self.setup_panel.set_phase(phase)
        busy = phase is not Phase.IDLE
        self.status.set_phase(phase.value, busy=busy, can_stop=phase in WORKING)
        self.actions_.run.setEnabled(not busy)
        self.actions_.fetch.setEnabled(not busy)
        self.actions_.optimize.setEnabled(not busy)
        self.actions_.stop.setEnabled(phase in WORKING)

    def _show_jobs(self, jobs: Jobs) -> None:
        if self.bridge.phase is not Phase.IDLE:
            self.status.show_progress(jobs.part(), jobs.words())

    def _show_data_jobs(self) -> None:
        running = len(self.desk.jobs.running)
        self.results.set_title("Data", f"Data ({running})" if running else "Data")
        run = self.workspace.current_run()
        if run is not None and not running:
            self.bridge.judge(run)

    def _ask_coverage(self) -> None:
        setup = self.setup_panel.setup()
        timeframe = self.setup_panel.period.chosen_timeframe()
        self.bridge.load_coverage(setup.series(), timeframe, setup.period)

    def _show_details(self) -> None:
        self.show_page("Log")
        self.log.show_last()

    # -- memory ------------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Put layout, columns and the last set-up back."""
        self._laid_out = self.preferences.restore_layout(self)
        for name, table in self._tables().items():
            self.preferences.restore_header(name, table.horizontalHeader())
        setup = Setup.from_json(self.preferences.read("setup")) or Setup()
        self.setup_panel.set_setup(setup)

    def remember(self) -> None:
        """Keep layout, columns and the set-up for the next start."""
        self.preferences.save_layout(self)
        for name, table in self._tables().items():
            self.preferences.save_header(name, table.horizontalHeader())
        self.preferences.save("setup", self.setup_panel.setup().to_json())
        self.preferences.sync()

    def _tables(self) -> dict[str, Any]:
        return {"runs": self.runs.table, "trades": self.trades.table, "data": self.data.table}

    def _setup_changed(self) -> None:
        self.preferences.save("setup", self.setup_panel.setup().to_json())

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember, stop the work, and close the plots before the interpreter goes (their axes complain otherwise)."""
        self.remember()
        self.bridge.stop()
        self.desk.jobs.stop_all()
        self.run_desk.cross_checks.stop()
        self.bridge.close()
        self.workspace.blockSignals(True)  # late answers must not draw on closed plots
        self.overview.release()
        self.chart.release()
        self.optimize.release()
        super().closeEvent(event)


def _with_margins(widget: QWidget) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(8, 0, 8, 0)
    layout.addWidget(widget)
    return box
