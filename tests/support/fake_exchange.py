"""FakeExchange: the loopback exchange plus what goes wrong with a real one.

Fixtures: `fake_exchange`, `data_settings` (pointed at it, fresh database), `bench` (makes a fetcher in front of it).
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.exchanges.connection import Patience
from engine.data.exchanges.dialect import dialect_of
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.loopback import FUTURES_PATH, Listing, LoopbackExchange, Reply
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.events import CancelToken, Event, Log, OnEvent, ignore_event
from engine.model.coverage import Coverage, FetchReport
from engine.model.funding import FundingRates
from engine.model.kinds import Kind
from engine.model.market import FUNDING_GRID, Candles, Period, Timeframe, parse_time
from engine.settings import Settings, read_settings

# asks again at once: the waits themselves have tests of their own
EAGER = Patience(timeout_s=30, first_wait_s=0, settle_s=0)
NOW = parse_time("2025-01-15T00:30")


@dataclass
class Request:
    """One GET as it arrived; `at` is a monotonic time."""

    path: str
    params: dict[str, str]
    at: float

    @property
    def is_klines(self) -> bool:
        return self.path.endswith(("/klines", "/kline", "/markPriceKlines"))

    @property
    def is_page(self) -> bool:
        """Whether it asks for the candles of a window."""
        return self.is_klines and bool({"endTime", "end"} & self.params.keys())


@dataclass
class Fault:
    """What happens to one request in place of, or on top of, the right answer."""

    status: int | None = None
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    rows: Callable[[list[Any]], list[Any]] | None = None  # changes the right rows
    delay_s: float = 0
    drop: bool = False  # hang up without an answer
    cut: bool = False  # announce the whole body, send half of it


def html(status: int = 200) -> Fault:
    """A page of a captive portal or a firewall."""
    return Fault(status, "<html><body>Please log in</body></html>", {"Content-Type": "text/html"})


def error(status: int, code: int = 0, text: str = "", **headers: str) -> Fault:
    """Binance's error object with a status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status, json.dumps({"code": code, "msg": text}), named)


