"""Faults of facts-and-faults part B that no other file shows: symbols that go, clocks, proxies, a database in trouble."""

import contextlib
import gc
import traceback
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.connection import Caller, Patience, local_ms
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.loopback import SPOT_PATH, Reply
from engine.data.exchanges.pages import Page
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.errors import DatabaseError, ExchangeError, InputError
from engine.events import CancelToken, Event, Log
from engine.model.market import DAY_MS, MINUTE_MS, Candles, Market, Period, Timeframe, parse_time
from engine.settings import Settings
from tests.engine.database.test_run_store import a_run
from tests.support.database import execute
from tests.support.examples import examples
from tests.support.fake_exchange import (
    EAGER,
    FakeExchange,
    MakeBench,
    assert_same_candles,
    error,
    grid_candles,
)

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2024-03-31")
WEEK = Period.parse("2024-02-01", "2024-02-07")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")


@pytest.fixture
def sol(fake_exchange: FakeExchange) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", candles)
    return candles


# -- symbols that go (16, 17)


def test_a_renamed_symbol_keeps_its_candles_and_gives_none_to_its_new_name(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    nano, xno = grid_candles("1h", Period.parse("2024-01-01", "2024-02-10")), grid_candles("1h", WEEK, seed=2)
    fake_exchange.add("NANO", "1h", nano)
    one = bench()
    one.fetch("2024-01-05", "2024-01-06", symbol="NANOUSDT")
    fake_exchange._listings.clear()
    fake_exchange.add("XNO", "1h", xno)
    one.fetcher.markets(refresh=True)

    held = one.fetch("2024-01-05", "2024-01-06", symbol="NANOUSDT")
    assert (held.candles, held.requests) == (48, 0), "what is held is served under the old name"
    with pytest.raises(InputError, match="does not know this symbol"):
        one.fetch("2024-01-05", "2024-01-07", symbol="NANOUSDT")
    with pytest.raises(InputError, match="first candle at 2024-02-01"):
        one.fetch("2024-01-05", "2024-01-06", symbol="XNOUSDT")
    new = one.fetch("2024-01-30", "2024-02-02", symbol="XNOUSDT")
    assert_same_candles(one.held(new), xno.within(new.period))
    assert one.held(held).timestamp.tolist() == nano.within(held.period).timestamp.tolist()


def test_a_symbol_that_was_never_held_is_unknown_when_it_is_gone(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles
) -> None:
    one = bench()
    one.fetcher.markets()
    with pytest.raises(InputError, match="has no market 'NANOUSDT'"):
        one.fetcher.market("NANOUSDT")


# -- the local clock (32)


@pytest.mark.parametrize("wrong_by", [0, -DAY_MS, DAY_MS, -3_600_000, 400 * DAY_MS])
def test_a_wrong_local_clock_changes_nothing_but_a_warning(
    fake_exchange: FakeExchange, store: Store, sol: Candles, wrong_by: int
) -> None:
    fake_exchange.clock_ms = parse_time("2024-02-05T12:34:56")

    def clock() -> int:
        return fake_exchange.clock_ms + wrong_by

    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, fake_exchange.url, EAGER, clock=clock)
    fetcher = DataFetcher(store, Settings(archive_url="off"), {"binanceusdm": exchange}, clock)
    events: list[Event] = []
    report = fetcher.fetch(SOL, HOUR, WEEK, job="x", on_event=events.append)
    assert report.period == Period(WEEK.start, parse_time("2024-02-05T12:00"))
    assert_same_candles(store.candles.read(SOL, HOUR, WEEK), sol.within(report.period))
    assert fetcher.status(SOL, HOUR, WEEK) == fetcher.status(SOL, HOUR, report.period)
    warned = [event.text for event in events if isinstance(event, Log) and event.level == "warning"]
    assert [f"differs from binanceusdm's by {abs(wrong_by) // 1000:,} s" in text for text in warned] == (
        [True] if wrong_by else []
    )
    exchange.close()


def test_a_rate_limit_does_not_last_a_day_because_the_local_clock_was_put_back(
    fake_exchange: FakeExchange, store: Store, sol: Candles
) -> None:
    store.exchanges.save_blocked_until("binanceusdm", local_ms() + DAY_MS)
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, fake_exchange.url, EAGER)
    assert exchange.now_ms(Caller()) == fake_exchange.clock_ms
    exchange.close()


# -- one interface down (42)


def test_spot_does_not_care_when_futures_are_blocked(
    fake_exchange: FakeExchange, store: Store, sol: Candles
) -> None:
    fake_exchange.add("SOL", "1h", sol, path=SPOT_PATH)
    with FakeExchange() as blocked:
        blocked.always = error(451, 0, "restricted location")
        places = Settings(spot_url=fake_exchange.url, futures_url=blocked.url, archive_url="off")
        with contextlib.closing(DataFetcher(store, places)) as fetcher:
            market = fetcher.market("SOLUSDT", "binance")
            assert fetcher.fetch(market, HOUR, WEEK, job="x").candles == 168
            with pytest.raises(ExchangeError, match="refuses this location"):
                fetcher.market("SOLUSDT", "binanceusdm")


