"""Every difference between a run's trades and another program's is named, and their money adds up to the whole."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError, Interrupted
from engine.events import CancelToken
from engine.model.market import HOUR_MS, Market, Period, Timeframe
from engine.model.run import FAILED, RunResult
from engine.model.trade import Trade
from engine.model.trade_comparison import KINDS, TradeListComparison
from engine.model.trade_list import TheirTrade, TradeList
from engine.trade_lists.comparing import compare_trades
from engine.trade_lists.reading import read_trade_list
from engine.trade_lists.round_trips import round_trips
from tests.desktop.builders import run_on
from tests.engine.trade_lists.samples import WRITERS, about, as_freqtrade
from tests.support.builders import START_MS, random_candles

CANDLES = random_candles(600, 4)


def with_fees(trade: Trade, rate: float = 0.001) -> Trade:
    fee = rate * trade.size * (trade.entry_price + trade.exit_price)
    return replace(trade, commission=fee, pnl=trade.pnl - fee)


def the_run(**other: Any) -> RunResult:
    run = run_on(CANDLES, symbol="SAMPLEUSDT")
    return replace(run, trades=tuple(map(with_fees, run.trades)), **other)


RUN = the_run()


def theirs_of(trade: Trade, **other: Any) -> TheirTrade:
    """The same trade as theirs, but for `other`; its profit follows from what it says."""
    same = TheirTrade(
        trade.side, trade.size, trade.entry_time, trade.entry_price, trade.exit_time, trade.exit_price,
        fee=trade.commission, symbol="SAMPLEUSDT",
    )  # fmt: skip
    return replace(same, **other)


def compared(theirs: list[TheirTrade], run: RunResult = RUN, **options: Any) -> TradeListComparison:
    return compare_trades(run, listed(theirs), **options)


def listed(theirs: list[TheirTrade], **other: Any) -> TradeList:
    return TradeList("tradingview", "list", tuple(round_trips(theirs)), "x", asks_zone=True, **other)


def named(found: TradeListComparison) -> list[tuple[str, int | None, float]]:
    return [(one.kind, one.candles, one.money) for one in found.differences]


def changed(place: int = 0, **other: Any) -> TradeListComparison:
    """A list that is ours, but one trade."""
    return compared([theirs_of(one, **(other if at == place else {})) for at, one in enumerate(RUN.trades)])


@pytest.mark.parametrize("program", WRITERS)
def test_a_runs_own_trades_written_by_any_program_are_all_equal(program: str):
    found = compare_trades(RUN, read_trade_list(WRITERS[program](RUN.trades), "list"))
    assert found.all_equal
    assert found.headline.endswith(": all equal")
    assert found.equal == len(found.pairs) == len(RUN.trades) > 10
    assert found.difference == about(0, abs=1e-6)


def test_an_entry_one_candle_later_makes_the_difference_of_the_prices():
    ours = RUN.trades[0]
    price = float(CANDLES.open[11])
    fee = 0.001 * 10 * (price + ours.exit_price)
    (one,) = changed(entry_time=ours.entry_time + HOUR_MS, entry_price=price, fee=fee).differences
    assert (one.kind, one.candles, one.ours, one.theirs) == ("entry_later", 1, 0, 0)
    assert one.money == about((10 + 0.01) * (price - ours.entry_price))  # the fee follows the price
    assert (one.our_value, one.their_value) == (ours.entry_time, ours.entry_time + HOUR_MS)


def test_an_exit_two_candles_earlier_of_a_short_counts_the_other_way():
    ours = RUN.trades[1]
    assert ours.side == "short"
    price = ours.exit_price + 1
    found = changed(1, exit_time=ours.exit_time - 2 * HOUR_MS, exit_price=price)
    assert named(found)[0] == ("exit_earlier", -2, about(10 + 0.001 * 10))


def test_price_size_fee_funding_profit_and_reason_have_their_names():
    ours = RUN.trades[0]
    assert named(changed(entry_price=ours.entry_price + 1, fee=ours.commission + 0.01)) == [
        ("entry_price", None, about(10 + 0.01))
    ]
    assert named(changed(exit_price=ours.exit_price - 1, fee=ours.commission - 0.01)) == [
        ("exit_price", None, about(10 - 0.01))
    ]
    half = theirs_of(ours, size=5.0, fee=ours.commission / 2)
    assert named(changed(size=5.0, fee=half.fee)) == [("size", None, about(ours.pnl / 2))]
    assert named(changed(fee=ours.commission / 2)) == [("fee", None, about(-ours.commission / 2))]
    assert named(changed(funding=0.5)) == [("funding", None, 0.5)]
    assert named(changed(pnl=ours.pnl - 7)) == [("their_profit", None, about(7))]
    assert named(changed(exit_reason="stop")) == [("exit_reason", None, 0)]
    assert named(changed(exit_reason="signal")) == []


def test_what_only_one_of_them_has_and_the_other_side_are_said():
    first, *rest = RUN.trades
    far = theirs_of(
        first, entry_time=first.entry_time - 8 * HOUR_MS, exit_time=first.entry_time - 7 * HOUR_MS
    )
    found = compared([far, *map(theirs_of, rest)])
    assert [one.kind for one in found.differences] == ["extra", "missing"]
    assert [one.money for one in found.differences] == [about(-far.net), first.pnl]
    (turned,) = changed(side="short").differences
    assert (turned.kind, turned.our_value, turned.their_value) == ("side", "long", "short")
    assert turned.money == about(first.pnl - theirs_of(first, side="short").net)


def test_a_trade_that_theirs_never_left_counts_at_the_price_of_our_exit():
    last = RUN.trades[-1]
    found = changed(len(RUN.trades) - 1, exit_time=None, exit_price=None, fee=last.commission / 2)
    (late, fee) = found.differences
    assert (late.kind, late.candles, late.their_value, late.money) == ("exit_later", None, None, 0)
    assert (fee.kind, fee.money) == ("fee", about(-last.commission / 2))
    assert "1 of their trades are still open" in " ".join(found.notes)


def test_what_is_within_the_tolerance_is_not_named_and_its_money_is_told():
    ours = RUN.trades[0]
    found = changed(entry_price=ours.entry_price * (1 + 0.00005))
    assert found.all_equal
    assert [(one.kind, one.count) for one in found.totals()] == [("rounding", 1)]
    assert found.totals()[0].money == about(found.difference, abs=1e-9)
    strict = compared(list(found.theirs), tolerance=0)
    assert "entry_price" in {one.kind for one in strict.differences}


def test_neither_traded_is_all_equal_and_a_list_without_trades_lacks_all_of_ours():
    none = compare_trades(replace(RUN, trades=()), TradeList("jesse", "list", (), "x"))
    assert none.all_equal
    empty = compared([])
    assert [one.kind for one in empty.differences] == ["missing"] * len(RUN.trades)
    assert "the file holds no trades of the run's period: all of ours are missing in it" in empty.notes
    alone = compared(list(map(theirs_of, RUN.trades)), replace(RUN, trades=()))
    assert [one.kind for one in alone.differences] == ["extra"] * len(RUN.trades)


def test_other_symbols_are_counted_and_alone_refused():
    mine, others = theirs_of(RUN.trades[0]), theirs_of(RUN.trades[1], symbol="ETHUSDT")
    found = compared([mine, others])
    assert found.left_out["other_symbols"] == 1
    assert len(found.theirs) == 1
    with pytest.raises(InputError, match="list holds trades of ETHUSDT; the run is on SAMPLEUSDT"):
        compared([others])


def test_another_period_is_said_with_how_much_of_it_overlaps_and_refused_where_nothing_does():
    half = [theirs_of(one) for one in RUN.trades[: len(RUN.trades) // 2]]
    found = compared(half)
    assert 0.3 < found.overlap_share < 0.6
    assert any(
        f"{len(RUN.trades) - len(half)} of our trades lie outside and count as missing" in note
        for note in found.notes
    )
    years = 400 * 24 * HOUR_MS
    late = [replace(one, entry_time=one.entry_time + years, exit_time=one.exit_time + years) for one in half]  # type: ignore[operator]
    with pytest.raises(InputError, match="nothing overlaps, so nothing was compared"):
        compared(late)
    both = compared([*half, *late])
    assert both.left_out["theirs_outside"] == len(half)


def test_ours_outside_the_period_that_the_file_tells_are_not_missing():
    middle = START_MS + 300 * HOUR_MS
    told = as_freqtrade(
        [one for one in RUN.trades if one.entry_time <= middle],
        backtest_start_ts=START_MS,
        backtest_end_ts=middle,
    )
    found = compare_trades(RUN, read_trade_list(told, "list"))
    assert found.all_equal
    assert found.left_out["ours_outside"] == sum(one.entry_time > middle for one in RUN.trades) > 0


def test_a_clock_of_another_zone_is_recognised():
    away = [
        theirs_of(one, entry_time=one.entry_time + 8 * HOUR_MS, exit_time=one.exit_time + 8 * HOUR_MS)
        for one in RUN.trades
    ]
    assert any("is their time zone +08:00? (--tz)" in note for note in compared(away).notes)
    assert not any("--tz" in note for note in compared(list(map(theirs_of, RUN.trades))).notes)


def moved(hours: float, run: RunResult = RUN, **other: Any) -> list[str]:
    """The notes of a list that is the run's, so many hours later."""
    late = [
        theirs_of(
            one,
            entry_time=one.entry_time + round(hours * HOUR_MS),
            exit_time=one.exit_time + round(hours * HOUR_MS),
        )
        for one in run.trades
    ]
    return [
        note
        for note in compare_trades(run, replace(listed(late), **other)).notes
        if "would fall on ours" in note
    ]


