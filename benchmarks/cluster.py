"""Sweeps on real Dask workers on this machine beside its own pool, and what one job costs on the way.

    .venv/bin/python -m benchmarks.cluster [--workers 1 2 4] [--trials 1000 20000] [--repeat 3] [--probes 200]

Starts a private PostgreSQL, a Dask scheduler and one-thread workers; prints Markdown tables. Pool and cluster take turns, so
that what else the machine does hits both. Real hours of the test data (set BACKTEST_TEST_DATA to its folder).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.sweeps import MARKET, candles_of, engine_with, spec_of
from engine.model.ranges import parse_range
from engine.model.sweep_spec import SweepSpec
from engine.parallel.tasks import ProbeTask, submit
from engine.service import Engine
from tests.support.local_dask import LocalDask

GRIDS = {
    1_000: {"fast": "5:29:1", "slow": "30:225:5"},
    20_000: {"fast": "5:104:1", "slow": "105:304:1"},
}
CANDLES = 4_368


def sweep_s(engine: Engine, spec: SweepSpec, trials: int) -> tuple[float, object]:
    """Seconds of a sweep, and its best trial."""
    began = time.perf_counter()
    result = engine.research.optimize(spec, fetch=False)
    assert (result.done, result.failed) == (trials, 0), result.error
    return time.perf_counter() - began, result.best


def probes_s(engine: Engine, count: int) -> tuple[float, float]:
    """Seconds a job that does nothing takes: one after the other, and all at once."""
    executor = engine._resources.executor
    began = time.perf_counter()
    for _ in range(count):
        submit(executor, ProbeTask(), timeout_s=60).result(60)
    between = time.perf_counter()
    for job in [submit(executor, ProbeTask(), timeout_s=60) for _ in range(count)]:
        job.result(60)
    return (between - began) / count, (time.perf_counter() - between) / count


@contextmanager
def both(workers: int) -> Iterator[tuple[Engine, Engine, SweepSpec]]:
    """An engine with a pool of so many processes, and one with as many Dask workers, on one database."""
    candles, timeframe = candles_of(CANDLES)
    spec = replace(spec_of("ema_cross", candles, timeframe), symbol=MARKET.name)
    with (
        tempfile.TemporaryDirectory(prefix="bench-cluster-", dir="/tmp") as folder,
        engine_with(candles, timeframe, workers) as here,
    ):
        dask = LocalDask(Path(folder))
        try:
            for _ in range(workers):
                dask.add_worker()
            dask.connect(workers).close()
            url = here._resources.store.database.url.render_as_string(hide_password=False)
            settings = replace(
                here.settings, cluster=dask.address, home=Path(folder) / "own", database_url=url
            )
            with Engine(settings) as there:
                yield here, there, spec
        finally:
            dask.close()


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--trials", type=int, nargs="*", default=list(GRIDS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--probes", type=int, default=200)
    chosen = parser.parse_args()
    print(
        "| workers | trials | pool: median | best | cluster: median | best | efficiency (of medians) | of bests |\n"
        + "|---" * 8
        + "|"
    )
    jobs = []
    for workers in chosen.workers:
        with both(workers) as (here, there, base):
            for trials in chosen.trials:
                ranges = {name: parse_range(text) for name, text in GRIDS[trials].items()}
                spec = replace(base, ranges=ranges)
                pool, cluster = [], []
                for turn in range(chosen.repeat + 1):
                    one, other = sweep_s(here, spec, trials), sweep_s(there, spec, trials)
                    assert one[1] == other[1]
                    if turn:  # the first one of each begins cold
                        pool.append(one[0])
                        cluster.append(other[0])
                medians = statistics.median(pool), statistics.median(cluster)
                print(
                    f"| {workers} | {trials:,} | {medians[0]:.2f} s | {min(pool):.2f} s | {medians[1]:.2f} s "
                    f"| {min(cluster):.2f} s | {medians[0] / medians[1]:.0%} | {min(pool) / min(cluster):.0%} |",
                    flush=True,
                )
            if chosen.probes:
                jobs.append((workers, probes_s(here, chosen.probes), probes_s(there, chosen.probes)))
    print(
        "\n| workers | pool: one after the other | all at once | cluster: one after the other | all at once |"
    )
    print("|---" * 5 + "|")
    for workers, here_s, there_s in jobs:
        cells = " | ".join(f"{1_000 * seconds:.1f} ms" for seconds in (*here_s, *there_s))
        print(f"| {workers} | {cells} |")


if __name__ == "__main__":
    main()
