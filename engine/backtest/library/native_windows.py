"""A plug-in's own `backtesting.Strategy` whose parameters change with time: each window an ordinary run from a flat account.

The cash goes on. What is held at the end of a window leaves at the next open, with `exit_reason` "window_end" and its costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.backtest.evaluation import Evaluation, asking
from engine.backtest.library.native import NativeRun, play_native, said_by
from engine.backtest.outcome import FillTable, Outcome, Terms, TradeTable
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import FILLS, REASONS, WINDOW_END, Report, ignore_report
from engine.backtest.stitching import Span, ruled_spans
from engine.loader.class_variables import native_params
from engine.model.account import Costs
from engine.model.market import Candles, Float64Array
from engine.model.parameters import complete
from engine.model.window_params import WindowParams
from engine.parallel.seed import seed_random


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A window's run over the candles of `span`, and what is left of the money after it."""

    run: NativeRun
    span: Span
    cash: float


def play_windows(
    candles: Candles,
    strategy: type,
    windows: Sequence[WindowParams],
    costs: Costs,
    report: Report = ignore_report,
    perpetual: Perpetual | None = None,
    held: int = 0,
) -> NativeRun:
    """As `play_native` over the candles of a period, with the parameters of each window in its candles, having seen all
    before them.

    Where nothing is left of the account, the windows after that are not played.
    """
    known, cash, parts = native_params(strategy), costs.cash, list[_Part]()
    period = candles.slice(held, None)
    for window, (start, stop) in ruled_spans(windows, period):
        if cash <= 0:
            break
        seed_random()
        run = play_native(
            candles.slice(0, held + stop),
            strategy,
            complete(known, window.params),
            replace(costs, cash=cash),
            _told(report, held, len(period)),
            None if perpetual is None else perpetual.slice(start, stop),
            held + start,
        )
        if stop < len(period):
            run, cash = _left(run, period, stop, costs, perpetual)
        parts.append(_Part(run, (start, stop), cash))
    return _joined(parts, len(period), max(0.0, -cash))


def ask_windows(
    candles: Candles,
    strategy: type,
    windows: Sequence[WindowParams],
    costs: Costs,
    path: Path,
    perpetual: Perpetual | None = None,
    held: int = 0,
) -> Evaluation:
    """As `ask_native`, of a run of several windows; the first `held` candles lie before its period. Raises RunError with
    file and line where its code fails.
    """
    with asking(path):
        return said_by(play_windows(candles, strategy, windows, costs, perpetual=perpetual, held=held))


def _told(report: Report, held: int, total: int) -> Report:
    return lambda done, _total, unit: report(done - held, total, unit)


def _left(
    run: NativeRun, candles: Candles, at: int, costs: Costs, perpetual: Perpetual | None
) -> tuple[NativeRun, float]:
    """What is held at the end of a window leaves at the open of candle `at`, which comes next; and the money after that."""
    outcome, table = run.outcome, run.outcome.table
    held = table.is_open
    if not held.any():
        return run, float(outcome.equity[-1]) - outcome.shortfall
    length, bare = len(outcome.equity), float(candles.open[at])
    side, size = table.side[held], table.size[held]
    price = bare * (1 - side * costs.slippage)
    fee = size * price * costs.commission
    settled = np.zeros(len(size))
    if perpetual is not None and perpetual.funding is not None:  # carried through the settlement at that open
        settled = side * size * float(perpetual.funding.at_open[at])
    more = side * size * (price - table.exit_price[held]) - fee - settled
    seen = side * (price / table.entry_price[held] - 1) * 100
    pnl = table.pnl[held] + more
    changed: dict[str, Any] = {
        "exit": length,
        "exit_price": price,
        "exit_time": candles.timestamp[at],
        "pnl": pnl,
        "return_pct": pnl / (size * table.entry_price[held]) * 100,
        "commission": table.commission[held] + fee,
        "slippage": table.slippage[held] + size * np.abs(price - bare),
        "reason": REASONS.index(WINDOW_END),
        "mae_pct": np.minimum(table.mae_pct[held], seen),
        "mfe_pct": np.maximum(table.mfe_pct[held], seen),
    }
    if table.funding is not None:
        changed["funding"] = table.funding[held] + settled
    columns = {name: _changed(getattr(table, name), held, values) for name, values in changed.items()}
    fills = None
    if outcome.fills is not None:
        fills = _with_exits(outcome.fills, np.flatnonzero(held), candles.timestamp[at], price, size, fee)
    left = replace(outcome, table=replace(table, **columns), fills=fills)
    return replace(run, outcome=left), float(outcome.equity[-1]) - outcome.shortfall + float(more.sum())


