"""A year of 1m candles into the database, out of it, and down from an exchange, next to what others do.

    .venv/bin/python -m benchmarks.data [--candles 525600] [--repeat 5] [--download 50000] [--large]

Starts a private PostgreSQL in a temporary folder; prints Markdown tables. asyncpg and adbc_driver_postgresql are
measured where they are installed (they are no dependency of the program). `--large` downloads 4.2 million candles.
"""

import argparse
import asyncio
import importlib.util
import io
import multiprocessing
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from sqlalchemy import create_engine

from benchmarks.ohlcv_id import walk
from engine.data.candle_cache import CandleCache
from engine.data.exchanges.loopback import FUTURES_PATH, Listing, LoopbackExchange, Reply
from engine.data.fetcher import DataFetcher
from engine.database.codec import copy_binary
from engine.database.connection import parse_url
from engine.database.embedded import release_embedded, start_embedded
from engine.database.store import Store
from engine.events import Event, Progress
from engine.model.market import MINUTE_MS, Candles, Market, Period, Timeframe
from engine.settings import read_settings
from tests.support.fake_archive import FakeArchive, Spoil

MINUTE = Timeframe("1m")
MARKET = Market("binanceusdm", "BENCHUSDT", "BENCH/USDT:USDT")
PAGE = 499  # candles a page of the exchange has
COLUMNS = "timestamp, open, high, low, close, volume"
SELECT = f"SELECT {COLUMNS} FROM ohlcv_data WHERE symbol_id = 1 AND timeframe = '1m' ORDER BY timestamp"
Work = Callable[[], object]


def timed(work: Work) -> float:
    """Seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(title: str, base: str, works: Mapping[str, tuple[Work, Work]], count: int, repeat: int) -> None:
    """Print medians of (prepare, measured) pairs that take turns, and their ratio to `base`."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, (prepare, work) in works.items():
            prepare()
            seconds[name].append(timed(work))
    print(f"\n| {title} | median | best | candles/s | of {base} |\n|---|---|---|---|---|")
    against = statistics.median(seconds[base])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(
            f"| {name} | {show(median)} | {show(min(taken))} | {count / median:,.0f} | {median / against:.2f} |",
            flush=True,
        )


