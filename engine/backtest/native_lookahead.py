"""Does a native strategy use candles that it could not know yet? Its `init()` sees all of them: it is asked again too.

What it says is what `self.I` gave, the orders that it placed at each close, and what its account made of them. With the
future cut off, nothing of that may change up to the cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest import checks
from engine.backtest.checks import CANDLES, FOREVER, Check, lookahead_check
from engine.backtest.evaluation import CandleFrame, Evaluation, asking
from engine.backtest.lookahead import Budget, Findings, compare_cuts, find_lookahead, spread
from engine.backtest.native import NativeRun, play_native
from engine.backtest.rules import Report
from engine.loader import open_strategy
from engine.loader.describe import native_params
from engine.market import Candles, Float64Array
from engine.reproduction import seed_random
from engine.runs import Costs
from engine.strategy import Signals, complete

NO_WARMUP: Final = "a backtesting.Strategy is given no candles before its period"


def ask_native(
    candles: Candles, strategy: type, params: Mapping[str, Any], costs: Costs, path: Path
) -> Evaluation:
    """What a native strategy (of the plug-in file `path`) says when these candles of its period are all there is.

    Raises RunError with file and line where its code fails.
    """
    seed_random()
    with asking(path):
        return said_by(play_native(candles, strategy, params, costs))


def said_by(run: NativeRun) -> Evaluation:
    """A native run in the form of the answers of other strategies.

    `indicators`: what `self.I` gave; `orders` and `prices`: the sizes and prices of the orders placed at a candle's close,
    summed; `trades`: coins bought less those sold on it; `equity`. Signals say at which closes orders were placed.
    """
    n = len(run.placed)
    columns = {
        "orders": run.placed,
        "prices": run.prices,
        "trades": _traded(run),
        "equity": run.outcome.equity,
    }
    own = {f"{name} of self.I" if name in columns else name: row for name, row in run.indicators.items()}
    acts, never, no_price = run.prices + np.abs(run.placed) != 0, np.zeros(n, np.bool_), np.full(n, np.nan)
    signals = Signals(("orders",), acts.astype(np.int16), never, never, no_price, no_price, {})
    return Evaluation(own | columns, signals)


def _traded(run: NativeRun) -> Float64Array:
    """Coins that came or went on each candle, when that was known: of a fill at a close, the next candle tells."""
    table, n = run.outcome.table, len(run.placed)
    later, size = int(run.settings["trade_on_close"]), table.side * table.size
    left = ~table.is_open
    came = np.bincount(table.entry + later, size, n + 1)
    went = np.bincount(table.exit[left] + later, size[left], n + 1)
    return np.asarray(came - went)[:n]


def native_checks(
    run: NativeRun,
    candles: Candles,
    strategy: type,
    params: Mapping[str, Any],
    costs: Costs,
    path: Path,
    own_s: float,
) -> dict[str, Check]:
    """The checks of a native run over `candles` that took `own_s` seconds: `lookahead`, `warmup` and `orders`."""
    frame = CandleFrame(candles)

    def ask(part: CandleFrame) -> Evaluation:
        return ask_native(part.candles, strategy, params, costs, path)

    found = Findings()
    if run.first < len(frame) - 1:
        limit_s = min(max(checks.LEAST_S, own_s), checks.MOST_S)
        budget = Budget(CANDLES, limit_s, own_s / len(frame))
        found = find_lookahead(ask, frame, said_by(run), run.first, budget)
    return {"lookahead": lookahead_check(found, frame), **unsearched_checks(run)}


def unsearched_checks(run: NativeRun) -> dict[str, Check]:
    """Those that need no asking again."""
    return {
        "warmup": {"status": "skipped", "columns": [], "wanted": 0, "held": 0, "note": NO_WARMUP},
        "orders": run.orders_check(),
    }


def native_lookahead_job(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """As `lookahead_job`, for a native strategy; `task` has `costs` too, because its orders hang on its account."""
    candles = Candles.load(Path(task["candles_path"])).slice(task["first"], task["last"])
    period, path, costs = (
        candles.slice(int(task["warmup_candles"]), None),
        Path(task["strategy_path"]),
        Costs(**task["costs"]),
    )
    frame = CandleFrame(period)
    with open_strategy(path) as loaded:
        params = complete(native_params(loaded.strategy), task["params"])

        def ask(part: CandleFrame) -> Evaluation:
            return ask_native(part.candles, loaded.strategy, params, costs, path)

        seed_random()
        with asking(path):
            run = play_native(period, loaded.strategy, params, costs)
        every = np.arange(run.first, len(frame) - 1)
        cuts = spread(every, task["cuts"])
        found = Findings(planned=len(cuts))

        def tell(_part: Evaluation) -> None:
            report(found.done, found.planned, "cuts")

        compare_cuts(ask, frame, said_by(run), cuts, found, Budget(FOREVER, FOREVER), tell)
    warmup = unsearched_checks(run)["warmup"]
    return {"lookahead": lookahead_check(found, frame), "warmup": warmup, "candles": len(every)}
