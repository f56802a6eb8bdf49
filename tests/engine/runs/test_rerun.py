"""A stored run is made again: equal to the last bit, or the input that changed is named."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InputError, StrategyError
from engine.model.account import Costs
from engine.model.market import Period, Timeframe
from engine.model.run import FAILED, RunResult, RunSpec
from engine.reproduction.inputs import fingerprint
from engine.service import Engine
from engine.settings import Settings
from tests.support.command_line import CommandLine
from tests.support.database import execute, fresh_database
from tests.support.lent_workers import Lender

STRATEGY = """
import random
import numpy as np
import pandas as pd
from engine.strategy import Param, Strategy

class Mine(Strategy):
    length = Param(5, low=2, high=50)

    def warmup(self):
        return self.length

    def indicators(self, candles):
        from _late import LIMIT
        noise = np.random.normal(size=len(candles)) + random.random() + LIMIT
        return pd.DataFrame({"noise": noise, "mean": candles["close"].rolling(self.length).mean()})

    def signals(self, candles, indicators):
        up = indicators["noise"] > 0.5
        return pd.DataFrame({"signal_up_buy": up, "exit_long": ~up}, index=candles.index)
"""
MARCH = Period.parse("2023-03-01", "2023-03-14")


def spec(strategy: str = "mine", **changes: object) -> RunSpec:
    usual = RunSpec(strategy, "SAMPLEUSDT", "sample", Timeframe("1h"), MARCH, costs=Costs(slippage=1e-4))
    return replace(usual, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(
    embedded_url: str, tmp_path_factory: pytest.TempPathFactory, lender: Lender
) -> Iterator[tuple[Callable[..., Engine], str]]:
    """Makes engines on one database, with a plug-in folder of their own and so many workers."""
    home = tmp_path_factory.mktemp("home")
    databases = fresh_database(embedded_url)
    url = next(databases)
    made: list[Engine] = []

    def make(folder: Path, workers: int) -> Engine:
        settings = Settings(
            database_url=url, home=home, workers=workers, strategies=(folder,), archive_url="off"
        )
        made.append(Engine(settings))
        return made[-1]

    with lender.lending():
        yield make, url
    for engine in made:
        engine.close()
    databases.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plug-in folder of `engine`."""
    return tmp_path_factory.mktemp("plugins")


@pytest.fixture(scope="module")
def running(world: tuple[Callable[..., Engine], str], folder: Path) -> Engine:
    """One engine for all tests here."""
    return world[0](folder, 1)


@pytest.fixture
def engine(running: Engine, folder: Path) -> Engine:
    """The engine, its plug-in folder as in the beginning."""
    (folder / "mine.py").write_text(STRATEGY)
    (folder / "_late.py").write_text("LIMIT = 0.0\n")
    return running


@pytest.fixture
def run(engine: Engine) -> RunResult:
    """A stored run of a strategy that draws random numbers and imports from its folder late."""
    (result,) = engine.runs.run([spec()])
    assert len(result.trades) > 20, result.error
    return result


@pytest.mark.long
def test_a_run_with_random_numbers_comes_out_equal_and_keeps_its_fingerprint(engine: Engine, run: RunResult):
    again = engine.runs.rerun(run.id[:8])
    assert (again.equal, again.changed, again.differences, again.notes) == (True, (), [], ())
    assert again.result.id != run.id
    assert again.result.trades == run.trades
    assert again.result.fingerprint == run.fingerprint
    assert engine.runs.get(run.id).created_ms == run.created_ms, "the stored run stays as it was"
    assert engine.runs.get(again.result.id).trades == run.trades


@pytest.mark.long
def test_neither_workers_nor_the_folder_nor_line_ends_change_the_fingerprint(
    world: tuple[Callable[..., Engine], str], engine: Engine, run: RunResult, folder: Path, tmp_path: Path
):
    other = tmp_path / "elsewhere"
    shutil.copytree(folder, other)
    (other / "mine.py").write_bytes((folder / "mine.py").read_bytes().replace(b"\n", b"\r\n"))
    results = world[0](other, 2).runs.run([spec(), spec(params={"length": 7}), spec()])
    assert [one.fingerprint for one in (results[0], results[2])] == [run.fingerprint] * 2
    assert results[0].trades == run.trades
    assert results[1].fingerprint != run.fingerprint


def test_the_stored_inputs_are_those_of_the_fingerprint(engine: Engine, run: RunResult):
    held = engine.runs.get(run.id)
    assert held.inputs is not None
    assert set(held.inputs["source"]) == {"mine.py", "_late.py"}
    assert fingerprint(held.inputs) == held.fingerprint


def test_an_edited_strategy_is_named_and_its_stored_source_still_gives_the_same(
    engine: Engine, run: RunResult, folder: Path
):
    (folder / "mine.py").write_text(STRATEGY.replace("> 0.5", "> 0.9"))
    again = engine.runs.rerun(run.id)
    assert not again.equal
    assert again.changed == ("strategy source changed (mine.py)",)
    assert "metrics.trades" in [row["name"] for row in again.differences]
    stored = engine.runs.rerun(run.id, stored_source=True)
    assert (stored.equal, stored.changed) == (True, ())
    assert stored.notes == ("made from the stored source (as asked)",)


@pytest.mark.long
def test_an_edited_module_that_a_method_imports_is_named(engine: Engine, run: RunResult, folder: Path):
    (folder / "_late.py").write_text("LIMIT = 0.25\n")
    again = engine.runs.rerun(run.id)
    assert (again.equal, again.changed) == (False, ("strategy source changed (_late.py)",))
    assert engine.runs.rerun(run.id, stored_source=True).equal


