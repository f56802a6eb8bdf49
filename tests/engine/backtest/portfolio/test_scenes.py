"""Portfolios computed by hand: who gets what of one wallet and what becomes of it. Both simulators play each scene."""

import math
from dataclasses import replace

import pytest

from engine.backtest.portfolio.book import PortfolioRules
from engine.backtest.portfolio.checks import check_portfolio
from engine.backtest.portfolio.compiled import run_portfolio
from engine.errors import InputError, RunError
from engine.model.account import Protections
from tests.engine.backtest.playing import near
from tests.engine.backtest.portfolio.scenes import BUY, FLAT, SELL, asked, fills, flat, hour, leg, play


def test_each_leg_puts_its_weight_of_the_equity_in() -> None:
    outcome = play(leg("a", flat(3), {BUY: [0]}, 0.5), leg("b", flat(3, 50), {BUY: [0]}, 0.3))
    assert fills(outcome, 0)[0] == (1, 100, 5, "entry")
    assert fills(outcome, 1)[0] == (1, 50, 6, "entry")
    assert asked(outcome) == [(1, 0, 500, 500, ""), (1, 1, 300, 300, "")]
    assert outcome.margin.tolist() == near([0, 800, 800])
    assert outcome.exposure.tolist() == near([0, 800, 800])


def test_size_is_a_part_of_the_weight_and_a_leverage_buys_more_with_it() -> None:
    outcome = play(leg("a", flat(3), {BUY: [0]}, 0.5, size=0.4, leverage=10.0))
    assert asked(outcome) == [(1, 0, 200, 200, "")]
    assert fills(outcome)[0] == (1, 100, 20, "entry")
    assert outcome.margin[-1] == near(200)


def test_what_does_not_suffice_is_scaled_by_one_factor() -> None:
    outcome = play(leg("a", flat(3), {BUY: [0]}, 0.9), leg("b", flat(3), {BUY: [0]}, 0.6))
    assert asked(outcome) == [(1, 0, 900, 600, "scaled"), (1, 1, 600, 400, "scaled")]


def test_by_rank_the_highest_takes_first_and_names_decide_ties() -> None:
    def legs(one: float | None, other: float | None) -> list[tuple[int, int, float, float, str]]:
        a = leg("a", flat(3), {BUY: [0]}, 0.8, rank=one)
        b = leg("b", flat(3), {BUY: [0]}, 0.8, rank=other)
        return asked(play(a, b, contention="rank"))

    assert legs(1, 2) == [(1, 0, 800, 200, "scaled"), (1, 1, 800, 800, "")]
    assert legs(None, None) == [(1, 0, 800, 800, ""), (1, 1, 800, 200, "scaled")]
    assert legs(math.nan, -1) == [(1, 0, 800, 200, "scaled"), (1, 1, 800, 800, "")]


def test_a_request_finds_nothing_left_and_is_dropped() -> None:
    first = leg("a", flat(4, 1), {BUY: [0]}, 0.6)
    second = leg("b", flat(4, 1), {BUY: [1]}, 0.5)
    third = leg("c", flat(4, 1), {BUY: [2]}, 0.5)
    outcome = play(first, second, third)
    assert asked(outcome)[1] == (2, 1, 500, 400, "scaled")
    assert asked(outcome)[2] == (3, 2, 500, 0, "dropped:no_cash")


def test_so_many_legs_hold_something_at_most() -> None:
    a, b = leg("a", flat(5), {BUY: [0], "exit_long": [2]}, 0.2), leg("b", flat(5), {BUY: [0, 2]}, 0.2, rank=1)
    outcome = play(a, b, max_open=1)
    assert asked(outcome) == [(1, 0, 200, 0, "dropped:max_open"), (1, 1, 200, 200, "")]
    a = replace(a, rank=b.rank * 9 if b.rank is not None else None)
    outcome = play(a, b, max_open=1)
    assert asked(outcome) == [
        (1, 0, 200, 200, ""), (1, 1, 200, 0, "dropped:max_open"), (3, 1, 200, 200, ""),
    ]  # fmt: skip


