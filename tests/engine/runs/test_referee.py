"""A stored compiled run goes through backtesting.py: a wrong kernel is seen, a stopped check is still to be made."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError, Interrupted
from engine.events import Cancelled, CancelToken, Event, Failed, Finished, Progress, Started
from engine.model.market import Period, Timeframe
from engine.model.run import RunResult, RunSpec
from engine.parallel.pool import WorkerPool
from engine.runs.load import file_for_workers
from engine.service import Engine
from engine.settings import Settings
from tests.support.command_line import CommandLine
from tests.support.database import execute, fresh_database
from tests.support.lent_workers import Lender

MARCH = Period.parse("2023-03-01", "2023-03-31")
SPEC = RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), MARCH)
NATIVE = """
from backtesting import Strategy

class Native(Strategy):
    def init(self):
        pass

    def next(self):
        if not self.position:
            self.buy()
"""
SLOW = """
import time
import pandas as pd
from engine.strategy import Strategy

class Slow(Strategy):
    def indicators(self, candles):
        time.sleep(SECONDS)
        return pd.DataFrame(index=candles.index)

    def signals(self, candles, indicators):
        return pd.DataFrame({"signal_x_buy": candles["close"] > candles["open"]}, index=candles.index)
"""


@pytest.fixture(scope="module")
def database(embedded_url: str) -> Iterator[str]:
    """One database for the tests of this file."""
    databases = fresh_database(embedded_url)
    yield next(databases)
    databases.close()


@pytest.fixture(scope="module")
def settings(database: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home, plugins = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("plugins")
    return Settings(database_url=database, home=home, workers=1, strategies=(plugins,), archive_url="off")


@pytest.fixture(scope="module")
def engine(settings: Settings, lender: Lender) -> Iterator[Engine]:
    with lender.lending(), Engine(settings) as opened:
        yield opened


@pytest.fixture
def run(engine: Engine) -> RunResult:
    """A stored run of the compiled engine, not checked yet."""
    (result,) = engine.runs.run([SPEC])
    assert (result.engine, len(result.trades) > 10) == ("compiled", True)
    return result


def crosscheck(engine: Engine, run: RunResult) -> dict[str, Any]:
    """The check as it is stored."""
    return dict(engine.runs.get(run.id).checks["crosscheck"])


def test_a_run_is_pending_until_it_is_checked_and_keeps_its_other_checks(engine: Engine, run: RunResult):
    assert crosscheck(engine, run)["status"] == "pending"
    assert run.id in engine.runs.pending_checks()
    heard: list[Event] = []
    checked = engine.runs.cross_check(run.id[:8], on_event=heard.append)
    n = len(run.trades)
    said = {"status": "passed", "equal": n, "total": n, "differences": [], "note": f"{n} of {n} trades equal"}
    said["referee"] = "backtesting"
    assert checked.checks["crosscheck"] == crosscheck(engine, run) == said
    assert {**run.checks, "crosscheck": said} == engine.runs.get(run.id).checks
    assert run.id not in engine.runs.pending_checks()
    assert isinstance(heard[0], Started)
    assert isinstance(heard[-1], Finished)
    assert {event.job for event in heard} == {f"check:{run.id}"}
    assert engine.runs.cross_check(run.id).checks["crosscheck"] == said


def tamper(database: str, run: RunResult, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the stored trades as a wrong kernel would have made them."""
    ((trades,),) = execute(database, f"SELECT trades FROM backtest_runs WHERE id = '{run.id}'")
    assert isinstance(trades, list)
    change(trades)
    execute(database, f"UPDATE backtest_runs SET trades = '{json.dumps(trades)}' WHERE id = '{run.id}'")


def test_a_wrong_price_a_wrong_size_and_a_missing_trade_are_seen(
    engine: Engine, database: str, run: RunResult
):
    def wrong(trades: list[dict[str, Any]]) -> None:
        trades[2]["exit_price"] *= 1 + 1e-8
        trades[5]["size"] *= 1.001
        del trades[8]

    tamper(database, run, wrong)
    check = engine.runs.cross_check(run.id).checks["crosscheck"]
    assert check == crosscheck(engine, run)
    n = len(run.trades)
    assert (check["status"], check["equal"], check["total"]) == ("failed", n - 3, n)
    assert check["note"] == f"{n - 3} of {n} trades equal"
    found = {(row["trade"], row["column"]) for row in check["differences"]}
    assert found >= {(2, "exit_price"), (5, "size"), (8, "trade")}
    price = next(row for row in check["differences"] if row["column"] == "exit_price")
    assert price["compiled"] == pytest.approx(run.trades[2].exit_price * (1 + 1e-8), rel=1e-12)
    assert price["reference"] == pytest.approx(run.trades[2].exit_price, rel=1e-12)


