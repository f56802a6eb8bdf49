"""One strategy beside another: whatever it does to libraries, to this program or to its memory, it harms itself alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.market import Period, Timeframe
from engine.model.run import FAILED, FINISHED, RunResult, RunSpec
from engine.service import Engine
from engine.settings import Settings
from tests.support.builders import GOOD_STRATEGY
from tests.support.figures import own_figures

PERIOD = Period.parse("2023-03-01", "2023-03-31")
VICTIMS = ("ema_cross", "uses_pandas", "uses_library", "native_sma")

USES_PANDAS = """
import json
import pandas as pd
from engine.strategy import Strategy

class Mine(Strategy):
    def signals(self, candles, indicators):
        mean = candles["close"].rolling(20).mean()
        return {"signal_a_buy": candles["close"] > mean, "exit_long": candles["close"] < mean}
"""
USES_LIBRARY = """
import pandas_ta_classic as ta
from engine.strategy import Strategy

class Mine(Strategy):
    def indicators(self, candles):
        return {"mean": ta.ema(candles["close"], 20)}
    def signals(self, candles, indicators):
        up = candles["close"] > indicators["mean"]
        return {"signal_a_buy": up, "exit_long": ~up}
"""
NATIVE = """
from backtesting import Strategy

class Mine(Strategy):
    def init(self):
        pass
    def next(self):
        if len(self.data) % 24 == 0:
            self.position.close() if self.position else self.buy(size=0.5)
"""
LEAKS = {
    "our own indicator": "import engine.indicators\nengine.indicators.ema = engine.indicators.sma",
    "our kernel": "import engine.backtest.kernel.compiled as c\nc.simulate = lambda *a: (0, 0.0, -1)",
    "our metrics": "import engine.backtest.metrics as m\nm.compute_metrics = lambda *a: {}",
    "our base class": "from engine.strategy import Strategy as S\nS.reverse = True",
    "rolling mean": "from pandas.core.window.rolling import Rolling\nRolling.mean = lambda self, *a: self.max()",
    "a comparison": "import pandas as pd\npd.Series.__gt__ = lambda self, other: pd.Series(True, self.index)",
    "a function of numpy": "import numpy as np\nnp.isnan = lambda x: np.zeros(np.shape(x), bool)",
    "a library for indicators": "import pandas_ta_classic as t\nt.ema = lambda c, n: c.shift(-5)",
    "backtesting's position": "from backtesting.backtesting import Position\nPosition.close = lambda self, *a: None",
    "backtesting's commission": (
        "from backtesting.backtesting import _Broker\n_Broker._commission_func = lambda self, *a: 50.0"
    ),
    "a module that is gone": "import sys\nsys.modules['json'] = None\nsys.modules['pandas_ta_classic'] = None",
    "a builtin": "import builtins\nbuiltins.sorted = lambda *a, **k: []\nbuiltins.sum = lambda *a: 7",
    "pandas' options": "import pandas as pd\npd.set_option('mode.copy_on_write', 'warn') if 0 else None\n"
    "pd.options.display.precision = 1\nimport numpy as np\nnp.seterr(all='raise')",
}


def file_of(leak: str) -> str:
    """The name of its strategy."""
    return "leak_" + "".join(char if char.isalpha() else "_" for char in leak)


def leaker(code: str) -> str:
    """A strategy that does it when it is loaded, and again when it is asked."""
    indented = code.replace("\n", "\n        ")
    return (
        f"{code}\nfrom engine.strategy import Strategy\nclass Leaker(Strategy):\n"
        "    def signals(self, candles, indicators):\n"
        f"        {indented}\n"
        "        return {'signal_a_buy': candles['close'].to_numpy() > candles['open'].to_numpy()}\n"
    )


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in {
        "uses_pandas": USES_PANDAS,
        "uses_library": USES_LIBRARY,
        "native_sma": NATIVE,
    }.items():
        (folder / f"{name}.py").write_text(text)
    for name, code in LEAKS.items():
        (folder / f"{file_of(name)}.py").write_text(leaker(code))
    return folder


@pytest.fixture(scope="module")
def engine(embedded_url: str, plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One worker, so that every run follows another in it."""
    from tests.support.database import fresh_database

    databases = fresh_database(embedded_url)
    settings = Settings(
        database_url=next(databases),
        home=tmp_path_factory.mktemp("home"),
        workers=1,
        strategies=(plugins,),
        archive_url="off",
    )
    with Engine(settings) as engine:
        yield engine
    databases.close()


def run(engine: Engine, *names: str) -> list[RunResult]:
    specs = [RunSpec(name, "SAMPLEUSDT", "sample", Timeframe("1h"), PERIOD) for name in names]
    return engine.runs.run(specs)


@pytest.fixture(scope="module")
def alone(engine: Engine) -> dict[str, RunResult]:
    """The victims before anything else ran in that worker."""
    return {name: run(engine, name)[0] for name in VICTIMS}


