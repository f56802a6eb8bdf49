"""What the engine makes on a real Dask cluster is what it makes on one machine, to the last bit, errors too."""

import stat
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ClusterError, StrategyError
from engine.events import CancelToken, Progress
from engine.jobs import parcels
from engine.model.market import HOUR_MS, Period
from engine.model.portfolio import LegSpec, PortfolioSpec
from engine.model.run import CANCELLED, FAILED, FINISHED, RunResult, RunSpec
from engine.model.sweep import SweepResult
from engine.reproduction.inputs import versions_for
from engine.runs.compare_portfolios import compare_portfolios
from engine.service import Engine
from tests.engine.research.sweeping import HOUR, MARKET, PERIOD, STUMBLING, Heard, plug_in, sweep_spec
from tests.engine.research.sweeping import shared_engine as shared_engine
from tests.support.command_line import CommandLine
from tests.support.local_dask import LocalDask, kill

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

BUNDLED = (
    "bollinger_reversion", "buy_and_hold", "donchian_breakout", "ema_cross", "macd_trend", "rsi_reversion",
    "vwap_supertrend_ema",
)  # fmt: skip
MINE = """
import importlib
import random
import numpy as np
from engine.strategy import Param, Strategy
from rules.limits import LIMIT
lib = importlib.import_module("_lib")


class Mine(Strategy):
    length = Param(5, low=2, high=50)

    def warmup(self):
        return self.length

    def indicators(self, candles):
        from _late import SHIFT
        noise = np.random.normal(size=len(candles)) + random.random() + SHIFT
        return {"noise": noise, "mean": lib.mean(candles["close"], self.length)}

    def signals(self, candles, indicators):
        up = indicators["noise"] > LIMIT
        return {"signal_up_buy": up, "exit_long": ~up}
"""
NATIVE = """
from backtesting import Strategy
from backtesting.lib import crossover
from backtesting.test import SMA


class Native(Strategy):
    fast = 5
    slow = 20

    def init(self):
        self.one = self.I(SMA, self.data.Close, self.fast)
        self.two = self.I(SMA, self.data.Close, self.slow)

    def next(self):
        if crossover(self.one, self.two):
            self.buy(size=0.5)
        elif crossover(self.two, self.one):
            self.position.close()
"""
LONGER = """
from engine.strategy import Strategy


class Longer(Strategy):
    timeframes = ("4h",)
    build_timeframes = True

    def indicators(self, candles):
        return {"far": self.on("4h")["close"].to_numpy()}

    def signals(self, candles, indicators):
        up = (candles["close"] > indicators["far"]).fillna(False)
        return {"signal_up_buy": up, "exit_long": ~up}
"""
FAILING = """
from engine.strategy import Strategy


class Failing(Strategy):
    def signals(self, candles, indicators):
        return self.deeper(candles)

    def deeper(self, candles):
        raise ValueError(f"not today: {__file__}")
"""


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDask]:
    """Two workers, one of them of two threads."""
    dask = LocalDask(tmp_path_factory.mktemp("dask"))
    dask.add_worker()
    dask.add_worker(threads=2)
    dask.connect(3).close()
    yield dask
    dask.close()


@pytest.fixture(scope="module")
def here(shared_engine: Engine) -> Engine:
    """An engine that works on this machine, with plug-ins beside the bundled strategies."""
    for name, body in (
        ("mine", MINE),
        ("native", NATIVE),
        ("longer", LONGER),
        ("failing", FAILING),
        ("broken", FAILING + "import nowhere\n"),
    ):
        plug_in(shared_engine, name, body)
    folder = shared_engine.settings.user_strategies
    (folder / "_lib.py").write_text("def mean(x, n):\n    return x.rolling(n).mean()\n")
    (folder / "_late.py").write_text("SHIFT = 0.0\n")
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "__init__.py").write_text("")
    (folder / "rules" / "limits.py").write_text("from .deep import LIMIT\n")
    (folder / "rules" / "deep.py").write_text("LIMIT = 0.5\n")
    return shared_engine


