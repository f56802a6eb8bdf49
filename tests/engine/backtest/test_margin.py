"""Margin and liquidation, by hand: 500 of 1000 at ten times, so fifty coins at 100; liquidated at 90.36, bankrupt at 90."""

from typing import Any

import numpy as np
import pytest

from engine.model.brackets import Brackets
from engine.model.market import HOUR_MS, Candles
from tests.engine.backtest.playing import BUY, SELL, mirrored, near, short
from tests.engine.backtest.terms_playing import FLAT, fills, play
from tests.support.builders import real_candles

TEN: dict[str, Any] = {"leverage": 10.0}
LP = (500 - 5000) / (50 * (0.004 - 1))


def test_size_is_the_share_of_the_cash_spent_on_margin_and_entry_fee() -> None:
    assert play([FLAT] * 3, {BUY: [0]}, **TEN).trades[0].size == 50
    assert play([FLAT] * 3, {BUY: [0]}, leverage=1.0).trades[0].size == 5
    (trade,) = play([FLAT] * 3, {BUY: [0]}, **TEN, commission=0.001).trades
    assert trade.size == near(500 / (10 + 0.1), abs=1e-8)
    (trade,) = play(
        [FLAT] * 3, {BUY: [0], "entry_limit": {0: 100}}, **TEN, commission=0.001, slippage=0.05
    ).trades
    assert trade.size == near(500 / (10 + 0.1), abs=1e-8)


def test_a_low_above_the_liquidation_price_lives_and_one_at_it_loses_the_margin() -> None:
    rows = [FLAT, (100, 100, LP + 1e-6, 95), (95, 95, 95, 95)]
    assert short(play(rows, {BUY: [0]}, **TEN)) == [("long", 1, 100, 2, 95, "open")]
    rows = [FLAT, (100, 100, LP - 1e-6, 95), (95, 95, 95, 95)]
    outcome = play(rows, {BUY: [0]}, **TEN)
    assert short(outcome) == [("long", 1, 100, 1, near(90), "liquidation")]
    assert outcome.equity.tolist() == near([1000, 500, 500])
    short_side = play(mirrored(rows), {SELL: [0]}, **TEN)
    # a short's is nearer: 104.58, as its maintenance margin grows with the price
    assert short(short_side) == [("short", 1, 100, 1, near(110), "liquidation")]


def test_a_mark_at_the_liquidation_price_itself_liquidates_inside_and_at_the_open() -> None:
    terms: dict[str, Any] = {"brackets": Brackets.of([(0, 0.04, 125)])} | TEN  # at 45 / 0.48 = 93.75
    for mark in ((100, 100, 93.75, 95), (93.75, 95, 93.75, 95)):
        outcome = play([FLAT] * 4, {BUY: [0]}, mark=[FLAT, FLAT, mark, FLAT], **terms)
        assert short(outcome) == [("long", 1, 100, 2, near(90), "liquidation")]
    # at its open it comes before an exit that was signalled
    leaving = play(
        [FLAT] * 4, {BUY: [0], "exit_long": [1]}, mark=[FLAT, FLAT, (93.75, 95, 93.75, 95), FLAT], **terms
    )
    assert short(leaving) == [("long", 1, 100, 2, near(90), "liquidation")]
    # a stop at that very price is not nearer
    outcome = play([FLAT, (100, 100, 85, 95), FLAT], {BUY: [0], "stop_loss": {0: 93.75}}, **terms)
    assert short(outcome) == [("long", 1, 100, 1, near(90), "liquidation")]


def test_where_two_brackets_meet_rounding_leaves_no_gap_between_them() -> None:
    """The liquidation lies at 50.60 in either; rounding put its notional above the one and below the other."""
    brackets = Brackets.of([(0, 0.004, 125), (2008.0321283855424, 0.01, 50)])
    rows = [
        (63.0, 63.0, 63.0, 63.0),
        (63.0, 63.0, 63.0, 63.0),
        (63.0, 63.0, 45.0, 60.0),
        (60.0, 60.0, 60.0, 60.0),
    ]
    outcome = play(rows, {BUY: [0]}, brackets=brackets, leverage=5.0)
    assert short(outcome) == [("long", 1, 63, 2, near(50.4), "liquidation")]


