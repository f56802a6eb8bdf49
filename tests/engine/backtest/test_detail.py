"""Finer candles that settle what a candle leaves open, by hand."""

from typing import Any

import numpy as np
import pytest

from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.model.market import HOUR_MS
from tests.engine.backtest.playing import BUY, SELL, hours, mirrored, near, short
from tests.engine.backtest.terms_playing import FLAT, Rows, detail_of, fills, play
from tests.support.builders import candles_from

BOTH_TOUCHED = [FLAT, (100, 106, 94, 100), FLAT]
STOP_AND_TARGET = {BUY: [0], "stop_loss": {0: 95}, "take_profit": {0: 105}}


def left(outcome: Outcome) -> tuple[int, float, str]:
    """(candle, price, reason) of the only exit."""
    (row,) = short(outcome)
    return row[3], near(row[4]), row[5]


def told(outcome: Outcome) -> tuple[list[int], list[int], list[bool], list[bool | None]]:
    """Candles that were looked into, candles that could not be; of each trade whether it was settled, is ambiguous."""
    walked = outcome.walked
    assert walked is not None
    places = [[hours(int(time)) for time in times] for times in (walked.walked, walked.doubted)]
    return places[0], places[1], walked.settled.tolist(), [trade.ambiguous for trade in outcome.trades]


def test_finer_candles_tell_whether_stop_or_target_came_first() -> None:
    up_first = [(100, 106, 100, 103), (103, 103, 94, 100)]
    down_first = [(100, 103, 94, 95), (95, 106, 95, 100)]
    assert left(play(BOTH_TOUCHED, STOP_AND_TARGET, detail={1: up_first})) == (1, 105, "take_profit")
    outcome = play(BOTH_TOUCHED, STOP_AND_TARGET, detail={1: down_first})
    assert left(outcome) == (1, 95, "stop_loss")
    assert told(outcome) == ([1], [], [True], [False])


def test_a_finer_candle_that_could_be_read_two_ways_itself_is_the_stop() -> None:
    outcome = play(BOTH_TOUCHED, STOP_AND_TARGET, detail={1: [(100, 104, 99, 103), (103, 106, 94, 100)]})
    assert left(outcome) == (1, 95, "stop_loss")
    assert told(outcome) == ([1], [], [False], [True])


def test_without_finer_candles_it_is_the_stop_and_the_candle_is_named() -> None:
    outcome = play(BOTH_TOUCHED, STOP_AND_TARGET, detail={})
    assert left(outcome) == (1, 95, "stop_loss")
    assert told(outcome) == ([], [1], [False], [True])


def test_a_candle_that_leaves_nothing_open_is_not_looked_into() -> None:
    rows = [FLAT, (100, 104, 94, 100), FLAT]
    # finer candles that would tell something else
    outcome = play(rows, STOP_AND_TARGET, detail={1: [(100, 106, 100, 105), (105, 105, 105, 105)]})
    assert left(outcome) == (1, 95, "stop_loss")
    assert told(outcome) == ([], [], [False], [False])


def test_one_finer_candle_that_is_the_candle_itself_changes_nothing() -> None:
    outcome, plain = (
        play(BOTH_TOUCHED, STOP_AND_TARGET, detail={1: BOTH_TOUCHED[1:2]}),
        play(BOTH_TOUCHED, STOP_AND_TARGET),
    )
    assert outcome.trades == plain.trades
    assert outcome.equity.tolist() == plain.equity.tolist()


def test_a_finer_candle_that_opens_beyond_the_stop_fills_there() -> None:
    outcome = play(BOTH_TOUCHED, STOP_AND_TARGET, detail={1: [(100, 104, 96, 96), (94.5, 106, 94, 100)]})
    assert left(outcome) == (1, 94.5, "stop_loss")


def test_a_short_is_the_mirror() -> None:
    columns = {SELL: [0], "stop_loss": {0: 105}, "take_profit": {0: 95}}
    assert left(play(BOTH_TOUCHED, columns, detail={1: [(100, 103, 94, 95), (95, 106, 95, 100)]})) == (
        1, 95, "take_profit",
    )  # fmt: skip


def test_a_target_takes_its_part_before_the_stop_takes_the_rest() -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT]
    columns = {BUY: [0], "stop_loss": {0: 95}, "target_1": {0: 105}, "target_2": {0: 110}, "part_1": {0: 0.4}}
    inner = [(100, 106, 100, 103), (103, 103, 96, 97), (97, 97, 94, 100)]
    assert fills(play(rows, columns, detail={1: inner})) == [
        (1, 100, 5, "entry"), (1, 105, -2, "target_1"), (1, 95, -3, "stop_loss"),
    ]  # fmt: skip


