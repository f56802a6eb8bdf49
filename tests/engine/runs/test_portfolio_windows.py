"""Portfolios whose parameters and weights change with time, made by real workers over a real database."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.account import Costs
from engine.model.durations import parse_duration
from engine.model.market import Period, Timeframe, format_time, parse_time
from engine.model.portfolio import LegSpec, PortfolioSpec
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import FINISHED
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import WalkForwardSpec
from engine.model.window_params import WindowParams
from engine.reports.portfolio_html import portfolio_report
from engine.service import Engine
from engine.settings import Settings
from tests.support.database import fresh_database
from tests.support.lent_workers import Lender

pytestmark = pytest.mark.long

MARCH = Period.parse("2023-03-01", "2023-03-31")
COSTS = Costs(commission=0.0005, funding="auto")
CHANGES = parse_time("2023-03-11"), parse_time("2023-03-20T06:00")


def leg(name: str, strategy: str, timeframe: str, weight: float, **params: int) -> LegSpec:
    return LegSpec(
        name, strategy, "SAMPLEUSDT", "sample", Timeframe(timeframe), weight, params=params, costs=COSTS
    )


TWO = PortfolioSpec(
    MARCH,
    (leg("trend", "ema_cross", "1h", 0.5, fast=10, slow=30), leg("wide", "donchian_breakout", "4h", 0.4)),
    allocation="fixed",
    rebalance="3d",
)
RULING = (
    WindowParams(CHANGES[0], {"trend.fast": 5, "trend.weight": 0.2}),
    WindowParams(CHANGES[1], {"trend.slow": 50, "wide.weight": 0.1}),
)


@pytest.fixture(scope="module")
def engine(embedded_url: str, tmp_path_factory: pytest.TempPathFactory, lender: Lender) -> Iterator[Engine]:
    databases = fresh_database(embedded_url)
    home: Path = tmp_path_factory.mktemp("home")
    with (
        lender.lending(),
        Engine(Settings(database_url=next(databases), home=home, workers=2)) as one,
    ):
        yield one
    next(databases, None)


@pytest.fixture(scope="module")
def made(engine: Engine) -> PortfolioResult:
    return engine.portfolios.make(replace(TWO, windows=RULING))


def told(result: PortfolioResult) -> dict[str, object]:
    shown = result.to_shown_json()
    return {name: shown[name] for name in ("metrics", "trades", "equity", "pnl", "contention", "contended")}


def test_parameters_and_weights_change_and_the_plain_simulator_agrees(engine: Engine, made: PortfolioResult):
    assert (made.status, made.error) == (FINISHED, None)
    assert made.checks["crosscheck"]["status"] == "passed"
    assert made.checks["lookahead"]["status"] == "passed"
    assert told(made) != told(engine.portfolios.make(TWO))
    trend, wide = made.legs
    assert dict(trend.params) == {}
    assert [dict(one.params)["fast"] for one in trend.windows] == [10, 5, 10]
    assert wide.windows == ()  # its parameters stay, its weight does not
    starts = [MARCH.start, *CHANGES]
    assert [one.start_ms for one in made.windows] == starts
    assert made.changing()[0] == ["trend.fast", "trend.slow", "trend.weight", "wide.weight"]
    assert made.changing()[1][1] == (CHANGES[0], [5, 30, 0.2, 0.4])
    assert made.inputs is not None
    assert made.inputs["portfolio"]["windows"] == [
        {"start": format_time(start), "weights": weights}
        for start, weights in zip(starts, ([0.5, 0.4], [0.2, 0.4], [0.5, 0.1]), strict=True)
    ]
    assert {row["leg"] for row in made.marginal} == {"trend", "wide"}


def test_windows_that_change_nothing_are_the_plain_portfolio_to_the_last_bit(engine: Engine):
    same = tuple(
        WindowParams(start, {"trend.fast": 10, "trend.weight": 0.5, "wide.weight": 0.4}) for start in CHANGES
    )
    plain, ruled = engine.portfolios.make(TWO), engine.portfolios.make(replace(TWO, windows=same))
    assert told(ruled) == told(plain)
    assert ruled.inputs == plain.inputs  # and so the fingerprint
    assert ruled.fingerprint == plain.fingerprint


def test_one_leg_is_the_stitched_run_to_the_last_bit(engine: Engine):
    sweep = SweepSpec(
        "ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), MARCH, {"fast": [4, 8, 12]}, {"slow": 30}, COSTS,
        objective="return_pct",
    )  # fmt: skip
    walk = engine.walk_forwards.make(
        WalkForwardSpec(sweep, parse_duration("10d", "train"), parse_duration("5d", "test"))
    )
    run = walk.run
    assert run is not None
    assert len({repr(one.params) for one in run.windows}) > 1
    windows = tuple(
        WindowParams(one.start_ms, {f"one.{name}": value for name, value in one.params.items()})
        for one in run.windows
    )
    alone = PortfolioSpec(run.period, (leg("one", "ema_cross", "1h", 1.0),), windows=windows)
    portfolio = engine.portfolios.make(alone)
    assert tuple(trade for _, trade in portfolio.trades) == run.trades
    assert portfolio.series is not None
    assert run.equity is not None
    assert portfolio.series.columns["equity"].tolist() == run.equity.columns["equity"].tolist()
    assert portfolio.legs[0].windows == run.windows


def test_it_is_stored_made_again_and_reported_as_it_was(engine: Engine, made: PortfolioResult):
    stored = engine.portfolios.get(made.id)
    assert stored.to_shown_json() == made.to_shown_json()
    assert (stored.spec, stored.legs) == (made.spec, made.legs)
    for stored_source in (False, True):
        again = engine.portfolios.rerun(made.id, stored_source=stored_source)
        assert (again.equal, again.changed) == (True, ())
    page = portfolio_report(stored, {})
    assert "What rules from when on" in page
    assert "trend.weight" in page


def test_a_correlation_of_next_to_nothing_is_reported_as_none_at_all(made: PortfolioResult):
    page = portfolio_report(replace(made, correlation=((1.0, -9.56e-05), (None, 1.0))), {})
    table = page.partition("Correlation of the legs")[2].partition("</table>")[0]
    assert "<td>1.00<td>0.00" in table
    assert "<td>–<td>1.00" in table


def test_another_weight_in_one_window_is_named(engine: Engine, made: PortfolioResult):
    from engine.runs.compare_portfolios import compare_portfolios

    moved = replace(RULING[1], params={"trend.slow": 50, "wide.weight": 0.2})
    other = engine.portfolios.make(replace(TWO, windows=(RULING[0], moved)))
    (changed,) = compare_portfolios(made, other).changed
    assert "weights from 2023-03-20T06:00:00Z on" in changed
