"""What trades tell of an account against the column of its values: the same figures to the last bit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from engine.backtest.kernel.compiled import cost_values, run_compiled, signal_columns, simulate, trade_space
from engine.backtest.kernel.spans import Spans, run_spans
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary, summarise_column
from engine.backtest.kernel.worth import BLOCK, HELD, block_extremes
from engine.backtest.rules import REASONS, RUIN
from engine.model.account import Costs
from engine.model.market import Candles, Timeframe
from engine.strategy import Signals
from tests.engine.backtest.test_properties import scenes
from tests.support.builders import random_candles, signals_for

NOT_ASKED = np.empty((0, 2)), np.empty((len(HELD), 0))


def of_the_column(prepared: Prepared, signals: Signals, costs: Costs, reverse: bool) -> list[np.ndarray]:
    """Figures and daily returns of the equity that a run of its own writes; no scene is refused."""
    equity, row, returns = (
        np.empty(len(prepared.candles)),
        np.empty(len(SUMMARY)),
        np.empty(len(prepared.day_ends)),
    )
    places, amounts = trade_space(int(np.count_nonzero(signals.entry)))
    money = cost_values(costs)
    count, _, refused = simulate(
        *prepared.prices, *signal_columns(signals), *money, reverse, True, equity, places, amounts, *NOT_ASKED
    )
    assert refused < 0
    close, opened = prepared.prices[3], prepared.prices[0]
    summarise_column(
        money[0], close[-1] / opened[0] - 1, prepared.times, prepared.day_ends, equity, False, count, places,
        amounts, row, returns,
    )  # fmt: skip
    return [row, returns]


def assert_same_bits(candles: Candles, signals: Signals, costs: Costs, reverse: bool) -> None:
    prepared = Prepared.of(candles, Timeframe("1h"))
    expected = of_the_column(prepared, signals, costs, reverse)
    row, returns = np.empty(len(SUMMARY)), np.empty(len(prepared.day_ends))
    run_summary(prepared, signals, costs, reverse, row, returns=returns)
    assert [row.tobytes(), returns.tobytes()] == [one.tobytes() for one in expected]


@given(scenes())
def test_any_scene_has_the_figures_of_its_equity(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool],
) -> None:
    candles, columns, costs, reverse = scene
    assert_same_bits(candles, signals_for(candles, columns), costs, reverse)


@pytest.mark.parametrize("every", [1, 3, 17, 400, 5_000])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("volatility", [0.003, 0.03])  # many of the second are ruined
def test_trades_of_any_length_have_the_figures_of_their_equity(
    every: int, reverse: bool, volatility: float
) -> None:
    rng, candles = np.random.default_rng(every), random_candles(5_000, every, volatility=volatility)
    columns: dict[str, Any] = {
        name: np.flatnonzero(rng.random(5_000) < 1 / every).tolist()
        for name in ("signal_a_buy", "signal_b_sell", "exit_long", "exit_short")
    }
    assert_same_bits(candles, signals_for(candles, columns), Costs(size=1.0), reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_stretches_that_begin_inside_a_block_have_the_figures_of_their_own_equity(reverse: bool) -> None:
    rng, candles = np.random.default_rng(4), random_candles(800, 4, volatility=0.01)
    columns: dict[str, Any] = {
        name: np.flatnonzero(rng.random(800) < 0.03).tolist()
        for name in ("signal_a_buy", "signal_b_sell", "exit_long", "exit_short")
    }
    signals, costs = signals_for(candles, columns), Costs(size=1.0)
    bounds = [(start, start + 300 + 7 * start) for start in range(2 * BLOCK)]
    rows = np.empty((len(bounds), len(SUMMARY)))
    assert run_spans(Spans.of(candles, Timeframe("1h"), bounds, None), signals, costs, reverse, rows) == []
    for (start, stop), row in zip(bounds, rows, strict=True):
        alone = Prepared.of(candles.slice(start, stop), Timeframe("1h"))
        expected, _ = of_the_column(alone, signals.slice(start, stop), costs, reverse)
        assert row.tobytes() == expected.tobytes()


@pytest.mark.parametrize("shift", range(BLOCK))
def test_a_short_is_ruined_where_its_equity_is_gone(shift: int) -> None:
    close = np.full(60, 100.0)
    close[30 + shift :] = 90.0
    close[20 + shift] = 250.0
    candles = Candles(random_candles(60, 1).timestamp, close, close + 1, close - 1, close, close)
    signals = signals_for(candles, {"signal_a_sell": [2]})
    assert_same_bits(candles, signals, Costs(), False)
    trades = run_compiled(candles, signals, Costs()).table
    assert (trades.reason.tolist(), trades.exit_time.tolist()) == (
        [REASONS.index(RUIN)],
        [candles.timestamp[20 + shift]],
    )


def test_blocks_are_whole_and_begin_with_the_first_candle() -> None:
    close = np.arange(1.0, 2 * BLOCK + 4)
    assert block_extremes(close).tolist() == [[1.0, BLOCK], [BLOCK + 1.0, 2.0 * BLOCK]]
    assert block_extremes(close[: BLOCK - 1]).shape == (0, 2)
