"""A run under other costs through the engine: a real database and real workers; every cell is the run that it says it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InputError, Interrupted, RunError
from engine.events import Cancelled, CancelToken, Event, Finished, Progress, Started
from engine.model.account import Costs
from engine.model.cost_surface import FIGURES, CostSurface, CostSurfaceSpec
from engine.model.run import RunResult, RunSpec
from engine.service import Engine
from tests.engine.research.sweeping import (
    HOUR,
    MARKET,
    PERIOD,
    Heard,
    plug_in,
    shared_engine,  # noqa: F401 - a fixture
)
from tests.support.database import execute

OFTEN = '''
import numpy as np
from engine.strategy import Strategy


class Often(Strategy):
    """In and out by the last digits of prices."""

    def signals(self, candles, indicators):
        digit = (candles["close"].to_numpy() * 100).astype(np.int64) % 60
        return {"signal_even_buy": digit < 2, "exit_long": digit > 50}
'''
OWN = Costs(commission=0.0004, slippage=0.0001)


@pytest.fixture(scope="module")
def opened(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of this module."""
    engine: Engine = request.getfixturevalue("shared_engine")
    plug_in(engine, "often", OFTEN)
    yield engine
    execute(str(engine.settings.database_url), "TRUNCATE backtest_runs")


def made(engine: Engine, costs: Costs = OWN) -> RunResult:
    wanted = RunSpec("often", MARKET.name, MARKET.exchange, HOUR, PERIOD, costs=costs, checks=False)
    (run,) = engine.runs.run([wanted], fetch=False)
    assert run.status == "finished", run.error
    return run


@pytest.fixture(scope="module")
def run(opened: Engine) -> RunResult:
    return made(opened)


def cell_of(surface: CostSurface, commission: float, slippage: float) -> dict[str, float | int | None]:
    (found,) = (one for one in surface.cells if (one.commission, one.slippage) == (commission, slippage))
    return dict(found.figures)


def test_a_cell_is_the_run_with_these_costs_and_the_own_one_is_the_run_itself(opened: Engine, run: RunResult):
    spec = CostSurfaceSpec(commissions=[0.0, 0.001], slippages=[0.0, 0.0005])
    before = left_by(opened)
    surface = opened.research.cost_surface(run.id, spec)
    assert left_by(opened) == before
    assert (surface.commissions, surface.slippages) == ([0.0, 0.0004, 0.001], [0.0, 0.0001, 0.0005])
    assert surface.own == (0.0004, 0.0001)
    assert cell_of(surface, 0.0004, 0.0001) == {name: run.metrics[name] for name in FIGURES}
    dear = made(opened, replace(run.costs, commission=0.001, slippage=0.0005))
    assert cell_of(surface, 0.001, 0.0005) == {name: dear.metrics[name] for name in FIGURES}
    assert dear.metrics["final_equity"] != run.metrics["final_equity"]
    assert surface.remarks == []


def left_by(engine: Engine) -> tuple[int, int]:
    """Runs that are stored, and trials that are counted."""
    return len(engine.runs.stored(1_000)), engine._resources.store.sweeps.trial_count("often")


def test_a_break_even_is_where_a_run_earns_nothing(opened: Engine, run: RunResult):
    surface = opened.research.cost_surface(run.id, CostSurfaceSpec())
    assert len(surface.slippages) == 10  # nine, and its own
    assert len(surface.rows) == 10
    found = {
        commission: zero
        for commission, zero in zip(surface.commissions, surface.break_even, strict=True)
        if zero is not None
    }
    assert found
    commission, zero = next(iter(found.items()))
    there = made(opened, replace(run.costs, commission=commission, slippage=zero))
    assert there.metrics["net_profit"] == pytest.approx(0, abs=0.05)
    for at, row in enumerate(surface.rows):
        left = [one.figures["return_pct"] for one in row]
        if surface.break_even[at] is None:
            assert left[0] is not None
            assert left[-1] is not None
            assert left[0] <= 0 or left[-1] > 0


