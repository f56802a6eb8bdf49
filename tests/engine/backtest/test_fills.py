"""At which price and for how much both engines fill: semantics section 4, clause by clause."""

import pytest

from engine.errors import RunError
from tests.engine.backtest.playing import BUY, SELL, mirrored, near, play, short
from tests.support.builders import flat_candles

STEPS = flat_candles([100, 100, 110, 110])
SIDES = [("long", BUY, "exit_long", list), ("short", SELL, "exit_short", mirrored)]
both_sides = pytest.mark.parametrize(("side", "entry", "leave", "seen"), SIDES, ids=["long", "short"])


def at(side: str, price: float) -> float:
    """A price of the long scene as it is in the scene of that side."""
    return price if side == "long" else 200 - price


# -- slippage and commission


def test_slippage_makes_buying_dearer_and_selling_cheaper_on_every_fill() -> None:
    (long,) = play(STEPS, {BUY: [0], "exit_long": [1]}, slippage=0.01, size=0.5).trades
    (short_trade,) = play(STEPS, {SELL: [0], "exit_short": [1]}, slippage=0.01, size=0.5).trades
    assert (long.entry_price, long.exit_price) == (101.0, near(108.9, rel=1e-15))
    assert (short_trade.entry_price, short_trade.exit_price) == (99.0, near(111.1, rel=1e-15))


def test_stops_and_targets_slip_too() -> None:
    rows = [(100, 101, 99, 100), (100, 101, 99, 100), (100, 100, 89, 95), (95, 95, 95, 95)]
    (stopped,) = play(rows, {BUY: [0], "stop_loss": {0: 90}}, slippage=0.01).trades
    assert (stopped.exit_reason, stopped.exit_price) == ("stop_loss", near(89.1, rel=1e-15))
    (won,) = play(mirrored(rows), {BUY: [0], "take_profit": {0: 110}}, slippage=0.01).trades
    assert (won.exit_reason, won.exit_price) == ("take_profit", near(108.9, rel=1e-15))


def test_slippage_is_counted_as_size_times_distance_of_both_fills() -> None:
    outcome = play(STEPS, {BUY: [0], "exit_long": [1]}, slippage=0.01, size=0.5)
    size = 4.95049504  # 500 / 101
    assert outcome.trades[0].size == size
    assert outcome.slippage == near(size * (1.0 + 1.1), rel=1e-12)


def test_the_mark_of_an_open_position_does_not_slip() -> None:
    outcome = play(STEPS, {BUY: [0]}, slippage=0.01, size=0.5)
    assert outcome.trades[0].exit_price == 110
    assert outcome.slippage == near(4.95049504 * 1.0, rel=1e-12)


def test_commission_is_charged_on_the_slipped_price() -> None:
    outcome = play(STEPS, {BUY: [0], "exit_long": [1]}, slippage=0.01, commission=0.002, size=0.5)
    size = 4.94071146  # floor(500 / (101 + 0.002 x 100) / 1e-8)
    assert outcome.trades[0].size == size
    assert outcome.commission == near(size * 0.002 * (101 + 108.9), rel=1e-12)
    assert outcome.trades[0].pnl == near(size * (108.9 - 101) - outcome.commission, rel=1e-12)


# -- size


def test_size_is_floored_to_a_hundred_millionth_of_a_coin() -> None:
    (trade,) = play(flat_candles([3, 3, 3]), {BUY: [0]}, cash=1.0).trades
    assert trade.size == 0.33333333


def test_size_one_puts_in_the_whole_account_and_not_one_coin() -> None:
    (trade,) = play(flat_candles([64, 64, 64]), {BUY: [0]}, cash=1000.0, size=1).trades
    assert trade.size == 15.62499999  # the float below 1 costs one unit of 1e-8 on round numbers


def test_the_default_costs_buy_95_percent_including_the_commission() -> None:
    (trade,) = play(flat_candles([50, 50, 50]), {BUY: [0]}, cash=10_000, size=0.95, commission=0.001).trades
    assert trade.size == 189.81018981  # 9500 / 50.05


