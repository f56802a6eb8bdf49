"""What a fingerprint covers: each input on its own, and nothing besides."""

import ast
import dataclasses
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine.jobs
from engine.model.account import Costs
from engine.model.market import DAY_MS, HOUR_MS, Candles, Period
from engine.reproduction.inputs import (
    DECIDING,
    DECIDING_TOGETHER,
    candle_inputs,
    engine_source,
    fingerprint,
    hashes,
    portfolio_source,
    run_inputs,
    versions,
    versions_for,
)
from engine.reproduction.own_source import source_of
from engine.runs.compare import changes
from tests.support.builders import random_candles

CANDLES = random_candles(1000, 1)
SOURCES = {"mine.py": b"import _lib\n", "_lib.py": b"X = 1\n"}
USUAL: dict[str, Any] = {
    "candles": candle_inputs(CANDLES),
    "period": Period(DAY_MS, 40 * DAY_MS),
    "timeframe": "1h",
    "warmup": 50,
    "source": hashes(SOURCES),
    "params": {"fast": 9, "kind": "ema"},
    "costs": Costs(),
    "engine": "compiled",
    "versions": versions(),
    "seed": 0,
}


def with_price(position: int, column: str, value: float) -> Candles:
    changed = np.array(getattr(CANDLES, column))
    changed[position] = value
    return dataclasses.replace(CANDLES, **{column: changed})


ONE_CHANGE: list[tuple[dict[str, Any], str]] = [
    (
        {"candles": candle_inputs(with_price(700, "low", float(np.nextafter(CANDLES.low[700], 0))))},
        "candles changed: 2024-01 (revised)",
    ),
    (
        {"candles": candle_inputs(with_price(999, "volume", 7.0))},
        "candles changed: 2024-02 (revised)",
    ),
    (
        {"candles": candle_inputs(CANDLES.slice(0, 998))},
        "candles changed: 2024-02 (256 then, 254 now)",
    ),
    (
        {"period": Period(2 * DAY_MS, 40 * DAY_MS)},
        "period 1970-01-02T00:00:00Z..1970-02-10T00:00:00Z -> 1970-01-03T00:00:00Z..1970-02-10T00:00:00Z",
    ),
    ({"timeframe": "2h"}, "timeframe 1h -> 2h"),
    ({"warmup": 51}, "warm-up 50 -> 51"),
    ({"source": hashes(SOURCES | {"mine.py": b"import _lib\n#\n"})}, "strategy source changed (mine.py)"),
    ({"source": hashes(SOURCES | {"_lib.py": b"X = 2\n"})}, "strategy source changed (_lib.py)"),
    ({"source": hashes(SOURCES | {"_new.py": b""})}, "strategy source changed (_new.py is imported now)"),
    (
        {"source": hashes({"mine.py": SOURCES["mine.py"]})},
        "strategy source changed (_lib.py is not imported any more)",
    ),
    ({"params": {"fast": 10, "kind": "ema"}}, "parameter fast 9 -> 10"),
    ({"params": {"fast": 9}}, "parameter kind is gone (it was ema)"),
    ({"params": {"fast": 9, "kind": "ema", "slow": 21}}, "parameter slow is new (21)"),
    ({"costs": Costs(cash=10_001)}, "cash 10000.0 -> 10001.0"),
    ({"costs": Costs(commission=0.002)}, "commission 0.001 -> 0.002"),
    ({"costs": Costs(size=0.9)}, "size 0.95 -> 0.9"),
    ({"costs": Costs(slippage=1e-4)}, "slippage 0.0 -> 0.0001"),
    ({"engine": "reference"}, "engine compiled -> reference"),
    ({"versions": versions() | {"numpy": "0.1"}}, f"numpy {versions()['numpy']} -> 0.1"),
    ({"versions": versions() | {"python": "2.7"}}, f"python {versions()['python']} -> 2.7"),
    (
        {"versions": versions() | {"engine source": "abc"}},
        f"program changed (engine source {versions()['engine source']} -> abc)",
    ),
]