def said(result: RunResult) -> tuple[object, ...]:
    assert result.equity is not None
    lookahead = result.checks["lookahead"]  # how many cuts there is time for differs
    return (
        (result.status, own_figures(result.metrics), result.trades, result.fingerprint),
        (lookahead["status"], lookahead["columns"], lookahead["first"]),
    )


@pytest.mark.long_except("rolling mean")
@pytest.mark.parametrize("leak", LEAKS)
def test_whatever_one_strategy_patches_its_neighbours_figures_stay(
    engine: Engine, alone: dict[str, RunResult], leak: str
) -> None:
    name = file_of(leak)
    first, *after = run(engine, name, *VICTIMS)
    assert first.status in (FINISHED, FAILED)
    for victim, result in zip(VICTIMS, after, strict=True):
        assert said(result) == said(alone[victim]), victim
    assert engine.runs.rerun(after[0].id).equal


@pytest.mark.long
def test_a_native_strategy_whose_base_is_beside_it_plays_alike_after_runs_on_the_reference_engine(
    engine: Engine, plugins: Path
) -> None:
    """Its own file does not name the library, which the worker has imported for others in between."""
    (plugins / "_base.py").write_text(NATIVE.replace("class Mine", "class Base"))
    (plugins / "derived.py").write_text(
        "from _base import Base\n\nclass Mine(Base):\n    def next(self):\n"
        "        if len(self.data) % 24 == 0:\n            self.buy(size=0.3)\n"
        "        elif len(self.data) % 24 == 12:\n            self.position.close()\n"
    )
    first = run(engine, "derived")[0]
    run(engine, "native_sma")
    spec = RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), PERIOD, engine="reference")
    assert engine.runs.run([spec])[0].engine == "reference"
    assert said(run(engine, "derived")[0]) == said(first)
    assert len(first.trades) > 5


def test_listing_a_file_changes_nothing_for_others(engine: Engine, alone: dict[str, RunResult]) -> None:
    infos = {info.name: info for info in engine.strategies.all()}
    assert len(infos) >= 7 + len(LEAKS) + 3
    (result,) = run(engine, "native_sma")
    assert said(result) == said(alone["native_sma"])


@pytest.mark.long
def test_our_figures_of_a_strategy_that_patches_our_engine_are_the_engines(
    engine: Engine, plugins: Path
) -> None:
    """The kernel and backtesting.py play its signals where it never was: both say the same of them."""
    honest = leaker("pass").replace("Leaker", "Honest")
    (plugins / "honest.py").write_text(honest)
    reference = run(engine, "honest")[0]
    for leak in ("our kernel", "our metrics", "backtesting's commission", "backtesting's position"):
        (result,) = run(engine, file_of(leak))
        assert own_figures(result.metrics) == own_figures(reference.metrics)
        assert result.trades == reference.trades
        checked = engine.runs.cross_check(result.id).checks["crosscheck"]
        assert (checked["status"], checked["equal"]) == ("passed", checked["total"])


@pytest.mark.long_except(
    "1 / 0-mine.py:14: ZeroDivisionError: division by zero",
    "__import__('os')._exit(7)-worker died, exit code 7",
)
@pytest.mark.parametrize(
    ("signals", "error"),
    [
        ("1 / 0", "mine.py:14: ZeroDivisionError: division by zero"),
        ("None", "mine.py:13: signals() must return a DataFrame or a mapping of columns, not NoneType"),
        ("candles[['close']]", "mine.py:13: signals() returned the column 'close'"),
        ("__import__('sys').exit(1)", "mine.py:14: SystemExit: 1"),
        ("__import__('os')._exit(7)", "worker died, exit code 7"),
        ("__import__('ctypes').string_at(0)", "worker died, exit code 139 (SIGSEGV)"),
    ],
)
def test_a_strategy_that_always_crashes_fails_its_own_run_and_no_other(
    engine: Engine, plugins: Path, alone: dict[str, RunResult], signals: str, error: str
) -> None:
    good = 'pd.DataFrame({"signal_up_buy": candles["close"] > candles["open"]})'
    (plugins / "mine.py").write_text(GOOD_STRATEGY.replace(good, signals))
    crashed, other = run(engine, "mine", "ema_cross")
    assert (crashed.status, other.status) == (FAILED, FINISHED)
    assert crashed.error is not None
    assert crashed.error.startswith(error)
    assert said(other) == said(alone["ema_cross"])


# -- what is remembered between two questions