def test_a_list_one_candle_late_may_be_stamped_by_the_close():
    (both,) = moved(1)
    assert both.startswith("1 hour earlier, ")
    assert both.endswith("is their time zone +01:00? (--tz) Or are they stamped by the close?")
    (named,) = moved(1, asks_zone=False)
    assert named.endswith("fall on ours: are they stamped by the close?")
    (far,) = moved(3, asks_zone=False)
    assert far.startswith("3 hours earlier, ")
    assert far.endswith("is their clock another one?")
    (early,) = moved(-1, asks_zone=False)
    assert early.endswith("do they fill on the candle that decided?")
    candles = random_candles(600, 4, step_ms=4 * HOUR_MS)
    period = Period(START_MS, START_MS + 2400 * HOUR_MS)
    slow = run_on(candles, symbol="SAMPLEUSDT", timeframe=Timeframe("4h"), period=period)
    (four,) = moved(4, slow, asks_zone=False)
    assert four.startswith("4 hours earlier, ")
    assert four.endswith("are they stamped by the close?")
    quick = run_on(
        random_candles(600, 4, step_ms=HOUR_MS // 4), symbol="SAMPLEUSDT", timeframe=Timeframe("15m"),
        period=Period(START_MS, START_MS + 150 * HOUR_MS),
    )  # fmt: skip
    (fifteen,) = moved(0.25, quick, asks_zone=False)
    assert fifteen.startswith("15 minutes earlier, ")
    assert fifteen.endswith("are they stamped by the close?")


def test_a_perpetual_in_usdc_is_known_by_the_name_that_others_have_for_it():
    run = replace(RUN, market=Market("bybitlinear", "SOLPERP", "SOL/USDC:USDC"))
    found = compared([theirs_of(one, symbol="SOLUSDC") for one in RUN.trades], run)
    assert found.all_equal
    assert len(found.pairs) == len(RUN.trades)


def worse(trade: Trade, share: float) -> TheirTrade:
    """Theirs with both fills worse by a share of the price, the fee as ours."""
    sign = 1 if trade.side == "long" else -1
    return theirs_of(
        trade,
        entry_price=trade.entry_price * (1 + sign * share),
        exit_price=trade.exit_price * (1 - sign * share),
    )


def test_a_cost_within_the_tolerance_is_told_in_the_headline_and_a_note():
    found = compared([worse(one, 0.00009) for one in RUN.trades])
    assert found.all_equal
    assert found.difference > 1
    assert found.headline.endswith(
        f": all equal within the tolerance, our profit less theirs {found.difference:+,.2f}"
    )
    count = len(found.pairs)
    (note,) = [note for note in found.notes if "within the tolerance" in note]
    assert f"one sign in {count} of {count} pairs and makes {found.difference:+,.2f}" in note
    mixed = [worse(one, 0.00009 * (-1) ** place) for place, one in enumerate(RUN.trades)]
    assert not any("within the tolerance" in note for note in compared(mixed).notes)


def test_a_lower_fee_that_only_profit_tells_has_its_name():
    dear = [theirs_of(one, fee=one.commission * 0.91) for one in RUN.trades]
    found = compared([replace(one, fee=None, pnl=one.net) for one in dear])
    assert [one.kind for one in found.differences] == ["fee"] * len(RUN.trades)
    assert found.difference == about(-0.09 * sum(one.commission for one in RUN.trades))


def test_what_rounded_prices_leave_of_a_fee_has_no_name():
    told = []
    for one in RUN.trades:
        exact = theirs_of(one)
        prices: dict[str, Any] = {
            "entry_price": round(one.entry_price, 2),
            "exit_price": round(one.exit_price, 2),
        }
        told.append(replace(exact, pnl=exact.net, fee=None, **prices))
    assert compared(told).all_equal


def test_a_profit_that_misses_by_a_tenth_of_a_thousandth_of_the_turnover_has_its_name():
    told = [
        theirs_of(one, pnl=one.pnl - 0.00009 * one.size * (one.entry_price + one.exit_price))
        for one in RUN.trades
    ]
    assert {one.kind for one in compared(told).differences} == {"their_profit"}


def test_funding_of_another_size_goes_with_the_size():
    ours = replace(RUN.trades[0], funding=4.0, pnl=RUN.trades[0].pnl - 4)
    run = replace(RUN, trades=(ours, *RUN.trades[1:]))
    half: dict[str, Any] = {"size": ours.size / 2, "fee": ours.commission / 2}
    rest = [theirs_of(one) for one in RUN.trades[1:]]
    assert named(compared([theirs_of(ours, funding=2.0, **half), *rest], run)) == [
        ("size", None, about(ours.pnl / 2))
    ]
    untold = named(compared([theirs_of(ours, **half), *rest], run))
    assert untold == [("size", None, about(ours.pnl / 2)), ("funding", None, about(-2))]


def test_a_comparison_stops_when_it_is_asked_to():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Interrupted):
        compared(list(map(theirs_of, RUN.trades)), go_on=token.raise_if_cancelled)


