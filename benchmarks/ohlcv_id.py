"""Is `ohlcv_data.id` worth its index? A year of 1m candles into and out of both shapes of the table.

    .venv/bin/python -m benchmarks.ohlcv_id [--candles 525600] [--repeat 5]

Starts a private PostgreSQL in a temporary folder; prints a Markdown table of best times.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg

from engine.database.codec import copy_binary
from engine.database.embedded import release_embedded, start_embedded
from engine.model.market import MINUTE_MS, Candles

COLUMNS = "symbol_id, timeframe, timestamp, open, high, low, close, volume"
SHARED = """symbol_id integer NOT NULL, timeframe varchar(5) NOT NULL, timestamp timestamptz NOT NULL,
    open float8 NOT NULL, high float8 NOT NULL, low float8 NOT NULL, close float8 NOT NULL, volume float8 NOT NULL"""
SHAPES = {
    "id BIGSERIAL + UNIQUE": f"id bigserial PRIMARY KEY, {SHARED}, UNIQUE (symbol_id, timeframe, timestamp)",
    "natural primary key": f"{SHARED}, PRIMARY KEY (symbol_id, timeframe, timestamp)",
}
READ = """SELECT array_agg(timestamp), array_agg(open), array_agg(high), array_agg(low), array_agg(close), array_agg(volume)
    FROM (SELECT * FROM candles WHERE symbol_id = 1 AND timeframe = '1m' ORDER BY timestamp) AS held"""


def walk(count: int) -> Candles:
    """A random walk of prices, one candle a minute."""
    close = 100 + np.cumsum(np.random.default_rng(1).normal(scale=0.01, size=count))
    opens = 1_704_067_200_000 + np.arange(count, dtype=np.int64) * MINUTE_MS
    return Candles(opens, close, close + 1, close - 1, close, np.abs(close) * 1e3)


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write(connection: psycopg.Connection, candles: Candles, page: int) -> None:
    """As Store.add_page does: COPY BINARY into a temporary table, then INSERT ... ON CONFLICT, one commit a page."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS page (LIKE candles) ON COMMIT DELETE ROWS")
    for name in ("id", "symbol_id", "timeframe"):
        connection.execute(f"ALTER TABLE page DROP COLUMN IF EXISTS {name}".encode())
    for start in range(0, len(candles), page):
        columns = "timestamp, open, high, low, close, volume"
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY page ({columns}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
        ):
            copy.write(b"".join(copy_binary(candles.slice(start, start + page))))
        connection.execute(
            f"INSERT INTO candles ({COLUMNS}) SELECT 1, '1m', {columns} FROM page ORDER BY timestamp "
            "ON CONFLICT DO NOTHING".encode()
        )
        connection.commit()
    connection.execute("DROP TABLE page")
    connection.commit()


def measure(connection: psycopg.Connection, shape: str, candles: Candles, page: int) -> list[float]:
    """Seconds of a write, of the same write again and of a read; then bytes of table and of indexes."""
    connection.execute("DROP TABLE IF EXISTS candles")
    connection.execute(f"CREATE TABLE candles ({shape})".encode())
    connection.commit()
    cursor = connection.cursor(binary=True)  # its answer stays binary: no time for Python lists
    times = [
        timed(lambda: write(connection, candles, page)),
        timed(lambda: write(connection, candles, page)),
        timed(lambda: cursor.execute(READ)),
    ]
    sizes = connection.execute("SELECT pg_table_size('candles'), pg_indexes_size('candles')").fetchone()
    assert sizes is not None
    return [*times, *sizes]


def compare(url: str, candles: Candles, page: int, repeat: int) -> None:
    """Print the best of `repeat` rounds for both shapes; they take turns, so that a busy machine hits both."""
    rounds: dict[str, list[list[float]]] = {name: [] for name in SHAPES}
    with psycopg.connect(url) as connection:
        for _ in range(repeat):
            for name, shape in SHAPES.items():
                rounds[name].append(measure(connection, shape, candles, page))
    for name, measured in rounds.items():
        first, again, read, table, index = map(min, zip(*measured, strict=True))
        print(
            f"| {name} | {page:,} | {first:.2f} s | {again:.2f} s | {read:.3f} s | {table / 1e6:.1f} | {index / 1e6:.1f} |",
            flush=True,
        )


def main() -> None:
    """Measure bulk, and pages as the exchange serves them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candles", type=int, default=525_600)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="backtest-benchmark-"))
    home.chmod(0o755)
    try:
        url = start_embedded(home)
        print(
            "| table | page | write | write again | read | table MB | indexes MB |\n|---|---|---|---|---|---|---|"
        )
        for page in (chosen.candles, 499):
            compare(url, walk(chosen.candles), page, chosen.repeat)
    finally:
        release_embedded(home)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
