"""Margin, liquidation and funding: the worked numbers of the reference, scenes by hand, and two days that happened."""

import numpy as np
import pytest

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.model.account import Costs
from engine.model.brackets import Brackets
from engine.model.market import Timeframe
from tests.engine.backtest.playing import BUY, SELL, near, short
from tests.engine.backtest.terms import BTC, QUIET, Rows, fills, margin, marked, scene, settled
from tests.support.builders import candles_from, real_candles, real_funding, signals_for


@pytest.mark.parametrize(
    ("side", "units", "price", "leverage", "expected"),
    [
        ("long", 10, 82_000, 10, 74_140.7035),
        ("short", 10, 79_000, 20, 82_563.3383),
        ("long", 0.1, 60_000, 10, 54_216.8675),
        ("short", 0.1, 60_000, 10, 65_737.0518),
    ],
)
def test_liquidation_prices_are_those_of_the_bracket_that_they_fall_in(
    side: str, units: float, price: float, leverage: float, expected: float
) -> None:
    sign, rows = (1 if side == "long" else -1), [(price,) * 4] * 3
    for away, reason in ((1e-4, "open"), (-1e-4, "liquidation")):
        reached = expected + sign * away
        mark = marked([(price,) * 3, (price,) * 3, (price, max(price, reached), min(price, reached))])
        costs = margin(leverage, cash=units * price / leverage)
        outcome = scene(
            rows, {BUY if side == "long" else SELL: [0]}, costs, perpetual=Perpetual(None, mark, BTC)
        )
        assert short(outcome)[0][5] == reason


@pytest.mark.parametrize(("entry", "mark", "shown"), [(BUY, 54_000.0, 54_000.0), (SELL, 66_000.0, 66_000.0)])
def test_a_liquidation_costs_its_margin_and_the_fee_of_its_entry_and_is_shown_where_that_is_used_up(
    entry: str, mark: float, shown: float
) -> None:
    flat = (60_000.0,) * 4
    marks = [(60_000.0,) * 3, (60_000.0,) * 3, (60_000.0, max(mark, 60_000.0), min(mark, 60_000.0))]
    costs = margin(10, commission=0.001, slippage=0.0, size=0.5)
    outcome = scene(
        [flat] * 4, {entry: [0]}, costs, perpetual=Perpetual(None, marked([*marks, marks[0]]), BTC)
    )
    (trade,) = outcome.trades
    used = trade.size * 60_000 / 10
    assert (trade.exit_reason, trade.exit_price, trade.liquidated) == ("liquidation", near(shown), True)
    assert trade.pnl == near(-used - used * 10 * 0.001)
    assert used * 1.01 == near(500, abs=1e-3)
    assert outcome.equity[-1] == near(1000 + trade.pnl)
    assert outcome.shortfall == 0
    assert outcome.terms is not None
    assert outcome.terms.nearest_pct == 0


def test_the_mark_s_open_takes_a_position_before_its_exit_and_its_stop() -> None:
    rows = [QUIET, QUIET, (95, 96, 94, 95), QUIET]
    marks = marked([(100, 101, 99)] * 2 + [(89, 96, 89), (100, 101, 99)])
    columns = {BUY: [0], "exit_long": [1], "stop_loss": {0: 96.0}}
    outcome = scene(rows, columns, margin(10), perpetual=Perpetual(None, marks, BTC))
    assert short(outcome)[0][3:] == (2, near(90.0), "liquidation")


def test_a_stop_nearer_than_the_liquidation_goes_first_and_one_beyond_it_does_not() -> None:
    rows = [QUIET, QUIET, (100, 101, 85, 95), QUIET]
    perpetual = Perpetual(brackets=BTC)
    nearer = scene(rows, {BUY: [0], "stop_loss": {0: 95.0}}, margin(10), perpetual=perpetual)
    assert short(nearer)[0][4:] == (95.0, "stop_loss")
    beyond = scene(rows, {BUY: [0], "stop_loss": {0: 88.0}}, margin(10), perpetual=perpetual)
    assert short(beyond)[0][4:] == (near(90.0), "liquidation")


def test_the_last_price_does_not_liquidate_where_there_are_marks() -> None:
    rows = [QUIET, QUIET, (100, 101, 80, 100), QUIET]
    marks = marked([(100, 101, 99)] * 4)
    outcome = scene(rows, {BUY: [0]}, margin(5), perpetual=Perpetual(None, marks, BTC))
    assert short(outcome)[0][5] == "open"
    assert outcome.terms is not None
    price = (200 - 1000) / (10 * (0.004 - 1))
    assert outcome.terms.nearest_pct == near((99 - price) / 99 * 100, rel=1e-6)