def test_every_leg_leaves_before_any_enters() -> None:
    a = leg("b leaves", flat(4), {BUY: [0], "exit_long": [1]}, 1.0)
    b = leg("a enters", flat(4), {BUY: [1]}, 1.0)
    outcome = play(a, b)
    assert fills(outcome, 0)[1] == (2, 100, -10, "exit_long")
    assert fills(outcome, 1)[0] == (2, 100, 10, "entry")


def test_what_a_coarse_candle_frees_inside_is_free_from_its_close_on() -> None:
    coarse = [FLAT, (100, 100, 90, 92), FLAT, FLAT]
    a = leg("a", coarse, {BUY: [0], "stop_loss": {0: 95}}, 1.0, hours=4)
    b, c = leg("b", flat(16), {BUY: [5]}, 1.0), leg("c", flat(16), {BUY: [7]}, 1.0)
    outcome = play(a, b, c)
    assert fills(outcome, 0) == [(4, 100, 10, "entry"), (4, 95, -10, "stop_loss")]
    assert asked(outcome)[1:] == [(6, 1, 1000, 0, "scaled"), (8, 2, 950, 950, "scaled")]  # but a unit


def test_a_coarse_leg_is_marked_at_its_last_close_and_at_its_own_opens() -> None:
    a = leg("a", [FLAT, (100, 120, 100, 120), (120,) * 4, (120,) * 4], {BUY: [0]}, 0.5, hours=4)
    b, c = leg("b", flat(16), {BUY: [5]}, 0.25), leg("c", flat(16), {BUY: [7]}, 0.25)
    outcome = play(a, b, c)
    assert asked(outcome) == [(4, 0, 500, 500, ""), (6, 1, 250, 250, ""), (8, 2, 275, 250, "scaled")]
    at = dict(zip(map(hour, outcome.times.tolist()), outcome.equity.tolist(), strict=True))
    assert (at[7], at[8]) == (near(1000), near(1100))


def test_money_of_an_order_that_waits_is_reserved_till_its_candle_closes() -> None:
    a = leg("a", flat(4), {BUY: [0], "entry_limit": {0: 90}}, 0.6, hours=4)
    b, c = leg("b", flat(16), {BUY: [5]}, 1.0), leg("c", flat(16), {BUY: [7]}, 0.6)
    outcome = play(a, b, c)
    assert asked(outcome) == [(6, 1, 1000, 400, "scaled"), (8, 2, 600, 600, "")]
    assert len(outcome.legs[0].trades) == 0


def test_an_order_filled_inside_has_what_it_had_at_the_open() -> None:
    a = leg("a", [FLAT, (100, 100, 80, 85), (85,) * 4], {BUY: [0], "entry_limit": {0: 90}}, 0.9, hours=4)
    b = leg("b", flat(12), {BUY: [3]}, 0.6)
    outcome = play(a, b)
    assert asked(outcome) == [(4, 0, 900, 600, "scaled"), (4, 1, 600, 400, "scaled")]
    assert fills(outcome, 0)[0] == (4, 90, near(600 / 90, abs=1e-5), "entry")


def test_an_order_that_finds_no_place_waits_no_more() -> None:
    a = leg("a", flat(6), {BUY: [0]}, 0.2)
    b = leg(
        "b", [*flat(4), (100, 100, 80, 80), FLAT], {BUY: [1], "entry_limit": {1: 90}, "entry_expiry": {1: 4}}
    )
    outcome = play(a, b, max_open=1)
    assert asked(outcome) == [(1, 0, 200, 200, ""), (2, 1, 500, 0, "dropped:max_open")]
    assert len(outcome.legs[1].trades) == 0


