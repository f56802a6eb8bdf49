"""Slippage by what an order means to its market, by hand: five coins at 100, in hourly candles of a thousand coins."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from engine.backtest.slippage import impact_column
from engine.model.filters import Filters
from engine.model.market import DAY_MS, Candles
from engine.model.slippage import SlippageModel
from tests.engine.backtest.playing import BUY, SELL, near
from tests.engine.backtest.terms_playing import Rows, fills, play
from tests.support.builders import candles_from, random_candles

TRADE = {BUY: [0], "exit_long": [1]}
SHARE: dict[str, Any] = {"slippage_model": "volume-share"}
ROOT: dict[str, Any] = {"slippage_model": "square-root"}
HALF: dict[str, Any] = {"slippage_model": "half-spread"}


def still(*volumes: float) -> list[tuple[float, ...]]:
    """Candles that stand still at 100, of these volumes."""
    return [(100, 100, 100, 100, volume) for volume in volumes]


def prices(rows: Rows | Candles, columns: Mapping[str, Any], **terms: Any) -> list[float]:
    """Of the fills of the one trade."""
    outcome = play(rows, columns, **terms)
    (trade,) = outcome.trades
    assert trade.price_pnl == near(trade.pnl + (trade.slippage or 0) + trade.commission, abs=1e-9)
    assert outcome.equity[-1] - 1000 == near(trade.pnl, abs=1e-9)
    return [price for _, price, _, _ in fills(outcome)]


def test_a_volume_share_is_of_the_candle_before_the_fill_and_never_of_its_own() -> None:
    bought, sold = prices(still(1000, 500, 1), TRADE, **SHARE)
    assert bought == near(100 * (1 + 0.1 * (5 / 1000) ** 2), rel=1e-15)
    assert sold == near(100 * (1 - 0.1 * (4.9999875 / 500) ** 2), rel=1e-14)
    # what the fill's own candle or a later one trades changes nothing
    assert prices(still(1000, 500, 77), TRADE, **SHARE) == [bought, sold]


def test_a_volume_share_ends_at_a_fortieth_also_where_nothing_was_traded() -> None:
    for volume in (200.0, 1.0, 0.0):
        assert prices(still(volume, 1, 1), TRADE, **SHARE)[0] == near(100 * (1 + 0.1 * 0.025**2), rel=1e-15)
    assert prices(still(200, 1, 1), TRADE, slippage_model="volume-share:1")[0] == near(100 * (1 + 0.025**2))


def test_a_square_root_is_of_the_days_before_the_fill() -> None:
    """Of hours alone: the volatility of a day is sqrt(24 / n * sum r²), its volume 24 / n * sum V; the n falls out."""
    rows = [(100, 110, 100, 110, 1000), (100, 100, 100, 100, 3000), (100, 130, 70, 100, 1)]
    first, second = math.log(1.1) ** 2, math.log(100 / 110) ** 2
    bought, sold = prices(rows, TRADE, **ROOT)
    assert bought == near(100 * (1 + math.sqrt(first * 5 / 1000)), rel=1e-12)
    assert bought == near(100.67394, abs=1e-5)
    size = 500 / bought
    assert sold == near(100 * (1 - math.sqrt((first + second) * size / 4000)), rel=1e-9)
    assert prices(rows, TRADE, slippage_model="square-root:0.5")[0] == near(
        100 + (bought - 100) / 2, rel=1e-12
    )


def test_a_square_root_looks_back_twenty_days_and_at_least_at_one_candle() -> None:
    days = [(100, 110, 100, 110 if i == 0 else 100, 1000) for i in range(24)]
    column = impact_column(candles_from(days, step_ms=DAY_MS), SlippageModel("square-root", 1.0))
    up, down = math.log(1.1) ** 2, math.log(100 / 110) ** 2
    assert column[0] == np.inf
    assert column[1] == near(up / 1000)
    assert column[20] == near((up + down) / 20_000)
    assert column[21] == near(down / 20_000)
    assert column[22] == near(0, abs=1e-18)
    months = candles_from(days[:3], step_ms=31 * DAY_MS)
    assert impact_column(months, SlippageModel("square-root", 2.0))[1:].tolist() == near(
        [4 * up / 1000, 4 * down / 1000]
    )


def test_without_volume_a_square_root_refuses_entries_and_leaves_at_the_most() -> None:
    outcome = play(still(0, 10, 10, 10), {BUY: [0, 1]}, **ROOT)
    assert outcome.terms is not None
    assert ([trade.entry_price for trade in outcome.trades], outcome.terms.no_volume) == ([100], 1)
    assert prices(candles_from(still(1000, 0, 1), step_ms=31 * DAY_MS), TRADE, **ROOT) == [100, 95]


def test_an_order_slips_by_what_had_traded_at_its_signal_and_an_exit_by_the_candle_before() -> None:
    waits = {BUY: [0], "entry_expiry": {0: 3}, "exit_long": [2]}
    rows = still(1000, 1, 400, 1)
    rows[2:] = [(100, 102, 100, 102, 400), (102, 102, 102, 102, 1)]
    bought, sold = prices(rows, waits | {"entry_stop": {0: 102}}, **SHARE)
    assert bought == near(102 * (1 + 0.1 * (500 / 102 / 1000) ** 2), rel=1e-15)
    assert sold == near(102 * (1 - 0.1 * (500 / bought / 400) ** 2), rel=1e-12)
    # an open that has passed it fills it no other way
    rows[2] = (98, 98, 98, 98, 400)
    bought, _ = prices(rows, waits | {"entry_limit": {0: 99}}, **SHARE)
    assert bought == near(98 * (1 + 0.1 * (500 / 98 / 1000) ** 2), rel=1e-15)


def test_what_traded_only_after_the_signal_helps_no_order() -> None:
    rows: list[tuple[float, ...]] = [*still(0, 1000), (100, 102, 100, 102, 1000), (102, 102, 102, 102, 1)]
    columns = {BUY: [0], "entry_expiry": {0: 3}, "entry_stop": {0: 102}}
    outcome = play(rows, columns, **ROOT)
    assert outcome.terms is not None
    assert (outcome.trades, outcome.terms.no_volume) == ((), 1)
    rows[0], rows[1] = still(1000, 0)
    assert prices(candles_from(rows, step_ms=31 * DAY_MS), columns, **ROOT) == [102]


def test_an_add_that_the_leverage_cuts_to_nothing_is_counted_also_where_nothing_was_traded() -> None:
    rows = [*still(1e12, 0), (101, 101, 101, 101, 1)]
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.25}}
    outcome = play(rows, columns, **SHARE, leverage=100.0, cash=17_000.0)
    assert outcome.terms is not None
    assert ([size for _, _, size, _ in fills(outcome)], outcome.terms.clipped) == ([near(8000)], 2)


@pytest.mark.parametrize("tick", [100.0, 200.0, 1e6])
def test_a_tick_above_the_price_takes_half_of_it_at_most(tick: float) -> None:
    assert prices(still(1, 1, 1), TRADE, **HALF, filters=Filters(tick=tick)) == [150, 50]


def test_half_a_spread_is_half_a_tick_or_more_where_that_is_given() -> None:
    half = {"filters": Filters(tick=0.5)}
    assert prices(still(1, 1, 1), TRADE, **HALF, **half) == [100.25, 99.75]
    for given, price in (("0.001", 100.25), ("0.01", 101.0)):
        assert prices(still(1, 1, 1), TRADE, slippage_model=f"half-spread:{given}", **half)[0] == near(price)
    assert prices(still(1, 1, 1), TRADE, slippage_model="half-spread:0.01") == near([101, 99])


def test_a_limit_at_the_open_slips_never_beyond_its_price_and_a_resting_one_not_at_all() -> None:
    half: dict[str, Any] = {"slippage_model": "half-spread:0.01"}
    rows = [(100, 100, 100, 100), (99, 99, 99, 99), (99, 99, 99, 99)]
    assert prices(rows, {BUY: [0], "entry_limit": {0: 99.5}}, **half) == [99.5]
    rows[1] = (100, 100, 99, 99)
    assert prices(rows, {BUY: [0], "entry_limit": {0: 99.5}}, **half) == [99.5]
    # nothing slips, so nothing need be known of the volume
    resting = still(0, 0, 0)
    assert prices(resting, {BUY: [0], "entry_limit": {0: 100}}, **ROOT) == [100]


def test_parts_and_adds_slip_by_their_own_size() -> None:
    rows = still(1000, 1000, 1000, 1000)
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.25}, "exit_long": [2]}
    (_, first, _, _), (_, add, size, _), (_, last, whole, _) = fills(play(rows, columns, **SHARE))
    assert first == near(100 * (1 + 0.1 * 0.005**2), rel=1e-15)
    assert (add, size) == (near(100 * (1 + 0.1 * 0.0025**2), rel=1e-15), near(2.5, rel=1e-5))
    assert last == near(100 * (1 - 0.1 * (whole / 1000) ** 2), rel=1e-15)
    parts = {BUY: [0], "target_1": {0: 110}, "target_2": {0: 120}, "part_1": {0: 0.2}}
    rows[2] = (115, 115, 115, 115, 1)
    *_, (_, part, size, _) = fills(play(rows[:3], parts, **SHARE))
    assert (part, size) == (near(115 * (1 - 0.1 * 0.001**2), rel=1e-9), near(-1, rel=1e-5))


def test_a_risk_slips_by_what_it_buys() -> None:
    columns = {BUY: [0], "stop_loss": {0: 90}, "risk": {0: 0.01}}
    (price,) = prices(still(1000, 1, 1), columns, **SHARE)
    assert price == near(100 * (1 + 0.1 * (1 / 1000) ** 2), rel=1e-15)


@pytest.mark.parametrize("model", ["volume-share", "square-root", "half-spread:0.0001"])
def test_larger_orders_never_fill_better(model: str) -> None:
    candles = random_candles(60, 5)
    paid = []
    for cash in (10.0, 1e3, 1e5, 1e6, 1e8):
        outcome = play(candles, {BUY: [30], SELL: []}, slippage_model=model, cash=cash)
        paid.append(outcome.trades[0].entry_price)
    assert paid == sorted(paid)
    assert paid[0] >= candles.open[31]