def test_an_order_below_one_unit_is_dropped_and_the_next_one_is_taken() -> None:
    candles = flat_candles([2e9, 2e9, 1, 1, 1])
    assert short(play(candles, {BUY: [0, 2]}, cash=10)) == [("long", 3, 1, 4, 1, "open")]


def test_prices_of_a_hundred_millionth_and_huge_sizes_stay_exact() -> None:
    outcome = play(flat_candles([1e-8, 1e-8, 2e-8]), {BUY: [0]}, cash=1000.0, size=0.5)
    assert outcome.trades[0].size == near(5e10, rel=1e-12)
    assert outcome.equity[-1] == near(1500, rel=1e-12)


# -- stops and targets; every scene is played long, and upside down short


@both_sides
@pytest.mark.parametrize(
    ("candle", "price", "reason"),
    [
        pytest.param((100, 101, 90, 95), 90, "stop_loss", id="low-touches-stop"),
        pytest.param((100, 110, 99, 105), 110, "take_profit", id="high-touches-target"),
        pytest.param((100, 112, 88, 100), 90, "stop_loss", id="both-touched-stop-first"),
        pytest.param((85, 112, 80, 100), 85, "stop_loss", id="gap-through-stop-fills-at-open"),
        pytest.param((90, 95, 90, 95), 90, "stop_loss", id="open-exactly-at-stop"),
        pytest.param((115, 116, 111, 112), 115, "take_profit", id="gap-through-target-fills-at-open"),
        pytest.param((115, 116, 80, 85), 115, "take_profit", id="open-beyond-target-then-stop-touched"),
        pytest.param((110, 111, 80, 85), 110, "take_profit", id="open-exactly-at-target-then-stop-touched"),
    ],
)
def test_a_stop_or_target_ends_the_trade(
    side: str,
    entry: str,
    leave: str,
    seen: type[list[tuple[float, ...]]],
    candle: tuple[float, ...],
    price: float,
    reason: str,
) -> None:
    rows = [(100, 101, 99, 100), (100, 101, 99, 100), candle, (100, 100, 100, 100)]
    levels = {"stop_loss": {0: at(side, 90)}, "take_profit": {0: at(side, 110)}}
    outcome = play(seen(rows), {entry: [0], **levels})
    assert short(outcome) == [(side, 1, 100, 2, at(side, price), reason)]


@both_sides
@pytest.mark.parametrize(
    ("candle", "entry_price", "price", "reason"),
    [
        pytest.param((100, 101, 89, 95), 100, 90, "stop_loss", id="stop-in-entry-candle"),
        pytest.param((100, 110, 99, 95), 100, 110, "take_profit", id="target-in-entry-candle"),
        pytest.param((88, 95, 87, 95), 88, 88, "stop_loss", id="opens-beyond-its-stop"),
        pytest.param((112, 115, 111, 112), 112, 112, "take_profit", id="opens-beyond-its-target"),
        pytest.param((112, 115, 80, 95), 112, 112, "take_profit", id="opens-beyond-its-target-then-stop"),
    ],
)
def test_stops_live_from_the_entry_candle_on(
    side: str,
    entry: str,
    leave: str,
    seen: type[list[tuple[float, ...]]],
    candle: tuple[float, ...],
    entry_price: float,
    price: float,
    reason: str,
) -> None:
    rows = [(100, 101, 99, 100), candle, (100, 100, 100, 100)]
    levels = {"stop_loss": {0: at(side, 90)}, "take_profit": {0: at(side, 110)}}
    outcome = play(seen(rows), {entry: [0], **levels})
    assert short(outcome) == [(side, 1, at(side, entry_price), 1, at(side, price), reason)]
    assert outcome.trades[0].candles == 0
    assert not outcome.in_position.any()