def test_adds_share_what_is_free_with_entries() -> None:
    grows = {BUY: [0], "add_x_buy": [1], "add_size": {0: 1.0}}
    outcome = play(leg("a", flat(4), grows, 0.6), leg("b", flat(4), {BUY: [1]}, 0.2))
    # the add asks for all of 600, the entry for 200; 400 are free
    assert asked(outcome)[1:] == [(2, 0, 600, 300, "scaled"), (2, 1, 200, 100, "scaled")]
    assert fills(outcome, 0)[:2] == [(1, 100, 6, "entry"), (2, 100, 3, "add")]


def _zigzag(step: float, n: int = 8) -> list[tuple[float, ...]]:
    return [((100.0, 100 * (1 + step))[i % 2],) * 4 for i in range(n)]


def test_by_inverse_volatility_the_steadier_leg_has_more() -> None:
    calm, wild = math.log(1.01), math.log(1.02)
    share = (1 / calm) / (1 / calm + 1 / wild)
    a, b = leg("a", _zigzag(0.01), {BUY: [5]}), leg("b", _zigzag(0.02), {BUY: [5]})
    outcome = play(a, b, allocation="inverse_volatility")
    assert [row[2] for row in asked(outcome)] == [near(1000 * share), near(1000 * (1 - share))]
    assert share == near(0.66557, abs=1e-5)


def test_a_volatility_is_of_the_last_closes_up_to_the_signal_in_time_and_not_in_candles() -> None:
    # of the three last closes of b one change is large; a changes as much in an hour as c in four
    b = leg("b", [*flat(3), *_zigzag(0.05, 4), FLAT], {BUY: [6]})
    a = leg("a", _zigzag(0.01, 8), {BUY: [5]})
    c = leg("c", _zigzag(0.01, 2) + flat(2), {}, hours=4)
    outcome = play(a, b, allocation="inverse_volatility", lookback=3)
    one, two = math.log(1.01), math.log(1.05)
    share = (1 / one) / (1 / one + 1 / two)
    assert asked(outcome)[0][2] == near(1000 * share)
    alone = play(a, c, allocation="inverse_volatility", lookback=3)
    assert asked(alone)[0][2] == near(1000)  # c has closed once, so nothing is known of it


def test_a_leg_that_stands_still_has_no_weight_by_volatility() -> None:
    a, b = leg("a", flat(8), {BUY: [5]}), leg("b", _zigzag(0.02), {BUY: [5]})
    outcome = play(a, b, allocation="inverse_volatility")
    assert asked(outcome) == [(6, 0, 0, 0, "dropped:no_volatility"), (6, 1, 1000, near(1000, abs=1e-5), "")]


def test_by_risk_the_stop_loses_that_part_of_the_equity_at_most() -> None:
    a = leg("a", flat(3), {BUY: [0], "stop_loss": {0: 95}}, 0.01)
    b = leg("b", flat(3), {SELL: [0], "stop_loss": {0: 104}}, 0.01, size=0.1)
    c = leg("c", flat(3), {BUY: [0]}, 0.01)
    outcome = play(a, b, c, allocation="risk")
    assert asked(outcome) == [(1, 0, 200, 200, ""), (1, 1, 100, 100, ""), (1, 2, 0, 0, "dropped:no_stop")]
    assert fills(outcome, 0)[0] == (1, 100, 2, "entry")  # 2 x 5 = 10


RISE = [*flat(2), *[(150.0,) * 4] * 8]
FALL = [*flat(2), *[(50.0,) * 4] * 8]


def test_on_schedule_a_weight_is_brought_back_by_a_partial_exit() -> None:
    outcome = play(leg("a", RISE, {BUY: [0]}, 0.5, commission=0.01, size=0.9), rebalance_ms=5 * 3_600_000)
    coins = math.floor(450 / 101 * 1e8) / 1e8
    equity = 1000 - coins * 100 * 0.01 + coins * 50
    let_go = (coins * 150 - 0.45 * equity) / 150
    assert fills(outcome)[:2] == [
        (1, 100, near(coins, abs=1e-5), "entry"),
        (5, 150, near(-let_go, abs=1e-5), "rebalance"),
    ]
    (trade,) = outcome.legs[0].trades
    assert trade.commission == near(coins + let_go * 1.5, rel=1e-6)
    assert trade.exit_reason == "open"
    assert len(fills(outcome)) == 2