@pytest.mark.long
def test_other_terms_and_the_maker_fee_stay_and_a_slippage_model_gives_way(opened: Engine):
    costs = Costs(commission=0.0005, maker=0.0002, slippage_model="square-root", side="long")
    run = made(opened, costs)
    surface = opened.research.cost_surface(run.id, CostSurfaceSpec(commissions=[0.001], slippages=[0.0002]))
    assert surface.own == (0.0005, None)
    assert surface.slippages == [0.0002]
    assert {one.same_trades for one in surface.cells} == {None}
    other = made(opened, replace(costs, commission=0.001, slippage_model="", slippage=0.0002))
    assert cell_of(surface, 0.001, 0.0002) == {name: other.metrics[name] for name in FIGURES}
    assert [note.partition(",")[0] for note in surface.remarks] == [
        "fixed slippages stand in place of the run's own model",
        "orders that rested pay 0.0002 everywhere",
    ]


def test_a_job_tells_its_runs_and_stops_where_it_is(opened: Engine, run: RunResult):
    heard, few = Heard(), CostSurfaceSpec(commissions=[0.001], slippages=[0.0])
    opened.research.cost_surface(run.id, few, on_event=heard)
    (started,) = (event for event in heard if isinstance(event, Started))
    assert (started.kind, started.subject) == ("cost-surface", (run.id,))
    assert isinstance(heard[-1], Finished)
    (*_, last) = (event for event in heard if isinstance(event, Progress))
    assert (last.done, last.total, last.unit) == (4, 4, "runs")
    cancel, heard = CancelToken(), Heard()

    def stop(event: Event) -> None:
        heard.append(event)
        cancel.cancel()

    with pytest.raises(Interrupted):
        opened.research.cost_surface(run.id, few, on_event=stop, cancel=cancel)
    assert isinstance(heard[-1], Cancelled)


def test_a_run_that_fails_now_or_whose_candles_changed_says_so(opened: Engine, run: RunResult):
    url = str(opened.settings.database_url)
    execute(url, "UPDATE ohlcv_data SET volume = volume * 2")
    try:
        with pytest.raises(InputError, match="the candles have changed since this run"):
            opened.research.cost_surface(run.id, CostSurfaceSpec())
    finally:
        execute(url, "UPDATE ohlcv_data SET volume = volume / 2")
    plug_in(opened, "often", OFTEN.replace("digit > 50", "1 / 0"))
    try:
        found = opened.research.cost_surface(run.id, CostSurfaceSpec(commissions=[0.0], slippages=[0.0]))
        assert found.rows[0][0].error is None, "the source that it executed is stored"
        wanted = RunSpec("often", MARKET.name, MARKET.exchange, HOUR, PERIOD, checks=False)
        (failed,) = opened.runs.run([wanted], fetch=False)
        with pytest.raises(InputError, match="failed: it has no result that other costs could change"):
            opened.research.cost_surface(failed.id, CostSurfaceSpec())
    finally:
        plug_in(opened, "often", OFTEN)


def test_a_run_that_fails_now_at_all_costs_is_an_error_in_one_line(opened: Engine, tmp_path: Path):
    marker = tmp_path / "broken"
    check = f'        if __import__("os").path.exists({str(marker)!r}):\n            raise ValueError("no more")\n'
    plug_in(opened, "moody", OFTEN.replace("        digit =", f"{check}        digit ="))
    wanted = RunSpec("moody", MARKET.name, MARKET.exchange, HOUR, PERIOD, checks=False)
    (run,) = opened.runs.run([wanted], fetch=False)
    marker.touch()
    with pytest.raises(RunError, match=r"fails now at every pair of costs; the first: .*no more"):
        opened.research.cost_surface(run.id, CostSurfaceSpec(commissions=[0.0], slippages=[0.0]))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"commissions": [0.2]}, "commission must be at least 0 and below 0.1, not 0.2"),
        ({"slippages": [-0.001]}, "slippage must be at least 0"),
        ({"slippages": ["cheap"]}, "slippage must be numbers, as 0:0.002:0.0005, not 'cheap'"),
        ({"commissions": [at / 1e5 for at in range(500)]}, "4,500 pairs of costs are too many"),
    ],
)
def test_what_can_be_no_cost_is_refused(asked: dict[str, list[float]], said: str):
    with pytest.raises(InputError, match=said):
        CostSurfaceSpec(**asked)
