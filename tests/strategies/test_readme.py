"""What strategies/README.md tells its readers works: its very text is saved, loaded and run."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import random_candles
from tests.support.tasks import run_here, run_task

README = (Path(__file__).parents[2] / "strategies" / "README.md").read_text()
OWN, NATIVE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


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