class FakeExchange(LoopbackExchange):
    """Serves what tests list, at the time that tests set (`clock_ms`), and does to requests what tests queue."""

    def __init__(self) -> None:
        super().__init__([], lambda: self.clock_ms)
        self.clock_ms = NOW
        self.requests: list[Request] = []
        self.served: list[int] = []  # open times of all rows of pages (not probes) that were answered rightly
        endpoints = ("klines", "markPriceKlines", "fundingRate", "time", "exchangeInfo")
        self.faults: dict[str, deque[Fault]] = {endpoint: deque() for endpoint in endpoints}
        self.always: Fault | None = None
        self.statuses: dict[str, str] = {}  # of symbols that do not simply trade, by name
        self.lacks_before_ms: int | None = (
            None  # a node without older candles, asked from the beginning of time
        )
        self.encoding = "utf-8"  # of the bodies of faults; with latin-1 they are any bytes

    def add(
        self,
        base: str,
        timeframe: str,
        candles: Candles,
        *,
        path: str = FUTURES_PATH,
        quote: str = "USDT",
        **more: Any,
    ) -> None:
        """List a symbol, or give a listed one another timeframe."""
        known = self._listings.get((path, base + quote))
        series = {**(known.series if known else {}), timeframe: candles}
        self._listings[path, base + quote] = Listing(path, base, quote, series, **more)

    def add_more(
        self, base: str, *, marks: Mapping[str, Candles] | None = None, funding: FundingRates | None = None
    ) -> None:
        """Give a listed perpetual candles of its mark price, or funding rates."""
        known = self._listings[FUTURES_PATH, base + "USDT"]
        self._listings[FUTURES_PATH, base + "USDT"] = replace(
            known, marks={**known.marks, **(marks or {})}, funding=funding or known.funding
        )

    @property
    def funding_requests(self) -> list[Request]:
        return [request for request in self.requests if request.path.endswith("/fundingRate")]

    def delist(self, base: str, *, path: str = FUTURES_PATH) -> None:
        """The symbol trades no more; its candles stay."""
        old = self._listings[path, base + "USDT"]
        self._listings[path, base + "USDT"] = replace(old, is_trading=False)

    def _info(self, api: str) -> dict[str, Any]:
        info = super()._info(api)
        for symbol in info["symbols"]:
            symbol["status"] = self.statuses.get(symbol["symbol"], symbol["status"])
        return info

    def fail(self, *faults: Fault, on: str = "klines", times: int = 1) -> None:
        """Queue faults for the next requests of one endpoint."""
        self.faults[on].extend(fault for _ in range(times) for fault in faults)

    @property
    def candle_requests(self) -> list[Request]:
        return [request for request in self.requests if request.is_klines]

    @property
    def pages(self) -> list[Request]:
        """Candle requests that are not probes."""
        return [request for request in self.requests if request.is_page]

    def truth(self, path: str, params: Mapping[str, str]) -> Reply:
        """The right answer."""
        return super().reply(path, params)

    def opens(self, reply: Reply) -> list[int]:
        """Open times of the rows of a right answer to a candle request."""
        return [row[0] for row in reply.value] if isinstance(reply.value, list) else []

    def change_rows(self, reply: Reply, change: Callable[[list[Any]], list[Any]]) -> None:
        """Change the rows of a right answer to a candle request."""
        if isinstance(reply.value, list):
            reply.value = change(reply.value)

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        self.requests.append(Request(path, dict(params), time.monotonic()))
        if self.lacks_before_ms is not None and params.get("startTime") == "0":
            params = {**params, "startTime": str(self.lacks_before_ms)}
        queue = self.faults.get(path.rpartition("/")[2])
        fault = queue.popleft() if queue else self.always
        if fault is None:
            answer = self.truth(path, params)
            if self.requests[-1].is_page:
                self.served += self.opens(answer)
            return answer
        time.sleep(fault.delay_s)
        if fault.drop:
            raise ConnectionAbortedError
        right = self.truth(path, params)
        if fault.rows is not None:
            self.change_rows(right, fault.rows)
        if fault.cut:
            body = json.dumps(right.value).encode()
            return Reply(
                200,
                body=body[: len(body) // 2],
                headers={"Content-Length": str(len(body)), "Connection": "close"},
            )
        if fault.status is not None:
            right.status = fault.status
        right.headers |= fault.headers
        right.body = fault.body.encode(self.encoding) if fault.body is not None else None
        return right


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this test ask a failing exchange again at once."""
    monkeypatch.setattr("engine.data.exchanges.exchange.Patience", lambda: EAGER)


@pytest.fixture
def fake_exchange() -> Iterator[FakeExchange]:
    """An exchange on this machine that lists nothing yet."""
    with FakeExchange() as exchange:
        yield exchange


@pytest.fixture
def data_settings(fake_exchange: FakeExchange, database_url: str, tmp_path: Path) -> Settings:
    """Settings whose exchanges are the fake one and whose database is fresh."""
    return read_settings(
        database_url=database_url,
        home=tmp_path / "home",
        spot_url=fake_exchange.url,
        futures_url=fake_exchange.url,
    )


class Bench:
    """A fetcher in front of the fake exchange, with small pages where a test wants them; `events` is all it told."""

    def __init__(
        self,
        fake: FakeExchange,
        store: Store,
        page_limit: int | None = None,
        patience: Patience = EAGER,
        archive_url: str | None = None,
        names: Sequence[str] = ("binanceusdm", "binance"),
    ) -> None:
        self.fake, self.store, self.usual = fake, store, names[0]
        self.exchanges = {
            name: Exchange(name, dialect_of(name), store.exchanges, fake.url, patience, page_limit)
            for name in names
        }
        self.fetcher = DataFetcher(store, Settings(archive_url=archive_url), self.exchanges)
        self.events: list[Event] = []

    def fetch(
        self,
        start: str,
        end: str,
        *,
        symbol: str = "SOLUSDT",
        exchange: str | None = None,
        timeframe: str = "1h",
        kind: Kind = Kind.TRADED,
        cancel: CancelToken | None = None,
        on_event: OnEvent = ignore_event,
    ) -> FetchReport:
        def listen(event: Event) -> None:
            self.events.append(event)
            on_event(event)

        return self.fetcher.fetch(
            self.fetcher.market(symbol, exchange or self.usual).of(kind),
            Timeframe(timeframe),
            Period.parse(start, end),
            job="fetch",
            on_event=listen,
            cancel=cancel,
        )

    def held(self, report: FetchReport) -> Candles:
        return self.store.candles.read(report.market, report.timeframe, report.period)

    def status(self, start: str, end: str, symbol: str = "SOLUSDT", timeframe: str = "1h") -> Coverage:
        market = self.fetcher.market(symbol, self.usual)
        return self.fetcher.status(market, Timeframe(timeframe), Period.parse(start, end))

    def funding(self, start: str, end: str, symbol: str = "SOLUSDT") -> FundingRates:
        """The settlements held of a period."""
        market = self.fetcher.market(symbol, self.usual).of(Kind.FUNDING)
        return self.store.funding.read(market, Period.parse(start, end))

    def funding_status(self, start: str, end: str, symbol: str = "SOLUSDT") -> Coverage:
        market = self.fetcher.market(symbol, self.usual).of(Kind.FUNDING)
        return self.fetcher.status(market, FUNDING_GRID, Period.parse(start, end))

    @property
    def logs(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Log)]

    def close(self) -> None:
        self.fetcher.close()
        for exchange in self.exchanges.values():
            exchange.close()


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(fake_exchange: FakeExchange, store: Store) -> Iterator[MakeBench]:
    """Makes benches: `bench(page_limit=5, patience=...)`."""
    made: list[Bench] = []

    def make(
        page_limit: int | None = None, patience: Patience = EAGER, archive_url: str | None = None
    ) -> Bench:
        made.append(Bench(fake_exchange, store, page_limit, patience, archive_url))
        return made[-1]

    yield make
    for one in made:
        one.close()


def grid_candles(timeframe: str, period: Period, *, seed: int = 7) -> Candles:
    """A random but possible candle in every cell of a period."""
    opened = Timeframe(timeframe).opens(period)
    draws = np.random.default_rng(seed).normal(
        0, 0.01, (len(opened), 3)
    )  # by rows: longer periods begin alike
    prices = np.round(100 * np.exp(np.cumsum(draws[:, :2], axis=0)), 4)
    high, low = prices.max(axis=1) * 1.01, prices.min(axis=1) * 0.99
    return Candles(opened, prices[:, 0], high, low, prices[:, 1], np.round(np.abs(draws[:, 2]) * 1e8, 3))


def without(candles: Candles, *holes: Period) -> Candles:
    """The candles outside `holes`."""
    keep = np.ones(len(candles), dtype=bool)
    for hole in holes:
        keep &= (candles.timestamp < hole.start) | (candles.timestamp >= hole.end)
    return Candles(candles.timestamp[keep], *(column[keep] for column in candles.columns().values()))


def assert_same_candles(held: Candles, expected: Candles) -> None:
    """Equal to the last bit."""
    assert np.array_equal(held.timestamp, expected.timestamp)
    for name, column in expected.columns().items():
        assert np.array_equal(held.columns()[name], column), name