@both_sides
def test_an_entry_opening_beyond_its_stop_pays_slippage_and_commission_twice(
    side: str, entry: str, leave: str, seen: type[list[tuple[float, ...]]]
) -> None:
    rows = seen([(100, 101, 99, 100), (80, 85, 75, 80), (80, 80, 80, 80)])
    outcome = play(rows, {entry: [0], "stop_loss": {0: at(side, 90)}}, slippage=0.01, commission=0.001)
    (trade,) = outcome.trades
    opened, sign = rows[1][0], 1 if side == "long" else -1
    assert trade.entry_price == near(opened * (1 + 0.01 * sign), rel=1e-15)
    assert trade.exit_price == near(opened * (1 - 0.01 * sign), rel=1e-15)
    assert outcome.slippage == near(trade.size * opened * 0.02, rel=1e-12)
    assert trade.pnl == near(-outcome.slippage - outcome.commission, rel=1e-9)


@both_sides
@pytest.mark.parametrize("opened", [85, 100, 115])
def test_an_exit_signal_fills_at_the_open_before_any_stop_or_target_of_that_candle(
    side: str, entry: str, leave: str, seen: type[list[tuple[float, ...]]], opened: float
) -> None:
    rows = [(100, 101, 99, 100), (100, 101, 99, 100), (opened, 120, 80, 100), (100, 100, 100, 100)]
    levels = {"stop_loss": {0: at(side, 90)}, "take_profit": {0: at(side, 110)}}
    outcome = play(seen(rows), {entry: [0], leave: [1], **levels})
    assert short(outcome) == [(side, 1, 100, 2, at(side, opened), leave)]


def test_after_a_stop_exit_a_signal_at_that_close_enters_on_the_next_candle() -> None:
    rows = [(100, 101, 99, 100), (100, 101, 99, 100), (100, 100, 89, 95), (96, 97, 95, 96), (97, 97, 97, 97)]
    outcome = play(rows, {BUY: [0, 2], "stop_loss": {0: 90}})
    assert short(outcome) == [("long", 1, 100, 2, 90, "stop_loss"), ("long", 3, 96, 4, 97, "open")]


def test_stops_are_read_on_the_signal_candle_only() -> None:
    rows = [(100, 101, 99, 100), (100, 101, 85, 100), (100, 101, 85, 100), (100, 100, 100, 100)]
    outcome = play(rows, {BUY: [0], "stop_loss": {1: 90, 2: 90}})
    assert short(outcome) == [("long", 1, 100, 3, 100, "open")]


def test_a_turned_position_gets_the_stop_of_its_own_signal_and_loses_the_old_one() -> None:
    rows = [(100, 101, 99, 100)] * 3 + [(100, 111, 85, 100), (100, 100, 100, 100)]
    outcome = play(rows, {BUY: [0], SELL: [1], "stop_loss": {0: 90, 1: 110}}, reverse=True)
    assert short(outcome) == [("long", 1, 100, 2, 100, "reverse"), ("short", 2, 100, 3, 110, "stop_loss")]


@both_sides
@pytest.mark.parametrize(
    ("column", "price"), [("stop_loss", 100), ("stop_loss", 104), ("take_profit", 100), ("take_profit", 96)]
)
def test_a_stop_or_target_on_the_wrong_side_of_the_close_fails_the_run_and_names_the_candle(
    side: str, entry: str, leave: str, seen: type[list[tuple[float, ...]]], column: str, price: float
) -> None:
    rows = seen([(100, 101, 99, 100)] * 4)
    with pytest.raises(RunError, match=rf"{column} .* {side} entry .* 2024-01-01 01:00 UTC"):
        play(rows, {entry: [1], column: {1: at(side, price)}})


def test_the_close_and_not_the_slipped_price_decides_what_the_wrong_side_is() -> None:
    rows = [(100, 101, 99, 100)] * 2 + [(100, 102, 99, 100)] * 2
    (trade,) = play(rows, {BUY: [0], "take_profit": {0: 102}}, slippage=0.05).trades
    assert (trade.entry_price, trade.exit_reason) == (105, "take_profit")


@pytest.mark.parametrize("columns", [{BUY: [0, 2]}, {BUY: [3]}], ids=["in-a-position", "on-the-last-candle"])
def test_the_stop_of_a_signal_that_is_not_taken_is_not_looked_at(columns: dict[str, list[int]]) -> None:
    rows = [(100, 101, 99, 100)] * 4
    outcome = play(rows, columns | {"stop_loss": {2: 150, 3: 150}})
    assert [t.exit_reason for t in outcome.trades] == ["open"] * (len(columns[BUY]) - 1)