def test_a_liquidation_costs_exactly_margin_and_entry_fee_and_neither_slips_nor_pays() -> None:
    rows = [FLAT, (100, 100, 50, 95), (95, 95, 95, 95)]
    outcome = play(rows, {BUY: [0]}, **TEN, commission=0.001, slippage=0.01)
    (trade,) = outcome.trades
    margin, fee = trade.size * 101 / 10, trade.size * 101 * 0.001
    assert trade.pnl == near(-margin - fee)
    assert trade.commission == near(fee)
    assert trade.slippage == near(trade.size * 1)
    assert outcome.equity[-1] == near(1000 - margin - fee)
    assert trade.liquidated


def test_the_stop_runs_where_it_is_nearer_than_the_liquidation_and_is_never_reached_behind_it() -> None:
    rows = [FLAT, (100, 100, 80, 95), (95, 95, 95, 95)]
    assert short(play(rows, {BUY: [0], "stop_loss": {0: 92}}, **TEN))[0][3:] == (1, 92, "stop_loss")
    assert short(play(rows, {BUY: [0], "stop_loss": {0: 90.2}}, **TEN))[0][3:] == (1, near(90), "liquidation")


def test_a_stop_behind_the_liquidation_runs_where_the_mark_did_not_come_there_and_is_charged_in_full() -> (
    None
):
    rows = [FLAT, (100, 100, 85, 95), (95, 95, 95, 95)]
    outcome = play(
        rows, {BUY: [0], "stop_loss": {0: 88}}, **TEN, mark=[FLAT, (100, 100, 95, 96), (95, 95, 95, 95)]
    )
    assert short(outcome)[0][3:] == (1, 88, "stop_loss")
    assert outcome.trades[0].pnl == near(-600)  # a hundred more than the margin
    assert outcome.equity.tolist() == near([1000, 400, 400])


def test_the_marks_open_liquidates_before_an_exit_and_before_a_stop_that_the_open_passed() -> None:
    rows = [FLAT, FLAT, (93, 93, 93, 93), FLAT]
    columns = {BUY: [0], "exit_long": [1], "stop_loss": {0: 94}}
    mark = [FLAT, FLAT, (90, 90, 90, 90), FLAT]
    assert short(play(rows, columns, **TEN, mark=mark))[0][3:] == (2, near(90), "liquidation")
    assert short(play(rows, columns, **TEN))[0][3:] == (2, 93, "exit_long")


def test_the_last_price_liquidates_only_where_there_is_no_mark() -> None:
    rows = [FLAT, (100, 100, 80, 95), (95, 95, 95, 95)]
    assert short(play(rows, {BUY: [0]}, **TEN, mark=[FLAT, (100, 100, 91, 95), FLAT]))[0][5] == "open"
    assert short(play(rows, {BUY: [0]}, **TEN))[0][5] == "liquidation"


def test_funding_goes_into_the_margin_and_moves_the_liquidation() -> None:
    rows = [FLAT, FLAT, (100, 100, 92, 95), (95, 95, 95, 95)]
    assert short(play(rows, {BUY: [0]}, **TEN))[0][5] == "open"
    outcome = play(rows, {BUY: [0]}, **TEN, funding={"at_open": {2: 2.0}})  # now at 92.37
    (trade,) = outcome.trades
    assert (trade.exit_reason, trade.exit_price) == ("liquidation", near(92))
    assert (trade.funding, trade.pnl, trade.price_pnl) == (near(100), near(-500), near(-400))
    # funding that comes in moves it away
    rows = [FLAT, FLAT, (100, 100, 90, 95), (95, 95, 95, 95)]
    outcome = play(rows, {BUY: [0]}, **TEN, funding={"at_open": {2: -2.0}})
    assert outcome.trades[0].exit_reason == "open"


