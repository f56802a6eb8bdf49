"""What a fingerprint covers: each input on its own, and nothing besides."""

import dataclasses
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine.comparison import changes
from engine.market import DAY_MS, HOUR_MS, Candles, Period
from engine.reproduction import (
    candle_inputs,
    engine_source,
    fingerprint,
    hashes,
    run_inputs,
    versions,
    versions_for,
)
from engine.runs import Costs
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
        f"engine source {versions()['engine source']} -> abc",
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


def test_a_change_of_the_program_itself_is_another_engine_source_though_its_version_stays(tmp_path: Path):
    folder = tmp_path / "engine"
    shutil.copytree(Path(engine.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert engine_source(folder) == versions()["engine source"]
    (folder / "service.py").write_text("# decides nothing\n")
    for file in folder.rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))  # a checkout on another system
    assert engine_source(folder) == versions()["engine source"]
    deciding = (
        "backtest/compiled.py",
        "backtest/summary.py",
        "indicators/loops.py",
        "market.py",
        "strategy.py",
    )
    seen = {engine_source(folder)}
    for name in deciding:
        (folder / name).write_bytes((folder / name).read_bytes() + b"#\n")
        seen.add(engine_source(folder))
    (folder / "strategy.py").rename(folder / "backtest" / "strategy.py")
    assert len(seen | {engine_source(folder)}) == len(deciding) + 2


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
