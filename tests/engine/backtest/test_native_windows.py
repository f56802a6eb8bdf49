"""A native strategy that has seen candles before its period, as in the windows of a walk-forward."""

from dataclasses import fields
from typing import Any

import backtesting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.library.native import play_native
from engine.backtest.library.native_windows import play_windows
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Perpetual
from engine.model.account import Costs
from engine.model.market import Candles
from engine.model.window_params import WindowParams
from tests.support.builders import random_candles
from tests.support.examples import examples

COSTS = Costs(commission=0.001, slippage=0.0005)


class ByTheClock(backtesting.Strategy):  # type: ignore[misc]
    """Looks at the last candle only."""

    every = 7

    def init(self) -> None: ...

    def next(self) -> None:
        if self.data.index[-1].timestamp() // 3600 % self.every == 0:
            if self.position:
                self.position.close()
            else:
                self.buy(sl=self.data.Close[-1] * 0.97) if self.every % 2 else self.sell(size=0.5)


class Average(backtesting.Strategy):  # type: ignore[misc]
    """Tells the average that it saw at each decision; buys once."""

    n = 50
    seen: Any = None  # no parameter: a list of the test's

    def init(self) -> None:
        self.average = self.I(_mean, self.data.Close, self.n)

    def next(self) -> None:
        self.seen.append((self.data.index[-1].value // 10**6, float(self.average[-1])))
        if not self.position:
            self.buy()


def telling(seen: list[tuple[int, float]]) -> type:
    return type("Telling", (Average,), {"seen": seen})


def _mean(values: Any, n: int) -> Any:
    return np.concatenate((np.full(n - 1, np.nan), np.convolve(values, np.ones(n) / n, "valid")))


def funded(n: int, seed: int) -> Perpetual:
    rng = np.random.default_rng(seed)
    at_open, inside, edge = rng.normal(0, 0.01, (3, n)) * (rng.random(n) < 0.2)
    return Perpetual(Funding(at_open, inside, np.maximum(inside, 0), edge))


def same(one: Outcome, other: Outcome) -> None:
    np.testing.assert_array_equal(one.equity, other.equity)
    for field in fields(one.table):
        mine, theirs = (getattr(outcome.table, field.name) for outcome in (one, other))
        np.testing.assert_array_equal(mine, theirs, err_msg=field.name)
    assert repr(one.terms) == repr(other.terms)  # NaN is not itself


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 50), st.integers(0, 80), st.integers(2, 12), st.booleans())
def test_who_looks_at_nothing_before_trades_as_without_candles_before(
    seed: int, held: int, every: int, charged: bool
):
    candles = random_candles(200, seed, volatility=0.01)
    perpetual = funded(200 - held, seed) if charged else None
    seen = play_native(candles, ByTheClock, {"every": every}, COSTS, perpetual=perpetual, held=held)
    alone = play_native(candles.slice(held, None), ByTheClock, {"every": every}, COSTS, perpetual=perpetual)
    same(seen.outcome, alone.outcome)
    assert seen.first == alone.first
    np.testing.assert_array_equal(seen.placed, alone.placed)


def test_averages_at_each_decision_are_of_the_candles_before_too():
    candles, seen = random_candles(200, 3), list[tuple[int, float]]()
    run = play_native(candles, telling(seen), {}, COSTS, held=80)
    assert [time for time, _ in seen] == candles.timestamp[
        81:
    ].tolist()  # as the library: not on the first candle
    assert [value for _, value in seen] == pytest.approx(_mean(candles.close, 50)[81:])
    assert run.indicators["average"] == pytest.approx(_mean(candles.close, 50)[80:])
    assert len(run.outcome.equity) == len(run.placed) == 120
    assert run.outcome.table.entry.tolist() == [2]
    assert run.outcome.table.entry_time.tolist() == candles.timestamp[82:83].tolist()


def test_fewer_candles_before_than_an_average_needs_let_it_begin_when_it_can():
    seen: list[tuple[int, float]] = []
    candles = random_candles(200, 3)
    run = play_native(candles, telling(seen), {}, COSTS, held=20)
    assert seen[0][0] == candles.timestamp[run.first + 20]
    assert run.first + 20 == play_native(candles, telling([]), {}, COSTS).first


def test_every_window_has_seen_what_lies_before_it_and_nothing_after():
    candles = random_candles(240, 5, volatility=0.01)
    bounds = [40, 90, 160]
    seen: list[tuple[int, float]] = []
    windows = [WindowParams(int(candles.timestamp[at]), {"n": 30 + 2 * k}) for k, at in enumerate(bounds)]
    run = play_windows(candles, telling(seen), windows, COSTS, held=40)
    assert len(run.outcome.equity) == 200
    for k, (start, stop) in enumerate(zip(bounds, [*bounds[1:], 240], strict=True)):
        mine, seen = seen[: stop - start - 1], seen[stop - start - 1 :]
        assert [time for time, _ in mine] == candles.timestamp[start + 1 : stop].tolist()
        assert [value for _, value in mine] == pytest.approx(
            _mean(candles.close, 30 + 2 * k)[start + 1 : stop]
        )
    assert changed_after(candles, windows, 160) == run.outcome.equity[:120].tolist()


def changed_after(candles: Candles, windows: Any, at: int) -> list[float]:
    """The account up to there where all candles from there on are others."""
    prices = [column.copy() for column in candles.columns().values()]
    for column in prices[:4]:
        column[at:] *= 1.5
    other = play_windows(Candles(candles.timestamp, *prices), telling([]), windows, COSTS, held=40)
    return other.outcome.equity[: at - 40].tolist()  # type: ignore[no-any-return]