def test_what_settles_inside_the_candle_of_a_liquidation_costs_no_more_than_the_margin() -> None:
    rows = [FLAT, (100, 100, 80, 95), (95, 95, 95, 95)]
    outcome = play(rows, {BUY: [0]}, **TEN, funding={"inside": {1: 30.0}})
    (trade,) = outcome.trades
    assert (trade.funding, trade.pnl, trade.exit_price) == (near(500), near(-500), near(100))


def test_a_part_that_leaves_frees_its_share_of_the_margin() -> None:
    rows = [FLAT, (100, 104, 100, 102), (102, 102, LP - 0.01, 95), (95, 95, 95, 95)]
    columns = {BUY: [0], "target_1": {0: 104}, "target_2": {0: 200}, "part_1": {0: 0.5}}
    outcome = play(rows, columns, **TEN)
    assert fills(outcome) == [
        (1, 100, 50, "entry"), (1, 104, -25, "target_1"), (2, near(90), -25, "liquidation"),
    ]  # fmt: skip
    assert outcome.trades[0].pnl == near(25 * 4 - 250)


def test_what_targets_left_is_liquidated_in_the_bracket_of_what_is_left() -> None:
    """Fifty coins lie in the second bracket, 546 / 50 below 100 / 0.95: at 93.77; twenty-five at 92.80."""
    rows = [FLAT, (100, 104, 100, 102), (102, 102, 93, 95), (95, 95, 95, 95)]
    columns = {BUY: [0], "target_1": {0: 104}, "target_2": {0: 200}}
    terms: dict[str, Any] = {"brackets": Brackets.of([(0, 0.004, 125), (1000, 0.05, 50)])}
    assert short(play(rows, {BUY: [0]}, **TEN, **terms))[0][5] == "liquidation"
    assert short(play(rows, columns, **TEN, **terms))[0][5] == "open"
    rows[2] = (102, 102, 92.75, 95)
    assert short(play(rows, columns, **TEN, **terms))[0][5] == "liquidation"
    rows[1:3] = [FLAT, (104, 104, 93, 95)]
    assert short(play(rows, columns, **TEN, **terms))[0][5] == "open", "it left at this very open"


def test_a_liquidation_price_goes_where_funding_takes_it() -> None:
    rows = [FLAT, FLAT, FLAT, (100, 100, 45, 100), FLAT]
    paid, back = {2: 50.0}, {2: 50.0, 3: -60.0}  # at once its margin: at 50.20, and then nowhere
    terms: dict[str, Any] = {"leverage": 1.0}
    assert short(play(rows, {BUY: [0]}, funding={"at_open": paid}, **terms))[0][5] == "liquidation"
    assert short(play(rows, {BUY: [0]}, funding={"at_open": back}, **terms))[0][5] == "open"


def test_an_add_has_its_own_margin_and_the_liquidation_follows_the_mean() -> None:
    rows = [FLAT, (100, 100, 96, 96), (96, 96, 90, 95), (95, 95, 95, 95)]
    columns = {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.48}}
    outcome = play(rows, columns, **TEN)
    # 100 coins at 98 with 980: liquidated at 88.55, so a low of 90 lives where fifty coins would not
    assert fills(outcome) == [(1, 100, 50, "entry"), (2, 96, 50, "add")]
    assert outcome.trades[0].exit_reason == "open"
    assert short(play(rows, {BUY: [0]}, **TEN))[0][5] == "liquidation"


def test_a_gap_behind_the_bankruptcy_price_takes_free_cash_and_then_is_owed() -> None:
    rows = [FLAT, FLAT, (80, 80, 80, 80), FLAT]
    mark = [FLAT, FLAT, (95, 95, 95, 95), FLAT]
    outcome = play(rows, {BUY: [0], "stop_loss": {0: 94}}, **TEN, size=1.0, mark=mark)
    assert short(outcome)[0][3:] == (2, 80, "stop_loss")
    assert outcome.shortfall == near(1000, rel=1e-6)
    assert outcome.equity.tolist() == [1000, near(1000), 0, 0]


