"""Portfolios made by real workers over a real database: the whole, a leg that fails, what is kept, made again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError, Interrupted, MissingDataError, NotStored
from engine.events import CancelToken, Event, Failed, Finished, Progress, Started
from engine.model.account import Costs
from engine.model.market import Period, Timeframe
from engine.model.metric_definitions import OF_TRIALS
from engine.model.parameters import Assignment
from engine.model.portfolio import LegSpec, PortfolioFault, PortfolioSpec
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import FAILED, FINISHED, RunSpec
from engine.runs.portfolio import check_overlap
from engine.service import Engine
from engine.settings import Settings
from tests.engine.runs.leg_strategies import EVERY, FILES
from tests.support.database import execute, fresh_database
from tests.support.lent_workers import Lender

pytestmark = pytest.mark.long

MARCH = Period.parse("2023-03-01", "2023-03-31")
COSTS = Costs(commission=0.0005, funding="auto")


def leg(name: str, strategy: str, timeframe: str = "1h", **changes: object) -> LegSpec:
    usual = LegSpec(name, strategy, "SAMPLEUSDT", "sample", Timeframe(timeframe), costs=COSTS)
    return replace(usual, **changes)  # type: ignore[arg-type]


TREND, EVERY_DAY = leg("trend", "ema_cross", params={"fast": 10, "slow": 30}), leg("days", "every")
TWO = PortfolioSpec(MARCH, (TREND, EVERY_DAY))


@pytest.fixture(scope="module")
def world(
    embedded_url: str, tmp_path_factory: pytest.TempPathFactory, lender: Lender
) -> Iterator[Callable[..., Engine]]:
    """Makes engines on one database, with the strategies above in a plug-in folder."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("strategies")
    for name, source in FILES.items():
        (folder / f"{name}.py").write_text(source)
    databases = fresh_database(embedded_url)
    url = next(databases)
    made: list[Engine] = []

    def make(**changes: object) -> Engine:
        usual = {"database_url": url, "home": home, "strategies": (folder,), "workers": 2}
        made.append(Engine(Settings(**usual | changes)))  # type: ignore[arg-type]
        return made[-1]

    with lender.lending():
        yield make
        for one in made:
            one.close()
    next(databases, None)


@pytest.fixture(scope="module")
def engine(world: Callable[..., Engine]) -> Engine:
    return world()


@pytest.fixture(scope="module")
def made(engine: Engine) -> PortfolioResult:
    return engine.portfolios.make(TWO)


def test_legs_share_one_wallet_and_the_plain_simulator_agrees(made: PortfolioResult):
    assert (made.status, made.error) == (FINISHED, None)
    assert made.checks["crosscheck"]["status"] == "passed"
    assert made.checks["crosscheck"]["total"] == len(made.trades) > 30
    assert {name for name, _ in made.trades} == {"trend", "days"}
    assert made.series is not None
    assert made.pnl is not None
    together = made.spec.cash + sum(made.pnl.columns.values())
    assert np.allclose(made.series.columns["equity"], together, rtol=1e-12)
    assert made.metrics["net_profit"] == pytest.approx(sum(trade.pnl for _, trade in made.trades))
    assert sum(one.pnl or 0 for one in made.legs) == pytest.approx(made.metrics["net_profit"])
    assert sum(one.risk_share_pct or 0 for one in made.legs) == pytest.approx(100)
    assert [row["leg"] for row in made.marginal] == ["trend", "days"]
    assert sum(one.contention.requests for one in made.legs) == len(made.trades)
    assert 0 < made.use["exposure"]["mean_pct"] <= made.use["exposure"]["max_pct"] <= 100
    assert "days" in made.notes[0]
    assert "do not net" in made.notes[0]


def test_one_leg_is_the_run_bit_for_bit(engine: Engine):
    (run,) = engine.runs.run(
        [RunSpec("every", "SAMPLEUSDT", "sample", Timeframe("1h"), MARCH, {"hours": 30}, COSTS)]
    )
    alone = engine.portfolios.make(PortfolioSpec(MARCH, (leg("alone", "every", params={"hours": 30}),)))
    assert tuple(trade for _, trade in alone.trades) == run.trades
    assert alone.series is not None
    assert run.equity is not None
    assert np.array_equal(alone.series.time, run.equity.time)
    assert np.array_equal(alone.series.columns["equity"], run.equity.columns["equity"])
    differing = {name for name, value in run.metrics.items() if value != alone.metrics[name]}
    assert differing <= set(OF_TRIALS)
    assert alone.marginal == []


