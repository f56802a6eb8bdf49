"""The body of a run: from a candle file and a plug-in file to plain data, with every way a strategy can go wrong."""

import json
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import InputError, RunError, StrategyError
from engine.jobs.prepare import prepare_job
from engine.model.account import SIDES, Costs
from engine.model.market import HOUR_MS, Candles
from engine.model.run import json_ready
from engine.model.trade import Trade
from engine.parallel.tasks import PrepareTask
from tests.support.builders import random_candles
from tests.support.longer import READING
from tests.support.tasks import IMPORTS, ignore, run_here, run_task

STRATEGIES = Path(__file__).parents[3] / "strategies"
WITH_ORDERS = ("dip_ladder", "limit_pullback", "stop_breakout")


@pytest.fixture
def job(tmp_path: Path) -> Any:
    """Runs a strategy (a file, or the source of one) over random candles through real files."""

    def run(
        strategy: str | Path, *, candles: Candles | None = None, held: int = 100, **changes: Any
    ) -> dict[str, Any]:
        candles = random_candles(400, 7) if candles is None else candles
        candles.save(tmp_path / "candles.npy")
        if isinstance(strategy, str):
            (tmp_path / "mine.py").write_text(strategy)
            strategy = tmp_path / "mine.py"
        return run_here(
            run_task(tmp_path / "candles.npy", Path(strategy), held=held, **{"wanted": 100, **changes})
        )

    return run


def mine(body: str, *, indicators: str = "return pd.DataFrame(index=candles.index)", head: str = "") -> str:
    """The source of a strategy whose methods have these bodies; `signals` begins on line 8."""
    return (
        "import numpy as np\nimport pandas as pd\nfrom engine.strategy import Param, Strategy\n"
        f"class Mine(Strategy):\n    n = Param(3, low=1, high=9){head}\n"
        f"    def indicators(self, candles): {indicators}\n"
        "    def signals(self, candles, indicators):\n"
        + "".join(f"        {line}\n" for line in body.splitlines())
    )


ALWAYS = "return pd.DataFrame({'signal_x_buy': True}, index=candles.index)"


def test_a_run_gives_plain_data_with_one_equity_value_per_candle_of_the_period(job: Any) -> None:
    result = job(STRATEGIES / "ema_cross.py", params={"fast": 5, "slow": 12})
    assert result["params"] == {"fast": 5, "slow": 12}
    assert (result["engine"], result["checks"]["warmup"]["wanted"]) == ("compiled", 100)
    assert result["equity"].shape == (300,)
    assert {name: column.shape for name, column in result["indicators"].items()} == {
        "ema_fast": (300,),
        "ema_slow": (300,),
    }
    trades = Trade.from_columns(result["trades"])
    assert len(trades) == result["metrics"]["trades"] > 5
    assert min(trade.entry_time for trade in trades) > random_candles(400, 7).timestamp[100]
    assert set(result["versions"]) == {
        "python", "platform", "backtest-desktop", "backtesting", "llvmlite", "numba", "numpy", "pandas",
        "pandas-ta-classic", "engine source",
    }  # fmt: skip
    json.dumps(json_ready(result), allow_nan=False)


def test_limits_on_the_wrong_side_of_the_market_are_counted(job: Any) -> None:
    """Two of three: above the close for a long, below it for a short; the sides that are not entered do not count."""
    body = """c, n = candles['close'], np.arange(len(candles))
return {'signal_a_buy': n % 30 == 10, 'signal_b_sell': n % 30 == 20, 'exit_long': n % 30 == 15,
        'exit_short': n % 30 == 25, 'entry_limit': c.where(n >= 250, c * 1.05) * 0.99}"""
    counted = {side: job(mine(body), costs=Costs(side=side))["checks"]["entries"] for side in SIDES}
    assert {side: check["beyond"] for side, check in counted.items()} == {"both": 10, "long": 5, "short": 5}
    assert "entries signalled with a limit on the wrong side of the close" in counted["both"]["note"]


@pytest.mark.usefixtures("all_the_time_in_the_world")
def test_the_same_task_gives_the_same_bytes(job: Any) -> None:
    one, other = (job(STRATEGIES / "vwap_supertrend_ema.py") for _ in range(2))
    for result in (one, other):
        del result["elapsed_s"]
    assert json.dumps(json_ready(one)) == json.dumps(json_ready(other))


