"""Monte Carlo of the days, trades and positions of a run."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.backtest.kernel.compiled import run_compiled
from engine.errors import InputError
from engine.events import CancelToken, ignore_event
from engine.model.market import DAY_MS, Candles
from engine.model.monte_carlo import (
    BOOTSTRAP,
    NOISE,
    POSITIONS,
    SHUFFLE,
    STATIONARY,
    MonteCarloResult,
    MonteCarloSpec,
)
from engine.model.run import RunResult, Series, json_ready
from engine.research.monte_carlo import open_returns, permuted, positions_of, resampled
from tests.engine.analysis.runs import made
from tests.support.builders import random_candles, signals_for


def spec(method: str = STATIONARY, **more: Any) -> MonteCarloSpec:
    return MonteCarloSpec(method=method, **more)


def of_days(returns: list[float], trades: int = 0) -> RunResult:
    """A run with one candle a day of these returns, and so many trades that each win 1 % of the cash."""
    run, _ = made(0, len(returns), "1d")
    equity = run.costs.cash * np.cumprod(1 + np.array(returns))
    trade = made(0)[0].trades[0]
    time = np.arange(len(returns)) * DAY_MS + run.period.start
    listed = [
        replace(trade, pnl=0.01 * run.costs.cash, entry_time=t, exit_time=t + DAY_MS)
        for t in time[:trades].tolist()
    ]
    return replace(run, equity=Series(time, {"equity": equity}), trades=tuple(listed))


def calm(run: RunResult, asked: MonteCarloSpec) -> MonteCarloResult:
    return resampled(run, asked, "job", ignore_event, CancelToken())


def spread(result: MonteCarloResult, name: str) -> list[float]:
    """The original, then the quantiles, all of which have a meaning."""
    one = result.figures[name]
    return [value for value in (one.original, *one.quantiles) if value is not None]


def figures(result: MonteCarloResult) -> dict[str, Any]:
    return result.to_json() | {"elapsed_s": None}


@pytest.mark.parametrize("method", [STATIONARY, BOOTSTRAP, SHUFFLE])
def test_equal_seeds_draw_equal_paths_and_others_do_not(method: str):
    run, _ = made(1, 3_000)
    one = figures(calm(run, spec(method, paths=300, seed=5)))
    assert one == figures(calm(run, spec(method, paths=300, seed=5)))
    other = figures(calm(run, spec(method, paths=300, seed=6)))
    assert other["figures"]["max_drawdown_pct"] != one["figures"]["max_drawdown_pct"]
    assert other["original"] == one["original"]


def test_the_original_is_measured_as_the_paths_are_by_days_and_by_trades():
    run, _ = made(1, 3_000)
    by_days, by_trades = calm(run, spec(paths=50)), calm(run, spec(SHUFFLE, paths=50))
    for result in (by_days, by_trades):
        final = result.figures["final_equity"].original
        assert final == pytest.approx(run.metrics["final_equity"], rel=1e-9)
        assert result.bands is not None
        assert result.bands.original[0] == run.costs.cash
        assert result.bands.original[-1] == final
    assert by_days.figures["sharpe"].original == pytest.approx(run.metrics["sharpe"], rel=1e-9)
    # never the figure of every candle: a close within the day lies deeper
    assert spread(by_days, "max_drawdown_pct")[0] > float(run.metrics["max_drawdown_pct"] or 0)


def test_a_shuffle_changes_the_way_and_never_the_end():
    run, _ = made(2, 3_000)
    found = calm(run, spec(SHUFFLE, paths=200))
    ends = spread(found, "final_equity")
    np.testing.assert_allclose(ends[1:], ends[0], rtol=1e-12)
    _, deepest, *_, least = spread(found, "max_drawdown_pct")
    assert -100 <= deepest < least <= 0


def test_bands_lie_in_order_at_days_of_the_run_and_tell_their_kind():
    run, _ = made(3, 2_000)
    bands = calm(run, spec(paths=400)).bands
    assert bands is not None
    rows = np.array(bands.quantiles)
    assert rows.shape == (5, len(bands.at))
    assert (np.diff(rows, axis=0) >= 0).all()
    assert bands.at[0] == run.period.start // DAY_MS * DAY_MS
    assert bands.at[-1] >= run.period.end > bands.at[-2]
    assert bands.to_json()["kind"] == "pointwise"


def test_a_long_run_has_bands_at_no_more_points_than_a_screen_needs():
    bands = calm(of_days([0.01, -0.005, 0.002] * 500), spec(paths=20)).bands
    assert bands is not None
    assert len(bands.at) == 400
    assert bands.at[-1] - bands.at[0] == 1_500 * DAY_MS


@pytest.mark.parametrize(
    ("run", "method", "reason"),
    [
        (of_days([0.01] * 60, trades=5), BOOTSTRAP, "5 trades are too few"),
        (of_days([0.01] * 60), SHUFFLE, "0 trades are too few"),
        (of_days([0.01, -0.01] * 10), STATIONARY, "20 days are too few"),
        (of_days([0.0] * 60), STATIONARY, "the account never moved"),
    ],
    ids=["5 trades", "no trades", "20 days", "constant equity"],
)
def test_what_is_too_little_has_no_figures_and_says_why(run: RunResult, method: str, reason: str):
    found = calm(run, spec(method, paths=50))
    assert reason in str(found.reason)
    document = json.loads(json.dumps(json_ready(found.to_json()), allow_nan=False))
    empty = {name: document[name] for name in ("original", "figures", "bands", "chance", "losses", "losing")}
    assert empty == dict.fromkeys(empty) | {"losses": []}


def test_a_ruined_run_is_resampled_and_says_what_its_days_are():
    found = calm(of_days([0.02] * 30 + [-1.0] + [0.0] * 20), spec(paths=400, block=1))
    assert "the run lost everything" in found.notes[0]
    assert found.figures["max_drawdown_pct"].original == -100
    lost = found.losses[-1]
    assert (lost.loss_pct, lost.drawdown) == (100, lost.ruin)
    assert lost.ruin == pytest.approx(1 - (50 / 51) ** 51, abs=0.08)
    json.dumps(json_ready(found.to_json()), allow_nan=False)


def test_open_and_overlapping_trades_are_told():
    run = of_days([0.01, -0.01] * 30, trades=30)
    trades = list(run.trades)
    trades[3] = replace(trades[3], exit_time=trades[5].exit_time)
    trades[-1] = replace(trades[-1], exit_reason="open", pnl=1.0)
    notes = calm(replace(run, trades=tuple(trades)), spec(SHUFFLE, paths=20)).notes
    assert [note[:10] for note in notes] == ["the trade ", "trades tha", "drawdowns "]


AT_OPENS = ("exit_long", "exit_short", "reverse", "time", "window_end")


@pytest.mark.parametrize("slippage", [0, 0.003])
def test_positions_are_held_from_the_candle_of_entry_to_the_one_inside_which_they_end(slippage: float):
    run, candles = made(4, 1_000, slippage=slippage)
    held, flat = positions_of(run, candles), np.ones(1_000, dtype=bool)
    assert {"stop_loss", "exit_short"} < {trade.exit_reason for trade in run.trades}
    for trade in run.trades:
        first, last = np.searchsorted(candles.timestamp, [trade.entry_time, trade.exit_time])
        inside = trade.exit_reason not in AT_OPENS
        assert (held[first : last + inside] == (1 if trade.side == "long" else -1)).all()
        flat[first : last + 1] = False
    assert not held[flat].any()


def in_noise(seed: int, column: str, factor: float) -> tuple[RunResult, Candles]:
    """Longs entered at random in a walk without any pattern, with a price column at a factor of the signal's close."""
    candles = random_candles(2_000, seed)
    at = np.flatnonzero(np.random.default_rng(seed).random(2_000) < 0.05)
    prices = {column: dict(zip(at.tolist(), (candles.close[at] * factor).tolist(), strict=True))}
    exits = np.flatnonzero(np.random.default_rng(seed + 1).random(2_000) < 0.05).tolist()
    columns: dict[str, Any] = {"signal_test_buy": at.tolist(), "exit_long": exits, **prices}
    run, _ = made(seed, 50)
    outcome = run_compiled(candles, signals_for(candles, columns), run.costs, False)
    return replace(run, trades=outcome.trades), candles


