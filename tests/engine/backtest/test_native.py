"""Plug-ins written for backtesting.py run unchanged: real prices, whole coins, plain money, our costs and our trade list."""

import warnings
from decimal import Decimal
from typing import Any

import backtesting
import numpy as np
import pytest
from backtesting.lib import crossover

from engine.backtest.library.native import native_settings, play_native, run_native
from engine.errors import InputError
from engine.loader.class_variables import native_params, other_variables
from engine.model.account import Costs
from engine.model.parameters import complete
from tests.engine.backtest.playing import near, short
from tests.support.builders import candles_from, flat_candles, random_candles


class SmaCross(backtesting.Strategy):  # type: ignore[misc]
    """The example of backtesting.py's own first page."""

    n1 = 10
    n2 = 20

    def init(self) -> None:
        self.sma1 = self.I(_sma, self.data.Close, self.n1)
        self.sma2 = self.I(_sma, self.data.Close, self.n2)

    def next(self) -> None:
        if crossover(self.sma1, self.sma2):
            self.position.close()
            self.buy(size=0.95)
        elif crossover(self.sma2, self.sma1):
            self.position.close()
            self.sell(size=0.95)


def _sma(values: Any, n: int) -> Any:
    return np.concatenate((np.full(n - 1, np.nan), np.convolve(values, np.ones(n) / n, "valid")))


class Scripted(backtesting.Strategy):  # type: ignore[misc]
    """Does at candle i what the test says; remembers what it saw."""

    script: Any = None

    def init(self) -> None:
        self.seen: list[Any] = []

    def next(self) -> None:
        self.script(self, len(self.data) - 1)


def run_script(script: Any, prices: Any, **costs: Any) -> Any:
    candles = flat_candles(prices) if isinstance(prices[0], int | float) else candles_from(prices)
    return run_native(
        candles, Scripted, {"script": script}, Costs(**({"cash": 1000.0, "commission": 0.0} | costs))
    )


def test_trades_equal_those_of_backtesting_py_alone() -> None:
    candles = random_candles(800, 4)
    ours = run_native(candles, SmaCross, {}, Costs(cash=1e9, commission=0.001))
    alone = backtesting.Backtest(
        candles.frame().tz_localize(None).rename(columns=str.title), SmaCross, cash=1e9, commission=0.001,
        finalize_trades=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some trades remain open")
        theirs = alone.run()
    closed = [trade for trade in ours.trades if trade.exit_reason != "open"]
    rows = theirs["_trades"].sort_values("EntryBar")
    assert len(closed) == len(rows) > 20
    assert [t.entry_price for t in closed] == rows["EntryPrice"].tolist()
    assert [t.exit_price for t in closed] == rows["ExitPrice"].tolist()
    sizes = [t.size * (1 if t.side == "long" else -1) for t in closed]
    assert sizes == near(rows["Size"].tolist(), rel=1e-6)  # theirs are whole coins
    assert ours.equity[-1] == near(theirs["Equity Final [$]"], rel=1e-6)


def test_the_strategy_sees_real_prices_coins_and_money() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=3, tag="first")
        if i == 2:
            assert self.data.Close[-1] == 110
            assert self.equity == near(1000 + 3 * 10)
            assert (self.position.size, self.position.pl, bool(self.position)) == (3, near(30), True)
            assert (self.position.is_long, self.position.is_short, self.position.pl_pct) == (
                True,
                False,
                near(10),
            )
            (trade,) = self.trades
            assert (trade.size, trade.pl, trade.value, trade.entry_price) == (3, near(30), near(330), 100)
            assert (trade.tag, trade.is_long, trade in self.trades) == ("first", True, True)
            order = self.sell(size=1)
            assert (order.size, [o.size for o in self.orders]) == (-1, [-1])
            assert self.sell(size=0.5, limit=500).size == -0.5
        if i == 3:
            assert self.position.size == 2
            assert [t.size for t in self.closed_trades] == [1]
            self.position.close()
        if i == 4:
            assert not self.position
            self.seen.append("end")
            assert self.equity == near(1000 + 10 + 2 * 20)

    # flat candles: candle 2 opens at 100 for the fill and closes at 110
    rows = [(100,) * 4, (100,) * 4, (100, 110, 100, 110), (110, 120, 110, 120), (120,) * 4]
    outcome = run_script(script, rows)
    assert short(outcome) == [
        ("long", 2, 100, 3, 110, "exit_long"),
        ("long", 2, 100, 4, 120, "exit_long"),
    ]
    assert [t.size for t in outcome.trades] == [1, 2]
    assert [t.entry_signal for t in outcome.trades] == ["first", "first"]
    assert outcome.equity.tolist() == near([1000, 1000, 1030, 1050, 1050])


def test_stops_can_be_set_and_moved_through_the_trade() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=0.5, sl=90, tp=150)
        if i == 2:
            (trade,) = self.trades
            assert (trade.sl, trade.tp) == (90, 150)
            trade.sl = 105
            assert self.trades[0].sl == 105

    rows = [(100,) * 4, (100,) * 4, (100, 110, 100, 110), (110, 112, 104, 108), (108,) * 4]
    assert short(run_script(script, rows)) == [("long", 2, 100, 3, 105, "stop_loss")]