def test_signals_are_counted_raw_and_only_inside_the_period(job: Any) -> None:
    body = (
        "n = len(candles)\n"
        "return pd.DataFrame({'signal_x_buy': np.arange(n) < 150, 'signal_y_sell': True, 'exit_long': False,"
        " 'stop_loss': np.nan}, index=candles.index)"
    )
    result = job(mine(body))
    assert result["signals"] == {"signal_x_buy": 50, "signal_y_sell": 300, "exit_long": 0}


def test_a_signal_on_a_warm_up_candle_is_never_acted_on(job: Any) -> None:
    body = "return pd.DataFrame({'signal_x_buy': np.arange(len(candles)) == %d}, index=candles.index)"
    assert job(mine(body % 99))["trades"]["entry_time"] == []
    (entry_time,) = job(mine(body % 100))["trades"]["entry_time"]
    assert entry_time == random_candles(400, 7).timestamp[101]


def test_stops_and_targets_are_kept_beside_the_indicators_where_a_strategy_says_them(job: Any) -> None:
    said = "return {'signal_x_buy': candles.close > 0, 'stop_loss': candles.close * 0.9}"
    result = job(mine(said))
    assert list(result["indicators"]) == ["stop_loss"]
    assert result["indicators"]["stop_loss"].shape == (300,)


def test_indicators_are_left_out_when_nobody_keeps_them(job: Any) -> None:
    assert job(STRATEGIES / "ema_cross.py", keep_indicators=False)["indicators"] is None


def test_a_strategy_that_changes_its_candles_changes_nothing_else(job: Any) -> None:
    late = "return pd.DataFrame({'signal_x_buy': True}, index=indicators.index)"
    spoiled = job(
        mine(
            f"candles['close'] = 1.0\ndel candles['open']\n{late}",
            indicators="x = pd.DataFrame(index=candles.index); candles.iloc[:] = 0; return x",
        )
    )
    clean = job(mine(ALWAYS))
    assert spoiled["trades"] == clean["trades"]
    assert spoiled["equity"].tolist() == clean["equity"].tolist()


@pytest.mark.long
@pytest.mark.parametrize("name", ["vwap_supertrend_ema", "macd_trend"])
def test_a_process_of_its_own_prints_nothing_and_loads_neither_window_nor_database(
    tmp_path: Path, name: str
) -> None:
    random_candles(900, 7).save(tmp_path / "candles.npy")
    task = run_task(tmp_path / "candles.npy", STRATEGIES / f"{name}.py", held=500)
    script = (
        f"import sys\nfrom engine.jobs.run import run_job\n{IMPORTS}"
        f"assert len(run_job({task!r}, lambda *_: None).equity) == 400\n"
        "assert not {'PySide6', 'sqlalchemy', 'psycopg', 'ccxt', 'rich', 'pydantic'} & set(sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", script], cwd=STRATEGIES.parent, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def sources_of(result: dict[str, Any]) -> dict[str, bytes]:
    return {name: part.tobytes() for name, part in result["sources"].items()}


def test_the_source_that_was_executed_comes_with_the_result_whatever_its_line_ends(
    job: Any, tmp_path: Path
) -> None:
    source, path = mine(ALWAYS).encode(), tmp_path / "mine.py"
    for end in (b"\n", b"\r\n", b"\r"):
        path.write_bytes(source.replace(b"\n", end))
        assert sources_of(job(path)) == {"mine.py": source}


def test_a_module_that_a_method_imports_from_the_folder_counts_too(job: Any, tmp_path: Path) -> None:
    folder = tmp_path / "late"
    (folder / "_parts").mkdir(parents=True)
    (folder / "_parts" / "__init__.py").write_text("from . import deep\n")
    (folder / "_parts" / "deep.py").write_text("import _other\nVALUE = 1\n")
    (folder / "_other.py").write_text("OTHER = 2\n")
    path = folder / "mine.py"
    path.write_text(mine("from _parts.deep import VALUE; " + ALWAYS))
    expected = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.py")}
    for _ in range(2):  # a warm worker imports it again
        assert sources_of(job(path)) == expected