@pytest.mark.parametrize(
    ("column", "factor"),
    [("stop_loss", 0.99), ("take_profit", 1.01), ("entry_limit", 0.995), ("entry_stop", 1.005)],
)
def test_what_ends_or_begins_inside_candles_makes_no_skill_out_of_noise(column: str, factor: float):
    chances = []
    for seed in range(12):
        run, candles = in_noise(seed, column, factor)
        found = permuted(run, candles, spec(POSITIONS, paths=49), "job", ignore_event, CancelToken())
        assert found.chance is not None
        chances.append(found.chance.p)
    assert 0.3 < np.mean(chances) < 0.7


def test_by_a_slippage_model_positions_count_from_the_candle_after_the_entry_and_say_so():
    run, candles = made(4, 1_000)
    modelled = replace(run, costs=replace(run.costs, slippage_model="half-spread"))
    held, entered = positions_of(modelled, candles), [trade.entry_time for trade in run.trades]
    fresh = np.isin(candles.timestamp, entered) & ~np.isin(
        candles.timestamp, [t.exit_time for t in run.trades]
    )
    assert not held[fresh].any()
    found = permuted(modelled, candles, spec(POSITIONS, paths=20), "job", ignore_event, CancelToken())
    assert "from the candle after" in found.notes[0]


def test_a_position_still_open_is_held_to_the_last_close():
    run, candles = made(4, 400)
    last = replace(run.trades[0], exit_time=int(candles.timestamp[-1]), exit_reason="open")
    assert positions_of(replace(run, trades=(last,)), candles)[-1] != 0
    assert len(open_returns(candles)) == 400
    assert open_returns(candles)[-1] == candles.close[-1] / candles.open[-1] - 1


def test_a_block_longer_than_the_run_is_refused():
    with pytest.raises(InputError, match="a block of 5000 days is longer than the 60 days of the run"):
        calm(of_days([0.01, -0.01] * 30), spec(block=5_000))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"method": "magic"}, "unknown method 'magic'; there are: stationary"),
        ({"paths": 0}, "from 1 to 100,000, not 0"),
        ({"paths": 10**9}, "from 1 to 100,000, not 1,000,000,000"),
        ({"seed": -1}, "the seed must be from 0"),
        ({"seed": 2**63}, "the seed must be from 0"),
        ({"block": 0.5}, "at least 1, not 0.5"),
        ({"method": SHUFFLE, "block": 5}, "a block length is for the methods stationary and blocks"),
        ({"noise": 0.1}, "noise is for the method noise"),
        ({"method": NOISE, "noise": float("nan")}, "from 0 to 5 standard deviations, not nan"),
    ],
)
def test_what_cannot_be_asked_is_refused(fields: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        MonteCarloSpec(**fields)
