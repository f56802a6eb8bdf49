"""Walk-forwards for tests: on the sample of sweeps, and of a strategy that takes its time."""

import json
from collections.abc import Mapping
from typing import Any

from engine.model.durations import parse_duration
from engine.model.walk_forward import WalkForward, WalkForwardSpec
from engine.service import Engine
from tests.engine.research.sweeping import sweep_spec
from tests.support.database import execute

GRID = {"fast": "5:20:5", "slow": "30:60:15"}
SLOW = '''
import time
import numpy as np
from engine.strategy import Param, Strategy


class Slow(Strategy):
    """Takes its time."""

    number = Param(3, low=1, high=100000)

    def signals(self, candles, indicators):
        time.sleep(0.03)
        buy = np.arange(len(candles)) % (10 + self.number) == 0
        return {"signal_x_buy": buy, "exit_long": np.roll(buy, 3)}
'''


def empty(engine: Engine) -> None:
    url = str(engine.settings.database_url)
    execute(url, "TRUNCATE walk_forwards, walk_forward_parts, trials, backtest_runs")


def walk_spec(
    strategy: str = "ema_cross",
    ranges: Mapping[str, str] = GRID,
    train: str = "20d",
    test: str = "10d",
    mode: str = "rolling",
    gap: str = "0",
    **more: Any,
) -> WalkForwardSpec:
    """Over 62.5 days: four tests of 10 days and one that is cut, unless said else."""
    sweep = sweep_spec(strategy, dict(ranges), **{"objective": "return_pct"} | more)
    lengths = (parse_duration(train, "train"), parse_duration(test, "test"))
    return WalkForwardSpec(sweep, *lengths, mode, parse_duration(gap, "gap"))


def plain(walk: WalkForward) -> dict[str, Any]:
    """What two walk-forwards of the same have in common."""
    document: dict[str, Any] = json.loads(json.dumps(walk.to_json()))
    for name in ("id", "elapsed_s", "created"):
        document.pop(name)
        document["run"].pop(name)
    document["run"].pop("checks")  # how often a slow strategy was asked again is a matter of time
    return document