# -- ruin and the end


def test_a_short_is_ruined_at_the_close_that_takes_everything() -> None:
    rows = [
        (100, 100, 100, 100),
        (100, 100, 100, 100),
        (100, 250, 100, 190),
        (190, 230, 190, 220),
        (50, 50, 50, 50),
    ]
    outcome = play(rows, {SELL: [0, 3]}, cash=1000)
    assert short(outcome) == [("short", 1, 100, 3, 220, "ruin")]
    # at 190 a tenth is left (the wick to 250 does not count); at 220 the account owes 200
    assert outcome.equity.tolist() == near([1000, 1000, 100, 0, 0], abs=1e-5)
    assert outcome.shortfall == near(200, abs=1e-5)
    assert outcome.trades[0].pnl == near(-1200, abs=1e-5)


def test_ruin_pays_slippage_and_commission_like_any_exit() -> None:
    rows = [(100,) * 4, (100,) * 4, (100, 300, 100, 300), (300,) * 4]
    outcome = play(rows, {SELL: [0]}, size=0.5, commission=0.001, slippage=0.01)
    (trade,) = outcome.trades
    assert (trade.exit_reason, trade.exit_price) == ("ruin", 303)
    assert outcome.shortfall == near(-(1000 + trade.pnl), rel=1e-9)
    assert outcome.equity[-2:].tolist() == [0, 0]


@pytest.mark.parametrize("target", [{}, {"take_profit": {0: 10}}], ids=["free", "guarded"])
def test_an_equity_of_exactly_nothing_is_ruin(target: dict[str, dict[int, float]]) -> None:
    rows = [(100,) * 4, (100,) * 4, (100, 300, 100, 300), (50,) * 4]
    outcome = play(rows, {SELL: [0], **target}, size=0.5)
    assert short(outcome) == [("short", 1, 100, 2, 300, "ruin")]
    assert (outcome.equity.tolist(), outcome.shortfall) == ([1000, 1000, 0, 0], 0)


def test_ruin_is_final_also_where_rounding_leaves_something_of_the_cash() -> None:
    # closed at 454.86..., the short is worth all of the account or a rounding error less, as it is computed
    last = 454.8600003701359
    rows = [(151.62,) * 4, (151.62,) * 4, (151.62, last, 151.62, last), (150,) * 4, (140,) * 4]
    outcome = play(rows, {SELL: [0, 3]}, cash=1689, size=0.5)
    assert [trade.exit_reason for trade in outcome.trades] == ["ruin"]
    assert outcome.equity[2:].tolist() == [0, 0, 0]
    assert -1e-7 < outcome.shortfall < 0


def test_an_exit_at_an_open_that_takes_more_than_everything_is_ruin_at_that_close() -> None:
    rows = [(100,) * 4, (100,) * 4, (100,) * 4, (250,) * 4, (100,) * 4]
    outcome = play(rows, {SELL: [0], "exit_short": [2], BUY: [3]})
    assert short(outcome) == [("short", 1, 100, 3, 250, "exit_short")]
    assert outcome.equity.tolist() == near([1000, 1000, 1000, 0, 0], abs=1e-6)
    assert outcome.shortfall == near(500, abs=1e-5)


def test_a_position_open_at_the_end_is_marked_without_exit_commission() -> None:
    outcome = play(STEPS, {BUY: [0]}, commission=0.01, size=0.5)
    (trade,) = outcome.trades
    assert (trade.exit_reason, trade.exit_price, trade.candles) == ("open", 110, 2)
    assert trade.commission == near(4.95049504, rel=1e-12)  # 1 % of 4.95049504 x 100
    assert trade.pnl == near(4.95049504 * 10 - 4.95049504, rel=1e-12)
    assert outcome.equity[-1] == near(1000 + trade.pnl, rel=1e-12)
