"""What each process of the program imports and compiles: the parent nothing, a worker only what its runs need."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import CancelToken, Event, Started
from engine.jobs.kernels import VARIABLE, has_kernels, installed_folder, kernel_folder
from engine.jobs.local_pool import WORKER_IMPORTS
from engine.model.market import Period, Timeframe
from engine.model.run import FINISHED, RunSpec
from engine.model.sweep_spec import SweepSpec
from engine.parallel.job import Done
from engine.parallel.pool import WorkerPool
from engine.parallel.tasks import RunTask, submit
from engine.service import Engine
from engine.settings import Settings
from tests.support.builders import random_candles
from tests.support.tasks import run_task

ROOT = Path(__file__).parents[3]
INSTALLED = installed_folder()
HEAVY = {"backtesting", "bokeh", "ccxt", "sqlalchemy", "psycopg", "PySide6"}


def task_of(candles: Path, strategy: str) -> RunTask:
    return run_task(candles, ROOT / "strategies" / f"{strategy}.py", held=100)


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["ema_cross", "vwap_supertrend_ema"])
def test_a_worker_that_ran_compiled_has_not_imported_backtesting_py(tmp_path: Path, strategy: str) -> None:
    random_candles(400, 7).save(tmp_path / "candles.npy")
    with WorkerPool(1, tmp_path, memory_mb=4096, preload=WORKER_IMPORTS) as pool:
        run = submit(pool, task_of(tmp_path / "candles.npy", strategy), timeout_s=100).result(100)
        assert isinstance(run, Done), run
        assert run.value.engine == "compiled"
        loaded = pool.submit("tests.engine.parallel.jobs:modules", {}, timeout_s=100).result(100)
    assert isinstance(loaded, Done)
    assert "numba" in loaded.value
    assert not HEAVY & set(loaded.value)


def test_the_program_itself_imports_neither_engine(tmp_path: Path) -> None:
    script = """
import json, sys
import engine.cli, engine.service.engine, engine.runs.batch, engine.runs.record, engine.service.doctor
import engine.runs.crosscheck, engine.model.metric_definitions
from engine.events import CancelToken, ignore_event
with engine.service.Engine() as program:
    program.runs.warm_up(ignore_event, CancelToken())
    assert [info.error for info in program.strategies.all()] == [None] * 11
print(json.dumps(sorted(sys.modules)))
"""
    environment = os.environ | {"BACKTEST_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert not {"numba", "llvmlite", "backtesting", "bokeh"} & set(json.loads(ended.stdout))


def kernels_in(folder: Path) -> set[Path]:
    """Of the program's own: tests that import other compiled libraries keep theirs beside them."""
    own = (file for part in ("kernel_*", "indicators_*") for file in folder.glob(f"{part}/*.nb[ic]"))
    return {file.relative_to(folder) for file in own}


@pytest.mark.long
def test_the_first_start_compiles_nothing_because_the_environment_has_every_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.delenv(VARIABLE)
    events: list[Event] = []
    with Engine(Settings(home=tmp_path / "home", workers=1, database_url=database_url)) as program:
        names = [info.name for info in program.strategies.all(on_event=events.append)]
        period = Period.parse("2024-03-01", "2024-03-31")
        asked = ("SAMPLEUSDT", "sample", Timeframe("1h"), period)
        runs = program.runs.run([RunSpec(name, *asked) for name in names], on_event=events.append)
        assert {run.status for run in runs} == {FINISHED}
        sweep = SweepSpec("ema_cross", *asked, {"fast": (5, 8), "slow": (20, 30)})
        assert program.research.optimize(sweep, on_event=events.append).done == 4
        again = program.research.lookahead(RunSpec("macd_trend", *asked), cuts=3, on_event=events.append)
        assert again.lookahead["status"] == "passed"
        assert program._resources.kernels.is_relative_to(tmp_path / "home" / "cache" / "numba")
        assert kernels_in(program._resources.kernels) == kernels_in(INSTALLED)
    assert "compile" not in {event.kind for event in events if isinstance(event, Started)}


@pytest.mark.long
def test_every_form_in_which_an_indicator_can_be_called_is_compiled_already() -> None:
    folder = Path(os.environ[VARIABLE])
    before = kernels_in(folder)
    assert before
    script = """
import numpy as np, pandas as pd
from engine import indicators
hours = pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC")
random = np.random.default_rng(1)
table = pd.DataFrame({name: random.uniform(90, 110, 300) for name in ("open", "high", "low", "close", "volume")}, hours)
strided = table.iloc[::2]
for given in (table, strided, table.astype("float32"), table.astype("Float64"), dict(table.items()),
              {name: column.to_numpy() for name, column in table.items()},
              {name: column.to_numpy()[::-1] for name, column in table.items()}):
    high, low, close, volume = (given[name] for name in ("high", "low", "close", "volume"))
    indicators.sma(close, 5), indicators.ema(close, 5.0), indicators.rsi(close), indicators.macd(close, np.int64(5))
    indicators.bollinger(close, 5, 2), indicators.atr(high, low, close), indicators.supertrend(high, low, close, 5, 3)
    indicators.stochastic_rsi(close), indicators.donchian(high, low)
    for sides in ((high, low), (close, 100), (np.float64(100), close)):
        indicators.crossed_above(*sides), indicators.crossed_below(*sides)
    if not isinstance(close, np.ndarray):
        indicators.daily_vwap(high, low, close, volume)
with indicators.remembered(table):
    for _ in range(2):
        indicators.ema(indicators.ema(table["close"], 5), 8)
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert kernels_in(folder) == before


@pytest.mark.long
def test_where_the_environment_has_no_kernels_they_are_compiled_once_and_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment of another user"))
    settings = Settings(home=tmp_path / "home", workers=2)
    begun = kernel_folder(settings.cache_folder / "numba")
    for part in INSTALLED.glob("kernel_*"):  # a program was ended at the indicators; all of it takes minutes
        shutil.copytree(part, begun / part.name)
    said: list[list[Event]] = []
    for _ in range(2):
        events: list[Event] = []
        with Engine(settings) as program:
            assert [info.error for info in program.strategies.all(on_event=events.append)] == [None] * 11
            program.runs.warm_up(events.append, CancelToken())
            assert has_kernels(program._resources.kernels)
        said.append(events)
    first, second = said
    assert [type(event).__name__ for event in first] == ["Started", "Finished"]
    assert "compiling the engine, once" in str(first[0])
    assert second == []
    assert kernels_in(program._resources.kernels) == kernels_in(INSTALLED)