def test_an_exception_in_the_strategy_names_its_file_and_line_and_keeps_the_traceback(job: Any) -> None:
    with pytest.raises(RunError, match=r"^mine\.py:8: ZeroDivisionError: division by zero$") as caught:
        job(mine("1 / 0"))
    assert "in signals\n    1 / 0" in "".join(traceback.format_exception(caught.value))
    with pytest.raises(RunError, match=r"^mine\.py:6: KeyError: 'closed'$"):
        job(mine(ALWAYS, indicators="return candles['closed']"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 5", r"^mine\.py:7: signals\(\) must return a DataFrame or a mapping of columns, not int"),
        ("return pd.DataFrame({'signal_x': True}, index=candles.index)", "column 'signal_x'; allowed are"),
        ("return pd.DataFrame({'exit_long': True}, index=candles.index)", "no column named signal_"),
        ("return pd.DataFrame({'signal_x_buy': 1.0}, index=candles.index)", "'signal_x_buy' must be boolean"),
        ("return pd.DataFrame({'signal_x_buy': [True]})", "another index"),
        (
            "return pd.DataFrame({'signal_x_buy': True, 'stop_loss': -1.0}, index=candles.index)",
            "prices above 0",
        ),
    ],
)
def test_wrong_signals_fail_the_run_and_name_the_column(job: Any, body: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        job(mine(body))


@pytest.mark.parametrize(
    ("indicators", "words"),
    [
        (
            "return None",
            r"^mine\.py:6: indicators\(\) must return a DataFrame or a mapping of columns, not NoneType",
        ),
        ("return pd.DataFrame({'a': [1.0]})", "1 rows with another index than the 400 candles"),
        ("return pd.DataFrame({'a': 'x'}, index=candles.index)", "'a' must hold numbers"),
        ("x = pd.DataFrame({'a': 1.0}, index=candles.index); return pd.concat([x, x], axis=1)", "'a' twice"),
    ],
)
def test_wrong_indicators_fail_the_run(job: Any, indicators: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        job(mine(ALWAYS, indicators=indicators))


def test_a_stop_on_the_wrong_side_fails_the_run_and_names_the_candle(job: Any) -> None:
    body = "return pd.DataFrame({'signal_x_buy': True, 'stop_loss': 1e6}, index=candles.index)"
    with pytest.raises(RunError, match=r"stop_loss 1e\+06 .* 2024-01-05 04:00 UTC must lie below its close"):
        job(mine(body))


def test_fewer_warm_up_candles_than_wanted_are_said_and_the_run_goes_on(job: Any) -> None:
    result = job(STRATEGIES / "ema_cross.py", held=61, wanted=500)
    assert result["checks"]["warmup"] == {
        "status": "failed",
        "columns": [],
        "wanted": 500,
        "held": 61,
        "note": "61 of 500",
    }
    assert result["metrics"]["trades"] > 0
    assert job(mine(ALWAYS), wanted=90)["checks"]["warmup"]["status"] == "passed"


def test_a_period_without_one_usable_value_is_an_error(job: Any) -> None:
    few = random_candles(30, 1)
    with pytest.raises(
        RunError, match=r"no candle of the period has usable values: ema_slow .* 500 .* 0 are held"
    ):
        job(STRATEGIES / "ema_cross.py", candles=few, held=0, wanted=500)


def test_a_column_that_is_empty_by_nature_is_no_error(job: Any) -> None:
    indicators = "return pd.DataFrame({'line': 1.0, 'never': np.nan}, index=candles.index)"
    assert np.isnan(job(mine(ALWAYS, indicators=indicators))["indicators"]["never"]).all()


def test_a_period_without_candles_is_an_error(job: Any) -> None:
    with pytest.raises(RunError, match="the period holds no candle"):
        job(STRATEGIES / "ema_cross.py", candles=random_candles(50), held=50)


@pytest.mark.long_except("ema_cross", "buy_and_hold", "vwap_supertrend_ema")
@pytest.mark.parametrize(
    "name", [path.stem for path in STRATEGIES.glob("[a-z]*.py") if path.stem not in READING]
)
def test_both_engines_give_the_same_figures_and_say_which_ran(job: Any, name: str) -> None:
    compiled, reference = (
        job(STRATEGIES / f"{name}.py", engine=engine) for engine in ("compiled", "reference")
    )
    assert (compiled["engine"], reference["engine"]) == ("compiled", "reference")
    if (
        name in WITH_ORDERS
    ):  # the last bits differ; tests/engine/backtest/test_library_equality.py looks closer
        assert compiled["trades"]["exit_reason"] == reference["trades"]["exit_reason"]
        assert compiled["equity"] == pytest.approx(reference["equity"], rel=1e-9)
        return
    assert compiled["trades"] == reference["trades"]
    assert compiled["metrics"] == reference["metrics"]


def test_a_native_strategy_cannot_be_compiled(job: Any) -> None:
    with pytest.raises(InputError, match="cannot be compiled; choose --engine auto or reference"):
        job(NATIVE, engine="compiled")
    assert job(NATIVE)["engine"] == "reference"


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "loaded", "absent"),
    [("compiled", "numba", "backtesting bokeh"), ("reference", "backtesting bokeh", "numba")],
)
def test_a_run_imports_only_its_own_engine(tmp_path: Path, engine: str, loaded: str, absent: str) -> None:
    random_candles(300, 7).save(tmp_path / "candles.npy")
    task = run_task(tmp_path / "candles.npy", STRATEGIES / "buy_and_hold.py", held=0, engine=engine)
    script = (
        f"import sys\nfrom engine.jobs.run import run_job\n{IMPORTS}"
        f"run_job({task!r}, lambda *_: None)\nprint(*[n for n in {(loaded + ' ' + absent).split()} if n in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=STRATEGIES.parent, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == loaded.split()


def test_a_wrong_parameter_or_a_broken_file_is_told_apart_from_a_failed_run(job: Any) -> None:
    with pytest.raises(InputError, match="fast must be a whole number"):
        job(STRATEGIES / "ema_cross.py", params={"fast": "x"})
    with pytest.raises(StrategyError, match=r"mine\.py:1"):
        job("import nowhere_to_be_found\n")


NATIVE = """
from backtesting import Strategy

class Mine(Strategy):
    every = 10
    fail = False
    def init(self):
        pass
    def next(self):
        if self.fail:
            raise ValueError("no luck")
        if len(self.data) % self.every == 0:
            self.position.close() if self.position else self.buy(size=2)
"""


def test_a_native_strategy_runs_over_the_period_only(job: Any) -> None:
    result = job(NATIVE, params={"every": "20"})
    assert result["params"] == {"every": 20, "fail": False}
    assert (result["signals"], result["indicators"], result["checks"]["warmup"]["status"]) == (
        {},
        None,
        "skipped",
    )
    assert result["equity"].shape == (300,)
    assert set(result["trades"]["size"]) == {2.0}
    assert result["trades"]["entry_time"][0] == random_candles(400, 7).timestamp[120]


def test_an_exception_in_a_native_strategy_names_its_line(job: Any) -> None:
    with pytest.raises(RunError, match=r"^mine\.py:11: ValueError: no luck$"):
        job(NATIVE, params={"fail": True})


@pytest.mark.parametrize(
    ("warmup", "words"), [("1 / 0", "ZeroDivisionError"), ("2.5", r"warmup\(\) must return a whole")]
)
def test_a_warm_up_that_cannot_be_told_points_at_its_line(tmp_path: Path, warmup: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(mine(ALWAYS) + f"    def warmup(self): return {warmup}\n")
    with pytest.raises(RunError, match=rf"^mine\.py:9: {words}"):
        prepare_job(PrepareTask(strategy=tmp_path / "mine.py", params={}), ignore)


def test_before_a_run_parameters_are_checked_and_the_warm_up_is_asked_for() -> None:
    task = PrepareTask(strategy=STRATEGIES / "vwap_supertrend_ema.py", params={"ema_slow": 80})
    ready = prepare_job(task, ignore)
    assert (ready.warmup[""], ready.params["ema_slow"], ready.params["lookback"]) == (800, 80, 4)
    with pytest.raises(InputError, match="no parameter 'ema_slo'; did you mean ema_slow"):
        prepare_job(replace(task, params={"ema_slo": 1}), ignore)


def test_a_reading_that_meets_a_signal_that_cannot_be_loses_the_band_and_not_the_run(job: Any) -> None:
    """Read for the trader the target is reached at once; flat, that reading meets a second entry with its stop above."""
    body = (
        "n = len(candles)\nat = np.arange(n)\nclose = candles.close\n"
        "return {'signal_x_buy': (at == 100) | (at == 101), 'entry_limit': pd.Series(97.0, candles.index),\n"
        "        'stop_loss': pd.Series(np.where(at == 101, 120.0, 80.0), candles.index),\n"
        "        'target_1': pd.Series(103.0, candles.index), 'entry_expiry': 1}"
    )
    flat = np.full(200, 100.0)
    high, low = flat.copy(), flat.copy()
    high[101], low[101] = 104.0, 96.0
    candles = Candles(np.arange(200) * HOUR_MS, flat, high, low, flat, flat)
    result = job(mine(body), candles=candles, checks=False)
    assert (result["metrics"]["ambiguous_trades"], result["metrics"]["equity_low"]) == (1, None)