@pytest.mark.parametrize(("change", "words"), ONE_CHANGE, ids=[words for _, words in ONE_CHANGE])
def test_each_input_changed_alone_changes_the_fingerprint_and_is_named(change: dict[str, Any], words: str):
    before, after = run_inputs(**USUAL), run_inputs(**USUAL | change)
    assert fingerprint(before) != fingerprint(after)
    assert changes(before, after) == (words,)


def test_the_random_seed_counts():
    before = run_inputs(**USUAL)
    after = before | {"seed": 1}
    assert fingerprint(before) != fingerprint(after)
    assert changes(before, after) == ("random seed 0 -> 1",)


def test_whole_numbers_of_money_are_the_same_money():
    before, after = run_inputs(**USUAL), run_inputs(**USUAL | {"costs": Costs(cash=10_000, size=1)})
    same = run_inputs(**USUAL | {"costs": Costs(cash=10_000.0, size=1.0)})
    assert fingerprint(after) == fingerprint(same) != fingerprint(before)


def test_a_change_of_the_program_itself_is_another_engine_source_though_its_version_stays():
    sources = {name: source_of(name) for name in DECIDING}
    usual = versions()["engine source"]
    assert engine_source(sources) == usual
    seen = {usual}
    for name, source in sources.items():
        seen.add(engine_source({**sources, name: source + b"X = 1\n"}))
    assert len(seen) == len(DECIDING) + 1
    assert engine_source({name.replace("market", "bazaar"): one for name, one in sources.items()}) != usual


def test_words_line_ends_and_places_are_no_change_of_the_program():
    sources = {name: source_of(name) for name in DECIDING}
    for name, source in sources.items():
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
                node.body[0] = ast.Expr(ast.Constant("said in other words"))
        sources[name] = b"# reworded\n\n\n" + ast.unparse(ast.fix_missing_locations(tree)).encode()
    assert engine_source(sources) == versions()["engine source"]


def test_a_module_that_is_gone_is_an_error_and_not_one_input_less():
    with pytest.raises(ModuleNotFoundError, match=r"no module engine\.backtest\.elsewhere"):
        source_of("engine.backtest.elsewhere")


# what a worker imports of this program beside the modules that decide: how it is asked, what is found out about an answer
NOT_DECIDING = {
    "engine", "engine.backtest", "engine.backtest.kernel", "engine.backtest.library", "engine.backtest.plain",
    "engine.checks", "engine.jobs", "engine.loader", "engine.model", "engine.parallel",
    "engine.reproduction",
    "engine.jobs.kernels", "engine.model.metric_definitions", "engine.checks.lookahead", "engine.checks.verdicts",
    "engine.jobs.compile", "engine.jobs.describe", "engine.jobs.lookahead", "engine.jobs.prepare", "engine.jobs.registry",
    "engine.loader.class_variables", "engine.loader.find", "engine.loader.infos", "engine.loader.libraries",
    "engine.loader.load", "engine.loader.sources", "engine.loader.template",
    "engine.parallel.family", "engine.parallel.forked", "engine.parallel.report",
    "engine.parallel.interpreter", "engine.parallel.isolated", "engine.parallel.job",
    "engine.parallel.answers", "engine.parallel.executor", "engine.parallel.plain", "engine.parallel.worker",
    "engine.backtest.portfolio", "engine.backtest.portfolio.plain", "engine.backtest.portfolio.plain_leg",
    "engine.backtest.portfolio.plain_sharing", "engine.backtest.plain.course", "engine.parallel.portfolio_tasks",
    "engine.backtest.plain.simulator", "engine.backtest.plain.account", "engine.backtest.plain.position",
    "engine.backtest.plain.places",
    "engine.backtest.plain.exchange", "engine.backtest.plain.protections", "engine.backtest.plain.trades",
    "engine.errors", "engine.syntax", "engine.whole_file",
    "engine.model.exchanges", "engine.model.kinds", "engine.model.numerals", "engine.model.parameters",
    "engine.model.plots", "engine.model.run", "engine.parallel.tasks",
    "engine.reproduction.own_source",
    "engine.jobs.slippages", "engine.model.cost_surface",
    "engine.jobs.paths", "engine.statistics", "engine.statistics.bootstrap", "engine.statistics.synthetic",
}  # fmt: skip


