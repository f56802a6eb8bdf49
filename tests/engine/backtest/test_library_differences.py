"""What backtesting.py alone does otherwise than our rules, shown with the library as it is, and what we do instead.

docs/decisions/engine-equality.md explains each. A test that fails after an upgrade of the library tells that it has changed.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import backtesting
import pandas as pd
import pytest

from tests.engine.backtest.playing import BUY, SELL, near, play, short
from tests.support.builders import candles_from

FLAT = (100, 100, 100, 100)


def alone(
    rows: Sequence[Sequence[float]], script: Mapping[int, Callable[[Any], Any]], **settings: Any
) -> tuple[pd.DataFrame, Any]:
    """(its trades, its statistics) of the library by itself, doing at candle i what the script says."""

    class Scripted(backtesting.Strategy):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            script.get(len(self.data) - 1, lambda _: None)(self)

    frame = candles_from(rows).frame().tz_localize(None).rename(columns=str.title)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = backtesting.Backtest(frame, Scripted, **({"cash": 1000.0} | settings)).run()
    return stats["_trades"], stats


def test_its_spread_worsens_entries_only() -> None:
    rows = [FLAT] * 5
    theirs, _ = alone(rows, {1: lambda s: s.buy(size=5), 2: lambda s: s.position.close()}, spread=0.01)
    assert (theirs.EntryPrice[0], theirs.ExitPrice[0]) == (101, 100)
    (ours,) = play(rows, {BUY: [1], "exit_long": [2]}, slippage=0.01, size=0.5).trades
    assert (ours.entry_price, ours.exit_price) == (101, 99)


def test_it_sells_at_the_stop_where_the_open_is_beyond_the_target() -> None:
    rows = [FLAT, FLAT, FLAT, (115, 116, 80, 85), FLAT]
    theirs, _ = alone(rows, {1: lambda s: s.buy(size=5, sl=90, tp=110)})
    assert theirs.ExitPrice[0] == 90
    ours = play(rows, {BUY: [1], "stop_loss": {1: 90}, "take_profit": {1: 110}})
    assert short(ours) == [("long", 2, 100, 3, 115, "take_profit")]


def test_it_refuses_a_target_that_lies_between_the_close_and_the_worsened_price() -> None:
    rows = [FLAT, FLAT, (100, 102, 100, 101), FLAT]
    with pytest.raises(ValueError, match="Long orders require"):
        alone(rows, {1: lambda s: s.buy(size=5, tp=102)}, spread=0.05)
    (ours,) = play(rows, {BUY: [1], "take_profit": {1: 102}}, slippage=0.05).trades
    assert (ours.entry_price, ours.exit_reason) == (105, "take_profit")


def test_it_forgets_what_a_ruined_account_owes() -> None:
    rows = [FLAT, FLAT, FLAT, (100, 300, 100, 300), FLAT]
    theirs, stats = alone(rows, {1: lambda s: s.sell(size=9)})
    assert (theirs.PnL[0], stats["Equity Final [$]"]) == (-1800, 0)  # 1000 - 1800 is not 0
    ours = play(rows, {SELL: [1]}, size=0.9)
    assert (ours.trades[0].pnl, ours.shortfall) == (near(-1800, abs=1e-5), near(800, abs=1e-5))


def test_it_asks_for_no_decision_at_the_first_candle() -> None:
    rows = [FLAT] * 4
    theirs, _ = alone(rows, {0: lambda s: s.buy(size=5), 2: lambda s: s.position.close()})
    assert len(theirs) == 0
    assert [trade[1] for trade in short(play(rows, {BUY: [0]}))] == [1]


def test_asked_to_finish_it_trades_the_last_candle_twice() -> None:
    rows = [FLAT, FLAT, FLAT, (100, 125, 100, 125)]
    theirs, stats = alone(rows, {1: lambda s: s.buy(size=1)}, finalize_trades=True)
    assert (theirs.ExitPrice[0], stats["Equity Final [$]"]) == (
        100,
        1000,
    )  # at the open of the candle that closes at 125
    unfinished, stats = alone(rows, {1: lambda s: s.buy(size=1)})
    assert (len(unfinished), stats["Equity Final [$]"]) == (
        0,
        1025,
    )  # and else its trade list lacks the position
    (ours,) = play(rows, {BUY: [1]}, size=0.1).trades
    assert (ours.exit_reason, ours.exit_price) == ("open", 125)


def test_its_exclusive_orders_turn_a_position_into_the_same_position() -> None:
    rows = [FLAT] * 5
    orders = {1: lambda s: s.buy(size=5), 2: lambda s: s.buy(size=5), 3: lambda s: s.position.close()}
    theirs, _ = alone(rows, orders, exclusive_orders=True, commission=0.01)
    assert theirs[["EntryBar", "ExitBar"]].to_numpy().tolist() == [[2, 3], [3, 4]]
    ours = play(rows, {BUY: [1, 2]}, reverse=True, commission=0.01)
    assert short(ours) == [("long", 2, 100, 4, 100, "open")]


def test_its_size_of_one_is_one_unit_and_its_sizes_are_whole() -> None:
    rows = [(64, 64, 64, 64)] * 4
    theirs, _ = alone(rows, {1: lambda s: s.buy(size=1), 2: lambda s: s.position.close()})
    assert theirs.Size[0] == 1
    theirs, _ = alone(rows, {1: lambda s: s.buy(size=0.95)}, finalize_trades=True)
    assert theirs.Size[0] == 14
    assert play(rows, {BUY: [1]}, size=1.0).trades[0].size == near(15.625, abs=1.1e-8)