def test_a_run_that_failed_has_nothing_to_compare_with():
    with pytest.raises(InputError, match="failed: it has no trades to compare with"):
        compared([], replace(RUN, status=FAILED, trades=()))


price = st.floats(1, 1000)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[RunResult, list[TheirTrade]]:
    """Trades of ours one after the other, and theirs: some the same, some changed in anything, some of their own."""
    ours: list[Trade] = []
    theirs: list[TheirTrade] = []
    cell = 0
    for _ in range(draw(st.integers(0, 8))):
        cell += draw(st.integers(0, 6))
        held = draw(st.integers(1, 5))
        side = draw(st.sampled_from(("long", "short")))
        enters, leaves, size = draw(price), draw(price), draw(st.floats(0.01, 100))
        times = START_MS + cell * HOUR_MS, START_MS + (cell + held) * HOUR_MS
        fee = draw(st.floats(0, 2))
        pnl = (leaves - enters) * size * (1 if side == "long" else -1) - fee
        one = replace(
            RUN.trades[0], side=side, size=size, entry_time=times[0], exit_time=times[1], entry_price=enters,
            exit_price=leaves, commission=fee, pnl=pnl,
        )  # fmt: skip
        ours.append(one)
        if draw(st.booleans()):
            change = draw(st.fixed_dictionaries({}, optional={
                "entry_price": price, "exit_price": price, "size": st.floats(0.01, 100), "fee": st.none() | st.floats(0, 2),
                "funding": st.floats(-1, 1), "side": st.sampled_from(("long", "short")), "pnl": st.floats(-50, 50),
                "entry_time": st.sampled_from([times[0] + more * HOUR_MS // 2 for more in range(3)]),
                "exit_time": st.none() | st.just(times[1] + HOUR_MS), "exit_reason": st.sampled_from(("stop", "")),
            }))  # fmt: skip
            theirs.append(theirs_of(one, **change))
        cell += held
    return replace(RUN, trades=tuple(ours), period=Period(START_MS, START_MS + 200 * HOUR_MS)), theirs


@given(worlds(), st.sampled_from((0.0, 0.0001, 0.5)))
def test_the_money_of_all_differences_adds_up_to_our_profit_less_theirs(
    world: tuple[RunResult, list[TheirTrade]], tolerance: float
):
    run, theirs = world
    found = compared(theirs, run, tolerance=tolerance)
    assert {one.kind for one in found.differences} <= set(KINDS)
    told = math.fsum(one.money for one in found.differences) + found.rounding
    whole = math.fsum(one.pnl for one in run.trades) - math.fsum(one.net for one in found.theirs)
    assert told == about(whole, rel=1e-9, abs=1e-6)
    assert found.difference == about(whole, rel=1e-9, abs=1e-6)
    assert math.fsum(one.money for one in found.totals()) == about(whole, rel=1e-9, abs=1e-4)


@given(worlds())
def test_where_their_figures_hold_together_and_nothing_is_tolerated_half_cents_alone_are_unexplained(
    world: tuple[RunResult, list[TheirTrade]],
):
    run, theirs = world
    found = compared([replace(one, pnl=None, fee=one.fee or 0.0) for one in theirs], run, tolerance=0)
    assert abs(found.rounding) <= 0.01 * len(found.pairs) + 1e-6  # of fee and funding each


@given(worlds())
def test_every_trade_is_in_a_pair_or_said_to_be_alone(world: tuple[RunResult, list[TheirTrade]]):
    run, theirs = world
    found = compared(theirs, run)
    kinds = [one.kind for one in found.differences]
    assert len(found.pairs) + kinds.count("missing") == found.ours == len(run.trades)
    assert len(found.pairs) + kinds.count("extra") == len(found.theirs)
