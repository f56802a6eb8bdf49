"""What each process of the program imports and compiles: the parent nothing, a worker only what its runs need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import CancelToken, Event, ignore_event
from engine.parallel.job import Done
from engine.parallel.pool import WorkerPool
from engine.run_service import READY_FUNCTION
from engine.service import WORKER_IMPORTS, Engine
from engine.settings import Settings
from tests.support.builders import random_candles

ROOT = Path(__file__).parents[2]
HEAVY = {"backtesting", "bokeh", "ccxt", "sqlalchemy", "psycopg", "PySide6"}


def task_of(candles: Path, strategy: str) -> dict[str, object]:
    return {
        "candles_path": str(candles), "warmup_candles": 100, "warmup_wanted": 100, "params": {}, "costs": {},
        "strategy_path": str(ROOT / "strategies" / f"{strategy}.py"), "engine": "auto", "timeframe": "1h",
        "keep_indicators": True,
    }  # fmt: skip


@pytest.mark.parametrize("strategy", ["ema_cross", "vwap_supertrend_ema"])
def test_a_worker_that_ran_compiled_has_not_imported_backtesting_py(tmp_path: Path, strategy: str) -> None:
    random_candles(400, 7).save(tmp_path / "candles.npy")
    with WorkerPool(1, tmp_path, memory_mb=4096, preload=WORKER_IMPORTS) as pool:
        run = pool.submit(
            "engine.backtest.simulation:run_job", task_of(tmp_path / "candles.npy", strategy), timeout_s=100
        ).result(100)
        assert isinstance(run, Done), run
        assert run.value["engine"] == "compiled"
        loaded = pool.submit("tests.engine.parallel.jobs:modules", {}, timeout_s=100).result(100)
    assert isinstance(loaded, Done)
    assert "numba" in loaded.value
    assert not HEAVY & set(loaded.value)


def test_the_program_itself_imports_neither_engine(tmp_path: Path) -> None:
    script = """
import json, sys
import engine.cli, engine.service, engine.batch, engine.recording, engine.doctor
import engine.backtest.crosscheck, engine.backtest.metric_definitions
from engine.events import CancelToken, ignore_event
with engine.service.Engine() as program:
    program.warm_up(ignore_event, CancelToken())
    assert [info.error for info in program.strategies()] == [None] * 7
print(json.dumps(sorted(sys.modules)))
"""
    environment = os.environ | {"BACKTEST_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert not {"numba", "llvmlite", "backtesting", "bokeh"} & set(json.loads(ended.stdout))


def test_the_first_start_compiles_says_so_and_later_ones_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    settings = Settings(home=tmp_path / "home", workers=1)
    said: list[list[Event]] = []
    for _ in range(2):
        events: list[Event] = []
        with Engine(settings) as program:
            program.warm_up(events.append, CancelToken())
        said.append(events)
    first, second = said
    assert [type(event).__name__ for event in first] == ["Started", "Finished"]
    assert "compiling the engine, once" in str(first[0])
    assert second == []
    assert list((tmp_path / "kernels").rglob("*.nbi"))


def test_kernels_that_a_power_cut_left_empty_are_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    settings = Settings(home=tmp_path / "home", workers=1)
    for _ in range(2):
        with Engine(settings) as program:
            program.warm_up(ignore_event, CancelToken())
            (answer,) = program.in_workers(READY_FUNCTION, [{}], 100)
            assert isinstance(answer, Done), answer
        kernels = list((tmp_path / "kernels").rglob("*.nb[ic]"))
        assert {bool(file.stat().st_size) for file in kernels} == {True}
        for file in kernels:
            file.write_bytes(b"")
