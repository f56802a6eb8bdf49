"""The bundle's launcher as Python runs it, and the bundle itself where `make bundle` has made one."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAUNCHER = ROOT / "bundle" / "launcher.py"
BUILT = ROOT / "dist" / "backtest-desktop"
STRATEGY = '''
import decimal, colorsys, sqlite3, xml.sax  # of the standard library, which nobody else imports
import numpy as np
from engine.strategy import Param, Strategy


class Mine(Strategy):
    """My own."""

    length = Param(5, low=2, high=50)

    def signals(self, candles, indicators):
        mean = candles["close"].rolling(self.length).mean()
        return {"signal_up_buy": candles["close"] > mean, "exit_long": candles["close"] < mean}
'''


def launched(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, LAUNCHER, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_code_is_executed_as_python_would() -> None:
    found = launched("-c", "import sys; print(__name__, sys.argv)", "more")
    assert found.stdout.split("\n", 1)[0] == "__main__ ['-c', 'more']"


def test_a_module_is_run_as_python_would() -> None:
    assert launched("-m", "engine", "no-such-command").returncode == 2


def test_other_programs_do_not_get_the_bundles_libraries() -> None:
    code = "import os; print(os.environ.get('LD_LIBRARY_PATH'), os.environ['NUMBA_CPU_NAME'])"
    assert launched("-c", code, LD_LIBRARY_PATH="/bundle").stdout == "None generic\n"
    before = launched("-c", code, LD_LIBRARY_PATH="/bundle", LD_LIBRARY_PATH_ORIG="/mine")
    assert before.stdout == "/mine generic\n"


long = pytest.mark.long


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a bundle that was moved, as one that somebody unpacked."""
    if not BUILT.is_dir():
        pytest.skip("there is no bundle; `make bundle` makes and tests it")
    folder = tmp_path_factory.mktemp("unpacked") / "my backtest"
    shutil.copytree(BUILT, folder, copy_function=os.link, symlinks=True)
    return folder / "backtest"


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def bare(home: Path, **more: str) -> Mapping[str, str]:
    """No Python, no tool, nothing of ours: an empty HOME and a PATH that leads nowhere."""
    return {"HOME": str(home), "PATH": "/nonexistent", **more}


def ran(bundle: Path, home: Path, *arguments: str) -> str:
    found = subprocess.run(
        [bundle, *arguments],
        env=bare(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    assert "compiling" not in found.stderr
    return found.stdout


@long
@pytest.mark.timeout(400)
def test_the_whole_job_is_done_where_there_is_no_python(bundle: Path, home: Path) -> None:
    ran(bundle, home, "demo", "--out", "out")
    assert list((home / "out").glob("*.png"))


@long
@pytest.mark.timeout(400)
def test_ones_own_strategy_may_use_the_whole_standard_library(bundle: Path, home: Path) -> None:
    folder = home / ".local" / "share" / "backtest-desktop" / "strategies"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(textwrap.dedent(STRATEGY))
    told = ran(bundle, home, "run", "-s", "SAMPLEUSDT", "-S", "mine", "-t", "1h", "--exchange", "sample",
               "--start", "2024-02-01", "--end", "2024-02-20", "--check", "--json")  # fmt: skip
    (run,) = json.loads(told)["runs"]
    assert run["checks"]["crosscheck"]["status"] == "passed", "backtesting.py is there, with its files"


@long
@pytest.mark.timeout(400)
def test_the_window_opens_lists_the_strategies_and_ends(bundle: Path, home: Path) -> None:
    data = home / ".local" / "share" / "backtest-desktop"
    (data / "strategies").mkdir(parents=True, exist_ok=True)
    (data / "strategies" / "another.py").write_text(
        textwrap.dedent(STRATEGY)
    )  # the bundled ones are described already
    described = data / "cache" / "strategies.json"
    window = subprocess.Popen(
        [bundle], env=bare(home, QT_QPA_PLATFORM="offscreen"), cwd=home, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 120
        while not described.exists():
            assert window.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        window.terminate()
        _, errors = window.communicate(timeout=60)
    assert "Traceback" not in errors