def test_a_stop_filled_beyond_what_the_margin_pays_takes_free_cash_and_what_is_missing_is_owed() -> None:
    rows = [QUIET, QUIET, (80, 81, 79, 80), QUIET]
    marks = marked([(100, 101, 99)] * 2 + [(95, 96, 94), (100, 101, 99)])
    columns = {BUY: [0], "stop_loss": {0: 95.0}}
    part = scene(rows, columns, margin(10, size=0.5), perpetual=Perpetual(None, marks, BTC))
    assert part.trades[0].pnl == near(
        -1000, abs=1e-5
    )  # 50 coins bought at 100 and sold at 80; 500 of it free cash
    whole = scene(rows, columns, margin(10), perpetual=Perpetual(None, marks, BTC))
    assert whole.shortfall == near(1000, abs=1e-5)
    assert whole.equity[2:].tolist() == [0, 0]
    assert whole.equity[-1] - 1000 == near(whole.trades[0].pnl + whole.shortfall, abs=1e-6)


def test_a_notional_above_what_the_leverage_allows_is_clipped_and_counted() -> None:
    outcome = scene([QUIET] * 3, {BUY: [0]}, margin(100, cash=1e6), perpetual=Perpetual(brackets=BTC))
    assert outcome.trades[0].size == near(8000, abs=1e-8)  # 800,000 / 100
    assert outcome.terms is not None
    assert outcome.terms.clipped == 1


def test_an_add_counts_with_what_is_held_against_the_leverage() -> None:
    columns = {BUY: [0], "add_x_buy": [1], "add_size": {0: 0.5}}
    outcome = scene(
        [(100.0,) * 4] * 4, columns, margin(100, cash=1e4, size=0.5), perpetual=Perpetual(brackets=BTC)
    )
    assert [row[2] for row in fills(outcome)] == [near(5000, abs=1e-3), near(3000, abs=1e-3)]


def test_who_carries_a_position_through_a_settlement_pays_it() -> None:
    perpetual = Perpetual(settled(5, at_open={1: 1.0, 2: 2.0, 3: -0.5, 4: 8.0}))
    outcome = scene([QUIET] * 5, {BUY: [0], "exit_long": [3]}, Costs(1000, 0, 1), perpetual=perpetual)
    (trade,) = outcome.trades
    assert trade.funding == near(trade.size * (2 - 0.5 + 8))
    assert trade.pnl == near(-trade.size * 9.5)
    assert outcome.equity[-1] == near(1000 - trade.size * 9.5)
    assert outcome.terms is not None
    assert outcome.terms.funding_edge == near(trade.size * (1 - 8))
    sold = scene([QUIET] * 5, {SELL: [0], "exit_short": [3]}, Costs(1000, 0, 1), perpetual=perpetual)
    assert sold.trades[0].funding == near(-sold.trades[0].size * 9.5)
    assert sold.trades[0].price_pnl == near(0)


def test_the_worked_amounts_of_funding() -> None:
    flat = (2.5,) * 4
    funding = settled(3, at_open={2: 2.5 * 0.0002})
    outcome = scene([flat] * 3, {SELL: [0]}, Costs(25, 0, 1), perpetual=Perpetual(funding))
    assert outcome.equity[-1] - 25 == near(0.005, rel=1e-6)
    flat = (1000.0,) * 4
    funding = settled(3, at_open={2: 1000 * 0.001})
    outcome = scene([flat] * 3, {BUY: [0]}, Costs(1000, 0, 1), perpetual=Perpetual(funding))
    assert outcome.equity[-1] - 1000 == near(-1, rel=1e-6)


def test_inside_a_candle_who_holds_pays_and_who_leaves_pays_costs_but_gets_nothing() -> None:
    held = Perpetual(settled(4, inside={1: 1.0, 2: -0.5}))
    assert scene([QUIET] * 4, {BUY: [0]}, perpetual=held).trades[0].funding == near(0.5 * 10, rel=1e-6)
    rows = [QUIET, QUIET, (100, 101, 94, 95), QUIET]
    columns = {BUY: [0], "stop_loss": {0: 95.0}}
    assert scene(rows, columns, perpetual=held).trades[0].funding == near(10, rel=1e-6)
    costly = Perpetual(settled(4, inside={2: 0.5}))
    assert scene(rows, columns, perpetual=costly).trades[0].funding == near(5, rel=1e-6)
    out = {BUY: [0], "exit_long": [1]}
    assert scene(rows, out, perpetual=costly).trades[0].funding == 0
    sold = {SELL: [0], "stop_loss": {0: 105.0}}
    rows = [QUIET, QUIET, (100, 106, 99, 100), QUIET]
    assert scene(rows, sold, perpetual=held).trades[0].funding == near(-10 + 5, rel=1e-6)


