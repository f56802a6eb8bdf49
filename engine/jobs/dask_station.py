"""What a Dask worker opens when it is first asked: this machine's own pool, and a folder for what it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.jobs.local_pool import have_kernels, kernels_of, open_pool
from engine.jobs.parcels import identity, unpack
from engine.parallel.content import ContentFolder
from engine.settings import read_settings

if TYPE_CHECKING:
    from engine.parallel.dask_worker import Station

CONTENTS: Final = "cluster"  # in the cache folder


def open_station(jobs: int) -> Station:
    """The pool for so many jobs at once, its kernels compiled, its processes on their way. Raises a BacktestError.

    Of the settings it heeds BACKTEST_HOME and BACKTEST_RUN_MEMORY_MB; it opens neither a database nor an exchange.
    """
    from engine.parallel.dask_worker import Station

    settings = read_settings(cluster=None)
    contents = ContentFolder.claimed(settings.cache_folder / CONTENTS)
    kernels = kernels_of(settings)
    pool = open_pool(settings, jobs, kernels)
    have_kernels(pool, kernels)
    pool.warm_up()
    return Station(pool, contents, unpack, identity())