def test_settling_one_candle_can_bring_another_into_doubt() -> None:
    """By the rule the position is stopped on the candle that it was entered on; settled, it lives to see another."""
    rows = [FLAT, (100, 105, 94, 100), (100, 111, 94, 100), FLAT]
    columns = {BUY: [0], "entry_stop": {0: 104}, "stop_loss": {0: 95}, "take_profit": {0: 110}}
    assert told(play(rows, columns, detail={}))[:2] == ([], [1])
    before = [(100, 101, 94, 98), (98, 105, 98, 100)]
    assert told(play(rows, columns, detail={1: before})) == ([1], [2], [False], [True])
    outcome = play(rows, columns, detail={1: before, 2: [(100, 111, 100, 103), (103, 103, 94, 100)]})
    assert left(outcome) == (2, 110, "take_profit")
    assert told(outcome) == ([1, 2], [], [True], [False])


# -- orders


def test_a_stop_before_the_order_filled_does_not_count_and_one_after_it_does() -> None:
    rows = [FLAT, (100, 105, 94, 100), (100, 108, 100, 100), FLAT]
    columns = {BUY: [0], "entry_stop": {0: 104}, "stop_loss": {0: 95}}
    before = [(100, 101, 94, 98), (98, 105, 98, 100)]
    after = [(100, 105, 100, 101), (101, 101, 94, 100)]
    assert left(play(rows, columns, detail={})) == (1, 95, "stop_loss")
    outcome = play(rows, columns, detail={1: before})
    assert left(outcome) == (3, 100, "open")
    assert told(outcome) == ([1], [], [True], [False])
    assert left(play(rows, columns, detail={1: after})) == (1, 95, "stop_loss")


def test_a_target_after_the_order_filled_counts_on_that_candle() -> None:
    rows = [FLAT, (100, 106, 97, 100), FLAT, FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "take_profit": {0: 105}}
    assert left(play(rows, columns, detail={})) == (3, 100, "open")
    outcome = play(rows, columns, detail={1: [(100, 100, 97, 99), (99, 106, 99, 100)]})
    assert left(outcome) == (1, 105, "take_profit")
    assert left(play(rows, columns, detail={1: [(100, 106, 99, 99), (99, 100, 97, 100)]})) == (3, 100, "open")


def test_an_order_fills_at_the_open_of_a_finer_candle_that_passed_it() -> None:
    rows = [FLAT, (100, 106, 96, 100), FLAT, FLAT]
    columns = {BUY: [0], "entry_limit": {0: 98}, "take_profit": {0: 105}}
    outcome = play(rows, columns, detail={1: [(100, 100, 99, 99), (97, 106, 96, 100)]})
    assert fills(outcome) == [(1, 97, 5.15463917, "entry"), (1, 105, -5.15463917, "take_profit")]


def test_an_exact_touch_stays_one_in_finer_candles() -> None:
    rows = [FLAT, (100, 100, 98, 99), FLAT]
    outcome = play(
        rows, {BUY: [0], "entry_limit": {0: 98}}, detail={1: [(100, 100, 98, 99), (99, 99, 99, 99)]}
    )
    assert left(outcome) == (2, 100, "open")
    assert told(outcome) == ([1], [], [False], [True])


def test_a_trail_follows_from_one_finer_candle_to_the_next() -> None:
    rows = [FLAT, (100, 110, 98, 104), FLAT]
    columns = {BUY: [0], "trail": {0: 5}}
    assert left(play(rows, columns)) == (2, 100, "trailing_stop")
    falls = [(100, 108, 98, 108), (108, 110, 104, 104), (104, 104, 104, 104)]
    assert left(play(rows, columns, detail={1: falls})) == (1, 104, "trailing_stop")
    rises = [(100, 104, 98, 103), (103, 107, 102, 106), (106, 110, 104, 104)]
    outcome = play(rows, columns, detail={1: rises})
    assert left(outcome) == (2, 100, "trailing_stop")


def test_what_was_seen_of_a_candle_ends_where_the_trade_did() -> None:
    """By the candle the stop has seen its high; by the finer ones only what came before."""
    plain = play(BOTH_TOUCHED, STOP_AND_TARGET).trades[0]
    fine = play(
        BOTH_TOUCHED,
        STOP_AND_TARGET,
        detail={1: [(100, 103, 96, 95.5), (95.5, 104, 94, 95), (95, 106, 95, 100)]},
    )
    assert (plain.mae_pct, plain.mfe_pct) == (near(-5), near(6))
    assert (fine.trades[0].mae_pct, fine.trades[0].mfe_pct) == (near(-5), near(4))


