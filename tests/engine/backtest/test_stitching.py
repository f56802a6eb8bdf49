"""Parameters that change with time: the columns of each window in its candles, and what that does to a run."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.evaluation import Evaluation
from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.outcome import Outcome
from engine.backtest.stitching import ruled_spans, stitched
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Candles
from engine.model.window_params import WindowParams
from tests.engine.backtest.playing import BUY, SELL, short
from tests.engine.backtest.terms_playing import run_all
from tests.engine.backtest.terms_scenes import Scene, terms_scenes
from tests.support.builders import flat_candles, random_candles, signals_for
from tests.support.examples import examples

FREE = Costs(cash=1000.0, commission=0.0, size=0.5)


def said(candles: Candles, **columns: Any) -> Evaluation:
    return Evaluation({}, signals_for(candles, {BUY: (), SELL: ()} | columns))


def played(candles: Candles, *parts: tuple[Evaluation, tuple[int, int]], costs: Costs = FREE) -> Outcome:
    return run_all(candles, stitched(parts).signals, costs)


@settings(max_examples=examples(60), deadline=None)
@given(terms_scenes(), st.lists(st.integers(0, 70), max_size=4))
def test_windows_that_all_say_the_same_are_the_plain_run_trade_for_trade(scene: Scene, cuts: list[int]):
    n = len(scene.candles)
    bounds = sorted({0, n, *(cut for cut in cuts if cut < n)})
    whole = stitched([(Evaluation({}, replace(scene.signals)), span) for span in pairwise(bounds)])

    def play(signals: Any) -> Any:
        try:
            outcome = run_compiled(
                scene.candles, signals, scene.costs, scene.reverse, perpetual=scene.perpetual
            )
        except RunError as error:
            return str(error)
        return outcome.columns(), outcome.equity.tolist()

    np.testing.assert_equal(play(whole.signals), play(scene.signals))


def test_a_signal_on_the_last_candle_of_a_window_fills_in_the_next_and_its_stop_travels():
    candles = flat_candles([100, 100, 100, 100, 94, 100, 100])
    first = said(candles, **{BUY: [2], "stop_loss": {2: 95.0}})
    (trade,) = short(played(candles, (first, (0, 3)), (said(candles), (3, 7))))
    assert trade[1] == 3
    assert (trade[3], trade[5]) == (4, "stop_loss")


def test_the_exit_column_is_the_new_windows_from_its_first_candle():
    candles = flat_candles([100] * 8)
    before, after = said(candles, **{BUY: [1], "exit_long": [5]}), said(candles, exit_long=[4])
    (trade,) = short(played(candles, (before, (0, 4)), (after, (4, 8))))
    assert (trade[3], trade[5]) == (
        5,
        "exit_long",
    )  # signalled on 4 by the new one; what the old one says of 5 is gone


def test_capital_and_position_are_carried_over():
    candles = flat_candles([100, 100, 110, 110, 110, 121, 121])
    first, second = (
        said(candles, **{BUY: [0], "exit_long": [2]}),
        said(candles, **{BUY: [3], "exit_long": [5]}),
    )
    outcome = played(candles, (first, (0, 3)), (second, (3, 7)))
    assert len(outcome.trades) == 2
    assert outcome.trades[1].size > outcome.trades[0].size * 100 / 110


def test_numbers_of_orders_are_those_of_the_window_of_the_signal():
    candles = flat_candles([100] * 12)
    one = said(candles, **{BUY: [1], "max_candles": dict.fromkeys(range(12), 3)})
    two = said(candles, **{BUY: [5], "max_candles": dict.fromkeys(range(12), 1)})
    three = said(candles, **{BUY: [9]})
    trades = short(played(candles, (one, (0, 4)), (two, (4, 8)), (three, (8, 12))))
    assert [(trade[1], trade[3], trade[5]) for trade in trades] == [
        (2, 5, "time"),
        (6, 7, "time"),
        (10, 11, "open"),
    ]


def test_adds_are_those_of_the_new_window_by_their_own_names():
    candles = flat_candles([100] * 8)
    sizes = {"add_size": dict.fromkeys(range(8), 0.1), "max_adds": dict.fromkeys(range(8), 5)}
    one = said(candles, **{BUY: [0], "add_x_buy": [1], **sizes})
    two = said(candles, **{"add_x_buy": [], "add_y_buy": [4], **sizes})
    (trade,) = played(candles, (one, (0, 3)), (two, (3, 8))).trades
    assert [fill.reason for fill in trade.fills] == ["entry", "add", "add"]


def test_columns_that_only_one_window_has_are_empty_in_the_other():
    candles = random_candles(6, 1)
    one = Evaluation({"ema": np.arange(6.0)}, signals_for(candles, {"signal_a_buy": [1]}))
    two = Evaluation({"rsi": np.arange(6.0)}, signals_for(candles, {"signal_b_sell": [4], "exit_long": [5]}))
    whole = stitched([(one, (0, 3)), (two, (3, 6))])
    np.testing.assert_array_equal(whole.indicators["ema"], [0, 1, 2, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(whole.indicators["rsi"], [np.nan, np.nan, np.nan, 3, 4, 5])
    assert whole.signals.names == ("signal_a_buy", "signal_b_sell")
    assert whole.signals.entry.tolist() == [0, 1, 0, 0, -2, 0]


@pytest.mark.parametrize(
    ("said_names", "order"),
    [("ac abc", "abc"), ("abc ac", "abc"), ("ab cb", "acb"), ("ab bc ca", ""), ("ac abc cb", "")],
)
def test_signals_are_in_the_order_of_all_windows_where_there_is_one(said_names: str, order: str):
    candles = random_candles(6, 1)
    parts = [
        (Evaluation({}, signals_for(candles, {f"signal_{name}_buy": [] for name in names})), (2 * at, 2 * at + 2))
        for at, names in enumerate(said_names.split())
    ]  # fmt: skip
    if order:
        assert stitched(parts).signals.names == tuple(f"signal_{name}_buy" for name in order)
    else:
        with pytest.raises(RunError, match="the order of signals"):
            stitched(parts)


def test_adds_are_in_the_order_of_all_windows_too():
    candles = flat_candles([100] * 8)
    sizes = {"add_size": dict.fromkeys(range(8), 0.1), "max_adds": dict.fromkeys(range(8), 5)}
    one = said(candles, **{"add_x_buy": [], "add_z_buy": [], **sizes})
    two = said(candles, **{"add_x_buy": [], "add_y_buy": [], "add_z_buy": [5], BUY: [4], **sizes})
    whole = stitched([(one, (0, 4)), (two, (4, 8))])
    assert whole.signals.orders is not None
    assert whole.signals.orders.add_names == ("add_x_buy", "add_y_buy", "add_z_buy")
    (trade,) = short(run_all(candles, whole.signals, FREE))
    assert trade[1] == 5


def test_an_order_of_signals_that_changes_is_refused():
    candles = random_candles(4, 1)
    one = Evaluation({}, signals_for(candles, {"signal_a_buy": [1], "signal_b_sell": []}))
    two = Evaluation({}, signals_for(candles, {"signal_b_sell": [], "signal_a_buy": [1]}))
    with pytest.raises(RunError, match="the order of signals"):
        stitched([(one, (0, 2)), (two, (2, 4))])


def test_the_first_window_rules_all_before_it_too_and_one_without_candles_rules_none():
    candles = random_candles(10, 1)
    start = int(candles.timestamp[0])
    windows = [WindowParams(start + at * HOUR_MS, {"k": at}) for at in (4, 6, 20)]
    assert [(one.params["k"], span) for one, span in ruled_spans(windows, candles)] == [
        (4, (0, 6)),
        (6, (6, 10)),
    ]