@pytest.fixture(scope="module")
def there(here: Engine, dask: LocalDask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The same, on the cluster; it remembers nothing of the other."""
    home = tmp_path_factory.mktemp("there")
    folders = (here.settings.user_strategies,)
    with Engine(replace(here.settings, cluster=dask.address, home=home, strategies=folders)) as engine:
        yield engine


def spec(strategy: str, **changes: Any) -> RunSpec:
    return replace(RunSpec(strategy, MARKET.name, MARKET.exchange, HOUR, PERIOD), **changes)


def facts(run: RunResult) -> dict[str, Any]:
    """All of a run but its name, its times and what the time allowed of the search for look-ahead."""
    found = {one.name: getattr(run, one.name) for one in fields(run)}
    for name in ("id", "created_ms", "elapsed_s"):
        del found[name]
    checks = {name: dict(check) for name, check in run.checks.items()}
    for name in ("cuts", "note"):
        for check in ("lookahead", "warmup"):
            checks.get(check, {}).pop(name, None)
    for name in ("equity", "indicators"):
        series = found[name]
        found[name] = series and {
            "time": series.time.tobytes(), **{key: value.tobytes() for key, value in series.columns.items()}
        }  # fmt: skip
    return found | {"checks": checks}


def test_runs_are_equal_to_the_last_bit_and_have_the_same_fingerprints(here: Engine, there: Engine):
    specs = [spec(name) for name in (*BUNDLED, "mine", "native")]
    specs += [spec("ema_cross", params={"fast": 7}, engine="reference"), spec("mine", params={"length": 9})]
    local, remote = (engine.runs.run(specs, fetch=False) for engine in (here, there))
    assert [run.status for run in local] == [FINISHED] * len(specs)
    assert all(run.fingerprint for run in local)
    assert sum(bool(run.trades) for run in local) > 8
    for one, other in zip(local, remote, strict=True):
        assert facts(one) == facts(other)
    assert set(remote[len(BUNDLED)].inputs["source"]) == {  # type: ignore[index]
        "mine.py", "_lib.py", "_late.py", "rules/__init__.py", "rules/limits.py", "rules/deep.py",
    }  # fmt: skip


def test_a_failure_names_the_paths_of_this_machine_and_the_right_lines(here: Engine, there: Engine):
    (local,), (remote,) = (engine.runs.run([spec("failing")], fetch=False) for engine in (here, there))
    path = here.settings.user_strategies / "failing.py"
    assert local.status == FAILED
    assert local.error == f"failing.py:10: ValueError: not today: {path}"
    assert remote.error == local.error
    assert remote.traceback
    assert f'File "{path}", line 10, in deeper' in remote.traceback
    assert str(Path(path.anchor, "trees")) not in remote.traceback
    assert "/cluster/" not in remote.traceback.replace(str(Path(__file__).parents[3]), "")
    assert facts(local) | {"traceback": ""} == facts(remote) | {"traceback": ""}


def test_strategies_are_described_alike_the_broken_ones_too(here: Engine, there: Engine):
    local = {info.name: info.to_json() for info in here.strategies.all()}
    remote = {info.name: info.to_json() for info in there.strategies.all()}
    assert remote == local
    with pytest.raises(StrategyError, match="No module named 'nowhere'"):
        there.runs.run([spec("broken")], fetch=False)


def test_a_sweep_is_equal_trial_by_trial_its_failures_too(here: Engine, there: Engine):
    plug_in(here, "stumbling", STUMBLING)
    for one in (
        sweep_spec("ema_cross", {"fast": "5:24:1", "slow": "30:60:2"}),
        sweep_spec("mine", {"length": "2:20:1"}),
        sweep_spec("native", {"fast": "3:6:1", "slow": "10:20:5"}),
        sweep_spec("stumbling", {"number": "0:6:1"}),
    ):
        local, remote = (engine.research.optimize(one, fetch=False) for engine in (here, there))
        assert_equal(local, remote)


def assert_equal(local: SweepResult, remote: SweepResult) -> None:
    assert (local.status, local.done) == (remote.status, remote.done) == (FINISHED, local.planned)
    assert local.errors == remote.errors
    assert local.engine == remote.engine
    for name, column in local.metrics.items():
        assert np.asarray(column).tobytes() == np.asarray(remote.metrics[name]).tobytes(), name
    assert local.top(5) == remote.top(5)


def test_a_search_for_look_ahead_and_a_rerun_are_equal(here: Engine, there: Engine):
    asked = spec("mine", period=Period(PERIOD.start, PERIOD.start + 200 * HOUR_MS))
    local, remote = (engine.research.lookahead(asked, cuts=40, fetch=False) for engine in (here, there))
    assert local.to_json() == remote.to_json()
    (run,) = here.runs.run([spec("mine")], fetch=False)
    again = there.runs.rerun(run.id, stored_source=True, fetch=False)
    assert (again.equal, again.changed) == (True, ())
    checked = there.runs.cross_check(here.runs.run([spec("ema_cross")], fetch=False)[0].id)
    assert checked.checks["crosscheck"]["status"] == "passed"


def test_a_portfolio_is_equal_a_leg_that_reads_longer_candles_too(here: Engine, there: Engine):
    legs = tuple(
        LegSpec(name, name, MARKET.name, MARKET.exchange, HOUR) for name in ("longer", "ema_cross", "mine")
    )
    asked = PortfolioSpec(PERIOD, legs, contention="rank", rebalance="7d")
    local, remote = (engine.portfolios.make(asked, fetch=False) for engine in (here, there))
    assert (local.status, remote.status) == (FINISHED, FINISHED), (local.error, remote.error)
    assert all(leg.trades for leg in local.legs)
    told = compare_portfolios(local, remote)
    assert (told.equal, told.changed, list(told.differences)) == (True, (), [])
    assert remote.checks["crosscheck"]["status"] == "passed"


def test_contents_are_sent_once_and_mended_where_they_are_damaged(there: Engine, dask: LocalDask):
    first = there.runs.run([spec("ema_cross"), spec("ema_cross"), spec("ema_cross")], fetch=False)
    folder = dask.home / "cache" / "cluster"
    held = {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if len(path.name) == 64 and path.is_file()
    }
    large = [path for path in held if path.stat().st_size > 50_000]
    assert large
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o400 for path in held)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(folder.rglob("*.part"))
    inodes = {path: path.stat().st_ino for path in large}
    again = there.runs.run([spec("ema_cross")] * 3, fetch=False)
    assert {path: path.stat().st_ino for path in large} == inodes
    assert {run.fingerprint for run in (*first, *again)} == {first[0].fingerprint}


def test_progress_flows_and_a_cancelled_sweep_stops_soon_and_keeps_what_is_done(here: Engine, there: Engine):
    heard, cancel = Heard(), CancelToken()
    slow = "import time\n" + STUMBLING.replace("if self.number == 3:", "time.sleep(0.2)\n        if False:")
    plug_in(here, "slow", slow.replace("== 5", "== -5").replace("== 7", "== -7"))

    def listen(event: Any) -> None:
        heard(event)
        if isinstance(event, Progress) and event.unit == "trials" and event.done >= 4:
            cancel.cancel()

    began = time.monotonic()
    result = there.research.optimize(
        sweep_spec("slow", {"number": "0:900:1"}), fetch=False, on_event=listen, cancel=cancel
    )
    assert result.status == CANCELLED
    assert 4 <= result.done < 900
    assert time.monotonic() - began < 60
    assert there.research.sweep(result.id).done == result.done


def test_when_the_scheduler_dies_amid_a_sweep_what_is_finished_is_kept(
    here: Engine, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    dask = LocalDask(tmp_path)
    try:
        dask.add_worker(threads=2)
        dask.connect(2).close()
        slow = STUMBLING.replace("if self.number == 3:", "time.sleep(0.05)\n        if False:")
        plug_in(here, "slower", slow.replace("== 5", "== -5").replace("== 7", "== -7"))
        settings = replace(
            here.settings,
            cluster=dask.address,
            home=tmp_path / "own",
            strategies=(here.settings.user_strategies,),
        )

        def listen(event: Any) -> None:
            begun = isinstance(event, Progress) and event.unit == "trials" and event.done >= 4
            if begun and dask.scheduler.poll() is None:
                kill(dask.scheduler)

        with Engine(settings) as engine:
            result = engine.research.optimize(
                sweep_spec("slower", {"number": "0:900:1"}), fetch=False, on_event=listen
            )
        assert result.status == FAILED
        assert result.error
        assert result.error.startswith(f"the Dask scheduler at {dask.address} is gone")
        assert 4 <= result.done < 900
        assert here.research.sweep(result.id).done == result.done
    finally:
        dask.close()


def test_doctor_says_what_cluster_there_is(dask: LocalDask, cli: CommandLine):
    found = {one["name"]: one for one in cli("doctor", "--cluster", dask.address, "--json").json["findings"]}
    assert found["cluster"]["ok"]
    assert found["cluster"]["text"] == f"{dask.address}: 2 workers, 3 jobs at once"
    assert found["workers"]["text"].startswith("3 of the cluster")


def test_a_strategy_whose_libraries_differ_there_is_refused_by_their_names(
    there: Engine, here: Engine, monkeypatch: pytest.MonkeyPatch
):
    plug_in(here, "foreign", "import packaging\n" + MINE)
    monkeypatch.setattr(parcels, "versions_for", lambda sources: versions_for(sources) | {"packaging": "0.1"})
    with pytest.raises(ClusterError, match=rf"packaging {metadata.version('packaging')} there, 0\.1 here"):
        there.runs.run([spec("foreign")], fetch=False)