# -- margin and funding


def test_a_liquidation_is_settled_by_the_finer_mark() -> None:
    rows, columns = [FLAT, (100, 106, 80, 100), FLAT], {BUY: [0], "take_profit": {0: 105}}
    up_first = [(100, 106, 100, 103), (103, 103, 80, 100)]
    assert left(play(rows, columns, leverage=10.0, detail={1: up_first})) == (1, 105, "take_profit")
    inner = [(100, 101, 80, 90), (90, 106, 90, 100)]
    assert left(play(rows, columns, leverage=10.0, detail={1: inner})) == (1, 90, "liquidation")
    candles = candles_from(rows)
    # the mark's own order: it fell when the last price had risen
    marked = candles_from([(100, 100, 100, 100), (100, 100, 80, 100)], step_ms=HOUR_MS // 2)
    detail = detail_of(candles, {1: inner}, Perpetual(mark=Mark(marked.open, marked.high, marked.low)))
    assert left(play(rows, columns, leverage=10.0, mark=rows, detail=detail)) == (1, 90, "liquidation")
    calm = candles_from([(100, 100, 99, 99), (99, 100, 80, 100)], step_ms=HOUR_MS // 2)
    detail = detail_of(
        candles, {1: [up_first[0], up_first[1]]}, Perpetual(mark=Mark(calm.open, calm.high, calm.low))
    )
    assert left(play(rows, columns, leverage=10.0, mark=rows, detail=detail)) == (1, 105, "take_profit")


def test_a_finer_mark_that_opens_beyond_the_liquidation_comes_before_a_stop_there() -> None:
    rows = [FLAT, (100, 106, 80, 100), FLAT]
    columns = {BUY: [0], "take_profit": {0: 105}, "stop_loss": {0: 89}}
    inner = [(100, 101, 96, 96), (88, 106, 80, 100)]
    assert left(play(rows, columns, leverage=10.0, detail={1: inner})) == (1, near(90), "liquidation")
    assert left(play(rows, columns, detail={1: inner})) == (1, 88, "stop_loss")


def test_the_nearest_approach_is_that_of_the_finer_candles_that_were_held() -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT]
    columns = {BUY: [0], "take_profit": {0: 105}, "stop_loss": {0: 95}}
    inner = [(100, 101, 96, 100), (100, 106, 100, 104), (104, 104, 94, 100)]
    outcome = play(rows, columns, leverage=10.0, detail={1: inner})
    assert outcome.terms is not None
    lp = (500 - 5000) / (50 * (0.004 - 1))
    assert (left(outcome)[2], outcome.terms.nearest_pct) == ("take_profit", near((96 - lp) / 96 * 100))


def paid_inside(
    rows: Rows, inner: Rows, at_open: dict[int, float], leverage: float | None = None, **columns: Any
) -> Outcome:
    """A candle inside which 1 is paid per coin, at the open of finer candles by position."""
    m, n = len(inner), len(rows)
    opens = np.array([at_open.get(k, 0.0) for k in range(m)])
    funding = Funding(opens, opens, np.zeros(m), np.zeros(m))
    whole = np.array([sum(at_open.values()) if i == 1 else 0.0 for i in range(n)])
    paid = np.array([sum(max(v, 0.0) for v in at_open.values()) if i == 1 else 0.0 for i in range(n)])
    coarse = Funding(np.zeros(n), np.zeros(n), whole, paid)
    detail = detail_of(candles_from(rows), {1: inner}, Perpetual(funding))
    return play(rows, {BUY: [0]} | columns, funding=coarse, detail=detail, leverage=leverage)


@pytest.mark.parametrize(("at", "paid"), [(1, 5.0), (2, 0.0)])
def test_who_leaves_inside_a_candle_pays_what_settled_before(at: int, paid: float) -> None:
    """Without finer candles it would pay, whenever it settled."""
    rows, inner = [FLAT, (100, 100, 94, 96), FLAT], [(100, 100, 97, 97), (97, 97, 94, 95), (95, 96, 95, 96)]
    outcome = paid_inside(rows, inner, {at: 1.0}, stop_loss={0: 95})
    assert left(outcome) == (1, 95, "stop_loss")
    assert outcome.trades[0].funding == near(paid)
    assert told(outcome) == ([1], [], [False], [False])


@pytest.mark.parametrize("first", [1.0, -1.0])
def test_settlements_that_cancel_each_other_are_told_apart_by_who_leaves_between_them(first: float) -> None:
    """Together they come to nothing; the stop is touched in the second of three, after the first of them."""
    rows, inner = [FLAT, (100, 100, 94, 96), FLAT], [(100, 100, 97, 97), (97, 97, 94, 95), (95, 96, 95, 96)]
    outcome = paid_inside(rows, inner, {1: first, 2: -first}, stop_loss={0: 95})
    assert left(outcome) == (1, 95, "stop_loss")
    assert outcome.trades[0].funding == near(5 * first)


@pytest.mark.parametrize(("at", "paid"), [(1, -5.0), (2, 0.0)])
def test_who_leaves_inside_a_candle_is_credited_what_settled_before(at: int, paid: float) -> None:
    rows, inner = [FLAT, (100, 100, 94, 96), FLAT], [(100, 100, 97, 97), (97, 97, 94, 95), (95, 96, 95, 96)]
    assert paid_inside(rows, inner, {at: -1.0}, stop_loss={0: 95}).trades[0].funding == near(paid)


@pytest.mark.parametrize("column", [BUY, SELL])
@pytest.mark.parametrize(
    ("at", "amount", "paid"), [(0, 1.0, 5.0), (0, -1.0, -5.0), (1, 1.0, 5.0), (1, -1.0, 0.0), (2, 1.0, 0.0)]
)
def test_of_what_settles_inside_a_finer_candle_who_leaves_in_it_is_credited_nothing(
    at: int, amount: float, paid: float, column: str
) -> None:
    """It leaves at its stop in the second of three; what a long pays a short is credited."""
    rows: Rows = [FLAT, (100, 100, 94, 96), FLAT]
    inner: Rows = [(100, 100, 97, 97), (97, 97, 94, 95), (95, 96, 95, 96)]
    turned = column == SELL
    if turned:
        rows, inner, amount = mirrored(rows), mirrored(inner), -amount
    none, inside = np.zeros(3), np.where(np.arange(3) == at, amount, 0.0)
    fine = Funding(none, none, inside, np.maximum(inside, 0.0))
    whole = np.array([0.0, amount, 0.0])
    coarse = Funding(none, none, whole, np.maximum(whole, 0.0))
    detail = detail_of(candles_from(rows), {1: inner}, Perpetual(fine))
    columns = {column: [0], "stop_loss": {0: 105.0 if turned else 95.0}}
    assert play(rows, columns, funding=coarse, detail=detail).trades[0].funding == near(paid)


@pytest.mark.parametrize(("at", "paid"), [(1, 50.0), (2, 0.0)])
def test_who_is_liquidated_inside_a_candle_pays_what_settled_before(at: int, paid: float) -> None:
    rows, inner = [FLAT, (100, 100, 85, 95), FLAT], [(100, 100, 97, 97), (97, 97, 85, 90), (90, 95, 90, 95)]
    outcome = paid_inside(rows, inner, {at: 1.0}, leverage=10.0)
    assert outcome.trades[0].exit_reason == "liquidation"
    assert (outcome.trades[0].funding, outcome.trades[0].pnl) == (near(paid), near(-500))


@pytest.mark.parametrize(("at", "paid"), [(1, 0.0), (2, 1.0)])
def test_who_enters_inside_a_candle_pays_what_settled_after(at: int, paid: float) -> None:
    rows, inner = [FLAT, (100, 100, 97, 99), FLAT], [(100, 100, 99, 99), (99, 99, 97, 98), (98, 99, 98, 99)]
    outcome = paid_inside(rows, inner, {at: 1.0}, entry_limit={0: 98})
    assert outcome.trades[0].funding == near(paid * outcome.trades[0].size)


# -- protections, time


def test_entries_and_losses_inside_count_once() -> None:
    rows = [FLAT, (100, 106, 94, 100), FLAT, FLAT, FLAT]
    columns = {BUY: [0, 1], "entry_stop": {0: 104, 1: 104}, "stop_loss": {0: 95, 1: 95}}
    outcome = play(
        rows, columns, protect={"trades_per_day": 1}, detail={1: [(100, 106, 100, 103), (103, 103, 94, 100)]}
    )
    assert outcome.terms is not None
    assert sum(outcome.terms.blocked) == 1
    assert left(outcome) == (1, 95, "stop_loss")
