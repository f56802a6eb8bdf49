"""Whether questions about one series slow down while `ohlcv_data` grows tenfold, twice.

    .venv/bin/python -m benchmarks.growth [--candles 100000] [--symbols 1 10 100] [--repeat 15]

Starts a private PostgreSQL in a temporary folder and fills it with so many 1m candles of each symbol, by `Store.add_page` as
a fetch does; prints a Markdown table. Asked are the symbol that was written first and one in the middle, by turns.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks.data import show, timed
from benchmarks.ohlcv_id import walk
from engine.database.embedded import release_embedded, start_embedded
from engine.database.store import Store
from engine.model.market import MINUTE_MS, Candles, Market, Period, Timeframe

MINUTE = Timeframe("1m")
PAGE = 100_000  # candles of one commit


def market(number: int) -> Market:
    """One of the symbols."""
    return Market("binanceusdm", f"GROW{number}USDT", f"GROW{number}/USDT:USDT")


def fill(store: Store, number: int, candles: Candles) -> None:
    """The candles as the history of one symbol."""
    for first in range(0, len(candles), PAGE):
        part = candles.slice(first, first + PAGE)
        period = Period(int(part.timestamp[0]), int(part.timestamp[-1]) + MINUTE_MS)
        store.candles.add_page(market(number), MINUTE, part, [period])


def measured(store: Store, url: str, candles: Candles, symbols: int, repeat: int, write_s: float) -> None:
    """One row: medians of the questions, about the first symbol and about one in the middle of the others."""
    whole = Period(int(candles.timestamp[0]), int(candles.timestamp[-1]) + MINUTE_MS)
    wider = Period(whole.start - 1_000 * MINUTE_MS, whole.end + 1_000 * MINUTE_MS)
    month = Period(whole.end - 43_200 * MINUTE_MS, whole.end)
    asked = (0, symbols // 2)
    works = {
        "gaps": lambda number: store.candles.coverage(market(number), MINUTE, wider),
        "whole": lambda number: store.candles.read(market(number), MINUTE, whole),
        "month": lambda number: store.candles.read(market(number), MINUTE, month),
    }
    assert len(store.candles.coverage(market(0), MINUTE, wider).gaps) == 2
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            for number in asked:
                taken[name].append(timed(lambda work=work, number=number: work(number)))  # type: ignore[misc]
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_table_size('ohlcv_data'), pg_indexes_size('ohlcv_data'), count(*) FROM ohlcv_data"
        ).fetchone()
    assert row is not None
    table, index, count = row
    times = " | ".join(f"{show(statistics.median(one))} | {show(min(one))}" for one in taken.values())
    print(
        f"| {symbols} | {count:,} | {table / 1e6:,.0f} | {index / 1e6:,.0f} | {write_s:.1f} s | {times} |",
        flush=True,
    )


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candles", type=int, default=100_000)
    parser.add_argument("--symbols", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--repeat", type=int, default=15)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bench-growth-", dir="/tmp"))
    home.chmod(0o755)
    try:
        url = start_embedded(home)
        store = Store(url)
        store.migrate()
        candles = walk(chosen.candles)
        print(
            "| symbols | candles | table MB | indexes MB | writing what was added "
            "| gap query | best | load of one symbol | best | a month of it | best |\n" + "|---" * 11 + "|"
        )
        held = 0
        for symbols in chosen.symbols:
            began = time.perf_counter()
            for number in range(held, symbols):
                fill(store, number, candles)
            held, write_s = symbols, time.perf_counter() - began
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
            measured(store, url, candles, symbols, chosen.repeat, write_s)
        store.close()
    finally:
        release_embedded(home)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
