"""The world of the state machine: an exchange with known truth, a database, clocks, and what each series must hold."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from engine.data.exchanges.binance import FUTURES, SPOT
from engine.data.exchanges.connection import Patience
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.loopback import FUTURES_PATH, SPOT_PATH, Reply
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.events import CancelToken
from engine.model.coverage import AFTER_DELISTING, FetchReport, VerifyReport
from engine.model.market import DAY_MS, Market, Period, Timeframe
from engine.settings import Settings
from tests.support.dying import DyingExchange, DyingStore, Fate
from tests.support.fake_exchange import FakeExchange
from tests.support.market_truth import Row, Truth, runs

PATHS = {"binanceusdm": FUTURES_PATH, "binance": SPOT_PATH}
PATIENCE = Patience(timeout_s=5)
TABLES = (
    "ohlcv_data", "data_ranges", "missing_candles", "imported_ranges", "series_state", "symbols", "markets", "exchange_state"
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One candle request as the exchange saw it, and the open times it answered rightly."""

    path: str
    params: Mapping[str, str]
    local_ms: int
    status: int

    @property
    def is_page(self) -> bool:
        return "endTime" in self.params


class TruthfulExchange(FakeExchange):
    """The fake exchange, which writes down what each series was asked for and served."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.served_cells: dict[tuple[str, str], Counter[int]] = {}
        self.local_clock: Callable[[], int] = lambda: 0
        self._turn = threading.Lock()

    def forget(self) -> None:
        """Start again with nothing listed."""
        self._listings.clear()
        self.heal()
        self.asked.clear()
        self.served_cells.clear()
        self.requests.clear()
        self.served.clear()

    def heal(self) -> None:
        for queue in self.faults.values():
            queue.clear()

    @property
    def is_faulty(self) -> bool:
        return any(self.faults.values())

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        with self._turn:
            before, at = len(self.served), self.local_clock()
            answer = super().reply(path, params)
            if path.endswith("/klines"):
                self.asked.append(Asked(path, params, at, answer.status))
            if len(self.served) > before:
                key = path.removesuffix("/klines"), params["interval"]
                self.served_cells.setdefault(key, Counter()).update(self.served[before:])
            return answer


@dataclass
class Held:
    """What a series holds, by cell: covered, rows, and missing with reason and time of confirmation."""

    covered: set[int] = field(default_factory=set)
    rows: dict[int, Row] = field(default_factory=dict)
    missing: dict[int, tuple[str, int]] = field(default_factory=dict)


@dataclass
class Series:
    """One series: its market and truth, what must be held, and how often a crash may have lost a cell."""

    exchange: str
    truth: Truth
    market: Market
    held: Held = field(default_factory=Held)
    lost: Counter[int] = field(default_factory=Counter)
    damaged: bool = False  # its record of ranges was changed by hand and not mended yet

    @property
    def timeframe(self) -> Timeframe:
        return self.truth.timeframe

    def period(self, cells: tuple[int, int]) -> Period:
        return Period(self.timeframe.open_ms(cells[0]), self.timeframe.open_ms(cells[1]))

    def cells(self, period: Period) -> set[int]:
        """Numbers of the cells that open in a period whose bounds are on the grid."""
        first, end = self.timeframe.index(period.start), self.timeframe.index(period.end)
        assert self.period((first, end)) == period, "bounds on the grid"
        return set(range(first, end))

    def proven(self, cells: tuple[int, int], now_ms: int) -> set[int]:
        """The coverage law: which cells must be covered once they were asked for at this time of the exchange.

        A cell with a candle; one without, once a later candle was served; one older than a day when the market trades no
        more.
        """
        now = self.timeframe.index(now_ms)
        last = self.truth.last_answer(now_ms)
        asked = range(max(cells[0], self.truth.listed), min(cells[1], now))
        old = self.listed_cells_older_than_a_day(asked, now_ms) if not self.market.is_trading else set()
        return {cell for cell in asked if self.truth.answers(cell) or cell < last or cell in old}

    def listed_cells_older_than_a_day(self, cells: Iterable[int], now_ms: int) -> set[int]:
        old = self.timeframe.index(now_ms - DAY_MS)
        return {cell for cell in cells if self.truth.listed <= cell < old}

    def silent(self, cells: Iterable[int], now_ms: int) -> set[int]:
        """Cells older than a day that a market which trades has nothing for, nor for any later one: they are a gap."""
        last = self.truth.last_answer(now_ms)
        old = self.listed_cells_older_than_a_day(cells, now_ms) if self.market.is_trading else set()
        return {cell for cell in old if cell > last}

    def stale_tails(self, cells: Iterable[int], now_ms: int) -> set[int]:
        """Cells of tails once called delisted, of which some were confirmed more than a day ago."""
        wanted = set(cells)
        tails = {
            cell: confirmed
            for cell, (reason, confirmed) in self.held.missing.items()
            if cell in wanted and reason == AFTER_DELISTING
        }
        stale: set[int] = set()
        for run in runs(tails):
            if any(tails[cell] < now_ms - DAY_MS for cell in range(*run)):
                stale |= set(range(*run))
        return stale

    def may_be_asked(self, cells: Iterable[int], now_ms: int) -> set[int]:
        """Cells that a request may ask for: those not covered, and tails once found empty when that is a day ago."""
        wanted = set(cells)
        return (wanted - self.held.covered) | self.stale_tails(wanted, now_ms)


class Waiting(CancelToken):
    """Waiting takes no real time: the local clock goes on instead."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def sleep(self, seconds: float) -> None:
        self._world.slept_ms += round(seconds * 1000)
        self.raise_if_cancelled()