def test_with_margin_a_negative_equity_at_a_close_is_no_ruin_while_the_mark_holds() -> None:
    rows = [FLAT, (100, 100, 75, 75), FLAT, FLAT]
    outcome = play(rows, {BUY: [0]}, **TEN, mark=[FLAT] * 4)
    assert outcome.equity.tolist() == near([1000, -250, 1000, 1000])
    assert outcome.trades[0].exit_reason == "open"


def test_a_long_at_once_its_margin_is_never_liquidated() -> None:
    rows = [FLAT, (100, 100, 1, 50), (50, 50, 50, 50)]
    outcome = play(rows, {BUY: [0]}, leverage=1.0)
    assert short(outcome)[0][5] == "open"
    assert outcome.terms is not None
    assert np.isnan(outcome.terms.nearest_pct)


def test_the_nearest_approach_is_that_of_the_mark_in_percent_of_it() -> None:
    rows = [FLAT, (100, 100, 95, 98), (98, 98, 97, 98), FLAT]
    outcome = play(rows, {BUY: [0]}, **TEN)
    assert outcome.terms is not None
    assert outcome.terms.nearest_pct == near((95 - LP) / 95 * 100)
    liquidated = play([FLAT, (100, 100, 80, 95), FLAT], {BUY: [0]}, **TEN)
    assert liquidated.terms is not None
    assert liquidated.terms.nearest_pct == 0


def test_a_notional_beyond_what_the_leverage_allows_is_clipped_and_counted() -> None:
    outcome = play([FLAT] * 3, {BUY: [0]}, cash=10_000.0, leverage=110.0)
    assert outcome.terms is not None
    assert (outcome.trades[0].size, outcome.terms.clipped) == (3000, 1)
    outcome = play(
        [FLAT] * 4,
        {BUY: [0], "add_more_buy": [1], "add_size": {0: 0.5}},
        cash=10_000.0,
        leverage=110.0,
        size=0.2,
    )
    assert outcome.terms is not None
    assert ([f.size for f in outcome.trades[0].fills], outcome.terms.clipped) == ([2200, 800], 1)
    outcome = play([FLAT] * 3, {BUY: [0]}, cash=16_000.0, leverage=100.0)
    assert outcome.terms is not None
    assert (outcome.trades[0].size, outcome.terms.clipped) == (8000, 0), "exactly what it allows"


def test_after_a_liquidation_a_turn_still_enters() -> None:
    rows = [FLAT, FLAT, (90, 90, 90, 90), (90, 90, 90, 90)]
    outcome = play(rows, {BUY: [0], SELL: [1]}, **TEN, reverse=True)
    assert [row[5] for row in short(outcome)] == ["liquidation", "open"]


FAQ_ETH = Brackets(np.array([0.0]), np.array([0.1]), np.array([135_365.0]), np.array([125.0]))
FAQ_BTC = Brackets(np.array([0.0]), np.array([0.025]), np.array([16_300.0]), np.array([125.0]))
FAQ_WALLET = 1_535_443.01