def test_a_wrong_side_and_an_invented_trade_are_seen(engine: Engine, database: str, run: RunResult):
    def wrong(trades: list[dict[str, Any]]) -> None:
        trades[0]["side"] = {"long": "short", "short": "long"}[trades[0]["side"]]
        trades.append(trades[-1] | {"entry_time": trades[-1]["entry_time"] + 3_600_000})

    tamper(database, run, wrong)
    check = engine.runs.cross_check(run.id).checks["crosscheck"]
    assert (check["equal"], check["total"]) == (len(run.trades) - 1, len(run.trades) + 2)
    assert [row["column"] for row in check["differences"]].count("trade") == 3


def test_a_wrong_equity_alone_is_seen(engine: Engine, run: RunResult):
    assert run.equity is not None
    equity = run.equity.columns["equity"].copy()
    equity[400] *= 1.0001
    engine._resources.store.runs.save(replace(run, equity=replace(run.equity, columns={"equity": equity})))
    check = engine.runs.cross_check(run.id).checks["crosscheck"]
    assert (check["status"], check["equal"]) == ("failed", check["total"])
    assert [row["column"] for row in check["differences"]] == ["equity"]


def test_a_run_whose_candles_changed_is_skipped_and_says_so(engine: Engine, database: str, run: RunResult):
    one = "timestamp = '2023-03-05T10:00Z' AND timeframe = '1h'"
    execute(database, f"UPDATE ohlcv_data SET high = high * 1.02 WHERE {one}")
    try:
        check = engine.runs.cross_check(run.id).checks["crosscheck"]
    finally:
        execute(database, f"UPDATE ohlcv_data SET high = high / 1.02 WHERE {one}")
    assert (check["status"], check["total"]) == ("skipped", 0)
    assert check["note"].startswith("the candles have changed since this run")


@pytest.fixture
def plugin(settings: Settings) -> Iterator[Callable[[str, str], Path]]:
    """Writes plug-in files for one test."""
    written = []

    def write(name: str, text: str) -> Path:
        path = settings.strategies[0] / name
        path.write_text(text)
        written.append(path)
        return path

    yield write
    for path in written:
        path.unlink(missing_ok=True)


@pytest.mark.long
def test_an_edited_or_deleted_strategy_is_checked_by_its_stored_source(
    engine: Engine, plugin: Callable[[str, str], Path], database: str
):
    text = SLOW.replace("SECONDS", "SHORT").replace("import time", "import time\nfrom _pause import SHORT")
    plugin("_pause.py", "SHORT = 0\n")
    file = plugin("mine.py", text)
    first, second, third = engine.runs.run([replace(SPEC, strategy="mine")] * 3)
    file.write_text(text.replace("close", "low"))
    assert engine.runs.cross_check(first.id).checks["crosscheck"]["status"] == "passed"
    file.unlink()
    assert engine.runs.cross_check(second.id).checks["crosscheck"]["status"] == "passed"
    execute(database, "DELETE FROM strategy_sources")
    check = engine.runs.cross_check(third.id).checks["crosscheck"]
    assert (check["status"], "did not store the source of mine" in check["note"]) == ("skipped", True)


@pytest.mark.long
def test_what_backtesting_py_ran_itself_needs_no_check(engine: Engine, plugin: Callable[[str, str], Path]):
    plugin("native.py", NATIVE)
    for result in engine.runs.run([replace(SPEC, engine="reference"), replace(SPEC, strategy="native")]):
        check = result.checks["crosscheck"]
        assert (result.engine, check["status"]) == ("reference", "skipped")
        assert check["note"] == "ran on the reference engine itself"
        assert engine.runs.cross_check(result.id).checks == result.checks


@pytest.mark.long_except("700-744 candles are more than the 700 that are checked unasked")
@pytest.mark.parametrize(
    ("most", "note"),
    [
        (0, "switched off by BACKTEST_CROSSCHECK"),
        (700, "744 candles are more than the 700 that are checked unasked"),
    ],
)
def test_a_check_that_is_switched_off_or_too_long_is_made_only_when_asked(
    engine: Engine, most: int, note: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine._resources, "settings", replace(engine.settings, crosscheck=most))
    (run,) = engine.runs.run([SPEC])
    check = run.checks["crosscheck"]
    assert (check["status"], check["note"].startswith(note)) == ("skipped", True), check
    assert run.id not in engine.runs.pending_checks()
    assert engine.runs.cross_check(run.id).checks["crosscheck"]["status"] == "passed"


