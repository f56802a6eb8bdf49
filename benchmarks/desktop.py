"""What a frame of the chart costs at a million candles with three indicators, beside pyqtgraph's usual ways to draw them.

    .venv/bin/python -m benchmarks.desktop [--candles 1000000] [--frames 40]

No screen is needed. Every frame is measured: another range is set and the whole widget is painted, 1600 x 600. The lines
take turns within each round, so that a busy machine is busy for all of them; compare ratios, and the chart's own with its
goal.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPicture
from PySide6.QtWidgets import QApplication, QWidget

from desktop.app import create_application
from desktop.charts.price_chart import PriceChart
from desktop.theme.colours import DARK
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe
from engine.model.run import FINISHED, RunResult, Series
from engine.model.trade import Trade

SIZE = 1600, 600
GOAL_MS = 16.0
OPEN_CANDLES, OPEN_TRADES = 500_000, 5_000
PICTURE_CANDLES = 20_000  # a QPicture of a million takes half a minute to be made and seconds to be drawn
START_MS = 1_704_067_200_000
View = tuple[float, float]


def walk(n: int) -> Candles:
    """Prices that stay legible however long they walk."""
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.0008, n)))
    opened = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(opened, close) * (1 + random.random(n) * 0.001)
    low = np.minimum(opened, close) * (1 - random.random(n) * 0.001)
    time_ms = START_MS + np.arange(n, dtype=np.int64) * HOUR_MS
    return Candles(time_ms, opened, high, low, close, random.random(n) * 1000)


def run_on(candles: Candles, trades: int) -> RunResult:
    """A run with three indicators and so many trades."""
    n = len(candles)
    places = np.linspace(1, n - 20, trades, dtype=np.int64).tolist()
    made = tuple(
        Trade("long", 1.0, int(candles.timestamp[at]), float(candles.open[at]), int(candles.timestamp[at + 15]),
              float(candles.open[at + 15]), float(candles.open[at + 15] - candles.open[at]), 0.1, 0.2, None,
              "signal_x_buy", "exit_long", 15, -1.0, 2.0)
        for at in places
    )  # fmt: skip
    columns = {
        "average": candles.close * 1.001,
        "band": candles.close * 0.99,
        "rsi": 50 + 40 * np.sin(np.arange(n) / 15),
    }
    return RunResult(
        "a" * 32, FINISHED, "benchmark", Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT"), Timeframe("1h"),
        Period(START_MS, START_MS + n * HOUR_MS), {}, Costs(), "compiled", trades=made,
        equity=Series(candles.timestamp, {"equity": 100 * candles.close}),
        indicators=Series(candles.timestamp, columns),
    )  # fmt: skip


class PictureCandles(pg.GraphicsObject):  # type: ignore[misc]
    """The candles of pyqtgraph's own example."""

    def __init__(self, candles: Candles) -> None:
        super().__init__()
        self.picture = QPicture()
        painter = QPainter(self.picture)
        for at in range(len(candles)):
            x = candles.timestamp[at] / 1000
            opened, closed = float(candles.open[at]), float(candles.close[at])
            painter.setPen(pg.mkPen("w"))
            painter.drawLine(QPointF(x, float(candles.low[at])), QPointF(x, float(candles.high[at])))
            painter.setBrush(pg.mkBrush("g" if closed >= opened else "r"))
            painter.drawRect(QRectF(x - 1200, opened, 2400, closed - opened))
        painter.end()

    def paint(self, painter: QPainter, *_: object) -> None:
        """Replay all of it."""
        painter.drawPicture(0, 0, self.picture)

    def boundingRect(self) -> QRectF:  # noqa: N802
        """Whole numbers."""
        return QRectF(self.picture.boundingRect())


def views(start: float, end: float, frames: int) -> list[View]:
    """Half of the frames zoom from everything into a thousandth, the others pan at a tenth."""
    span, half = end - start, frames // 2
    zoomed = [span / 2 * 0.001 ** (at / max(1, half - 1)) for at in range(half)]
    middle = (start + end) / 2
    panned = [start + span * 0.8 * at / max(1, frames - half) for at in range(frames - half)]
    return [
        *((middle - size, middle + size) for size in zoomed),
        *((left, left + span / 10) for left in panned),
    ]


