"""Pictures of every page of the window, empty and full, in both themes and three sizes: `make screens`.

They are for looking at, before and after a change. Needs no display and no network; the runs are of the sample market.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is loaded

import qasync
from PySide6.QtWidgets import QApplication, QWidget

from desktop.app import create_application
from desktop.app.window import MainWindow
from desktop.pages.analysis.page import AnalysisPage
from desktop.pages.analysis.panel import VIEWS
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.stored_list import StoredList
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.events import CancelToken, ignore_event
from engine.model.market import DAY_MS
from engine.model.portfolio_file import read_portfolio
from engine.model.ranges import parse_range
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import WalkForwardSpec
from engine.service import Engine
from engine.service.demo import SYMBOL, TIMEFRAME, TRADED, run_demo
from engine.settings import Settings

FOLDER: Final = Path("build/screens")
PORTFOLIO: Final = Path("resources/four_legs.toml")
RANGES_OF_LEGS: Final = {"trend.fast": "5:20:5", "trend.slow": "30:60:10", "trend.weight": "0.2,0.4"}
STRATEGIES: Final = {
    "broken": "def oops(:\n",
    "unlucky": (
        "from engine.strategy import Strategy\n\n\n"
        'class Unlucky(Strategy):\n    """Fails on its first day."""\n\n'
        '    def signals(self, candles, indicators):\n        raise RuntimeError("no luck")\n'
    ),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How the window is looked at: a theme, a size in pixels of the screen, and how much larger everything is drawn."""

    theme: str
    width: int = 1440
    height: int = 900
    scale: float = 1.0

    @property
    def name(self) -> str:
        """What its pictures begin with."""
        return f"{self.theme}-{self.width}x{self.height}" + (f"-{self.scale:.0%}" if self.scale != 1 else "")

    @property
    def size(self) -> tuple[int, int]:
        """Of the window, as Qt counts."""
        return round(self.width / self.scale), round(self.height / self.scale)


LOOKS: Final = tuple(
    Look(theme, *size) for size in ((1440, 900), (1024, 700), (1440, 900, 1.5)) for theme in ("dark", "light")
)