def test_ambiguous_candles_of_legs_leave_a_band_of_the_wallet(engine: Engine):
    (run,) = engine.runs.run([RunSpec("tight", "SAMPLEUSDT", "sample", Timeframe("1h"), MARCH, {}, COSTS)])
    names = ("equity_low", "final_equity", "equity_high")
    alone = engine.portfolios.make(PortfolioSpec(MARCH, (leg("tight", "tight"),)))
    assert [alone.metrics[name] for name in names] == [run.metrics[name] for name in names]
    beside = engine.portfolios.make(PortfolioSpec(MARCH, (leg("tight", "tight"), TREND)))
    low, final, high = (beside.metrics[name] for name in names)
    assert low is not None
    assert final is not None
    assert high is not None
    assert low <= final <= high
    assert 0 < high - low < run.metrics["equity_high"] - run.metrics["equity_low"]  # type: ignore[operator]


def test_without_a_leg_it_is_the_portfolio_that_lacks_it_in_its_file(engine: Engine, made: PortfolioResult):
    alone = engine.portfolios.make(replace(TWO, legs=(EVERY_DAY,)))
    told = made.marginal[0]
    assert told["without"] == {name: alone.metrics[name] for name in told["without"]}
    return_pct = made.metrics["return_pct"]
    assert return_pct is not None
    assert told["adds"]["return_pct"] == return_pct - told["without"]["return_pct"]


def test_the_order_of_the_legs_changes_no_figure_and_each_is_told_in_its_place(engine: Engine):
    coarse = leg("months", "buy_and_hold", "4h")
    asked = (TREND, coarse, EVERY_DAY)
    one = engine.portfolios.make(PortfolioSpec(MARCH, asked))
    other = engine.portfolios.make(PortfolioSpec(MARCH, asked[::-1]))
    assert one.metrics == other.metrics
    assert [leg.name for leg in other.legs] == ["days", "months", "trend"]
    assert {leg.name: (leg.metrics, leg.pnl, leg.risk_share_pct, leg.contention) for leg in one.legs} == {
        leg.name: (leg.metrics, leg.pnl, leg.risk_share_pct, leg.contention) for leg in other.legs
    }
    assert one.correlation[0][1] == other.correlation[2][1]
    assert one.pnl is not None
    assert other.pnl is not None
    assert all((one.pnl.columns[name] == other.pnl.columns[name]).all() for name in one.pnl.columns)


def test_the_warm_up_of_longer_candles_is_checked_as_in_a_run(engine: Engine):
    start = Period.parse("2023-01-20", "2023-03-31")
    alone = engine.portfolios.make(PortfolioSpec(start, (leg("days", "daily_trend_cross"),)))
    (run,) = engine.runs.run(
        [RunSpec("daily_trend_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), start, {}, COSTS)]
    )
    assert run.checks["warmup"]["status"] == "failed"
    assert alone.legs[0].checks["warmup"]["note"] == run.checks["warmup"]["note"]
    assert alone.checks["warmup"]["status"] == "failed"


def test_coarser_legs_act_at_their_own_opens_and_the_wallet_is_valued_at_every_close(engine: Engine):
    found = engine.portfolios.make(replace(TWO, legs=(leg("slow", "every", "4h"), EVERY_DAY)))
    assert found.timeframe == Timeframe("1h")
    assert found.series is not None
    assert len(found.series.time) == 31 * 24
    assert {trade.entry_time % (4 * 3_600_000) for name, trade in found.trades if name == "slow"} == {0}
    assert found.checks["crosscheck"]["status"] == "passed"


def test_it_is_stored_and_read_as_it_was(engine: Engine, made: PortfolioResult):
    stored = engine.portfolios.get(made.id[:8])
    assert stored.to_shown_json() == made.to_shown_json()
    assert (stored.spec, stored.legs) == (made.spec, made.legs)
    assert made.id in [one.id for one in engine.portfolios.stored()]
    assert engine.portfolios.find(made.id[:8]) == made.id
    with pytest.raises(NotStored, match="no run"):
        engine.runs.get(made.id)


def test_every_leg_counts_as_a_trial_of_its_strategy(engine: Engine, made: PortfolioResult):
    store = engine._resources.store
    for strategy in ("ema_cross", "every"):
        with store.database.transaction() as connection:
            from engine.database.trial_rows import trial_count

            assert trial_count(connection, strategy) >= 1


def test_made_again_it_is_equal_and_from_the_stored_source_too(engine: Engine, made: PortfolioResult):
    for stored_source in (False, True):
        again = engine.portfolios.rerun(made.id, stored_source=stored_source)
        assert (again.equal, again.changed) == (True, ())
        assert again.result.id != made.id
        assert again.result.fingerprint == made.fingerprint


def test_what_changed_of_which_leg_is_named(engine: Engine, world: Callable[..., Engine], tmp_path: Path):
    (tmp_path / "mine.py").write_text(EVERY)
    own = world(strategies=(tmp_path,))
    before = own.portfolios.make(PortfolioSpec(MARCH, (leg("mine", "mine"), TREND)))
    (tmp_path / "mine.py").write_text(EVERY.replace("// 2", "// 3"))
    again = own.portfolios.rerun(before.id)
    assert again.changed == ("leg mine: strategy source changed (mine.py)",)
    assert not again.equal
    assert any(row["name"].startswith("mine: trades") for row in again.differences)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("raises", "leg 'bad': raises.py:6: ZeroDivisionError: division by zero"),
        ("crashes", "leg 'bad': "),
        ("loops", "leg 'bad': "),
    ],
)
def test_a_leg_that_fails_crashes_or_loops_fails_the_whole_by_its_name(
    world: Callable[..., Engine], strategy: str, words: str
):
    own, heard = world(run_timeout_s=3.0), list[Event]()
    found = own.portfolios.make(replace(TWO, legs=(TREND, leg("bad", strategy))), on_event=heard.append)
    assert found.status == FAILED
    assert found.error is not None
    assert found.error.startswith(words)
    assert (found.metrics, found.series, found.trades, found.marginal) == ({}, None, [], ())
    assert all(one.metrics == {} and one.pnl is None for one in found.legs)
    assert own.portfolios.get(found.id).to_shown_json() == found.to_shown_json()
    ends = [event for event in heard if isinstance(event, Failed | Finished) and event.job == found.id]
    assert [type(event) for event in ends] == [Failed]
    assert heard[-1] is ends[0]


