"""Figures over many stretches at once against a run of each alone: the same numbers, the same refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.kernel.spans import Spans, run_spans
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.backtest.perpetual import Perpetual
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import Candles, Timeframe
from tests.engine.backtest.terms_scenes import Scene, terms_scenes
from tests.support.builders import random_candles, signals_for
from tests.support.examples import examples

HOUR = Timeframe("1h")


def alone(scene: Scene, start: int, stop: int) -> tuple[np.ndarray, str | None]:
    row = np.empty(len(SUMMARY))
    prepared = Prepared.of(scene.candles.slice(start, stop), HOUR)
    perpetual = scene.perpetual.slice(start, stop)
    try:
        run_summary(prepared, scene.signals.slice(start, stop), scene.costs, scene.reverse, row, perpetual)
    except RunError as error:
        return np.full(len(SUMMARY), np.nan), str(error)
    return row, None


def assert_alike(scene: Scene, bounds: list[tuple[int, int]]) -> None:
    rows = np.empty((len(bounds), len(SUMMARY)))
    spans = Spans.of(scene.candles, HOUR, bounds, scene.perpetual)
    for _ in range(2):  # the room of one is that of the next
        failed = dict(run_spans(spans, scene.signals, scene.costs, scene.reverse, rows))
        for k, (start, stop) in enumerate(bounds):
            expected, error = alone(scene, start, stop)
            assert failed.get(k) == error
            np.testing.assert_array_equal(rows[k], expected)


@st.composite
def cuts(draw: st.DrawFn, n: int) -> list[tuple[int, int]]:
    ends = st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)
    return [(min(pair), max(pair)) for pair in draw(st.lists(ends, min_size=1, max_size=5))]


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_any_stretches_of_any_run_on_terms_are_runs_of_their_own(data: st.DataObject):
    scene = data.draw(terms_scenes())
    assert_alike(scene, data.draw(cuts(len(scene.candles))))


@settings(max_examples=examples(40), deadline=None)
@given(st.data(), st.integers(0, 1_000), st.booleans(), st.sampled_from((0.0, 0.05)))
def test_any_stretches_of_any_plain_run_are_runs_of_their_own(
    data: st.DataObject, seed: int, reverse: bool, wrong: float
):
    rng, n = np.random.default_rng(seed), 60
    found = random_candles(n, seed, volatility=0.05)
    kept = np.sort(rng.choice(n, n - 5, replace=False))  # with holes
    candles = Candles(found.timestamp[kept], *(column[kept] for column in found.columns().values()))
    n = len(candles)

    def some(chance: float) -> list[int]:
        return np.flatnonzero(rng.random(n) < chance).tolist()

    columns = {
        "signal_a_buy": some(0.3),
        "signal_b_sell": some(0.2),
        "exit_long": some(0.2),
        "exit_short": some(0.2),
    }
    stops = {at: float(candles.close[at]) * (0.97 if rng.random() > wrong else 1.1) for at in some(0.3)}
    scene = Scene(
        candles,
        signals_for(candles, columns | {"stop_loss": stops}),
        Costs(slippage=0.001),
        reverse,
        Perpetual(),
        0.01,
    )
    assert_alike(scene, data.draw(cuts(n)))


def test_a_refused_stretch_says_what_its_own_run_says_and_spoils_no_other():
    candles = random_candles(40, 1)
    signals = signals_for(
        candles,
        {"signal_a_buy": [5, 25], "exit_long": [9, 29], "stop_loss": {25: float(candles.close[25]) * 2}},
    )
    rows = np.empty((2, len(SUMMARY)))
    spans = Spans.of(candles, HOUR, [(0, 20), (20, 40)], None)
    ((k, line),) = run_spans(spans, signals, Costs(), reverse=False, rows=rows)
    assert k == 1
    assert line.startswith("stop_loss")
    assert rows[0, SUMMARY.index("trades")] == pytest.approx(1)
    assert np.isnan(rows[1]).all()
