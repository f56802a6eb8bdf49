"""Runs a plug-in's own `backtesting.Strategy` unchanged: the library itself, with real prices, plain money and coins.

docs/decisions/native-strategies.md says why, and where the library is corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest.evaluation import Evaluation, asking
from engine.backtest.library.broker import library_frame, outcome_of, run_library
from engine.backtest.library.coin_broker import CoinBroker, in_coins
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import Report, ignore_report
from engine.loader.class_variables import MARGIN, SETTINGS, native_params, stated_margin
from engine.model.account import BOTH, Costs, Protections
from engine.model.filters import NO_FILTERS
from engine.model.market import Candles, Float64Array
from engine.parallel.seed import seed_random
from engine.strategy import Signals

_CONSERVED: Final = 1e-9  # of the money that went through the account: what sums of floats may lose


@dataclass(frozen=True, slots=True, eq=False)
class NativeRun:
    """What became of a native strategy's run over n candles.

    `indicators`: what `self.I` gave, float64 (n,) by name. `placed`, `prices`: float64 (n,), the signed sizes of the orders
    placed at each close, and their prices, summed. `first`: position of the first decision, n where there was none.
    `settings`: of `Backtest`, by name, its margin among them. `cancelled`: orders for which there was not enough cash;
    `late`: stops and targets touched in the candle of their entry, which the library executes on the next; `moved`: money
    that the strategy itself put into the account or took out; `unused`: terms of the run that the library does not know.
    """

    outcome: Outcome
    indicators: Mapping[str, Float64Array]
    placed: Float64Array
    prices: Float64Array
    first: int
    settings: Mapping[str, bool | float]
    cancelled: int
    late: int
    moved: float
    unused: tuple[str, ...]

    def orders_check(self) -> dict[str, Any]:
        """The check `orders`, `{status, note, cancelled, late, moved, settings}`: failed where some were cancelled."""
        return {
            "status": "failed" if self.cancelled else "passed",
            "note": "; ".join(self._said()),
            "cancelled": self.cancelled,
            "late": self.late,
            "moved": self.moved,
            "settings": dict(self.settings),
        }

    def _said(self) -> Iterator[str]:
        if self.cancelled:
            yield f"{_counted(self.cancelled, 'order')} cancelled: not enough cash"
        if self.late:
            touched = _counted(self.late, "stop or target", "stops or targets")
            yield f"{touched} touched in the candle of their entry, executed on the next"
        if self.moved:
            yield f"the strategy itself moved {self.moved:+,.2f} of the account's money"
        if self.settings[MARGIN] < 1:
            yield (
                f"leverage {1 / self.settings[MARGIN]:g} without liquidation: it ends only where the account is ruined at "
                "a close"
            )
        if self.unused:
            yield f"not used by a strategy of backtesting.py: {', '.join(self.unused)}"
        yield ", ".join(
            f"{name}={value:g}" if name == MARGIN else f"{name}={value}"
            for name, value in self.settings.items()
        )


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def run_native(
    candles: Candles,
    strategy: type,
    params: Mapping[str, Any],
    costs: Costs,
    report: Report = ignore_report,
    perpetual: Perpetual | None = None,
    held: int = 0,
) -> Outcome:
    """As `play_native`, when only the outcome is wanted."""
    return play_native(candles, strategy, params, costs, report, perpetual, held).outcome


def play_native(
    candles: Candles,
    strategy: type,
    params: Mapping[str, Any],
    costs: Costs,
    report: Report = ignore_report,
    perpetual: Perpetual | None = None,
    held: int = 0,
) -> NativeRun:
    """Run a backtesting.Strategy subclass over the candles of a period; exceptions of its code pass through. The first
    `held` of them lie before the period: it sees them, and neither decides nor trades there.

    It chooses its own order sizes: `costs.size` is not used. Those of `params` that differ from its class variables are set
    on it, as `Backtest.run` does. `exclusive_orders`, `hedging`, `trade_on_close`, `margin` are class variables of it; the
    leverage of `costs` comes before its margin. Of `perpetual`, over the period, its funding is charged.
    """
    made: list[Any] = []
    indicators: dict[str, Float64Array] = {}

    def make(broker: CoinBroker, data: Any, values: Mapping[str, Any]) -> Any:
        made.append(strategy(broker, data, values))
        return made[0]

    def started() -> None:
        indicators.update((name, row[held:]) for name, row in _columns(made[0]))

    settings = native_settings(strategy, costs.leverage)
    funding = None if perpetual is None else perpetual.funding
    given = _changed(strategy, params)
    with in_coins():
        frame = library_frame(candles)
        broker = run_library(
            frame, make, given, costs, CoinBroker, report, started, funding, held, **settings
        )
    outcome = outcome_of(broker, candles.slice(held, None), cut=held)
    return NativeRun(
        outcome=outcome,
        indicators=indicators,
        placed=broker.placed[0][held:],
        prices=broker.placed[1][held:],
        first=(len(candles) if broker.first is None else broker.first) - held,
        settings=settings,
        cancelled=broker.cancelled,
        late=broker.late,
        moved=_moved(outcome, costs),
        unused=tuple(_unused(costs)),
    )


def ask_native(
    candles: Candles,
    strategy: type,
    params: Mapping[str, Any],
    costs: Costs,
    path: Path,
    perpetual: Perpetual | None = None,
) -> Evaluation:
    """What a native strategy (of the plug-in file `path`) says when these candles of its period are all there is;
    `perpetual`: over them.

    Raises RunError with file and line where its code fails.
    """
    seed_random()
    with asking(path):
        return said_by(play_native(candles, strategy, params, costs, perpetual=perpetual))


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
    later, size = int(run.settings["trade_on_close"] is True), table.side * table.size
    left = ~table.is_open
    came = np.bincount(table.entry + later, size, n + 1)
    went = np.bincount(table.exit[left] + later, size[left], n + 1)
    return np.asarray(came - went)[:n]


def native_settings(strategy: type, leverage: float | None = None) -> dict[str, bool | float]:
    """The settings of `Backtest` that the class states as True or False, and its margin, else the library's defaults; a
    `leverage` of the run comes before its margin.
    """
    settings = {name: getattr(strategy, name, False) is True for name in SETTINGS}
    stated = stated_margin(strategy) or 1.0
    return settings | {MARGIN: stated if leverage is None else 1 / leverage}


def _unused(costs: Costs) -> Iterator[str]:
    if costs.maker is not None:
        yield "the commission of orders that rested"
    if costs.side != BOTH:
        yield f"side {costs.side}"
    if costs.protect != Protections():
        yield "protections"
    if costs.slippage_model:
        yield f"slippage {costs.slippage_model}, none was taken"
    if costs.filters != NO_FILTERS:
        yield "the exchange's filters"


def _changed(strategy: type, params: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as the class has it: a class variable that nobody changed stays one, which others may count in."""
    known = native_params(strategy)
    return {
        name: value for name, value in params.items() if name not in known or value != known[name].default
    }


