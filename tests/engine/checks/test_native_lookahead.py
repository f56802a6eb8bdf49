"""`init()` of a native strategy sees all candles: what it makes of those to come is found by cutting them off."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import backtesting
import numpy as np
import pytest
from backtesting.lib import SignalStrategy, TrailingStrategy
from backtesting.test import SMA

from engine.backtest.library.native import ask_native, play_native, said_by
from engine.backtest.questions import Answer, Ask
from engine.checks.verdicts import native_checks
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import Candles
from tests.engine.backtest import native_fractions, native_habits
from tests.engine.backtest import native_shapes as shapes
from tests.support.builders import random_candles

# mypy: disable-error-code="misc"
pytestmark = pytest.mark.usefixtures("all_the_time_in_the_world")
CANDLES = random_candles(260, 3, volatility=0.008)


def checks_of(strategy: type, candles: Candles = CANDLES) -> dict[str, Any]:
    run = play_native(candles, strategy, {}, Costs())

    @contextmanager
    def fresh(_limit_s: float | None) -> Iterator[Ask]:
        yield lambda start, stop: ask_native(
            candles.slice(start, stop), strategy, {}, Costs(), Path(__file__)
        )

    answer = Answer(said_by(run), candles, run.first, False, {}, {}, 0.1, run.outcome)
    return native_checks(fresh, answer) | {"orders": run.orders_check()}


class Follows(backtesting.Strategy):
    """Long while its line says so; subclasses draw the line."""

    def line(self, close: Any) -> Any:
        return close > close.rolling(5).mean()

    def init(self):
        self.up = self.I(self.line, self.data.Close.s)

    def next(self):
        if self.up[-1] and not self.position:
            self.buy(size=0.9)
        elif not self.up[-1] and self.position:
            self.position.close()


class Peeks(Follows):
    def line(self, close):
        return close.shift(-5) > close


class PeeksAtOne(Follows):
    """Not through `self.I`: only what it orders tells."""

    def init(self):
        close = self.data.Close.s
        self.up_at = (close.shift(-1) > close).to_numpy()

    @property
    def up(self):
        return self.up_at[: len(self.data)]


class Normalises(Follows):
    def line(self, close):
        return (close - close.mean()) / close.std()


class PeeksWhenItTrails(shapes.Trailed):
    """The library's own helper takes the mean over the whole period."""

    def init(self):
        super().init()
        self.set_trailing_pct(0.03)


class PeeksIntoOneDay(Follows):
    def line(self, close):
        return close.resample("1D").transform("last") > close


@pytest.mark.long_except("Peeks", "Normalises")
@pytest.mark.parametrize("strategy", [Peeks, PeeksAtOne, Normalises, PeeksWhenItTrails, PeeksIntoOneDay])
def test_what_knows_the_future_fails_and_names_what_changed(strategy: type) -> None:
    found = checks_of(strategy)["lookahead"]
    assert found["status"] == "failed"
    named = "orders" if strategy in (PeeksAtOne, PeeksWhenItTrails) else "up"
    assert named in found["columns"]
    assert "once the future is cut off" in found["note"]
    assert {key for one in found["first"] for key in one} == {"column", "candle", "cut"}


HONEST = [
    Follows, shapes.Turns, shapes.Signalled, shapes.Daily, shapes.ManyLines, native_habits.Brackets,
    shapes.EverySetting, shapes.AtTheClose, shapes.Exclusive, shapes.Hedged, shapes.Pyramid,
    native_fractions.ClosesByPortions, native_fractions.SellsWhatItHolds,
    native_habits.Deposits, shapes.CancelsAll,
]  # fmt: skip


@pytest.mark.long_except("AtTheClose", "Brackets")
@pytest.mark.parametrize("strategy", HONEST, ids=lambda kind: kind.__name__)
def test_what_is_honest_passes_on_every_cut(strategy: type) -> None:
    found = checks_of(strategy)["lookahead"]
    assert (found["status"], found["columns"]) == ("passed", []), found
    assert found["note"] == f"passed on {found['cuts']} cuts"
    assert found["cuts"] > 30


def test_a_long_line_begins_later_and_is_not_taken_for_a_peep() -> None:
    class Late(shapes.Crossing):
        n1, n2 = 40, 150

        def manage(self):  # at once when it may decide
            if not self.position:
                self.buy(size=3)

    found = checks_of(Late)["lookahead"]
    assert (found["status"], found["cuts"] > 20) == ("passed", True), found


def test_a_strategy_that_never_decides_cannot_be_searched() -> None:
    class Never(backtesting.Strategy):
        def init(self):
            self.line = self.I(SMA, self.data.Close, 259)

        def next(self):
            raise AssertionError

    found = checks_of(Never, CANDLES.slice(0, 259))["lookahead"]
    assert (found["status"], found["note"]) == ("skipped", "too few candles")


def test_a_cut_that_fails_is_counted_and_said() -> None:
    class NeedsMany(Follows):
        def init(self):
            assert len(self.data) > 200, "too short for me"
            super().init()

    found = checks_of(NeedsMany)["lookahead"]
    assert found["status"] == "passed"
    assert "could not be computed (test_native_lookahead.py:" in found["note"]
    assert "too short for me" in found["note"]


@pytest.mark.long
def test_the_warm_up_is_skipped_for_a_true_reason() -> None:
    checks = checks_of(Follows)
    assert checks["warmup"]["status"] == "skipped"
    assert checks["warmup"]["note"] == "a backtesting.Strategy is given no candles before its period"
    assert checks["orders"]["status"] == "passed"


def test_it_says_what_it_drew_by_the_name_that_holds_it() -> None:
    class Named(SignalStrategy, TrailingStrategy):
        def init(self):
            super().init()
            self.bands = self.I(lambda: (self.data.Low, self.data.High), name="bands")
            self.trio = self.I(lambda: np.ones((3, len(self.data))), name=["a", "b", "b"])
            self.lines = [self.I(SMA, self.data.Close, 3), self.I(SMA, self.data.Close, 3)]
            self.orders_ = self.I(lambda: np.array(["x"] * len(self.data)), name="orders", scatter=True)
            self.set_signal(np.zeros(len(self.data)))
            self.equity_ = self.I(SMA, self.data.Close, 4, name="equity")

        def next(self):
            pass

    candles = random_candles(30, 1)
    columns = said_by(play_native(candles, Named, {}, Costs())).indicators
    assert list(columns) == [
        "bands[0]", "bands[1]", "a", "b", "b #2", "SMA(C,3)", "SMA(C,3) #2", "orders_", "entry size", "equity_",
        "orders", "prices", "trades", "equity",
    ]  # fmt: skip
    assert columns["bands[1]"].tolist() == candles.high.tolist()


def test_what_fails_on_the_whole_is_an_error_with_its_line() -> None:
    class Fails(Follows):
        def next(self):
            raise ValueError("no luck")

    with pytest.raises(RunError, match=r"test_native_lookahead\.py:\d+: ValueError: no luck"):
        ask_native(CANDLES, Fails, {}, Costs(), Path(__file__))
