"""Fetchers in processes of their own that tests kill, stop and watch; a warm fork server makes them cheap."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.loopback import Reply
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.errors import BacktestError
from engine.events import Event, Log
from engine.model.market import Market, Period, Timeframe
from engine.settings import Settings
from tests.support.fake_exchange import EAGER, FakeExchange

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["ccxt", "psycopg", "tests.support.killable"])


@dataclass(frozen=True)
class Ask:
    """One fetch: a futures symbol's hours from start to end."""

    symbol: str
    period: Period


def _work(url: str, exchange_url: str, asks: Sequence[Ask], page_limit: int, told: Connection) -> None:
    """The body of a fetcher process: tells its news, then how each ask ended."""
    store = Store(url)
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, exchange_url, EAGER, page_limit)
    fetcher = DataFetcher(store, Settings(archive_url="off"), {"binanceusdm": exchange})

    def tell(event: Event) -> None:
        if isinstance(event, Log) and event.level == "info":
            told.send(("log", event.text))

    for ask in asks:
        market = Market("binanceusdm", ask.symbol, f"{ask.symbol.removesuffix('USDT')}/USDT:USDT")
        try:
            report = fetcher.fetch(market, Timeframe("1h"), ask.period, job="x", on_event=tell)
            told.send(("fetched", report.fetched))
        except BacktestError as error:
            told.send(("error", str(error)))


class Fetcher:
    """A fetcher in a process of its own."""

    def __init__(self, url: str, exchange_url: str, asks: Sequence[Ask], page_limit: int) -> None:
        self._ear, mouth = _CONTEXT.Pipe(duplex=False)
        self.told: list[tuple[str, Any]] = []
        self.process = _CONTEXT.Process(target=_work, args=(url, exchange_url, asks, page_limit, mouth))
        self.process.start()
        mouth.close()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def hear(self, seconds: float = 60) -> tuple[str, Any]:
        """The next thing it tells."""
        assert self._ear.poll(seconds), f"silence after {self.told}"
        self.told.append(self._ear.recv())
        return self.told[-1]

    def kill(self) -> None:
        """kill -9, also when it is stopped; returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.join(60)

    def end(self) -> list[tuple[str, Any]]:
        """Wait for its end; all that it told."""
        with contextlib.suppress(EOFError):
            while self.hear():
                pass
        self.process.join(60)
        return self.told


class MomentousExchange(FakeExchange):
    """Calls what tests hang on the n-th request, before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: dict[int, Callable[[], object]] = {}
        self._count = 0
        self._turn = threading.Lock()

    def at(self, request: int, act: Callable[[], object]) -> None:
        """Do something when that many requests more arrive."""
        self.moments[self._count + request] = act

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        with self._turn:
            self._count += 1
            act = self.moments.pop(self._count, None)
        if act is not None:
            act()
        return super().reply(path, params)


# where a page's transaction can be held up: (table, when its trigger fires)
PLACES = {
    "the candles": ("ohlcv_data", "AFTER INSERT ON ohlcv_data FOR EACH STATEMENT"),
    "the ranges": ("data_ranges", "AFTER INSERT ON data_ranges FOR EACH STATEMENT"),
    "the missing cells": ("missing_candles", "AFTER INSERT ON missing_candles FOR EACH STATEMENT"),
    "the commit": ("data_ranges", "AFTER INSERT ON data_ranges DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"),
}


@contextlib.contextmanager
def held_up(url: str, place: str) -> Iterator[Callable[[], None]]:
    """Transactions halt at a place while the block lasts; the function given waits until one is there.

    They sleep, before and after they ask for the gate's lock: who sleeps notices that the server was killed, so that
    none goes on because the gate died before it.
    """
    table, when = PLACES[place]
    kind = "CONSTRAINT TRIGGER" if "DEFERRED" in when else "TRIGGER"
    with psycopg.connect(url, autocommit=True) as gate, psycopg.connect(url, autocommit=True) as eye:
        gate.execute("SELECT pg_advisory_lock(1)")
        eye.execute(
            "CREATE OR REPLACE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN LOOP PERFORM pg_sleep(0.01); EXIT WHEN pg_try_advisory_xact_lock_shared(1); END LOOP; "
            "PERFORM pg_sleep(0.01); RETURN NULL; END $$"
        )
        eye.execute(f"CREATE {kind} halt {when} EXECUTE FUNCTION halt()".encode())

        def wait() -> None:
            deadline = time.monotonic() + 60
            while not eye.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone():
                assert time.monotonic() < deadline, f"nobody reached {place}"
                time.sleep(0.005)

        try:
            yield wait
        finally:
            with contextlib.suppress(psycopg.OperationalError):  # the server may be dead by now
                gate.execute("SELECT pg_advisory_unlock(1)")
                eye.execute(f"DROP TRIGGER halt ON {table}".encode())