@pytest.mark.long
def test_a_new_comment_is_named_though_the_result_is_equal(engine: Engine, run: RunResult, folder: Path):
    (folder / "mine.py").write_text(STRATEGY + "# more\n")
    again = engine.runs.rerun(run.id)
    assert (again.equal, again.changed) == (True, ("strategy source changed (mine.py)",))


@pytest.mark.long
def test_a_strategy_that_is_gone_is_made_from_its_stored_source(engine: Engine, run: RunResult, folder: Path):
    (folder / "mine.py").unlink()
    (folder / "_late.py").unlink()
    again = engine.runs.rerun(run.id)
    assert (again.equal, again.changed) == (True, ())
    assert again.notes == ("made from the stored source (mine.py is in no plug-in folder any more)",)
    assert not list(engine.settings.cache_folder.glob("batch-*"))


def test_a_strategy_that_does_not_load_any_more_is_refused_and_nothing_is_stored(
    engine: Engine, run: RunResult, folder: Path
):
    (folder / "mine.py").write_text("import nothing_such\n" + STRATEGY)
    before = len(engine.runs.stored())
    with pytest.raises(StrategyError, match=r"mine does not load: mine\.py:1: .*nothing_such"):
        engine.runs.rerun(run.id)
    assert len(engine.runs.stored()) == before


@pytest.mark.long
def test_revised_candles_are_named_by_month(
    world: tuple[Callable[..., Engine], str], engine: Engine, run: RunResult
):
    one = "timestamp = '2023-03-05T10:00Z' AND timeframe = '1h'"
    execute(world[1], f"UPDATE ohlcv_data SET open = open * 1.01, high = high * 1.02 WHERE {one}")
    try:
        again = engine.runs.rerun(run.id)
    finally:
        execute(world[1], f"UPDATE ohlcv_data SET open = open / 1.01, high = high / 1.02 WHERE {one}")
    assert not again.equal
    assert again.changed == ("candles changed: 2023-03 (revised)",)


@pytest.mark.long
def test_a_run_of_an_older_version_says_what_it_cannot_know(
    world: tuple[Callable[..., Engine], str], engine: Engine, run: RunResult, folder: Path
):
    execute(world[1], f"UPDATE backtest_runs SET inputs = NULL WHERE id = '{run.id}'")
    again = engine.runs.rerun(run.id)
    assert (again.equal, again.changed) == (True, ())
    assert again.notes == (
        "the run was made by an older version, which did not record its inputs: no change can be named",
    )
    (folder / "mine.py").unlink()
    with pytest.raises(InputError, match="did not store the source of mine"):
        engine.runs.rerun(run.id)


@pytest.mark.long
def test_a_strategy_that_never_answers_the_same_is_said_to(engine: Engine, folder: Path):
    text = STRATEGY.replace("np.random.normal", "np.random.default_rng().normal")
    (folder / "mine.py").write_text(text)
    (result,) = engine.runs.run([spec()])
    again = engine.runs.rerun(result.id)
    assert (again.equal, again.changed) == (False, ())
    assert again.notes[0].startswith("no recorded input changed: the strategy answers otherwise each time")


@pytest.mark.long
def test_a_failed_run_that_fails_the_same_way_is_equal_and_mended_it_differs(engine: Engine, folder: Path):
    (folder / "mine.py").write_text(STRATEGY.replace("+ LIMIT", "+ LIMIT / (self.length - 7)"))
    (result,) = engine.runs.run([spec(params={"length": 7})])
    assert result.status == FAILED
    assert engine.runs.get(result.id).inputs
    again = engine.runs.rerun(result.id)
    assert (again.equal, again.changed) == (True, ())
    assert again.result.error == result.error
    (folder / "mine.py").write_text(STRATEGY)
    mended = engine.runs.rerun(result.id)
    assert not mended.equal
    assert "strategy source changed (mine.py)" in mended.changed
    assert mended.differences[0] == {"name": "status", "before": "failed", "after": "finished"}


@pytest.mark.long
def test_the_command_says_equal_or_what_changed_with_exit_codes(cli: CommandLine, home: Path):
    plugins = home / "strategies"
    plugins.mkdir(parents=True)
    (plugins / "mine.py").write_text(STRATEGY)
    (plugins / "_late.py").write_text("LIMIT = 0.0\n")
    period = ("--start", "2023-03-01", "--end", "2023-03-14", "--exchange", "sample", "-t", "1h")
    first = cli("run", "-s", "SAMPLEUSDT", "-S", "mine", *period, "--json").json["runs"][0]
    said = cli("rerun", first["id"])
    assert said.code == 0
    assert f"equal to run {first['id'][:8]}: {len(first['trades'])} trades and every figure" in said.out
    equal = cli("rerun", first["id"], "--json").json
    assert (equal["rerun_of"], equal["equal"], equal["changed"]) == (first["id"], True, [])
    assert {name: equal[name] for name in ("metrics", "trades", "fingerprint")} == {
        name: first[name] for name in ("metrics", "trades", "fingerprint")
    }
    (plugins / "_late.py").write_text("LIMIT = 0.25\n")
    said = cli("rerun", first["id"])
    assert said.code == 1
    assert "strategy source changed (_late.py)" in said.out
    differs = cli("rerun", first["id"], "--json")
    assert differs.code == 1
    assert differs.json["changed"] == ["strategy source changed (_late.py)"]
    assert {row["name"] for row in differs.json["differences"]} >= {"metrics.trades", "trades"}
    assert cli("rerun", "ffff").code == 2