def test_on_schedule_a_weight_is_brought_back_by_an_add() -> None:
    outcome = play(leg("a", FALL, {BUY: [0]}, 0.5), rebalance_ms=5 * 3_600_000)
    assert fills(outcome)[:2] == [(1, 100, 5, "entry"), (5, 50, 2.5, "add")]  # (0.5 x 750 - 250) / 50
    assert asked(outcome)[1] == (5, 0, 125, 125, "")


def test_reductions_come_first_so_that_what_grew_pays_for_what_fell() -> None:
    outcome = play(
        leg("a", FALL, {BUY: [0]}, 0.5), leg("b", RISE, {BUY: [0]}, 0.5), rebalance_ms=5 * 3_600_000
    )
    assert fills(outcome, 1)[1] == (5, 150, near(-250 / 150, abs=1e-5), "rebalance")
    assert fills(outcome, 0)[1] == (5, 50, near(5, abs=1e-5), "add")


def test_within_the_band_nothing_is_brought_back() -> None:
    rows = [*flat(2), (110.0,) * 4, (160.0,) * 4, (160.0,) * 4]
    outcome = play(leg("a", rows, {BUY: [0]}, 0.5), band=0.05)
    # 550 / 1050 is 0.524; 800 / 1300 is 0.615, so 150 of 800 leave at 160
    assert fills(outcome)[:2] == [(1, 100, 5, "entry"), (3, 160, -0.9375, "rebalance")]


def test_what_is_smaller_than_a_step_is_not_brought_back() -> None:
    outcome = play(leg("a", flat(30), {BUY: [0]}, 0.5), rebalance_ms=5 * 3_600_000)
    assert len(fills(outcome)) == 1


def test_a_position_sized_by_its_risk_is_not_brought_back() -> None:
    columns = {BUY: [0], "risk": {0: 0.01}, "stop_loss": {0: 40}}
    assert len(fills(play(leg("a", RISE, columns, 0.5), rebalance_ms=5 * 3_600_000))) == 1


def test_the_wallet_is_ruined_as_a_whole_and_all_that_is_held_leaves_at_that_close() -> None:
    rows = [FLAT, FLAT, (250,) * 4, (310,) * 4, (310,) * 4]
    a, b = leg("a", rows, {SELL: [0]}, 0.5), leg("b", flat(5), {BUY: [0]}, 0.3)
    outcome = play(a, b)
    assert outcome.equity.tolist() == near([1000, 1000, 250, 0, 0])
    assert outcome.shortfall == near(50)
    assert [t.exit_reason for k in (0, 1) for t in outcome.legs[k].trades] == ["ruin", "ruin"]
    assert outcome.leg_pnl[-1].tolist() == near([-1050, 0])


def test_a_coarse_leg_leaves_at_its_last_close_when_the_wallet_is_ruined_inside_its_candle() -> None:
    a = leg("a", [FLAT, FLAT, (100, 100, 100, 100), (310,) * 4, (310,) * 4, *flat(3, 310)], {SELL: [0]}, 0.5)
    b = leg("b", [FLAT, (90, 130, 60, 120)], {BUY: [0]}, 0.3, hours=4)
    outcome = play(replace(a, signals=a.signals), b)
    assert outcome.equity[-1] == 0
    assert len(outcome.legs[1].trades) == 0  # ruined at 4, before it opens
    late = leg("a", [*flat(5), (330,) * 4, (330,) * 4, (330,) * 4], {SELL: [0]}, 0.5)
    outcome = play(late, b)
    (trade,) = outcome.legs[1].trades
    assert (hour(trade.exit_time), trade.exit_price, trade.exit_reason) == (4, 100, "ruin")
    assert trade.mfe_pct == near((100 / 90 - 1) * 100)  # nothing of the rest of that candle was seen