def show(seconds: float) -> str:
    """Seconds for people."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def nothing() -> None:
    """What needs no preparation."""


class Table:
    """The real table, filled and emptied."""

    def __init__(self, url: str, candles: Candles) -> None:
        self.url, self.candles = url, candles
        self.store = Store(url)
        self.store.migrate()
        last = int(candles.timestamp[-1])
        self.period = Period(int(candles.timestamp[0]), MINUTE.next(last))
        self.store.candles.add_page(
            MARKET, MINUTE, candles.slice(0, 1), [Period(self.period.start, self.period.start + MINUTE_MS)]
        )
        self.connection = psycopg.connect(url, autocommit=True)
        self.frame = candles.frame().reset_index()
        self.frame.insert(0, "timeframe", "1m")
        self.frame.insert(0, "symbol_id", 1)
        self.stream = b"".join(copy_binary(candles, (1, "1m")))

    def empty(self) -> None:
        """No candle, no range; like new on the disk."""
        self.connection.execute("TRUNCATE ohlcv_data, data_ranges, missing_candles")
        self.connection.execute("CHECKPOINT")

    def fill(self) -> None:
        """All candles, covered."""
        self.empty()
        self.add()

    def add(self, page: int | None = None) -> None:
        """As a fetch does: pages, each proven."""
        for start in range(0, len(self.candles), page or len(self.candles)):
            part = self.candles.slice(start, start + (page or len(self.candles)))
            first, last = int(part.timestamp[0]), int(part.timestamp[-1])
            self.store.candles.add_page(MARKET, MINUTE, part, [Period(first, last + MINUTE_MS)])

    def bare_copy(self) -> None:
        """The least that PostgreSQL can do: binary COPY straight into the table, nothing proven."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(
                f"COPY ohlcv_data (symbol_id, timeframe, {COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()
            ) as copy,
        ):
            copy.write(self.stream)

    def copy_text(self) -> None:
        """psycopg's own way, row by row."""
        rows = self.frame.itertuples(index=False, name=None)
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY ohlcv_data (symbol_id, timeframe, {COLUMNS}) FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def to_sql(self) -> None:
        """pandas."""
        engine = create_engine(parse_url(self.url))
        self.frame.to_sql("ohlcv_data", engine, if_exists="append", index=False, chunksize=10_000)
        engine.dispose()

    def read_sql(self) -> pd.DataFrame:
        """pandas."""
        engine = create_engine(parse_url(self.url))
        frame = pd.read_sql(SELECT, engine, index_col="timestamp")
        engine.dispose()
        return frame

    def fetch_rows(self) -> list[Any]:
        """psycopg: tuples of Python objects."""
        return self.connection.cursor(binary=True).execute(SELECT.encode()).fetchall()

    def copy_out(self) -> Any:
        """psycopg: binary COPY, decoded by numpy."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY ({SELECT}) TO STDOUT (FORMAT BINARY)".encode()) as copy,
        ):
            return _decode(b"".join(map(bytes, copy)))

    def asyncpg_copy(self) -> Any:
        """asyncpg: binary COPY, decoded by numpy."""

        async def read() -> bytes:
            import asyncpg

            host = parse_url(self.url).query["host"]
            url = parse_url(self.url)
            connection = await asyncpg.connect(host=host, user=url.username, database=url.database)
            out = io.BytesIO()

            async def keep(data: bytes) -> None:
                out.write(data)

            await connection.copy_from_query(SELECT, output=keep, format="binary")
            await connection.close()
            return out.getvalue()

        return _decode(asyncio.run(read()))

    def adbc(self) -> Any:
        """ADBC: Arrow columns over binary COPY."""
        import adbc_driver_postgresql.dbapi

        with adbc_driver_postgresql.dbapi.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(SELECT)
            table = cursor.fetch_arrow_table()
            return [column.to_numpy() for column in table.columns]


def _decode(stream: bytes) -> Any:
    """Columns of a binary COPY of (timestamptz, 5 x float8)."""
    kinds = [">i8"] + [">f8"] * 5
    row = np.dtype(
        [
            ("n", ">i2"),
            *(pair for i, kind in enumerate(kinds) for pair in ((f"s{i}", ">i4"), (f"c{i}", kind))),
        ]
    )
    rows = np.frombuffer(stream, dtype=row, offset=19, count=(len(stream) - 21) // row.itemsize)
    return [rows[f"c{i}"].astype(kind[1:]) for i, kind in enumerate(kinds)]


def has(module: str) -> bool:
    """Whether a package that is no dependency is installed."""
    return importlib.util.find_spec(module) is not None


def measure_writes(table: Table, folder: Path, repeat: int) -> None:
    """Candles in."""
    count, parquet = len(table.candles), folder / "candles.parquet"
    compare(
        "write",
        "bare COPY",
        {
            "bare COPY": (table.empty, table.bare_copy),
            "Store.add_page, new": (table.empty, table.add),
            "Store.add_page, again": (nothing, table.add),
            f"Store.add_page, pages of {PAGE}, new": (table.empty, lambda: table.add(PAGE)),
            f"Store.add_page, pages of {PAGE}, again": (nothing, lambda: table.add(PAGE)),
            "psycopg COPY, row by row": (table.empty, table.copy_text),
            "Parquet file": (nothing, lambda: table.frame.to_parquet(parquet)),
        },
        count,
        repeat,
    )
    table.empty()
    part = Table(table.url, table.candles.slice(0, count // 10))
    part.empty()
    seconds = timed(part.to_sql)
    print(f"| pandas.to_sql (a tenth of it, once) | {show(seconds * 10)} | | {count / 10 / seconds:,.0f} | |")


def measure_reads(table: Table, folder: Path, repeat: int) -> None:
    """Candles out, first and again."""
    table.fill()
    parquet, cache = folder / "candles.parquet", CandleCache(table.store, folder / "cache")
    plain = folder / "plain.npy"
    table.candles.save(plain)

    def drop() -> None:
        shutil.rmtree(folder / "cache", ignore_errors=True)

    def load() -> Candles:
        return cache.load(MARKET, MINUTE, table.period).candles

    works: dict[str, tuple[Work, Work]] = {
        "Store.read": (nothing, lambda: table.store.candles.read(MARKET, MINUTE, table.period)),
        "CandleCache.load, first (reads, writes the file)": (drop, load),
        "psycopg binary COPY + numpy": (nothing, table.copy_out),
        "psycopg rows": (nothing, table.fetch_rows),
        "pandas.read_sql": (nothing, table.read_sql),
        "Parquet file": (nothing, lambda: pd.read_parquet(parquet)),
    }
    if has("asyncpg"):
        works["asyncpg binary COPY + numpy"] = (nothing, table.asyncpg_copy)
    if has("adbc_driver_postgresql"):
        works["ADBC"] = (nothing, table.adbc)
    compare("read", "Store.read", works, len(table.candles), repeat)

    def total(candles: Candles) -> float:
        return float(sum(column.sum() for column in candles.columns().values()))

    load()
    compare(
        "load again",
        "numpy memmap, every value touched",
        {
            "numpy memmap, every value touched": (nothing, lambda: np.load(plain, mmap_mode="r").sum(axis=1)),
            "CandleCache.load, every value touched": (nothing, lambda: total(load())),
            "the same, by a program that starts": (
                nothing,
                lambda: total(
                    CandleCache(table.store, folder / "cache").load(MARKET, MINUTE, table.period).candles
                ),
            ),
            "numpy memmap, only mapped": (nothing, lambda: np.load(plain, mmap_mode="r")),
            "CandleCache.load, only mapped": (nothing, load),
        },
        len(table.candles),
        max(repeat, 9),
    )


class SlowExchange(LoopbackExchange):
    """Answers after a while, as a far exchange does."""

    def __init__(self, candles: Candles, latency_s: float) -> None:
        listed = int(candles.timestamp[0])
        listing = Listing(FUTURES_PATH, "BENCH", "USDT", {"1m": candles}, listed)
        super().__init__([listing], lambda: int(candles.timestamp[-1]) + 2 * MINUTE_MS)
        self.latency_s = latency_s

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        """The right answer, late."""
        time.sleep(self.latency_s)
        return super().reply(path, params)


def serve(count: int, latency_s: float, pipe: Connection) -> None:
    """A process of its own, so that the exchange's work is not measured."""
    candles = walk(count)
    with SlowExchange(candles, latency_s) as exchange, FakeArchive() as archive:
        archive.always = Spoil(delay_s=latency_s)
        archive.add(MARKET.name, "1m", candles)
        pipe.send((exchange.url, archive.url))
        pipe.recv()