def _changed(column: Any, held: Any, values: Any) -> Any:
    changed = column.copy()
    changed[held] = values
    return changed


def _with_exits(fills: FillTable, trades: Any, time: int, price: Any, size: Any, fee: Any) -> FillTable:
    """With one more fill for each of these trades, behind their others."""
    n = len(trades)
    more = FillTable(
        trades, np.full(n, time), price, size, np.full(n, FILLS.index(WINDOW_END)), fee, np.zeros(n, np.bool_)
    )
    order = np.argsort(np.concatenate((fills.trade, trades)), kind="stable")
    return FillTable(
        *(
            np.concatenate((getattr(fills, one.name), getattr(more, one.name)))[order]
            for one in fields(FillTable)
        )
    )


# -- one run of many


def _joined(parts: Sequence[_Part], n: int, shortfall: float) -> NativeRun:
    """The windows' runs as one over n candles; behind an account that was ruined there is nothing."""
    runs = [part.run for part in parts]
    first = next(
        (part.span[0] + part.run.first for part in parts if part.run.first < len(part.run.placed)), n
    )
    names = dict.fromkeys(name for run in runs for name in run.indicators)

    def column(of: Callable[[NativeRun], Float64Array | None], empty: float) -> Float64Array:
        whole = np.full(n, empty)
        for part in parts:
            found = of(part.run)
            if found is not None:
                whole[slice(*part.span)] = found
        return whole

    return NativeRun(
        outcome=_outcome(parts, column(lambda run: run.outcome.equity, 0.0), shortfall),
        indicators={name: column(lambda run, name=name: run.indicators.get(name), np.nan) for name in names},  # type: ignore[misc]
        placed=column(lambda run: run.placed, 0.0),
        prices=column(lambda run: run.prices, 0.0),
        first=first,
        settings=runs[0].settings,
        cancelled=sum(run.cancelled for run in runs),
        late=sum(run.late for run in runs),
        moved=sum(run.moved for run in runs),
        unused=runs[0].unused,
    )


def _outcome(parts: Sequence[_Part], equity: Float64Array, shortfall: float) -> Outcome:
    outcomes = [part.run.outcome for part in parts]
    terms = [outcome.terms for outcome in outcomes if outcome.terms is not None]
    return Outcome(
        _table(parts),
        equity,
        max(shortfall, *(outcome.shortfall for outcome in outcomes)),
        _fills(parts),
        Terms.plain(sum(one.funding_edge for one in terms)) if terms else None,
    )


def _table(parts: Sequence[_Part]) -> TradeTable:
    tables = [part.run.outcome.table for part in parts]
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    moved = [
        replace(
            table,
            names=names,
            entry=table.entry + part.span[0],
            exit=table.exit + part.span[0],
            signal=np.array([names.index(name) for name in table.names], dtype=np.int64)[table.signal],
        )
        for part, table in zip(parts, tables, strict=True)
    ]
    columns: Mapping[str, Any] = {
        one.name: None
        if getattr(moved[0], one.name) is None
        else np.concatenate([getattr(table, one.name) for table in moved])
        for one in fields(TradeTable)
        if one.name != "names"
    }
    return TradeTable(names=names, **columns)


def _fills(parts: Sequence[_Part]) -> FillTable | None:
    found, before = [], 0
    for part in parts:
        outcome = part.run.outcome
        if outcome.fills is None:
            return None
        found.append(replace(outcome.fills, trade=outcome.fills.trade + before))
        before += len(outcome.table)
    return FillTable(
        *(np.concatenate([getattr(fills, one.name) for fills in found]) for one in fields(FillTable))
    )