def test_slippage_worsens_every_fill_of_a_native_strategy_too() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=4)
        if i == 2:
            self.position.close()

    outcome = run_script(script, [100] * 5, slippage=0.01, commission=0.001)
    (trade,) = outcome.trades
    assert (trade.entry_price, trade.exit_price) == (101, 99)
    assert outcome.slippage == near(8)
    assert outcome.commission == near(4 * 200 * 0.001)


def test_a_position_open_at_the_end_is_marked_as_ours() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.sell(size=2)

    outcome = run_script(script, [100, 100, 100, 90], commission=0.01)
    (trade,) = outcome.trades
    assert (trade.exit_reason, trade.exit_price, trade.commission) == ("open", 90, near(2))
    assert outcome.equity[-1] == near(1000 + 20 - 2)
    assert sum(t.pnl for t in outcome.trades) == near(18)


def test_a_native_account_can_be_ruined() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.sell(size=10)

    outcome = run_script(script, [100, 100, 100, 300, 50])
    assert outcome.trades[0].exit_reason == "ruin"
    assert outcome.equity.tolist() == near([1000, 1000, 1000, 0, 0])
    assert outcome.shortfall == near(1000)


RUIN = [100, 100, 100, 100, 100, 100, 260, 50]


def test_ruin_ends_every_trade_and_owes_what_they_lost() -> None:
    def script(self: Any, i: int) -> None:
        if i in (1, 2, 3, 4):
            self.sell(size=2)

    outcome = run_script(script, RUIN, commission=0.001)
    assert [t.exit_reason for t in outcome.trades] == ["ruin"] * 4
    assert outcome.equity.tolist()[-2:] == [0, 0]
    lost = sum(t.pnl for t in outcome.trades)
    assert lost == near(4 * -2 * 160 - outcome.commission)
    assert outcome.shortfall == near(-1000 - lost)


def test_money_behind_the_strategy_is_the_account_s_and_can_be_moved() -> None:
    def script(self: Any, i: int) -> None:
        broker = self._broker
        if i == 1:
            assert (broker._cash, broker.margin_available, broker.equity) == (1000, 1000, self.equity)
            self.buy(size=4)
        if i == 2:
            assert (broker._cash, broker.margin_available, broker._equity[2]) == (1000, 600, 1000)
            broker._cash -= 300
        if i == 3:
            assert self.equity == 700

    candles = flat_candles([100.0] * 5)
    run = play_native(candles, Scripted, {"script": script}, Costs(cash=1000.0, commission=0.0))
    assert run.outcome.equity.tolist() == [1000, 1000, 1000, 700, 700]
    assert run.moved == near(-300)
    assert "the strategy itself moved -300.00 of the account's money" in run.orders_check()["note"]


@pytest.mark.parametrize(
    ("tag", "shown"), [(0, "0"), (0.0, "0.0"), (False, "False"), (None, ""), ("a", "a"), ((1,), "(1,)")]
)
def test_a_tag_of_any_kind_is_the_trade_s_signal(tag: Any, shown: str) -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=2, tag=tag)

    assert [t.entry_signal for t in run_script(script, [100] * 4).trades] == [shown]


def test_a_tag_written_later_is_the_trade_s() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=2, tag="in")
        if i == 3:
            self.trades[0]._replace(tag="in, out late")
            self.position.close()

    assert [t.entry_signal for t in run_script(script, [100] * 6).trades] == ["in, out late"]


def test_a_size_that_was_held_is_coins_and_a_bare_number_below_one_a_fraction() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=0.5)
        if i == 3:
            assert self.position.size == 0.5
            self.sell(size=self.position.size)
        if i == 5:
            self.buy(size=0.5)
        if i == 7:
            self.sell(size=float(self.position.size) / 2)

    trades = run_script(script, [1000] * 10).trades
    assert [(t.side, t.size) for t in trades] == [("long", 0.5), ("long", 0.125), ("long", 0.375)]


def test_parts_of_a_coin_must_come_from_what_is_held() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=2.5)

    with pytest.raises(AssertionError, match="a positive whole number of units"):
        run_script(script, [100] * 4)


def with_orders(**stated: Any) -> Any:
    """A class that buys and sells in turn, all it can, and states these class variables."""

    def decide(self: Any) -> None:
        if len(self.data) % 4 == 2:
            self.buy() if len(self.data) % 8 == 2 else self.sell()

    return type("Turns", (backtesting.Strategy,), {"init": lambda self: None, "next": decide, **stated})


