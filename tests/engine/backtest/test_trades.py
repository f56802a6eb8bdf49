"""What both engines write down of a trade: semantics section 5, clause by clause."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.model.trade import Trade
from tests.engine.backtest.playing import BUY, SELL, mirrored, near, play
from tests.support.builders import START_MS, flat_candles

HOUR = 3_600_000


def test_a_trade_row_by_hand() -> None:
    outcome = play(
        flat_candles([100, 100, 120, 110]), {BUY: [0], "exit_long": [1]}, commission=0.01, size=0.5
    )
    size = 4.95049504  # 500 / 101
    pnl = size * 20 - size * 0.01 * 220
    (trade,) = outcome.trades
    assert trade == Trade(
        side="long",
        size=size,
        entry_time=START_MS + HOUR,
        entry_price=100,
        exit_time=START_MS + 2 * HOUR,
        exit_price=120,
        pnl=near(pnl, rel=1e-12),
        return_pct=near(pnl / (size * 100) * 100, rel=1e-12),
        commission=near(size * 0.01 * 220, rel=1e-12),
        funding=None,
        entry_signal=BUY,
        exit_reason="exit_long",
        candles=1,
        mae_pct=0,
        mfe_pct=near(20),
        slippage=0,
        price_pnl=near(size * 20, rel=1e-12),
        ambiguous=False,
    )


def test_a_short_trade_has_a_positive_size_and_earns_when_price_falls() -> None:
    (trade,) = play(flat_candles([100, 100, 80, 80]), {SELL: [0], "exit_short": [1]}, size=0.5).trades
    assert (trade.side, trade.size) == ("short", 5)
    assert (trade.pnl, trade.return_pct, trade.mfe_pct) == (100, 20, near(20))


def excursions(
    rows: Sequence[Sequence[float]], columns: Mapping[str, Any], **costs: Any
) -> tuple[float, float]:
    (trade,) = play(rows, columns, **costs).trades
    return round(trade.mae_pct, 9), round(trade.mfe_pct, 9)


START = [(100, 101, 99, 100), (100, 103, 96, 100), (100, 107, 98, 100)]


def test_excursions_span_the_entry_candle_to_the_last_candle_held() -> None:
    rows = [*START, (100, 150, 50, 100)]
    assert excursions(rows, {BUY: [0], "exit_long": [2]}) == (-4, 7)


def test_an_exit_at_the_open_has_seen_that_price_but_nothing_else_of_its_candle() -> None:
    rows = [*START, (110, 150, 50, 100)]
    assert excursions(rows, {BUY: [0], "exit_long": [2]}) == (-4, 10)
    assert excursions([*START, (92, 150, 50, 100)], {BUY: [0], "exit_long": [2]}) == (-8, 7)


def test_a_stop_at_the_open_has_seen_nothing_else_of_its_candle() -> None:
    rows = [*START, (80, 150, 50, 100)]
    assert excursions(rows, {BUY: [0], "stop_loss": {0: 90}}) == (-20, 7)


def test_a_stop_inside_a_candle_counts_its_high_and_caps_its_low() -> None:
    rows = [*START, (100, 109, 50, 100)]
    assert excursions(rows, {BUY: [0], "stop_loss": {0: 90}}) == (-10, 9)


def test_a_target_inside_a_candle_counts_its_low_and_caps_its_high() -> None:
    rows = [*START, (100, 150, 93, 100)]
    assert excursions(rows, {BUY: [0], "take_profit": {0: 110}}) == (-7, 10)


def test_a_short_sees_the_mirror() -> None:
    stopped, won = [*START, (100, 109, 50, 100)], [*START, (100, 150, 93, 100)]
    assert excursions(mirrored(stopped), {SELL: [0], "stop_loss": {0: 110}}) == (-10, 9)
    assert excursions(mirrored(won), {SELL: [0], "take_profit": {0: 90}}) == (-7, 10)


def test_an_open_position_and_a_ruined_one_have_seen_their_last_candle_whole() -> None:
    assert excursions([*START, (100, 150, 50, 100)], {BUY: [0]}) == (-50, 50)
    assert excursions([*START, (100, 250, 50, 200)], {SELL: [0]}) == (-150, 50)


def test_excursions_are_relative_to_the_slipped_entry_and_never_cross_zero() -> None:
    rows = [(100,) * 4, (100, 102, 99, 100), (100, 100, 100, 100), (100,) * 4]
    mae, mfe = excursions(rows, {BUY: [0], "exit_long": [1]}, slippage=0.05)
    assert (mae, mfe) == (round((95 / 105 - 1) * 100, 9), 0)


def test_a_trade_closed_in_its_entry_candle_lasts_no_candle() -> None:
    rows = [(100, 101, 99, 100), (100, 104, 85, 95), (95, 95, 95, 95)]
    (trade,) = play(rows, {BUY: [0], "stop_loss": {0: 90}}).trades
    assert (trade.candles, round(trade.mae_pct, 9), round(trade.mfe_pct, 9)) == (0, -10, 4)


def test_the_open_row_ends_on_the_last_candle_at_its_close() -> None:
    (trade,) = play(flat_candles([100, 100, 105, 107]), {BUY: [0]}).trades
    assert (trade.exit_time, trade.exit_price, trade.candles) == (START_MS + 3 * HOUR, 107, 2)