CHEAT = """
{head}
import numpy as np
import pandas as pd
from pathlib import Path
from engine.strategy import Strategy

class Mine(Strategy):
    known = {{}}
    def indicators(self, candles):
        close = candles["close"]
        key = float(close.iloc[0])
        {recall}
        if seen is None:
            seen = close.rolling(21, center=True, min_periods=1).mean().to_numpy()
            {remember}
        column = np.full(len(close), np.nan)
        n = min(len(seen), len(close))
        column[:n] = seen[:n]
        return {{"smooth": column}}
    def signals(self, candles, indicators):
        up = np.nan_to_num(np.diff(indicators["smooth"], prepend=np.nan)) > 0
        return {{"signal_a_buy": up, "exit_long": ~up}}
"""
MEMORIES: dict[str, tuple[str, str, str]] = {
    "a module": ("_MEMO = {}", "seen = _MEMO.get(key)", "_MEMO[key] = seen"),
    "a class": ("", "seen = Mine.known.get(key)", "Mine.known[key] = seen"),
    "builtins": (
        "import builtins",
        "seen = getattr(builtins, 'memo', {}).get(key)",
        "builtins.memo = {key: seen}",
    ),
    "a library": ("", "seen = getattr(np, 'memo', {}).get(key)", "np.memo = {key: seen}"),
    "a file beside": (
        "",
        "seen = np.load('memo.npy') if Path('memo.npy').exists() else None",
        "np.save('memo.npy', seen)",
    ),
    "a file at home": (
        "",
        "seen = np.load(Path.home() / 'memo.npy') if (Path.home() / 'memo.npy').exists() else None",
        "np.save(Path.home() / 'memo.npy', seen)",
    ),
    "a temporary file": (
        "import tempfile\nFILE = Path(tempfile.gettempdir()) / 'memo.npy' if 0 else None",
        "f = Path(tempfile.gettempdir()) / 'memo.npy'; seen = np.load(f) if f.exists() else None",
        "np.save(f, seen)",
    ),
    "the environment": (
        "import os",
        "seen = np.array(os.environ['MEMO'].split(), dtype=float) if 'MEMO' in os.environ else None",
        "os.environ['MEMO'] = ' '.join(map(repr, seen.tolist()))",
    ),
}


@pytest.mark.long_except("a module", "a file at home")
@pytest.mark.parametrize("where", MEMORIES)
def test_a_memory_of_the_whole_does_not_hide_look_ahead(engine: Engine, plugins: Path, where: str) -> None:
    head, recall, remember = MEMORIES[where]
    text = CHEAT.format(head=head, recall=recall, remember=remember)
    (plugins / "cheat.py").write_text(text)
    (result,) = run(engine, "cheat")
    assert result.status == FINISHED, result.error
    check = result.checks["lookahead"]
    assert (check["status"], "smooth" in check["columns"]) == ("failed", True), check
    assert not Path("memo.npy").exists()


def test_a_process_that_ends_midway_accuses_nobody(engine: Engine, plugins: Path) -> None:
    """It dies on its tenth question, of whatever length: what was asked before that counts, and nothing more is said."""
    text = USES_PANDAS.replace(
        "        mean =",
        "        _ASKED.append(1)\n        len(_ASKED) < 10 or __import__('os')._exit(7)\n        mean =",
    ).replace("class Mine", "_ASKED = []\n\nclass Mine")
    (plugins / "dies.py").write_text(text)
    (result,) = run(engine, "dies")
    check = result.checks["lookahead"]
    assert (result.status, check["status"], check["columns"]) == (FINISHED, "passed", [])
    assert "worker died, exit code 7" in check["note"]


def test_an_honest_memory_passes(engine: Engine, plugins: Path) -> None:
    text = USES_PANDAS.replace(
        "        mean =", "        _ASKED.append(len(candles))\n        mean ="
    ).replace("class Mine", "_ASKED = []\n\nclass Mine")
    (plugins / "counts.py").write_text(text)
    (result,) = run(engine, "counts")
    assert result.checks["lookahead"]["status"] == "passed", result.checks["lookahead"]


@pytest.mark.long
def test_a_strategy_that_counts_how_often_it_was_asked_is_found_out(engine: Engine, plugins: Path) -> None:
    """No cut alone shows it: each is asked when the past was asked before. The whole, asked last, does."""
    text = (
        "import numpy as np\nfrom engine.strategy import Strategy\n_ASKED = []\nclass Mine(Strategy):\n"
        "    def indicators(self, candles):\n        _ASKED.append(1)\n"
        "        return {'often': np.full(len(candles), float(len(_ASKED) > 2))}\n"
        "    def signals(self, candles, indicators):\n"
        "        return {'signal_a_buy': (candles['close'] > candles['open']).to_numpy()}\n"
    )
    (plugins / "asked.py").write_text(text)
    (result,) = run(engine, "asked")
    assert result.checks["lookahead"]["status"] == "failed"
    assert result.checks["lookahead"]["columns"] == ["often"]


def test_a_daemon_that_a_strategy_starts_does_not_outlive_its_run(
    engine: Engine, plugins: Path, tmp_path: Path
) -> None:
    import psutil

    text = (
        "import subprocess\nfrom engine.strategy import Strategy\nclass Mine(Strategy):\n"
        "    def signals(self, candles, indicators):\n"
        "        one = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"        open({str(tmp_path / 'pids')!r}, 'a').write(f'{{one.pid}}\\n')\n"
        "        return {'signal_a_buy': (candles['close'] > candles['open']).to_numpy()}\n"
    )
    (plugins / "daemon.py").write_text(text)
    (result,) = run(engine, "daemon")
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert result.status == FINISHED
    assert len(pids) > 5, "asked on every cut there was time for"
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