def test_its_job_tells_how_many_legs_are_asked(engine: Engine):
    heard = list[Event]()
    found = engine.portfolios.make(TWO, on_event=heard.append)
    own = [event for event in heard if event.job == found.id]
    assert isinstance(own[0], Started)
    assert (own[0].kind, own[0].subject, own[0].title) == ("portfolio", (found.id,), "portfolio: 2 legs")
    assert isinstance(own[-1], Finished)
    counted = [event.done for event in own if isinstance(event, Progress) and event.unit == "legs"]
    assert counted[-1] == 2


def test_it_is_stopped_at_once_and_nothing_is_kept(engine: Engine):
    cancel, before = CancelToken(), len(engine.portfolios.stored())

    def stop(event: Event) -> None:
        if isinstance(event, Started) and event.kind == "portfolio":
            cancel.cancel()

    with pytest.raises(Interrupted):
        engine.portfolios.make(replace(TWO, legs=(leg("bad", "loops"),)), on_event=stop, cancel=cancel)
    assert len(engine.portfolios.stored()) == before


def test_a_strategy_in_a_loop_is_stopped_as_well(engine: Engine):
    cancel, asked = CancelToken(), list[float]()

    def stop(event: Event) -> None:
        if (
            isinstance(event, Progress) and event.unit == "legs"
        ):  # the first has answered, the second never will
            asked.append(time.monotonic())
            cancel.cancel()

    with pytest.raises(Interrupted):
        engine.portfolios.make(
            replace(TWO, legs=(EVERY_DAY, leg("bad", "loops"))), on_event=stop, cancel=cancel
        )
    assert asked


def test_who_comes_first_is_said_by_a_column_of_its_indicators(engine: Engine):
    ranked = replace(
        TWO, legs=(replace(EVERY_DAY, rank="tide"), leg("b", "every", rank="tide")), contention="rank"
    )
    found = engine.portfolios.make(ranked)
    assert found.checks["crosscheck"]["status"] == "passed"
    unknown = engine.portfolios.make(replace(ranked, legs=(replace(EVERY_DAY, rank="tied"),)))
    assert unknown.error == (
        "leg 'days': rank names the column 'tied', which indicators() does not give; it gives: tide"
    )


