"""What a command does before it begins: little is imported, and a bad value is refused while nothing has started."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plain_process import ROOT, PlainProcess, error_line, run_plain

SERIES = ("SAMPLEUSDT", "-t", "1h", "--exchange", "sample")
MONTH = ("--start", "2023-03-01", "--end", "2023-03-31")
RUN = ("run", "-s", *SERIES, "-S", "ema_cross", *MONTH)
SWEEP = ("optimize", "-s", *SERIES, "-S", "ema_cross", *MONTH, "--grid", "fast=5:8:1")
HEAVY = {
    "dask", "distributed", "tornado",
    "alembic", "backtesting", "bokeh", "ccxt", "llvmlite", "numba", "pandas", "pandas_ta_classic", "pyarrow", "pydantic",
    "requests", "PySide6", "fastapi", "starlette", "uvicorn",
}  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home that remembers what the strategies are."""
    home = tmp_path_factory.mktemp("known")
    places = {"BACKTEST_HOME": str(home / "data")}
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"} | places
    assert run_plain(["strategies"], environment, home).returncode == 0
    return places


def imported(arguments: tuple[str, ...], environment: dict[str, str]) -> set[str]:
    """The packages that a command imports."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "engine", *arguments],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin"} | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.long
@pytest.mark.parametrize("arguments", [("runs",), ("status", *SERIES, *MONTH)], ids=lambda one: one[0])
def test_a_command_that_asks_the_database_imports_nothing_else(
    known: dict[str, str], database_url: str, arguments: tuple[str, ...]
):
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": database_url} | known
    assert (
        run_plain(["symbols", "--exchange", "sample"], environment, ROOT).returncode == 0
    )  # asked once, and kept
    names = imported(arguments, environment)
    assert "sqlalchemy" in names
    assert names & (HEAVY | {"rich"}) == set()


@pytest.mark.long
def test_the_list_of_strategies_imports_no_database(known: dict[str, str]):
    names = imported(("strategies", "--json"), known)
    assert names & (HEAVY | {"rich", "sqlalchemy", "psycopg"}) == set()


class Doorbell:
    """Stands where a database is said to be and counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.url = (
            f"postgresql://somebody@127.0.0.1:{self._socket.getsockname()[1]}/nowhere?connect_timeout=2"
        )

    def rang(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def doorbell() -> Iterator[Doorbell]:
    """Nobody's database."""
    bell = Doorbell()
    yield bell
    bell.close()


REFUSED = {
    "no equals sign": (*RUN, "--param", "fast"),
    "no name": (*RUN, "--param", "=5"),
    "not the parameter's type": (*RUN, "--param", "fast=abc"),
    "beyond its bounds": (*RUN, "--param", "ema_cross.fast=0"),
    "unknown parameter": (*RUN, "--param", "nonsense=1"),
    "unknown strategy": ("run", "-s", *SERIES, "-S", "nonsense", *MONTH),
    "bad date": ("run", "-s", *SERIES, "-S", "ema_cross", "--start", "soon", "--end", "2024-01-01"),
    "end before start": ("fetch", *SERIES, "--start", "2024-01-02", "--end", "2024-01-01"),
    "bad timeframe": ("status", "SAMPLEUSDT", "-t", "7m", *MONTH),
    "bad timeframe to verify": ("verify", "SAMPLEUSDT", "-t", "7m"),
    "bad engine": (*RUN, "--engine", "fast"),
    "negative warm-up": (*RUN, "--warmup", "-1"),
    "negative cash": (*RUN, "--cash", "-5"),
    "cash that is no number": (*RUN, "--cash", "nan"),
    "commission of everything": (*RUN, "--commission", "1"),
    "unknown exchange": ("symbols", "--exchange", "mars"),
    "no cuts": ("lookahead", "ema_cross", "--cuts", "0"),
    "a parameter to look ahead with": ("lookahead", "ema_cross", "--param", "fast=abc"),
    "a range of nothing": (*SWEEP, "--grid", "slow=9:5:1"),
    "a range that is none": (*SWEEP, "--grid", "slow"),
    "a range beyond the bounds": (*SWEEP, "--grid", "slow=1:5:1"),
    "a constraint that cannot be read": (*SWEEP, "--constraint", "fast <"),
    "a constraint over nothing known": (*SWEEP, "--constraint", "fast < size"),
    "a constraint that leaves nothing": (*SWEEP, "--constraint", "fast > 100"),
    "unknown objective": (*SWEEP, "--objective", "luck"),
    "a fixed parameter of a sweep": (*SWEEP, "--param", "slow=abc"),
    "trials of a grid": (*SWEEP, "--sampler", "grid", "--trials", "5"),
    "a file of no format": ("candles", *SERIES, *MONTH, "--out", "candles.txt"),
    "a field of no column": ("import", "file.csv", "-s", *SERIES, "--columns", "price=3"),
    "a limit of nothing": ("runs", "--limit", "0"),
}


@pytest.mark.long
@pytest.mark.long_except("a limit of nothing", "no cuts", "unknown parameter", "bad date")
@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_value_is_refused_before_anything_starts(
    plain_process: PlainProcess, known: dict[str, str], doorbell: Doorbell, case: str
):
    ended = plain_process(
        *REFUSED[case], DATABASE_URL=doorbell.url, BACKTEST_FUTURES_URL="http://127.0.0.1:9", **known
    )
    assert ended.returncode == 2
    assert error_line(ended)
    assert ended.stdout == ""
    assert not doorbell.rang()
    home = Path(known["BACKTEST_HOME"])
    assert not list(home.glob("cache/workers/pool-*"))
    assert not (home / "postgres").exists()


@pytest.mark.long
def test_the_doorbell_hears_a_command_whose_values_are_good(
    plain_process: PlainProcess, known: dict[str, str], doorbell: Doorbell
):
    ended = plain_process("runs", DATABASE_URL=doorbell.url, **known)
    assert (ended.returncode, doorbell.rang()) == (4, True)


@pytest.mark.long
def test_a_value_of_a_strategy_nobody_has_looked_at_is_refused_before_the_database(
    plain_process: PlainProcess, doorbell: Doorbell
):
    ended = plain_process(*RUN, "--param", "fast=abc", DATABASE_URL=doorbell.url)
    assert ended.returncode == 2
    assert "ema_cross: fast must be a whole number" in error_line(ended)
    assert not doorbell.rang()