@pytest.mark.parametrize(
    ("column", "coins", "entry", "wallet", "brackets", "liquidation"),
    [
        (BUY, 10, 82_000, 82_000, None, 74_140.7035),
        (SELL, 10, 79_000, 39_500, None, 82_563.3383),
        (BUY, 0.1, 60_000, 600, None, 54_216.8675),
        (SELL, 0.1, 60_000, 600, None, 65_737.0518),
        (BUY, 3683.979, 1456.84, FAQ_WALLET, FAQ_ETH, 1114.78),
        (BUY, 109.488, 32_481.98, FAQ_WALLET, FAQ_BTC, 18_778.73),
    ],
)
def test_the_worked_liquidation_prices(
    column: str, coins: float, entry: float, wallet: float, brackets: Brackets | None, liquidation: float
) -> None:
    """The bracket is that of the notional at the liquidation, not at the entry."""
    side, step = (1 if column == BUY else -1), 0.0001 if brackets is None else 0.006
    terms: dict[str, Any] = {"cash": 2 * wallet, "leverage": coins * entry / wallet} | (
        {"brackets": brackets} if brackets else {}
    )
    calm = (entry,) * 4
    for beyond, reason in ((-step, "open"), (step, "liquidation")):
        mark = liquidation - side * beyond
        low, high = (mark, entry) if side > 0 else (entry, mark)
        outcome = play([calm] * 3, {column: [0]}, mark=[calm, (entry, high, low, entry), calm], **terms)
        (trade,) = outcome.trades
        assert trade.size == near(coins, abs=1e-7)
        assert trade.exit_reason == reason
    assert trade.exit_price == near(entry - side * wallet / coins, rel=1e-8)


def _around(candles: Candles, ms: int) -> Candles:
    at = int(np.searchsorted(candles.timestamp, ms))
    return candles.slice(at - 1, at + 2)


@pytest.mark.parametrize(
    ("name", "opened_ms", "column", "liquidation"),
    [
        ("usdm-BTCUSDT", 1_627_261_200_000, SELL, 45_737.55),
        ("usdm-XRPUSDT", 1_591_106_400_000, BUY, 0.16107),
    ],
)
def test_a_spike_of_the_last_price_alone_liquidates_nobody(
    name: str, opened_ms: int, column: str, liquidation: float
) -> None:
    """2021-07-26 01:00: BTC's last price went to 48,168.6, its mark to 39,744.81; 2020-06-02 14:00: XRP to 0.1529."""
    start = "20210601" if "BTC" in name else "20200501"
    candles, marks = (_around(real_candles(f"{name}-{kind}1h-{start}"), opened_ms) for kind in ("", "mark-"))
    assert len(candles) == 3
    assert candles.timestamp[1] == opened_ms == opened_ms // HOUR_MS * HOUR_MS
    entry = candles.open[1]
    side = 1 if column == BUY else -1
    assert entry * (1 / 4 - side) / (0.004 - side) == near(liquidation, rel=1e-4)
    lives = play(candles, {column: [0]}, leverage=4.0, mark=marks)
    assert lives.trades[0].exit_reason == "open"
    assert play(candles, {column: [0]}, leverage=4.0).trades[0].exit_reason == "liquidation"


# in a long silence, of which several candles at once are passed over

SILENCE = [9, 12, 16, 17]


@pytest.mark.parametrize("at", SILENCE)
def test_a_mark_that_meets_the_liquidation_in_a_long_silence_liquidates(at: int) -> None:
    terms: dict[str, Any] = {"brackets": Brackets.of([(0, 0.04, 125)])} | TEN  # at 93.75
    for touching in ((100, 100, 93.75, 95), (93.75, 95, 93.75, 95)):
        marks = [touching if i == at else FLAT for i in range(30)]
        outcome = play([FLAT] * 30, {BUY: [0], "trail": {0: 50}}, mark=marks, **terms)
        assert short(outcome) == [("long", 1, 100, at, near(90), "liquidation")]


@pytest.mark.parametrize("at", SILENCE)
def test_a_close_that_takes_everything_in_a_long_silence_is_ruin(at: int) -> None:
    """Five coins short at 100 of 1,000: at 300 exactly nothing is left."""
    rows = [(100, 300, 100, 300) if i == at else FLAT for i in range(30)]
    assert short(play(rows, {SELL: [0], "trail": {0: 1000}})) == [("short", 1, 100, at, 300, "ruin")]


@pytest.mark.parametrize("at", SILENCE)
@pytest.mark.parametrize("where", ["at_open", "inside"])
def test_what_settles_in_a_long_silence_is_paid(where: str, at: int) -> None:
    (trade,) = play([FLAT] * 30, {BUY: [0], "trail": {0: 50}}, funding={where: {at: 1.0}}).trades
    assert trade.funding == near(5)
