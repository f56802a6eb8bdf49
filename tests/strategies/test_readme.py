"""What strategies/README.md tells its readers works: its very text is saved, loaded and run."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.indicators import ema
from engine.model.market import HOUR_MS, CandleFile, SideFile
from tests.support.builders import START_MS, random_candles
from tests.support.tasks import run_here, run_task

README = (Path(__file__).parents[2] / "strategies" / "README.md").read_text()
OWN, LONGER, NATIVE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run_text(text: str, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "text.py").write_text(text)
    random_candles(800, 12).save(tmp_path / "candles.npy")
    return run_here(run_task(tmp_path / "candles.npy", tmp_path / "text.py", held=96, wanted=49))


def test_the_example_runs_and_does_what_it_says(tmp_path: Path) -> None:
    result = run_text(OWN, tmp_path)
    assert result["params"] == {"length": 48, "risk": 0.05}
    assert set(result["indicators"]) == {"high_before", "average", "stop_loss"}
    assert set(result["trades"]["entry_signal"]) == {"signal_breakout_buy"}
    assert {"stop_loss", "exit_long"} >= set(result["trades"]["exit_reason"]) - {"open"} != set()


def test_the_example_of_longer_candles_reads_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "text.py").write_text(LONGER)
    hours, fours = (
        random_candles(800, 12),
        random_candles(400, 5, step_ms=4 * HOUR_MS, start_ms=START_MS - 200 * 4 * HOUR_MS),
    )
    series = {"hours": hours, "fours": fours, "bitcoin": random_candles(800, 3)}
    for name, candles in series.items():
        candles.save(tmp_path / f"{name}.npy")
    files = {name: CandleFile(tmp_path / f"{name}.npy", 0) for name in series}
    beside = (
        SideFile("", "4h", 200, files["fours"]),
        SideFile("BTCUSDT", "", 200, files["bitcoin"]),
        SideFile("BTCUSDT", "4h", 200, files["fours"]),
    )
    task = run_task(files["hours"].path, tmp_path / "text.py", held=200)
    result = run_here(replace(task, candles=replace(task.candles, timeframe="1h", beside=beside)))
    seen = 199 + (np.arange(200, 800) + 1) // 4
    trend = fours.close[seen] - ema(fours.close, 20)[seen]
    assert np.array_equal(result["indicators"]["trend"], trend)
    assert result["metrics"]["trades"] == 3
    assert set(result["trades"]["exit_reason"]) - {"open"} == {"exit_long"}


def test_the_native_example_runs(tmp_path: Path) -> None:
    result = run_text(NATIVE, tmp_path)
    assert result["params"] == {"fast": 10, "slow": 30}
    assert set(result["trades"]["side"]) == {"long", "short"}


def test_the_example_is_about_twenty_lines_of_code() -> None:
    code = re.sub(r'""".*?"""', "", OWN, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 24


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].joinpath("strategies").glob("[a-z]*.py")))
def test_every_bundled_strategy_is_listed(path: Path) -> None:
    assert f"| `{path.stem}` |" in README
