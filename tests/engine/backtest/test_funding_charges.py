"""Funding, by hand: five coins at 100; who pays at an open, inside a candle, in a hole; and the sums on real settlements."""

import gzip
from typing import Any

import numpy as np
import pytest

from engine.backtest.library.reference import run_reference
from engine.backtest.perpetual import Funding, Perpetual
from engine.model.account import Costs
from engine.model.funding import FundingRates
from engine.model.market import HOUR_MS, Candles, parse_time
from tests.engine.backtest.playing import BUY, SELL, hours, near, short
from tests.engine.backtest.terms_playing import FLAT, charged, play
from tests.support.builders import START_MS, flat_candles, real_candles, real_file, signals_for


def test_a_position_carried_through_the_instant_pays_and_one_entered_there_does_not() -> None:
    outcome = play([FLAT] * 4, {BUY: [0]}, funding={"at_open": {1: 0.3, 2: 0.1}})
    assert outcome.trades[0].funding == near(0.5)
    assert outcome.equity.tolist() == near([1000, 1000, 999.5, 999.5])
    assert play([FLAT] * 4, {SELL: [0]}, funding={"at_open": {2: 0.1}}).trades[0].funding == near(-0.5)


def test_an_exit_at_the_open_of_a_settlement_pays() -> None:
    outcome = play([FLAT] * 4, {BUY: [0], "exit_long": [1]}, funding={"at_open": {2: 0.1}})
    assert (outcome.trades[0].exit_reason, outcome.trades[0].funding) == ("exit_long", near(0.5))


@pytest.mark.parametrize("columns", [{"exit_long": [2]}, {"stop_loss": {0: 95}, "trail": {0: 90}}])
def test_a_position_of_a_single_unit_pays_and_leaves_as_any_other(columns: dict[str, Any]) -> None:
    """1e-8 coin, the least that there is."""
    rows = [FLAT, FLAT, (100, 100, 96, 96), (94, 94, 94, 94), FLAT]
    (trade,) = play(
        rows, {BUY: [0], **columns}, cash=2e-6, funding={"at_open": {2: 0.5}, "inside": {1: 0.25}}
    ).trades
    assert (trade.size, trade.exit_price, hours(trade.exit_time)) == (1e-8, 94, 3)
    assert trade.funding == near(0.75e-8, abs=1e-16)


def test_who_turns_at_a_settlement_pays_first_and_sizes_with_what_is_left() -> None:
    outcome = play([FLAT] * 4, {BUY: [0], SELL: [1]}, reverse=True, funding={"at_open": {2: 20.0}})
    first, second = outcome.trades
    assert (first.funding, second.funding) == (near(100), 0)
    assert second.size == near(4.5)


def test_settlements_inside_a_candle_are_paid_by_who_is_held_at_its_close() -> None:
    outcome = play([FLAT] * 3, {BUY: [0]}, funding={"inside": {0: 0.7, 1: 0.2, 2: 0.1}})
    assert outcome.trades[0].funding == near(1.5)  # the last candle's too
    assert outcome.equity.tolist() == near([1000, 999, 998.5])


@pytest.mark.parametrize(("column", "stop", "paid"), [(BUY, 95, 0.2), (SELL, 105, 0.3)])
def test_who_leaves_inside_a_candle_pays_what_settles_there_and_is_credited_nothing(
    column: str, stop: float, paid: float
) -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT]
    funding = {"inside": {1: -0.1}, "inside_paid": {1: 0.2}}  # + 0.2 and - 0.3
    outcome = play(rows, {column: [0], "stop_loss": {0: stop}}, funding=funding)
    assert outcome.trades[0].exit_reason == "stop_loss"
    assert outcome.trades[0].funding == near(5 * paid)


def test_a_target_inside_the_candle_pays_for_its_part_and_the_rest_at_the_close() -> None:
    rows = [FLAT, (100, 104, 100, 102), (102, 102, 102, 102)]
    columns = {BUY: [0], "target_1": {0: 103}, "target_2": {0: 110}, "part_1": {0: 0.4}}
    outcome = play(rows, columns, funding={"inside": {1: -0.1}, "inside_paid": {1: 0.2}})
    assert outcome.trades[0].funding == near(2 * 0.2 - 3 * 0.1)


def test_leaving_at_the_open_pays_nothing_of_the_inside() -> None:
    columns = {BUY: [0], "exit_long": [1]}
    assert play([FLAT] * 4, columns, funding={"inside": {2: 0.3}}).trades[0].funding == 0


