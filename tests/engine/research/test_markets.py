"""One sweep over two markets through the engine: what single sweeps say of each, stored as one, gone on with as one."""

import csv
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from engine.api.sweep_documents import Sweep
from engine.cli.sweeps import sweep_table
from engine.errors import InputError
from engine.events import CancelToken, Finished, Progress, Started
from engine.model.across import average_returns
from engine.model.coverage import BEFORE_LISTING, MissingRange
from engine.model.market import DAY_MS, HOUR_MS, Market, Period, format_time
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import SweepSpec, swept_markets
from engine.research import ledger, optimize
from engine.service import Engine
from tests.engine.research.sweeping import (
    COUNT,
    HOUR,
    MARKET,
    PERIOD,
    STUMBLING,
    WARM,
    WHOLE,
    Heard,
    engine,  # noqa: F401 - a fixture
    plug_in,
    shared_engine,  # noqa: F401 - a fixture
    sweep_spec,
)
from tests.engine.research.test_resume import SLOW
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute

OTHER = Market("binance", "ETHUSDT", "ETH/USDT")
LATE, LISTED_MS = Market("binance", "NEWUSDT", "NEW/USDT"), PERIOD.start + 10 * DAY_MS
BOTH = swept_markets([MARKET.name, OTHER.name], "worst")
RANGES = {"fast": "5:20:5", "slow": "30:60:10"}