def slow_run(engine: Engine, plugin: Callable[[str, str], Path], settings: Settings) -> RunResult:
    """A pending run whose check takes long: the strategy waits once a file lies beside its folder."""
    flag = settings.home / "wait"
    flag.unlink(missing_ok=True)
    wait = f"60 if __import__('os').path.exists({str(flag)!r}) else 0"
    plugin("slow.py", SLOW.replace("SECONDS", wait))
    (run,) = engine.runs.run([replace(SPEC, strategy="slow")])
    flag.touch()
    return run


@pytest.mark.long
def test_a_stopped_check_is_still_to_be_made_and_other_runs_go_on(
    engine: Engine, plugin: Callable[[str, str], Path], settings: Settings
):
    run = slow_run(engine, plugin, settings)
    heard: list[Event] = []
    cancel = CancelToken()

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Started):
            threading.Timer(0.5, cancel.cancel).start()

    with pytest.raises(Interrupted):
        engine.runs.cross_check(run.id, on_event=hear, cancel=cancel)
    kinds = [type(event) for event in heard]
    assert (kinds[0], kinds[-1], set(kinds[1:-1]) <= {Progress}) == (Started, Cancelled, True), kinds
    assert crosscheck(engine, run)["status"] == "pending"
    assert engine.runs.get(run.id).trades == run.trades
    (settings.home / "wait").unlink()
    assert engine.runs.cross_check(run.id).checks["crosscheck"]["status"] == "passed"


def test_closing_the_program_during_a_check_loses_nothing(
    engine: Engine, plugin: Callable[[str, str], Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    run = slow_run(engine, plugin, settings)
    monkeypatch.setattr("engine.parallel.pool.WorkerPool", WorkerPool)  # its own workers, which end with it
    other = Engine(settings)
    other.runs.warm_up()
    ended: list[BaseException] = []

    def check() -> None:
        try:
            other.runs.cross_check(run.id)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    while not list(settings.cache_folder.glob("batch-*/*.npy")):
        thread.join(0.05)
    other.close()
    thread.join(60)
    assert not thread.is_alive(), "the check goes on in a program that is closed"
    assert [type(error) for error in ended] == [Interrupted]
    assert crosscheck(engine, run)["status"] == "pending"


def test_a_program_that_ends_before_the_job_of_a_check_begins_interrupts_it(
    engine: Engine, run: RunResult, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    other = Engine(settings)

    def handed(*given: Any) -> Any:
        other._resources.executor.close()
        return file_for_workers(*given)

    monkeypatch.setattr("engine.runs.stored_inputs.file_for_workers", handed)
    with pytest.raises(Interrupted, match="closed"):
        other.runs.cross_check(run.id)
    other.close()
    assert crosscheck(engine, run)["status"] == "pending"


def test_a_run_deleted_while_it_is_checked_stays_deleted(engine: Engine, run: RunResult):
    heard: list[Event] = []

    def delete(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Started):
            engine.runs.delete(run.id)

    with pytest.raises(InputError, match="was deleted while it was checked"):
        engine.runs.cross_check(run.id, on_event=delete)
    assert isinstance(heard[-1], Failed)
    with pytest.raises(InputError, match="no run"):
        engine.runs.get(run.id)


@pytest.mark.long
def test_the_command_line_checks_when_asked_and_says_the_verdict(cli: CommandLine):
    month = ("-t", "1h", "--exchange", "sample", "--start", "2023-03-01", "--end", "2023-03-31")
    asked = ("run", "-s", "SAMPLEUSDT", "-S", "ema_cross", "-S", "buy_and_hold", *month, "--json")
    pending = cli(*asked).json["runs"]
    assert [run["checks"]["crosscheck"]["status"] for run in pending] == ["pending"] * 2
    checked = cli(*asked, "--check").json["runs"]
    assert [run["checks"]["crosscheck"]["status"] for run in checked] == ["passed"] * 2
    assert [run["strategy"] for run in checked] == ["ema_cross", "buy_and_hold"]
    shown = cli("show", pending[0]["id"], "--check", "--json").json
    n = len(pending[0]["trades"])
    assert shown["checks"]["crosscheck"]["note"] == f"{n} of {n} trades equal"
    text = cli("show", pending[0]["id"]).out
    assert f"check crosscheck: passed ({n} of {n} trades equal)" in text
    assert f"fingerprint: {pending[0]['fingerprint']}" in text
    assert "1 pending" in cli("runs").out