def test_the_edge_is_what_the_other_convention_would_change() -> None:
    columns = {BUY: [0], "exit_long": [2]}
    funding = {"at_open": {1: 0.1, 2: 0.5, 3: 0.4}, "edge": {1: 0.1, 2: 0.2, 3: 0.3}}
    outcome = play([FLAT] * 5, columns, funding=funding)
    assert outcome.trades[0].funding == near(5 * 0.9)
    assert outcome.terms is not None
    assert outcome.terms.funding_edge == near(5 * 0.1 - 5 * 0.3)


def test_without_margin_funding_is_paid_in_cash_and_can_ruin() -> None:
    rows = [FLAT, FLAT, (99, 99, 99, 99), FLAT]
    outcome = play(rows, {BUY: [0]}, funding={"at_open": {2: 200.0}})
    assert short(outcome)[0][3:] == (2, 99, "ruin")
    assert outcome.shortfall == near(5)
    assert outcome.trades[0].pnl == near(-1005)


def test_where_funding_is_not_charged_it_is_none_and_not_nothing() -> None:
    assert play([FLAT] * 3, {BUY: [0]}).trades[0].funding is None
    assert play([FLAT] * 3, {BUY: [0]}, funding={}).trades[0].funding == 0


# settlements into what candles pay


def of(
    candles: Candles,
    hours: list[float],
    rate: float = 0.01,
    mark: float = np.nan,
    marks: Candles | None = None,
) -> tuple[Funding, dict[str, int]]:
    times = START_MS + np.round(np.array(hours) * HOUR_MS).astype(np.int64)
    k = len(times)
    return charged(candles, candles.timestamp + HOUR_MS, times, np.full(k, rate), np.full(k, mark), marks)


def test_a_candle_owns_what_settles_from_its_open_to_before_its_close() -> None:
    funding, sources = of(flat_candles([100, 200, 300]), [0, 1, 1.5, 2.25, 3, -1])
    assert funding.at_open.tolist() == near([1, 2, 0])
    assert funding.edge.tolist() == near([1, 2, 0])
    assert funding.inside.tolist() == near(
        [0, 1, 2]
    )  # at the close before: nothing of this candle is known yet
    assert sources == {"served": 0, "mark_candle": 0, "candle": 2, "stale": 2}


def test_what_settles_in_a_hole_is_paid_at_the_next_open_beside_its_own() -> None:
    candles = flat_candles([100, 200, 300])
    gone = Candles(START_MS + np.array([0, 1, 4]) * HOUR_MS, *candles.columns().values())
    funding, sources = of(gone, [2, 3.5, 4])
    assert funding.at_open.tolist() == near([0, 0, 2 + 2 + 3])
    assert funding.edge.tolist() == near([0, 0, 3])
    assert sources == {"served": 0, "mark_candle": 0, "candle": 1, "stale": 2}


def test_the_mark_is_the_served_one_then_the_marks_candle_then_the_traded_one_then_the_last_close() -> None:
    candles, marks = flat_candles([100, 200, 300]), flat_candles([101, 201])
    assert of(candles, [1], mark=150.0, marks=marks)[0].at_open.tolist() == near([0, 1.5, 0])
    funding, sources = of(candles, [1, 2], marks=marks)
    assert funding.at_open.tolist() == near([0, 2.01, 3])
    assert sources == {"served": 0, "mark_candle": 1, "candle": 1, "stale": 0}
    assert of(candles, [0.5])[0].inside.tolist() == near([1, 0, 0])  # nothing has closed: the open


def test_costs_inside_a_candle_are_kept_apart_from_what_is_credited() -> None:
    candles = flat_candles([100, 100], step_ms=24 * HOUR_MS)
    times = START_MS + np.array([0, 8, 16]) * HOUR_MS
    rates = np.array([0.01, 0.02, -0.03])
    funding, _ = charged(candles, candles.timestamp + 24 * HOUR_MS, times, rates, np.full(3, 100.0))
    assert (funding.at_open[0], funding.inside[0], funding.inside_paid[0]) == (near(1), near(-1), near(2))