@pytest.fixture
def markets(engine: Engine) -> Engine:  # noqa: F811
    """The shared engine with a second market, and one that was listed when ten days of the period were over."""
    store = engine._resources.store
    store.exchanges.save_markets(MARKET.exchange, [MARKET, OTHER, LATE], START_MS * 2)
    store.candles.add_page(OTHER, HOUR, random_candles(WARM + COUNT, 8), [WHOLE])
    candles = random_candles((WHOLE.end - LISTED_MS) // HOUR_MS, 9, start_ms=LISTED_MS)
    none = MissingRange(Period(WHOLE.start, LISTED_MS), BEFORE_LISTING)
    store.candles.add_page(LATE, HOUR, candles, [Period(LISTED_MS, WHOLE.end)], [none])
    return engine


def over_both(name: str = "ema_cross", **more: Any) -> SweepSpec:
    return replace(sweep_spec(name, RANGES, **more), **BOTH)


def same(one: SweepResult, other: SweepResult) -> bool:
    return (
        all(
            np.array_equal(one.metrics[name], column, equal_nan=True)
            for name, column in other.metrics.items()
        )
        and one.numbers.tolist() == other.numbers.tolist()
    )


def test_it_is_the_sweeps_on_each_market_together_and_is_stored_as_one(markets: Engine):
    heard, research = Heard(), markets.research
    found = research.optimize(over_both(), fetch=False, on_event=heard)
    alone = [
        research.optimize(sweep_spec("ema_cross", RANGES).on(one.name), fetch=False)
        for one in (MARKET, OTHER)
    ]
    assert all(same(one, single) for one, single in zip(found.markets, alone, strict=True))
    columns = [single.metrics["sharpe"] for single in alone]
    np.testing.assert_array_equal(found.metrics["sharpe"], np.minimum(*columns))
    assert isinstance(heard[-1], Finished)
    (*_, last) = (event for event in heard if isinstance(event, Progress))
    assert (last.done, last.total) == (32, 32)
    stored = research.sweep(found.id[:8])
    assert same(stored, found)
    assert stored.to_json(3) | {"elapsed_s": 0} == found.to_json(3) | {"elapsed_s": 0}
    assert stored.trials_of_strategy == 32, "a combination on another market is another trial"
    listed = {one.id: one for one in research.sweeps()}
    assert listed.keys() == {found.id, *(one.id for one in alone)}
    best, shown = found.best, listed[found.id].best
    assert best is not None
    assert shown == {name: value for name, value in best.items() if name != "markets"}
    told = research.statistics(stored)
    assert told.compared == 16
    assert told.grid_median == pytest.approx(float(np.median(found.metrics["sharpe"])))
    research.delete_sweep(found.id)
    assert {one.id for one in research.sweeps()} == {one.id for one in alone}


def test_every_door_tells_all_markets_and_each(
    markets: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    found = markets.research.optimize(over_both(), fetch=False)
    statistics = markets.research.statistics(found)
    document = found.to_json(2, statistics)
    TypeAdapter(Sweep).validate_json(json.dumps(document))
    assert [one["symbol"] for one in document["markets"]] == [MARKET.name, OTHER.name]
    assert document["top"][0]["value"] == min(document["top"][0]["markets"].values())
    sweep_table(found, statistics, 2)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("ema_cross on worst of BTCUSDT, ETHUSDT 1h, ")
    assert {MARKET.name, OTHER.name} <= set(told[1].split())
    _, table = markets.research.export(found.id, tmp_path)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 16
    for row in rows:
        assert float(row["sharpe"]) == min(float(row[f"sharpe.{one.name}"]) for one in (MARKET, OTHER))


def test_what_fails_on_one_market_fails(markets: Engine):
    plug_in(markets, "stumbling", STUMBLING)
    spec = replace(sweep_spec("stumbling", {"number": "2:4:1"}), **BOTH)
    found = markets.research.optimize(spec, fetch=False)
    assert (found.done, found.failed) == (3, 1)
    assert found.errors[1].startswith("BTCUSDT: ")
    assert "three is too many" in found.errors[1]


def assert_equal_parts(engine: Engine, ended: SweepResult, whole: SweepResult) -> None:  # noqa: F811
    """Each market's trials, returns and statistics, and the statistics of all, to the last bit."""
    research, returns_of = engine.research, engine._resources.store.sweeps.returns
    assert research.statistics(ended).to_json() == research.statistics(whole).to_json()
    for one, other in zip(ended.markets, whole.markets, strict=True):
        assert same(one, other)
        kept, others = returns_of(one.id), returns_of(other.id)
        assert kept is not None
        assert others is not None
        assert kept.numbers.tolist() == others.numbers.tolist()
        assert kept.returns.tobytes() == others.returns.tobytes()
        assert research.statistics(one).to_json() == research.statistics(other).to_json()


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["grid", "tpe", "nsga2"])
def test_one_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(markets: Engine, sampler: str):
    more: dict[str, Any] = {} if sampler == "grid" else {"sampler": sampler, "trials": 60, "seed": 3}
    if sampler == "nsga2":
        more["second_objective"] = "max_drawdown_pct"
    ranges = {"number": "1:12:1", "length": "1:9:1"}  # of a strategy that leaves time to stop it
    spec = replace(sweep_spec(plug_in(markets, "slow", SLOW), ranges, **more), **BOTH)
    whole = markets.research.optimize(spec, fetch=False)
    cancel = CancelToken()

    def stop(event: object) -> None:
        if isinstance(event, Progress) and event.unit == "trials" and event.done >= 5:
            cancel.cancel()

    stopped = markets.research.optimize(spec, fetch=False, on_event=stop, cancel=cancel)
    assert stopped.status == "cancelled"
    again = markets.research.resume_sweep(stopped.id)
    assert (again.id, again.status) == (stopped.id, "finished")
    assert same(again, whole)
    stored = markets.research.sweep(again.id)
    assert same(stored, whole)
    assert stored.front.tolist() == whole.front.tolist()
    assert (len(whole.front) > 0) == (sampler == "nsga2")
    assert_equal_parts(markets, stored, whole)


@pytest.mark.long
def test_one_that_was_killed_before_every_market_had_its_row_goes_on_too(markets: Engine):
    whole = markets.research.optimize(over_both(), fetch=False)
    url = str(markets.settings.database_url)
    execute(url, f"DELETE FROM sweeps WHERE part_of = '{whole.id}' AND place = 1")
    execute(url, f"UPDATE sweeps SET status = 'running' WHERE id = '{whole.id}'")
    left = markets.research.sweep(whole.id)
    assert (left.status, left.done, len(left), left.best) == ("stopped", 0, 0, None)
    again = markets.research.resume_sweep(whole.id)
    assert same(again, whole)
    assert same(markets.research.sweep(whole.id), whole)


def test_a_market_that_was_listed_later_is_said_and_compared_on_the_days_it_has(markets: Engine):
    research, returns_of = markets.research, markets._resources.store.sweeps.returns
    spec = replace(sweep_spec("ema_cross", RANGES), **swept_markets([MARKET.name, LATE.name], "mean"))
    found = research.sweep(research.optimize(spec, fetch=False).id)
    days = [f"{format_time(ms)[:10]} to {format_time(PERIOD.end)[:10]}" for ms in (PERIOD.start, LISTED_MS)]
    said = f"the markets were tried over different periods: {MARKET.name} {days[0]}, {LATE.name} {days[1]}"
    assert said in found.notes
    assert {one.period for one in found.markets} == {PERIOD}
    kept = [returns_of(one.id) for one in found.markets]
    early, late = (one.returns for one in kept if one is not None)
    together = average_returns(found.markets, kept)
    assert together is not None
    assert late.shape == (16, early.shape[1] - 10)
    np.testing.assert_array_equal(together.returns, (early[:, 10:] + late) / 2)


@pytest.mark.long
def test_all_markets_keep_the_returns_of_the_same_trials(markets: Engine, monkeypatch: pytest.MonkeyPatch):
    """Also where one has fewer days: here for want of an exchange that has, by what is stored of one that was killed."""
    monkeypatch.setattr(
        ledger, "MOST_RETURNS_BYTES", 2 * 1_700
    )  # every 5th trial of 64 days, every 4th of 44
    found = markets.research.optimize(over_both(), fetch=False)
    url, part = str(markets.settings.database_url), found.markets[1].id
    shorter = "end_time = end_time - interval '20 days', inputs = NULL, done = 0, failed = 0, best = NULL"
    execute(
        url,
        f"DELETE FROM trials WHERE sweep_id = '{part}'",
        f"DELETE FROM sweep_returns WHERE sweep_id = '{part}'",
        f"UPDATE sweeps SET {shorter}, status = 'running' WHERE id = '{part}'",
        f"UPDATE sweeps SET status = 'running' WHERE id = '{found.id}'",
    )
    again = markets.research.resume_sweep(found.id)
    kept = [markets._resources.store.sweeps.returns(one.id) for one in again.markets]
    assert [one is not None and one.numbers.tolist() for one in kept] == [[0, 5, 10, 15]] * 2
    assert [one is not None and one.returns.shape[1] for one in kept] == [63, 43]


WHOLE_FIRST = """
CREATE FUNCTION whole_first() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    IF NEW.part_of IS NOT NULL AND NOT EXISTS (SELECT FROM sweeps WHERE id = NEW.part_of) THEN
        RAISE 'a part without its whole';
    END IF;
    RETURN NEW;
END$$;
CREATE TRIGGER whole_first BEFORE INSERT ON sweeps FOR EACH ROW EXECUTE FUNCTION whole_first();
"""


@pytest.mark.long
def test_no_market_is_stored_before_the_whole_or_after_it_was_deleted(markets: Engine):
    url, started = str(markets.settings.database_url), list[str]()

    def delete(event: object) -> None:
        if isinstance(event, Progress) and event.unit == "trials" and not started:
            started.extend(one.id for one in markets.research.sweeps())
            execute(url, f"DELETE FROM sweeps WHERE '{started[0]}' IN (id, part_of)")

    execute(url, WHOLE_FIRST)
    try:
        with pytest.raises(InputError) as caught:
            markets.research.optimize(over_both(), fetch=False, on_event=delete)
    finally:
        execute(url, "DROP TRIGGER whole_first ON sweeps", "DROP FUNCTION whole_first")
    assert str(caught.value).startswith(f"sweep {started[0][:8]} was deleted, or gone on with elsewhere")
    assert execute(url, "SELECT id FROM sweeps") == []


@pytest.mark.long
def test_the_row_of_the_whole_is_not_brought_back_to_life(markets: Engine):
    found = markets.research.optimize(over_both(), fetch=False)
    url, seen = str(markets.settings.database_url), list[int]()
    execute(url, f"UPDATE sweeps SET status = 'running' WHERE id = '{found.id}'")

    def delete(event: object) -> None:
        if isinstance(event, Started) and event.kind == "sweep":
            seen.append(1)
            execute(url, f"DELETE FROM sweeps WHERE id = '{found.id}'")

    with pytest.raises(InputError, match=f"sweep {found.id[:8]} was deleted, or gone on with elsewhere"):
        markets.research.resume_sweep(found.id, on_event=delete)
    assert seen == [1]
    assert execute(url, f"SELECT id FROM sweeps WHERE id = '{found.id}'") == []


@pytest.mark.long
def test_a_refusal_names_the_sweep_and_the_market(markets: Engine):
    name = plug_in(markets, "stumbling", STUMBLING)
    spec, url = (
        replace(sweep_spec(name, {"number": "10:13:1"}), **BOTH),
        str(markets.settings.database_url),
    )
    found = markets.research.optimize(spec, fetch=False)
    execute(url, f"UPDATE sweeps SET status = 'running' WHERE id = '{found.id}'")
    last = "WHERE timestamp = (SELECT max(timestamp) FROM ohlcv_data)"
    last += f" AND symbol_id = (SELECT id FROM symbols WHERE name = '{OTHER.name}')"
    for change, said in (("+", "ETHUSDT: candles changed"), ("-", "")):
        execute(url, f"UPDATE ohlcv_data SET volume = volume {change} 1 {last}")
        if said:
            with pytest.raises(InputError, match=f"sweep {found.id[:8]} cannot go on: {said}"):
                markets.research.resume_sweep(found.id)
    # its parameters are not even looked at, nor is any of it executed
    plug_in(markets, "stumbling", STUMBLING.replace("number", "amount"))
    with pytest.raises(InputError, match=rf"sweep {found.id[:8]} cannot go on: strategy source changed"):
        markets.research.resume_sweep(found.id)


def test_one_that_was_deleted_comes_back_whole_until_it_is_too_late(markets: Engine):
    research, url = markets.research, str(markets.settings.database_url)
    found = research.optimize(over_both(), fetch=False)
    assert research.remove_sweeps([found.id]) == 1
    assert research.sweeps() == []
    assert markets.purge(3600) == 0
    assert research.restore_sweeps([found.id]) == 1
    assert [one.id for one in research.sweeps()] == [found.id]
    stored = research.sweep(found.id)
    assert same(stored, found)
    assert_equal_parts(markets, stored, found)
    research.remove_sweeps([found.id])
    markets.purge(0)
    assert research.restore_sweeps([found.id]) == 0
    assert execute(url, "SELECT id FROM sweeps") == []
    assert [markets._resources.store.sweeps.returns(one.id) for one in found.markets] == [None, None]
    assert markets._resources.store.sweeps.trial_count("ema_cross") == 32


@pytest.mark.long
def test_a_turn_of_a_market_keeps_all_workers_busy(markets: Engine, monkeypatch: pytest.MonkeyPatch):
    turns, everywhere = list[int](), optimize._everywhere

    def noted(on: Any, numbers: Any, portion: int, tell: Any) -> Any:
        turns.append(portion)
        return everywhere(on, numbers, portion, tell)

    monkeypatch.setattr(optimize, "_everywhere", noted)
    for least in (64, 1):
        monkeypatch.setattr(optimize, "PORTION", least)
        assert markets.research.optimize(over_both(), fetch=False).done == 16
    executor = markets._resources.executor
    assert turns == [64, executor.size * (1 + executor.ahead)]


@pytest.mark.long
def test_showing_takes_a_twentieth_of_the_time(markets: Engine):
    slow, shown = plug_in(markets, "slow", SLOW), list[int]()

    def show(partial: SweepResult) -> None:
        shown.append(len(partial))
        time.sleep(0.1)

    spec = replace(sweep_spec(slow, {"number": "1:150:1"}), **BOTH)
    began = time.monotonic()
    markets.research.optimize(spec, fetch=False, on_trials=show)
    assert 1 <= len(shown) <= 1 + (time.monotonic() - began) * 0.05 / 0.1