# the side that has jobs done: no worker imports it
ASKING = {"engine.jobs.local_pool", "engine.jobs.dask_station", "engine.jobs.parcels"}


def test_every_module_that_a_worker_imports_decides_or_is_known_not_to():
    """A module that is moved, split or new is in neither list, and somebody has to say which."""
    jobs = {f"engine.jobs.{file.stem}" for file in Path(engine.jobs.__file__).parent.glob("[a-z]*.py")}
    entries = {*jobs, "engine.parallel.worker"} - ASKING
    assert imported_by(entries) == {*DECIDING, *DECIDING_TOGETHER, *NOT_DECIDING}


def test_an_edit_of_what_only_portfolios_use_changes_no_run_of_one_strategy():
    alone = {"engine.jobs.run", "engine.jobs.trials", "engine.jobs.window_trials", "engine.jobs.paths"}
    assert imported_by(alone).isdisjoint(DECIDING_TOGETHER)
    assert portfolio_source() != versions()["engine source"]
    assert portfolio_source() == engine_source({name: source_of(name) for name in DECIDING_TOGETHER})


def imported_by(entries: set[str]) -> set[str]:
    """All modules of the engine that these import, at once or later, themselves included."""
    found, left = set(), set(entries)
    while left:
        name = left.pop()
        found.add(name)
        for node in ast.walk(ast.parse(source_of(name))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("engine"):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                left |= {one for one in {node.module, *inner} if is_module(one)} - found
            elif isinstance(node, ast.Import):
                left |= {alias.name for alias in node.names if alias.name.startswith("engine")} - found
        left |= {name.rpartition(".")[0]} - found - {""}
    return found


def is_module(name: str) -> bool:
    try:
        source_of(name)
    except ModuleNotFoundError:
        return False
    return True


def test_a_library_that_only_the_strategy_imports_counts_with_its_version():
    sources = {
        "mine.py": b"import numpy as np, os.path\nimport _lib\nfrom engine.strategy import Strategy\n",
        "_lib.py": b"def late():\n    from sqlalchemy.orm import Session\n    import nowhere\n",
    }
    usual = versions_for({"mine.py": sources["mine.py"], "_lib.py": b""})
    assert usual == versions()
    assert versions_for(sources) == usual | {"SQLAlchemy": metadata.version("sqlalchemy")}
    assert versions_for({"broken.py": b"def ("}) == versions()


def test_equal_inputs_in_another_order_and_memory_are_one_fingerprint():
    copied = Candles(*(np.array(column) for column in (CANDLES.timestamp, *CANDLES.columns().values())))
    same = {
        "candles": candle_inputs(copied),
        "params": {"kind": "ema", "fast": 9},
        "source": hashes({name: SOURCES[name].replace(b"\n", b"\r\n") for name in reversed(SOURCES)}),
        "versions": dict(reversed(versions().items())),
    }
    before, after = run_inputs(**USUAL), run_inputs(**USUAL | same)
    assert fingerprint(before) == fingerprint(after)
    assert changes(before, after) == ()


def test_many_changed_months_are_counted():
    candles = random_candles(20 * 30, 2, step_ms=DAY_MS)
    revised = dataclasses.replace(candles, close=candles.close * 2)
    before, after = (run_inputs(**USUAL | {"candles": candle_inputs(one)}) for one in (candles, revised))
    (words,) = changes(before, after)
    assert words.startswith("candles changed: 2024-01 (revised), 2024-02 (revised), ")
    assert words.endswith(" and 14 more months")


def test_candles_before_1970_and_none_at_all_have_their_inputs():
    early = random_candles(100, 3, start_ms=-50 * HOUR_MS)
    assert list(candle_inputs(early)["months"]) == ["1969-12", "1970-01"]
    assert candle_inputs(Candles.empty())["months"] == {}