# -- proxies (43): those of the environment; nothing on this machine is asked through one


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_the_proxy_of_the_environment_is_asked(
    fake_exchange: FakeExchange, store: Store, sol: Candles, proxy: pytest.MonkeyPatch
) -> None:
    """The fake exchange plays the proxy: it is sent addresses of a host that does not exist."""
    proxy.setenv("HTTP_PROXY", fake_exchange.url.replace("http://", "http://user:s3cr3t@"))
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, "http://exchange.invalid", EAGER)
    assert len(exchange.page(SOL, HOUR, WEEK, Caller()).candles) == 168
    assert exchange.host == "exchange.invalid"
    exchange.close()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_never_asked_through_a_proxy(
    fake_exchange: FakeExchange, store: Store, sol: Candles, proxy: pytest.MonkeyPatch, name: str
) -> None:
    proxy.setenv(name, "http://127.0.0.1:9")
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, fake_exchange.url, EAGER)
    assert len(exchange.page(SOL, HOUR, WEEK, Caller()).candles) == 168
    exchange.close()


def test_a_proxy_that_is_down_is_said_without_its_password_also_in_the_traceback(
    store: Store, proxy: pytest.MonkeyPatch
) -> None:
    proxy.setenv("HTTP_PROXY", "http://user:s3cr3t@127.0.0.1:9")
    exchange = Exchange(
        "binanceusdm", FUTURES, store.exchanges, "http://exchange.invalid", Patience(attempts=1)
    )
    with pytest.raises(ExchangeError) as caught:
        exchange.now_ms(Caller())
    assert str(caught.value) == "network: exchange.invalid: the proxy does not answer"
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
    exchange.close()


# -- no secure connection (39)


def test_a_server_without_a_certificate_is_not_talked_to(fake_exchange: FakeExchange, store: Store) -> None:
    secure = fake_exchange.url.replace("http://", "https://")
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, secure, Patience(attempts=2, first_wait_s=0))
    with pytest.raises(ExchangeError, match="no secure connection"):
        exchange.now_ms(Caller())
    assert fake_exchange.requests == []
    exchange.close()


# -- a very long range (18)


