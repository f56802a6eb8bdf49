"""The figures of one trial over many stretches of its candles, each a run of its own from a flat account with the same cash.

spans = Spans.of(candles, timeframe, bounds, perpetual)           # once per series
rows = np.empty((len(bounds), len(SUMMARY)))
run_spans(spans, signals, costs, strategy.reverse, rows)          # once per trial
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numba
import numpy as np
from numba import types

from engine.backtest.kernel.compiled import cost_values, signal_columns, simulate
from engine.backtest.kernel.parts import FLAGS, PRICES, SIGNS
from engine.backtest.kernel.summary import Prepared, run_summary, summarise_trades
from engine.backtest.kernel.terms import kernel_for
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import check_stops
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import Candles, Float64Array, Int64Array, Timeframe
from engine.strategy import Signals


@dataclass(frozen=True, eq=False)
class Spans:
    """What all trials share. `whole`: of the period; `parts`: of each stretch, and what of the perpetual's market is its.

    `bounds`: int64 (k, 2), positions start..stop. `times`, `ends`, `extremes`: those of `parts`, one after another, of which
    stretch j has `times[places[j, 0]:places[j + 1, 0]]`, `ends[places[j, 1]:places[j + 1, 1]]` and so on.
    """

    whole: Prepared
    bounds: Int64Array
    parts: Sequence[tuple[Prepared, Perpetual | None]]

    @classmethod
    def of(
        cls,
        candles: Candles,
        timeframe: Timeframe,
        bounds: Sequence[tuple[int, int]],
        perpetual: Perpetual | None,
    ) -> Self:
        """Of stretches of at least one candle each of a period's candles, with `perpetual` over the period."""
        parts = [
            (
                Prepared.of(candles.slice(start, stop), timeframe),
                None if perpetual is None else perpetual.slice(start, stop),
            )
            for start, stop in bounds
        ]
        return cls(Prepared.of(candles, timeframe), np.array(bounds, dtype=np.int64), parts)

    @cached_property
    def times(self) -> Int64Array:
        """Of all stretches."""
        return np.concatenate([part.times for part, _ in self.parts])

    @cached_property
    def ends(self) -> Int64Array:
        """Of all stretches."""
        return np.concatenate([part.day_ends for part, _ in self.parts]).astype(np.int64)

    @cached_property
    def extremes(self) -> Float64Array:
        """Of all stretches: blocks are counted from the first candle of each."""
        return np.concatenate([part.extremes for part, _ in self.parts])

    @cached_property
    def places(self) -> Int64Array:
        """Where those of each begin, int64 (k + 1, 3)."""
        many = [(len(part.times), len(part.day_ends), len(part.extremes)) for part, _ in self.parts]
        return np.concatenate((np.zeros((1, 3), dtype=np.int64), np.cumsum(many, axis=0, dtype=np.int64)))


def run_spans(
    spans: Spans, signals: Signals, costs: Costs, reverse: bool, rows: Float64Array
) -> list[tuple[int, str]]:
    """Trade `signals` (of the whole period) over every stretch, write the values of SUMMARY into `rows`
    (k, len(SUMMARY)), NaN for None. Gives the stretches whose run fails, whose rows are NaN, with what a run would say.
    """
    kernel = kernel_for(signals, costs, spans.parts[0][1])
    return (_plain if kernel is None else _one_by_one)(spans, signals, costs, reverse, rows)


def _one_by_one(
    spans: Spans, signals: Signals, costs: Costs, reverse: bool, rows: Float64Array
) -> list[tuple[int, str]]:
    failed = []
    for k, (start, stop) in enumerate(spans.bounds.tolist()):
        part, perpetual = spans.parts[k]
        try:
            run_summary(part, signals.slice(start, stop), costs, reverse, rows[k], perpetual)
        except RunError as error:
            rows[k] = np.nan
            failed.append((k, str(error)))
    return failed


def _plain(
    spans: Spans, signals: Signals, costs: Costs, reverse: bool, rows: Float64Array
) -> list[tuple[int, str]]:
    signals, whole = signals.only(costs.side, reverse), spans.whole
    refused = np.full(len(spans.bounds), -1, dtype=np.int64)
    _simulate_spans(
        *whole.prices, *signal_columns(signals), *cost_values(costs), reverse, whole.equity, whole.room.places,
        whole.room.amounts, spans.bounds, spans.places, spans.times, spans.ends, spans.extremes, whole.held,
        whole.returns, rows, refused,
    )  # fmt: skip
    return [(k, _why(spans, signals, k, int(refused[k]))) for k in np.flatnonzero(refused >= 0).tolist()]


def _why(spans: Spans, signals: Signals, k: int, at: int) -> str:
    start, stop = spans.bounds[k].tolist()
    try:
        check_stops(spans.parts[k][0].candles, signals.slice(start, stop), at)
    except RunError as error:
        return str(error)
    raise AssertionError("the kernel refused what the rules allow")


@numba.njit(
    (
        *[PRICES] * 4,
        SIGNS,
        *[FLAGS] * 2,
        *[PRICES] * 2,
        *[types.float64] * 4,
        types.boolean,
        types.float64[::1],
        types.int64[:, ::1],
        types.float64[:, ::1],
        *[types.int64[:, ::1]] * 2,
        *[types.int64[::1]] * 2,
        *[types.float64[:, ::1]] * 2,
        types.float64[::1],
        types.float64[:, ::1],
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def _simulate_spans(
    opened: Any, high: Any, low: Any, close: Any, entry: Any, exit_long: Any, exit_short: Any, stop_loss: Any,
    take_profit: Any, cash: float, commission: float, size: float, slippage: float, reverse: bool, equity: Any,
    places: Any, amounts: Any, bounds: Any, begins: Any, times: Any, ends: Any, extremes: Any, held: Any,
    returns: Any, rows: Any, refused: Any,
) -> None:  # fmt: skip
    """`simulate` and `summarise_trades` over each stretch; `refused[k]`: -1, or the candle of it whose entry cannot be."""
    for k in range(len(bounds)):
        a, b = bounds[k, 0], bounds[k, 1]
        low_high = extremes[begins[k, 2] : begins[k + 1, 2]]
        count, _, bad = simulate(
            opened[a:b], high[a:b], low[a:b], close[a:b], entry[a:b], exit_long[a:b], exit_short[a:b],
            stop_loss[a:b], take_profit[a:b], cash, commission, size, slippage, reverse, False, equity, places,
            amounts, low_high, held,
        )  # fmt: skip
        if bad >= 0:
            refused[k] = bad
            rows[k, :] = np.nan
            continue
        summarise_trades(
            cash, close[b - 1] / opened[a] - 1, times[begins[k, 0] : begins[k + 1, 0]],
            ends[begins[k, 1] : begins[k + 1, 1]], close[a:b], low_high, count, places, amounts, held, rows[k],
            returns[: begins[k + 1, 1] - begins[k, 1]],
        )  # fmt: skip