def test_with_margin_ruin_is_judged_once_every_leg_is_flat() -> None:
    a = leg("a", [FLAT, FLAT, (70,) * 4, *flat(3, 70)], {BUY: [0], "stop_loss": {0: 95}}, 0.5, leverage=10.0)
    b = leg("b", flat(6), {BUY: [0], "exit_long": [3]}, 0.4, leverage=10.0)
    outcome = play(a, b)
    assert outcome.equity.tolist() == near([1000, 1000, -500, -500, 0, 0])
    assert outcome.shortfall == near(500)
    assert outcome.legs[1].trades[0].exit_reason == "exit_long"


def test_a_leg_without_a_candle_neither_trades_nor_blocks() -> None:
    a = leg("a", flat(6), {BUY: [0], "exit_long": [2]}, 0.6)
    b = leg("b", flat(6), {BUY: [1], "exit_long": [2]}, 0.6, without=[2, 3])
    outcome = play(a, b)
    assert fills(outcome, 0)[1][0] == 3
    assert fills(outcome, 1)[0] == (4, 100, 6, "entry")
    assert outcome.times.tolist() == sorted(set(outcome.times.tolist()))
    assert len(outcome.times) == 6


def test_a_leg_whose_candles_end_keeps_its_money_bound() -> None:
    a, b = leg("a", flat(3), {BUY: [0]}, 0.6), leg("b", flat(8), {BUY: [5]}, 0.6)
    outcome = play(a, b)
    assert outcome.legs[0].trades[0].exit_reason == "open"
    assert asked(outcome)[1] == (6, 1, 600, 400, "scaled")


def test_a_days_loss_is_of_the_wallet() -> None:
    rows = [FLAT, FLAT, (80,) * 4, (80,) * 4, (80,) * 4]
    guarded = leg("b", flat(5), {BUY: [2]}, 0.2, protect=Protections(daily_loss=0.05))
    outcome = play(leg("a", rows, {BUY: [0]}, 0.5), guarded)
    assert len(outcome.legs[1].trades) == 0
    assert outcome.legs[1].terms is not None
    assert sum(outcome.legs[1].terms.blocked) == 1


def test_an_entry_that_cannot_be_names_its_leg() -> None:
    bad = leg("b", flat(3), {BUY: [0], "stop_loss": {0: 105}})
    with pytest.raises(RunError, match="leg b: stop_loss 105"):
        run_portfolio([leg("a", flat(3), {BUY: [0]}), bad], PortfolioRules(1000))


@pytest.mark.parametrize(
    ("legs", "rules", "words"),
    [
        ([], {}, "at least one leg"),
        ([leg("a", flat(2), {}), leg("a", flat(2), {})], {}, "two legs are named 'a'"),
        ([leg("a", flat(2), {}), leg("b", flat(2), {}, leverage=2.0)], {}, "differ in leverage"),
        ([leg("a", flat(2), {})], {"allocation": "most"}, "allocation must be one of equal, fixed"),
        ([leg("a", flat(2), {})], {"contention": "most"}, "contention must be one of scale, rank"),
        ([leg("a", flat(2), {})], {"max_open": 0}, "max_open must be at least 1"),
        ([leg("a", flat(2), {})], {"rebalance_ms": 0}, "rebalance must be a time"),
        ([leg("a", flat(2), {})], {"band": -0.1}, "band of a rebalance"),
        ([leg("a", flat(2), {})], {"band": 0.1, "allocation": "risk"}, "no weights to go back to"),
        ([leg("a", flat(2), {})], {"lookback": 2}, "lookback must be at least 3"),
        ([leg("a", flat(2), {}, -0.1)], {}, "leg a: the weight"),
        ([leg("a", flat(2), {}, detail="5m")], {}, "leg a: a portfolio cannot look inside candles"),
    ],
)
def test_what_is_no_portfolio_is_refused_in_words(legs: list, rules: dict, words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=words):
        check_portfolio(legs, PortfolioRules(1000, **rules))