def test_funding_moves_the_liquidation_and_is_lost_with_the_margin() -> None:
    flat = [QUIET, QUIET, (95, 96, 93, 95), QUIET]
    quiet = scene(flat, {BUY: [0]}, margin(10), perpetual=Perpetual(brackets=BTC))
    assert short(quiet)[0][5] == "open"
    charged = scene(
        flat, {BUY: [0]}, margin(10), perpetual=Perpetual(settled(4, at_open={2: 4.0}), None, BTC)
    )
    (trade,) = charged.trades
    assert (trade.exit_reason, trade.exit_price) == ("liquidation", near(94))
    assert (trade.pnl, trade.funding) == (near(-1000, rel=1e-6), near(400, rel=1e-6))


def test_a_sweep_counts_liquidations_and_funding_as_a_run_does() -> None:
    rows = [QUIET, QUIET, (100, 101, 85, 95), QUIET]
    candles = candles_from(rows)
    signals = signals_for(candles, {BUY: [0, 2]})
    row, plain = np.empty(len(SUMMARY)), np.empty(len(SUMMARY))
    prepared = Prepared.of(candles, Timeframe("1h"))
    perpetual = Perpetual(settled(4, at_open={2: 0.5}), None, BTC)
    run_summary(prepared, signals, margin(10), False, row, perpetual)
    figures = dict(zip(SUMMARY, row.tolist(), strict=True))
    outcome = scene(rows, {BUY: [0, 2]}, margin(10), perpetual=perpetual)
    assert figures["liquidations"] == 1
    assert figures["funding"] == near(sum(trade.funding or 0 for trade in outcome.trades))
    assert figures["final_equity"] == near(outcome.equity[-1])
    run_summary(prepared, signals, Costs(), False, plain)
    assert np.isnan(plain[SUMMARY.index("funding")])


def _day(symbol: str, period: str, start_ms: int) -> tuple[Rows, Mark]:
    """Two candles of nothing at the open of the hour, then the hour as it was, with its marks."""
    last, mark = (real_candles(f"usdm-{symbol}-{kind}-{period}") for kind in ("1h", "mark-1h"))
    candle, marks = (
        [float(column[c.timestamp == start_ms][0]) for column in (c.open, c.high, c.low, c.close)]
        for c in (last, mark)
    )
    opened = candle[0]
    return [(opened,) * 4, (opened,) * 4, candle], marked([(opened,) * 3, (opened,) * 3, marks[:3]])


@pytest.mark.parametrize(
    ("symbol", "period", "start_ms", "entry"),
    [
        ("BTCUSDT", "20210601-20210901", 1_627_261_200_000, SELL),  # 2021-07-26 01:00
        ("XRPUSDT", "20200501-20200701", 1_591_106_400_000, BUY),  # 2020-06-02 14:00
    ],
)
def test_hours_whose_last_price_would_have_liquidated_and_whose_mark_did_not(
    symbol: str, period: str, start_ms: int, entry: str
) -> None:
    rows, mark = _day(symbol, period, start_ms)
    table = Brackets.of([(0, 0.004, 125)])
    assert short(scene(rows, {entry: [0]}, margin(4), perpetual=Perpetual(None, mark, table)))[0][5] == "open"
    taken = scene(rows, {entry: [0]}, margin(4), perpetual=Perpetual(None, None, table))
    assert short(taken)[0][5] == "liquidation"


@pytest.mark.parametrize(
    ("symbol", "entry_price", "paid"),
    [("SOLUSDT", 94.449, 13.17416443371), ("BTCUSDT", 43_645.4, 4679.972511649)],
)
def test_half_a_year_of_settlements_costs_what_was_worked_out(
    symbol: str, entry_price: float, paid: float
) -> None:
    whole = real_candles(f"usdm-{symbol}-1h-20231201-20241204")
    known = real_funding(f"usdm-{symbol}-funding-20240106-20241204")
    bounds = np.searchsorted(whole.timestamp, (1_704_524_400_000, 1_719_792_000_000)).tolist()
    candles = whole.slice(*bounds)  # from the hour before 2024-01-06 08:00 to 2024-07-01
    at_open = np.zeros(len(candles))
    found = np.isin(known.time, candles.timestamp)
    at_open[np.searchsorted(candles.timestamp, known.time[found])] = known.rate[found]
    at_open *= candles.open
    none = np.zeros(len(candles))
    signals = signals_for(candles, {BUY: [0], SELL: ()})
    perpetual = Perpetual(Funding(at_open, at_open, none, none))
    (trade,) = run_compiled(candles, signals, Costs(1e6, 0, 0.5), perpetual=perpetual).trades
    assert (trade.entry_price, trade.exit_reason) == (entry_price, "open")
    assert trade.funding is not None
    assert trade.funding / trade.size == near(paid, rel=1e-10)