def timed(what: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    what()
    return (time.perf_counter() - started) * 1000


def frame(widget: QWidget, show: Callable[[View], object], view: View) -> None:
    """Show another range and paint all of it."""
    show(view)
    widget.grab()


def shown(widget: QWidget, app: QApplication) -> None:
    """Show a widget in the size that is measured."""
    widget.resize(*SIZE)
    widget.show()
    app.processEvents()


def lines(candles: Candles, app: QApplication) -> dict[str, tuple[QWidget, Callable[[View], object]]]:
    """What is compared: a widget, and what has it show another range."""
    chart, full = PriceChart(), PriceChart()
    chart.show_equity(on=False)
    for one, trades in ((chart, 0), (full, OPEN_TRADES)):
        one.apply_theme(DARK)
        shown(one, app)
        one.show_run(run_on(candles, trades), candles)
    line, picture = pg.PlotWidget(), pg.PlotWidget()
    line.plot(candles.timestamp / 1000, candles.close, pen=pg.mkPen("w", width=1))
    few = candles.slice(0, PICTURE_CANDLES)
    built = timed(lambda: picture.addItem(PictureCandles(few)))
    print(f"a QPicture of {PICTURE_CANDLES:,} candles is made in {built:,.0f} ms")
    shown(line, app)
    shown(picture, app)
    part = len(candles) / max(1, len(few))
    first = float(candles.timestamp[0]) / 1000

    def scaled(view: View) -> View:  # the same part of fewer candles
        return first + (view[0] - first) / part, first + (view[1] - first) / part

    return {
        f"chart, {len(candles):,} candles, 3 indicators": (chart, lambda view: chart.show_range(*view)),
        f"the same, {OPEN_TRADES:,} trades, equity, drawdown": (full, lambda view: full.show_range(*view)),
        f"PlotDataItem, one line, {len(candles):,} points": (
            line,
            lambda view: line.setXRange(*view, padding=0),
        ),
        f"QPicture, {PICTURE_CANDLES:,} candles": (
            picture,
            lambda view: picture.setXRange(*scaled(view), padding=0),
        ),
    }


def opening(app: QApplication) -> None:
    """What showing a large run for the first time costs, and its first frame."""
    candles = walk(OPEN_CANDLES)
    run = run_on(candles, OPEN_TRADES)
    drawn, painted = [], []
    for _ in range(5):
        chart = PriceChart()
        chart.apply_theme(DARK)
        shown(chart, app)
        copy = RunResult(**{name: getattr(run, name) for name in RunResult.__slots__})
        drawn.append(timed(partial(chart.show_run, copy, candles)))
        painted.append(timed(chart.grab))
        chart.close()
    print(
        f"opening {OPEN_CANDLES:,} candles with {OPEN_TRADES:,} trades: {median(drawn):.0f} ms to draw, "
        f"{median(painted):.0f} ms to paint first"
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--candles", type=int, default=1_000_000)
    parser.add_argument("--frames", type=int, default=40)
    asked = parser.parse_args()
    app = create_application()
    candles = walk(asked.candles)
    compared = lines(candles, app)
    taken: dict[str, list[float]] = {name: [] for name in compared}
    ends = float(candles.timestamp[0]) / 1000, float(candles.timestamp[-1]) / 1000
    for view in views(*ends, asked.frames):
        for name, (widget, show) in compared.items():
            taken[name].append(timed(partial(frame, widget, show, view)))
    own = median(next(iter(taken.values())))
    print("| a frame | median | slowest | of the chart's |\n|---|---|---|---|")
    for name, times in taken.items():
        print(f"| {name} | {median(times):.1f} ms | {max(times):.1f} ms | {median(times) / own:.1f} |")
    print(f"goal of the chart: {GOAL_MS:.0f} ms")
    opening(app)
    for widget, _ in compared.values():
        widget.close()


if __name__ == "__main__":
    main()