class Brief(CancelToken):
    """Waiting takes a moment: for programs at work at the same time."""

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 0.01))


class World:
    """Everything one example has. Programs are restarted, the rest stays."""

    def __init__(self, fake: TruthfulExchange, url: str, admin: psycopg.Connection[Any]) -> None:
        self.fake, self.url, self.admin = fake, url, admin
        self.offset_ms = self.slept_ms = 0
        self.series: list[Series] = []
        self.page_limit = 3
        self.fate = Fate()
        self._opened: list[Store | Exchange | DataFetcher] = []
        fake.local_clock = self.local_ms
        for table in TABLES:
            admin.execute(f"DELETE FROM {table}".encode())
        fake.forget()

    def local_ms(self) -> int:
        """The machine's own clock: wrong by the offset, and moved on by waiting."""
        return self.fake.clock_ms + self.offset_ms + self.slept_ms

    # -- programs

    def start(self) -> None:
        """A program with connections of its own."""
        self.store, self.fetcher = self.program()

    def stop(self) -> None:
        self.fate.set("", 0)
        for one in reversed(self._opened):
            one.close()
        self._opened.clear()

    def program(self) -> tuple[Store, DataFetcher]:
        store = DyingStore(self.url, self.fate)
        exchanges = {}
        for name, api in (("binanceusdm", FUTURES), ("binance", SPOT)):
            exchange = DyingExchange(
                name, api, store.exchanges, self.fake.url, PATIENCE, self.page_limit, self.local_ms
            )
            exchange.fate = self.fate
            exchanges[name] = exchange
        fetcher = DataFetcher(store, Settings(archive_url="off"), exchanges, self.local_ms)
        self._opened += [store, *exchanges.values(), fetcher]
        return store, fetcher

    def fetch(
        self,
        series: Series,
        period: Period,
        fetcher: DataFetcher | None = None,
        cancel: CancelToken | None = None,
    ) -> FetchReport:
        return (fetcher or self.fetcher).fetch(
            series.market, series.timeframe, period, job="x", cancel=cancel or Waiting(self)
        )

    def verify(self, series: Series, period: Period, *, dry_run: bool) -> VerifyReport:
        return self.fetcher.verify(
            series.market, series.timeframe, period, job="x", dry_run=dry_run, cancel=Waiting(self)
        )

    # -- the exchange's truth

    def publish(self) -> None:
        """Let the exchange serve what is true now."""
        for series in self.series:
            now = series.timeframe.index(self.fake.clock_ms)
            self.fake.add(
                "SOL",
                series.timeframe.name,
                series.truth.candles(now + 1),
                path=PATHS[series.exchange],
                listed_ms=series.market.listed_ms,
                is_trading=series.market.is_trading,
            )

    def set_trading(self, is_trading: bool) -> None:
        for series in self.series:
            series.market = replace(series.market, is_trading=is_trading)

    # -- what the database says, without the program

    def stored(self, series: Series) -> Held:
        """Rows, ranges and missing cells of a series by plain SQL. Checks the shape of ranges unless they are damaged."""
        index, held = series.timeframe.index, Held()
        for opened, *row in self._rows(series, "ohlcv_data", "timestamp", "open, high, low, close, volume"):
            assert series.timeframe.floor(opened) == opened, "P8: rows are on the grid"
            held.rows[index(opened)] = tuple(row)
        last_end = None
        for start, end, reason, confirmed in self._rows(
            series, "missing_candles", "start_time", "{end_time}, reason, {confirmed_at}"
        ):
            for cell in series.cells(Period(start, end)):
                assert cell not in held.missing, "P2: missing once"
                held.missing[cell] = (reason, confirmed)
        if series.damaged:  # then only what the program believes can be told
            hull = (min(held.rows, default=series.truth.listed) - 30, index(self.fake.clock_ms) + 30)
            status = self.store.candles.coverage(series.market, series.timeframe, series.period(hull))
            gaps = {cell for gap in status.gaps for cell in series.cells(gap)}
            held.covered = {cell for cell in range(*hull) if cell not in gaps}
            if (first := self.first_candle(series)) is not None:
                held.covered -= set(range(hull[0], index(first)))
            return held
        for start, end, count in self._rows(series, "data_ranges", "start_time", "{end_time}, candle_count"):
            cells = series.cells(Period(start, end))
            assert start < end, "P8: not empty, not inverted"
            assert last_end is None or last_end < start, "P8: disjoint, not adjacent"
            assert count == len(cells & held.rows.keys()), "P8: the range counts its candles"
            held.covered |= cells
            last_end = end
        return held

    def _rows(self, series: Series, table: str, first: str, columns: str) -> list[Any]:
        ms = "CAST(extract(epoch FROM {}) * 1000 AS bigint)".format
        columns = columns.format(end_time=ms("end_time"), confirmed_at=ms("confirmed_at"))
        query = (
            f"SELECT {ms(first)}, {columns} FROM {table} JOIN symbols AS s ON s.id = symbol_id "
            f"WHERE s.exchange = %s AND timeframe = %s ORDER BY {first}"
        )
        return self.admin.execute(query.encode(), [series.exchange, series.timeframe.name]).fetchall()

    def first_candle(self, series: Series) -> int | None:
        rows = self._rows(series, "series_state", "first_candle", "0")
        return rows[0][0] if rows else None

    def is_banned(self, series: Series) -> bool:
        """Whether the programs know of a ban that has not ended by the local clock."""
        query = b"SELECT CAST(extract(epoch FROM blocked_until) * 1000 AS bigint) FROM exchange_state WHERE exchange = %s"
        row = self.admin.execute(query, [f"{series.exchange} ban"]).fetchone()
        return row is not None and row[0] > self.local_ms()

    def row_versions(self) -> list[Any]:
        """Where every row lies and which transaction wrote it: changes when anything is written, even the same again."""
        parts = (f"SELECT '{name}', ctid::text, xmin::text FROM {name}" for name in TABLES[:4])
        return sorted(self.admin.execute(" UNION ALL ".join(parts).encode()).fetchall())

    def claim(self, series: Series, period: Period) -> None:
        """Someone writes a row into data_ranges, which may end before it starts."""
        self.admin.execute(
            "INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count) "
            "SELECT id, %s, to_timestamp(%s), to_timestamp(%s), 7 FROM symbols WHERE exchange = %s ON CONFLICT DO NOTHING",
            [series.timeframe.name, period.start / 1000, period.end / 1000, series.exchange],
        )

    def delete_candles(self, series: Series, period: Period) -> None:
        """Someone deletes candles and leaves the record as it was."""
        self.admin.execute(
            "DELETE FROM ohlcv_data USING symbols AS s WHERE s.id = symbol_id AND s.exchange = %s AND timeframe = %s "
            "AND timestamp >= to_timestamp(%s) AND timestamp < to_timestamp(%s)",
            [series.exchange, series.timeframe.name, period.start / 1000, period.end / 1000],
        )

    def cut_connections(self) -> None:
        """Every program loses its connections to the database."""
        self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