def test_cancelled_orders_and_settings_are_said() -> None:
    candles = flat_candles([100.0] * 30)
    silent = play_native(candles, with_orders(), {}, Costs()).orders_check()
    assert (silent["status"], silent["cancelled"]) == ("failed", 6)
    assert silent["note"] == (
        "6 orders cancelled: not enough cash; exclusive_orders=False, hedging=False, trade_on_close=False, margin=1"
    )
    stated = with_orders(exclusive_orders=True)
    said = play_native(candles, stated, {}, Costs()).orders_check()
    assert (said["status"], said["cancelled"], said["settings"]["exclusive_orders"]) == ("passed", 0, True)
    assert said["note"] == "exclusive_orders=True, hedging=False, trade_on_close=False, margin=1"


def test_settings_are_no_parameters_and_only_true_or_false_or_a_fraction() -> None:
    stated = with_orders(exclusive_orders=True, hedging="grid", trade_on_close=False, n=3, margin=0.25)
    assert set(native_params(stated)) == {"hedging", "n"}  # its own word for something else
    settings = {"exclusive_orders": True, "hedging": False, "trade_on_close": False}
    assert native_settings(stated) == settings | {"margin": 0.25}
    assert native_settings(stated, leverage=10) == settings | {"margin": 0.1}
    points = with_orders(exclusive_orders=True, margin=30)  # not the library's
    assert set(native_params(points)) == {"margin"}
    assert native_settings(points)["margin"] == 1


def test_a_stop_touched_in_the_candle_of_its_limit_entry_is_said() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=2, limit=98, sl=95)

    rows = [(100,) * 4, (100,) * 4, (100, 101, 94, 99), (99,) * 4, (99, 99, 90, 91)]
    run = play_native(candles_from(rows), Scripted, {"script": script}, Costs(cash=1000.0, commission=0.0))
    assert run.late == 1
    assert run.orders_check()["note"].startswith("1 stop or target touched in the candle of their entry")


def test_a_fill_at_the_close_has_seen_nothing_of_its_candle_and_an_exit_there_all() -> None:
    def script(self: Any, i: int) -> None:
        if i == 1:
            self.buy(size=2)
        if i == 3:
            self.position.close()

    rows = [(100,) * 4, (100, 150, 50, 100), (100, 103, 99, 101), (101, 110, 100, 102), (500,) * 4]
    closing = type("Closing", (Scripted,), {"trade_on_close": True})
    outcome = run_native(candles_from(rows), closing, {"script": script}, Costs(cash=1000.0, commission=0.0))
    (trade,) = outcome.trades
    assert short(outcome) == [("long", 1, 100, 3, 102, "exit_long")]
    assert (trade.mae_pct, trade.mfe_pct) == (near(-1), near(10))


def test_a_class_variable_that_nobody_changed_stays_one() -> None:
    class Counting(backtesting.Strategy):  # type: ignore[misc]
        count = 0
        every = 4

        def init(self) -> None:
            pass

        def next(self) -> None:
            type(self).count += 1
            if self.count % self.every == 0:
                self.buy(size=1)

    candles = flat_candles([100.0] * 12)
    assert len(run_native(candles, Counting, {"count": 0, "every": 4}, Costs()).trades) == 2
    Counting.count = 0
    assert len(run_native(candles, Counting, {"count": 0, "every": 2}, Costs()).trades) == 5


class Odd(SmaCross):
    """Class variables of every type."""

    best = -np.inf
    worst = float("nan")
    levels: Any = (1, 2)
    stop: Any = None
    exact: Any = Decimal("1.5")
    counted = np.int64(3)
    large = 10**30
    hedging = True
    rule: Any = staticmethod(lambda: 1)
    n2: Any = None  # no more the parameter that it was

    @property
    def word(self) -> str:
        return "x"


def test_what_cannot_be_a_parameter_is_none_and_is_told_why() -> None:
    assert set(native_params(Odd)) == {"n1"}
    assert {one["name"]: one["why"] for one in other_variables(Odd)} == {
        "best": "-inf is not finite",
        "worst": "nan is not finite",
        "levels": "of type tuple; a parameter is an int, float, bool or str",
        "stop": "of type NoneType; a parameter is an int, float, bool or str",
        "exact": "of type Decimal; a parameter is an int, float, bool or str",
        "counted": "of type int64; a parameter is an int, float, bool or str",
        "large": "too large a number",
        "hedging": "a setting of the run: True",
        "n2": "of type NoneType; a parameter is an int, float, bool or str",
    }


def test_parameters_are_its_class_variables_in_their_types() -> None:
    assert complete(native_params(SmaCross), {}) == {"n1": 10, "n2": 20}
    assert complete(native_params(SmaCross), {"n2": "30"}) == {"n1": 10, "n2": 30}
    candles = random_candles(300, 2)
    one, other = (run_native(candles, SmaCross, {"n1": n, "n2": 40}, Costs()) for n in (5, 20))
    assert [t.entry_time for t in one.trades] != [t.entry_time for t in other.trades]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n3": 5}, "no parameter 'n3'; it has: n1, n2"),
        ({"n1": "x"}, "n1 must be a whole number, not"),
        ({"n1": 2.5}, "n1 must be"),
    ],
)
def test_a_wrong_parameter_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        complete(native_params(SmaCross), given)