def peak_mb() -> float:
    """The most memory that this process ever had, MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def download(url: str, home: Path, exchange: str, archive: str, count: int, pipe: Connection) -> None:
    """Fetch everything in a process of its own; reports seconds, pages, progress events and its highest memory."""
    settings = read_settings(database_url=url, home=home, futures_url=exchange, archive_url=archive)
    first, events = walk(1).timestamp[0], []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            events.append(event)

    fetcher = DataFetcher(settings=settings)
    market = fetcher.market("BENCHUSDT")
    before = peak_mb()
    began = time.perf_counter()
    period = Period(int(first), int(first) + count * MINUTE_MS)
    report = fetcher.fetch(market, MINUTE, period, job="benchmark", on_event=listen)
    seconds = time.perf_counter() - began
    fetcher.close()
    pipe.send((seconds, report.candles, report.requests, len(events), before, peak_mb()))


def measure_download(url: str, home: Path, count: int, latency_s: float, *, bulk: bool) -> None:
    """One line for one download, by pages only or by daily files."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(count, latency_s, theirs))
    server.start()
    exchange, archive = ours.recv()
    mine, yours = context.Pipe()
    client = context.Process(
        target=download, args=(url, home, exchange, archive if bulk else "off", count, yours)
    )
    client.start()
    seconds, candles, requests, events, before, peak = mine.recv()
    client.join()
    ours.send("stop")
    server.join()
    print(
        f"| {candles:,} candles by {'daily files' if bulk else 'pages'}, {latency_s * 1000:.0f} ms latency | "
        f"{seconds:.1f} s | {requests:,} | "
        f"{candles / seconds:,.0f} | {events:,} | {before:.0f} | {peak:.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candles", type=int, default=525_600)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--download", type=int, default=50_000, help="candles to download with 50 ms latency")
    parser.add_argument("--large", action="store_true", help="download 4.2 million candles, too")
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="backtest-benchmark-"))
    home.chmod(0o755)
    threading.current_thread().name = "benchmark"
    try:
        url = start_embedded(home)
        print(f"{chosen.candles:,} candles, {chosen.repeat} rounds")
        table = Table(url, walk(chosen.candles))
        measure_writes(table, home, chosen.repeat)
        measure_reads(table, home, chosen.repeat)
        table.connection.close()
        print(
            "\n| download | time | candle requests | candles/s | progress events | MB before | MB at most |\n"
            "|---|---|---|---|---|---|---|"
        )
        sizes = [(chosen.download, 0.05)] + ([(4_200_000, 0.0)] if chosen.large else [])
        for count, latency_s in sizes:
            for bulk in (False, True):
                table.store.candles.forget(MARKET, MINUTE, Period(0, 2**42))
                measure_download(url, home, count, latency_s, bulk=bulk)
        table.store.close()
    finally:
        release_embedded(home)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