def main(folder: Path = FOLDER) -> int:
    """Write all pictures; each scale needs a program of its own, because Qt is told before it begins."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screens-", ignore_cleanup_errors=True) as home:
        for state, prepare in (("empty", lambda _: None), ("full", fill)):
            settings = Settings(home=Path(home) / state, workers=2)
            with Engine(settings) as engine:
                engine.strategies.all()
                prepare(engine)
                for scale in sorted({look.scale for look in LOOKS}):
                    environment = os.environ | {
                        "QT_SCALE_FACTOR": str(scale),
                        "BACKTEST_HOME": str(settings.home),
                        "BACKTEST_WORKERS": "2",
                    }
                    command = [sys.executable, "-m", "tools.screens", str(folder), state, str(scale)]
                    subprocess.run(command, env=environment, check=True)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
    return 0


def fill(engine: Engine) -> None:
    """Runs of every strategy, of which one fails, a portfolio, a sweep and a walk-forward of a strategy and of its legs; one
    file is broken.
    """
    engine.settings.user_strategies.mkdir(parents=True, exist_ok=True)
    for name, source in STRATEGIES.items():
        (engine.settings.user_strategies / f"{name}.py").write_text(source)
    ranges = {"fast": parse_range("5:40:5"), "slow": parse_range("40:200:20")}
    sweep = SweepSpec(
        "ema_cross", SYMBOL, "sample", TIMEFRAME, TRADED, ranges=ranges, constraint="fast < slow"
    )
    portfolio = replace(read_portfolio(PORTFOLIO).spec, period=TRADED)
    ranges_of_legs = {name: parse_range(text) for name, text in RANGES_OF_LEGS.items()}
    legs = SweepSpec.of_portfolio(portfolio, ranges=ranges_of_legs)
    engine.portfolios.make(portfolio)
    for each in (legs, sweep):  # the newest stands first
        engine.research.optimize(each)
        engine.walk_forwards.make(WalkForwardSpec(each, 180 * DAY_MS, 60 * DAY_MS))
    with tempfile.TemporaryDirectory() as files:
        run_demo(engine, Path(files), ignore_event, CancelToken())


async def draw(folder: Path, state: str, looks: Sequence[Look]) -> None:
    """The pictures of one state."""
    for look in looks:
        async with opened(look) as window:
            for name, show in scenes(window, state).items():
                shown = await show()
                await settled(window)
                for widget in {window, shown}:
                    suffix = "" if widget is window else "-dialog"
                    widget.grab().save(str(folder / f"{look.name}-{state}-{name}{suffix}.png"))
                if shown is not window:
                    shown.close()


def scenes(window: MainWindow, state: str) -> dict[str, Callable[[], Awaitable[QWidget]]]:
    """What is shown, by name; each answers with the widget to look at."""

    def page(title: str) -> Callable[[], Awaitable[QWidget]]:
        async def show() -> QWidget:
            window.show_page(title)
            return window

        return show

    def beside(name: str) -> Callable[[], Awaitable[QWidget]]:
        async def show() -> QWidget:
            window.actions_[name].trigger()
            return next(
                one for one in QApplication.topLevelWidgets() if one.isVisible() and one is not window
            )

        return show

    def figures(tab: str) -> Callable[[], Awaitable[QWidget]]:
        async def show() -> QWidget:
            window.show_page("Analysis")
            window.page(AnalysisPage).panel.show_tab(tab)
            return window

        return show

    async def two_runs() -> QWidget:
        window.context.compare_wanted.emit(list(window.workspace.runs)[:2])
        return window

    def opened_again(title: str, stored: StoredList[Any], row: int = 0) -> Callable[[], Awaitable[QWidget]]:
        async def show() -> QWidget:
            window.show_page(title)
            stored.table.select_row(row)
            stored.open_wanted.emit(stored.model.rows[row].id)
            return window

        return show

    async def banner() -> QWidget:
        window.report(
            "error", "binanceusdm did not answer within 10 s; all candles that came were kept", "trace"
        )
        return window

    found = {one.title.replace(" ", "-").lower(): page(one.title) for one in window.pages}
    if state == "full":
        found |= {name: beside(name) for name in ("about", "settings", "shortcuts", "glossary", "licences")}
        found |= {f"analysis-{title.split()[0].lower()}": figures(title) for title in VIEWS}
        found["compare-two"] = two_runs
        sweeps, walks = (
            window.page(OptimizePage).panel.results.stored,
            window.page(WalkForwardPage).panel.stored,
        )
        played = window.page(PortfolioPage).panel.stored
        found |= {
            "optimize-sweep": opened_again("Optimize", sweeps),
            "optimize-legs": opened_again("Optimize", sweeps, 1),
            "walk-forward-walk": opened_again("Walk-forward", walks),
            "walk-forward-legs": opened_again("Walk-forward", walks, 1),
            "optimize-portfolio": partial(legs_planned, window),
            "portfolio-stitched": opened_again("Portfolio", played),
            "portfolio-played": opened_again("Portfolio", played, 1),
            "error": banner,  # stays
        }
    return found


async def legs_planned(window: MainWindow) -> QWidget:
    """What can vary of the portfolio's legs."""
    page = window.page(PortfolioPage)
    page.panel.editor.put(PORTFOLIO.read_text(), PORTFOLIO, saved=True)
    page.vary(OptimizePage.title)
    return window


@asynccontextmanager
async def opened(look: Look) -> AsyncIterator[MainWindow]:
    """A window on the home of the environment, with the newest run shown."""
    with Engine() as engine, tempfile.TemporaryDirectory() as folder:
        bridge = Bridge(engine)
        window = MainWindow(bridge, Preferences(Path(folder) / "window.ini"), workers=2)
        window.use_theme(look.theme)
        window.resize(*look.size)
        window.show()
        window.context.open()
        await settled(window)
        window.resize(*look.size)
        yield window
        window.close()
        await bridge.settle()


async def settled(window: MainWindow) -> None:
    """Everything asked is answered, and the timers that gather changes have fired."""
    for _ in range(3):
        await window.bridge.settle()
        await asyncio.sleep(0.25)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        app = create_application()
        app.setQuitOnLastWindowClosed(False)  # one look ends, the next begins
        loop = qasync.QEventLoop(app)
        with loop:
            looks = [look for look in LOOKS if str(look.scale) == sys.argv[3]]
            loop.run_until_complete(draw(Path(sys.argv[1]), sys.argv[2], looks))
    else:
        sys.exit(main())