def _moved(outcome: Outcome, costs: Costs) -> float:
    """What the account has that neither its beginning nor a trade explains."""
    gained = float(outcome.table.pnl.sum()) + outcome.shortfall
    moved = float(outcome.equity[-1]) - costs.cash - gained
    through = np.abs(outcome.table.size * outcome.table.entry_price).sum() + costs.cash
    return moved if abs(moved) > _CONSERVED * through else 0.0


def _columns(strategy: Any) -> Iterator[tuple[str, Float64Array]]:
    """What `self.I` gave, by the name of the attribute that holds it, else by its own."""
    attributes = {id(value): name for name, value in vars(strategy).items() if not name.startswith("_")}
    seen: dict[str, int] = {}
    for indicator in strategy._indicators:  # noqa: SLF001 - the library's own list of them
        rows = np.atleast_2d(np.asarray(indicator))
        own = indicator.name if isinstance(indicator.name, list) else None
        held = attributes.get(id(indicator), own or str(indicator.name))
        names = own or ([held] if len(rows) == 1 else [f"{held}[{k}]" for k in range(len(rows))])
        for name, row in zip(names, rows, strict=True):
            seen[name] = seen.get(name, 0) + 1
            yield name if seen[name] == 1 else f"{name} #{seen[name]}", _numbers(row)


def _numbers(row: Any) -> Float64Array:
    try:
        return np.array(row, dtype=np.float64)
    except (TypeError, ValueError):  # texts, times: by the order in which they first come
        import pandas as pd

        return np.asarray(pd.factorize(row)[0], dtype=np.float64)