def test_more_requests_than_money_are_scaled_or_dropped_and_counted(engine: Engine):
    whole = replace(EVERY_DAY, weight=0.5), leg("b", "every", weight=0.5), leg("c", "every", weight=0.0001)
    spec = replace(TWO, legs=whole, allocation="fixed", leverage=1.0001, max_open=1)
    spec = replace(spec, legs=tuple(replace(one, costs=replace(one.costs, leverage=1.0001)) for one in whole))
    found = engine.portfolios.make(spec)
    assert found.status == FINISHED, found.error
    told = {one.name: one.contention for one in found.legs}
    assert sum(one.dropped for one in told.values()) > 0
    assert "max_open" in {why for one in told.values() for why in one.reasons}
    assert {request.why for request in found.contended} >= {"dropped:max_open"}
    assert len(found.contended) == sum(one.dropped + one.scaled for one in told.values())


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"strategy": "ema_crss"}, "strategy", "unknown strategy 'ema_crss'; did you mean ema_cross"),
        ({"symbol": "SAMPLEUSD"}, "symbol", "SAMPLEUSD"),
        ({"strategy": "orders"}, "strategy", "leg 'trend': orders is a backtesting.Strategy"),
        ({"params": {"fst": 1}}, "fst", "no selected leg has a parameter 'fst'; did you mean fast"),
        ({"params": {"fast": -1}}, "fast", "fast must be"),
    ],
)
def test_what_is_wrong_with_a_leg_is_said_with_its_key_before_anything_runs(
    engine: Engine, changes: dict[str, object], key: str, words: str
):
    before = len(engine.portfolios.stored())
    with pytest.raises(PortfolioFault, match=words) as caught:
        engine.portfolios.make(replace(TWO, legs=(EVERY_DAY, replace(TREND, **changes))))  # type: ignore[arg-type]
    assert (caught.value.key, caught.value.leg) == (key, 1)
    assert len(engine.portfolios.stored()) == before


def test_a_parameter_typed_for_a_leg_is_the_one_that_runs(engine: Engine):
    found = engine.portfolios.make(TWO, Assignment.parse_all(["days.hours=48"]))
    assert found.legs[1].params == {"hours": 48}
    assert found.spec.legs[1].params == {"hours": 48}


def test_candles_that_may_not_be_fetched_stop_it_with_the_name_of_the_leg(world: Callable[..., Engine]):
    own = world()
    later = Period.parse("2023-05-01", "2023-05-10")
    with pytest.raises(MissingDataError, match="leg 'trend': SAMPLEUSDT 1h: 0 of 240 candles held"):
        own.portfolios.make(replace(TWO, period=later), fetch=False)


def test_legs_that_never_trade_at_the_same_time_are_refused():
    check_overlap({"a": (0, 10), "b": (10, 20)})
    with pytest.raises(InputError, match="'a' has its last candle at 1970-01-01 00:00 UTC, 'b' its first at"):
        check_overlap({"c": (0, 99_000), "a": (0, 10_000), "b": (60_000, 90_000)})


def test_deleted_and_removed_ones_are_gone_and_the_removed_come_back(engine: Engine):
    one, other = (engine.portfolios.make(replace(TWO, legs=(EVERY_DAY,))) for _ in range(2))
    engine.portfolios.delete(one.id)
    assert engine.portfolios.find(one.id) is None
    assert engine.portfolios.remove([other.id]) == 1
    assert engine.portfolios.find(other.id) is None
    assert engine.portfolios.restore([other.id]) == 1
    assert engine.portfolios.get(other.id).to_json() == other.to_json()
    engine.portfolios.remove([other.id])
    assert engine.purge(0) >= 1
    assert engine.portfolios.restore([other.id]) == 0


def test_ids_of_runs_and_portfolios_are_one_kind_of_name(engine: Engine, made: PortfolioResult):
    (run,) = engine.runs.run([RunSpec("every", "SAMPLEUSDT", "sample", Timeframe("1h"), MARCH, costs=COSTS)])
    assert engine.portfolios.find(run.id) is None
    twin = made.id[:8] + run.id[8:]
    execute_url = engine.settings.database_url
    assert execute_url is not None
    execute(execute_url, f"UPDATE backtest_runs SET id = '{twin}' WHERE id = '{run.id}'")
    with pytest.raises(InputError, match="several runs and portfolios begin with"):
        engine.portfolios.find(made.id[:8])
    assert engine.portfolios.find(made.id) == made.id
    engine.runs.delete(twin)


def test_two_hundred_legs_are_made_within_bounds(engine: Engine):
    legs = tuple(leg(f"leg {k}", "every", params={"hours": 2 + k % 99}) for k in range(200))
    week = Period.parse("2023-03-01", "2023-03-07")
    found = engine.portfolios.make(PortfolioSpec(week, legs))
    assert (found.status, found.error, len(found.legs)) == (FINISHED, None, 200)
    assert found.checks["crosscheck"]["status"] == "passed"