@pytest.mark.parametrize(
    ("column", "coins", "mark", "rates", "paid", "edge"),
    [
        (SELL, 10, 2.5, (0.0, 0.0002), -0.005, 0.005),
        (BUY, 1, 1000, (0.0, 0.001), 1, -1),
        # of freqtrade's 0.0009141 at both ends, only the end is the carried one's
        (BUY, 30, 2.77, (-0.000008, -0.000003), -0.0002493, -0.0006648 + 0.0002493),
    ],
)
def test_the_worked_numbers_of_others(
    column: str, coins: float, mark: float, rates: tuple[float, float], paid: float, edge: float
) -> None:
    candles = flat_candles([mark] * 4)
    times = START_MS + np.array([1, 2]) * HOUR_MS
    funding, sources = charged(
        candles, candles.timestamp + HOUR_MS, times, np.array(rates), np.full(2, float(mark))
    )
    leaves = "exit_long" if column == BUY else "exit_short"
    outcome = play(candles, {column: [0], leaves: [1]}, cash=2 * coins * mark * (1 + 1e-12), funding=funding)
    assert outcome.trades[0].funding == near(paid, rel=1e-6)
    assert outcome.terms is not None
    assert outcome.terms.funding_edge == near(edge, rel=1e-6)
    assert sources["served"] == 2


def real_rates(name: str) -> FundingRates:
    with gzip.open(real_file(name)) as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return FundingRates.from_rows((int(time), float(rate), np.nan, "Regular", np.nan) for time, rate in table)


ENTRY_MS, END_MS = 1_704_528_000_000, 1_719_792_000_000  # 2024-01-06 08:00, 2024-07-01 00:00


@pytest.mark.parametrize(
    ("symbol", "price", "total", "closed_by_fill", "rates_sum"),
    [
        ("SOLUSDT", 94.449, 13.17416443371, 13.186966905590, 0.09192355),
        ("BTCUSDT", 43_645.4, 4679.972511649, 4686.249121649, 0.0751486),
    ],
)
def test_half_a_year_of_real_settlements_sums_to_the_known_figure(
    symbol: str, price: float, total: float, closed_by_fill: float, rates_sum: float
) -> None:
    """One coin from the open of 2024-01-06 08:00, held to 2024-07-01: 529 settlements; left by a fill at that open: 530."""
    candles = real_candles(f"usdm-{symbol}-1h-20231201")
    rates = real_rates(f"usdm-{symbol}-funding-20240106")
    first, end = np.searchsorted(candles.timestamp, [ENTRY_MS - HOUR_MS, END_MS])
    assert candles.open[first + 1] == price
    for last, paid, count in ((end, total, 529), (end + 2, closed_by_fill, 530)):
        held = candles.slice(first, last)
        funding, sources = charged(held, held.timestamp + HOUR_MS, rates.time, rates.rate, rates.mark)
        assert sources["candle"] == count + 1  # the one of the entry's own open
        outcome = play(
            held, {BUY: [0], "exit_long": [end - first - 1]}, cash=2 * price * (1 + 1e-12), funding=funding
        )
        (trade,) = outcome.trades
        assert trade.size == 1
        assert trade.funding == near(paid, rel=1e-11)
        signals = signals_for(held, {BUY: [0], "exit_long": [end - first - 1]})
        costs = Costs(cash=2 * price * (1 + 1e-12), commission=0, size=0.5)
        (library,) = run_reference(held, signals, costs, perpetual=Perpetual(funding)).trades
        assert (library.size, library.funding) == (1, near(paid, rel=1e-11))
        assert library.pnl == near(trade.pnl, rel=1e-9)
    between = (rates.time > ENTRY_MS) & (rates.time < END_MS)
    assert (between.sum(), rates.rate[between].sum()) == (529, near(rates_sum, rel=1e-6))


def test_where_funding_is_charged_a_close_that_ruins_a_position_long_held_is_final() -> None:
    rows = [*[(100.0, 100.0, 100.0, 100.0)] * 4, (100, 300, 100, 300), *[(100.0, 100.0, 100.0, 100.0)] * 2]
    outcome = play(rows, {SELL: [0]}, funding={})
    assert short(outcome) == [("short", 1, 100, 4, 300, "ruin")]
    assert outcome.equity.tolist() == [1000, 1000, 1000, 1000, 0, 0, 0]


def test_months_of_other_lengths_are_charged_every_settlement() -> None:
    opens = np.array([parse_time(f"2023-0{month}-01") for month in (2, 3, 4, 5)])
    flat = np.full(3, 100.0)
    candles = Candles(opens[:3], flat, flat, flat, flat, flat)
    times = np.arange(opens[0], opens[3], 8 * HOUR_MS)
    k = len(times)
    funding, _ = charged(candles, opens[1:], times, np.full(k, 0.01), np.full(k, 100.0))
    assert funding.at_open.tolist() == near([1, 1, 1])
    assert funding.inside.tolist() == near([3 * days - 1 for days in (28, 31, 30)])