def test_no_more_pages_are_in_memory_however_long_the_range(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []
    reply = fake_exchange.reply

    def pages() -> int:
        return sum(isinstance(one, Page) for one in gc.get_objects())

    def count(path: str, params: Mapping[str, str]) -> Reply:
        alive.append(pages())
        return reply(path, params)

    monkeypatch.setattr(fake_exchange, "reply", count)
    gc.freeze()  # pages that earlier tests left, and a million other objects, are not looked at, here or later
    assert bench(page_limit=24).fetch("2024-02-01", "2024-03-31").candles == 60 * 24
    three = [Page(Candles.empty(), (), 0, WEEK) for _ in range(3)]
    assert pages() >= len(three), "they are counted while they live"
    assert len(alive) > 60
    assert max(alive) <= 2


# -- rate limits over all processes (34, P14), in time that passes only when someone waits or asks


class CountingExchange(FakeExchange):
    """Counts request weight per minute of its own clock as Binance does, refuses what is beyond, and tells in headers."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.budget, self.used, self.refused_until, self.early = budget, dict[int, int](), 0, 0

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        self.clock_ms += 700
        minute = self.clock_ms // MINUTE_MS
        self.used[minute] = self.used.get(minute, 0) + 2
        self.early += self.clock_ms < self.refused_until
        if self.used[minute] > self.budget:
            self.refused_until = self.clock_ms + 11_000
            return error_reply(429, 11)
        answer = super().reply(path, params)
        answer.headers["X-MBX-USED-WEIGHT-1M"] = str(self.used[minute])
        return answer


def error_reply(status: int, retry_after_s: int) -> Reply:
    return Reply(status, {"code": -1003, "msg": "slow down"}, {"Retry-After": str(retry_after_s)})


class Patient(CancelToken):
    def __init__(self, fake: FakeExchange) -> None:
        super().__init__()
        self._fake = fake

    def sleep(self, seconds: float) -> None:
        self._fake.clock_ms += round(seconds * 1000)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turns=st.lists(st.integers(0, 2), min_size=20, max_size=60),
    others=st.lists(st.integers(0, 59), max_size=3),
    budget=st.sampled_from([20, 40, 41]),
)
@pytest.mark.long
def test_all_programs_together_stay_inside_the_budget_of_every_minute(
    store: Store, turns: list[int], others: list[int], budget: int
) -> None:
    """Programs share an address; at some turns a stranger behind it uses everything up, and they are told to wait."""
    dialect = replace(FUTURES, weight_per_minute=budget)
    with CountingExchange(budget) as fake:
        fake.add("SOL", "1h", grid_candles("1h", LISTED))

        def clock() -> int:
            return fake.clock_ms

        store.exchanges.save_blocked_until("binanceusdm", 0)
        programs = [
            Exchange("binanceusdm", dialect, store.exchanges, fake.url, EAGER, clock=clock) for _ in range(3)
        ]
        spoiled = 0
        for turn, number in enumerate(turns):
            minute = fake.clock_ms // MINUTE_MS
            if turn in others:
                fake.used[minute] = budget
                spoiled += 1
            programs[number].page(SOL, HOUR, WEEK, Caller(cancel=Patient(fake)))
        for program in programs:
            program.close()
        assert sum(used > budget for used in fake.used.values()) <= spoiled, (
            "P14: only a stranger causes a refusal"
        )
        assert fake.early == 0, "P14: nothing is asked before the time told"


# -- the database at bad moments


def test_no_transaction_is_open_while_the_exchange_is_asked(
    bench: MakeBench,
    fake_exchange: FakeExchange,
    sol: Candles,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault 53."""
    open_ones: list[tuple[object, ...]] = []
    reply = fake_exchange.reply

    def look(path: str, params: Mapping[str, str]) -> Reply:
        open_ones.extend(
            execute(
                database_url,
                "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
            )
        )
        return reply(path, params)

    monkeypatch.setattr(fake_exchange, "reply", look)
    assert bench(page_limit=24).fetch("2024-02-01", "2024-02-05").requests >= 6
    assert open_ones == []


def raise_on_range(url: str, state: str, after: int, times: int) -> None:
    """The database fails with a SQLSTATE for `times` pages, after `after` good ones."""
    execute(
        url,
        "CREATE SEQUENCE pages",
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE page bigint := nextval('pages'); BEGIN "
        f"IF page > {after} AND page <= {after + times} THEN RAISE EXCEPTION 'made to fail' USING ERRCODE = '{state}'; "
        "END IF; RETURN NULL; END $$",
        "CREATE TRIGGER fail AFTER INSERT ON data_ranges FOR EACH STATEMENT EXECUTE FUNCTION fail()",
    )


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_page_that_met_another_transaction_is_written_again(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles, database_url: str, state: str
) -> None:
    """Fault 57: serialization failure and deadlock. The exchange is not asked again."""
    raise_on_range(database_url, state, after=1, times=2)
    one = bench(page_limit=24)
    report = one.fetch("2024-02-01", "2024-02-03")
    assert (report.candles, report.fetched) == (72, 72)
    assert_same_candles(one.held(report), sol.within(report.period))
    assert len(fake_exchange.served) == 72


def test_a_disk_that_fills_up_keeps_the_pages_before_and_a_rerun_completes(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles, database_url: str
) -> None:
    """Fault 54."""
    raise_on_range(database_url, "53100", after=2, times=1000)
    one = bench(page_limit=24)
    with pytest.raises(
        DatabaseError, match="disk of the database is full; finished work is kept, free space"
    ):
        one.fetch("2024-02-01", "2024-02-05")
    assert one.status("2024-02-01", "2024-02-05").candles == 48
    execute(database_url, "DROP TRIGGER fail ON data_ranges")
    report = one.fetch("2024-02-01", "2024-02-05")
    assert (report.candles, report.fetched) == (120, 72)


def test_connections_run_out_in_the_middle_and_a_rerun_completes(
    bench: MakeBench, fake_exchange: FakeExchange, sol: Candles, database_url: str
) -> None:
    """Fault 58."""
    raise_on_range(database_url, "53300", after=1, times=1)
    one = bench(page_limit=24)
    with pytest.raises(DatabaseError, match="accepts no more connections"):
        one.fetch("2024-02-01", "2024-02-05")
    assert one.status("2024-02-01", "2024-02-05").candles == 24
    assert one.fetch("2024-02-01", "2024-02-05").candles == 120


def test_what_is_no_number_or_no_time_never_reaches_the_database_as_one(store: Store) -> None:
    """Fault 61: pandas' NaT as a TIMESTAMPTZ is the year 48113, which no reader can read."""
    odd = {
        "nat": pd.NaT,
        "na": pd.NA,
        "nan": np.float64("nan"),
        "inf": float("-inf"),
        "day": np.datetime64("NaT"),
    }
    run = a_run(metrics=odd, checks={"data": dict(odd)})
    store.runs.save(run)
    held = store.runs.get(run.id)
    assert held.metrics == dict.fromkeys(odd)
    assert held.checks == {"data": dict.fromkeys(odd)}
