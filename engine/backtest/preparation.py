"""What must be known of a strategy before its candles are loaded; a job, because strategy code runs only in workers."""

from pathlib import Path
from typing import Any

from engine.backtest.evaluation import ask_warmup
from engine.backtest.rules import Report
from engine.loader import open_strategy
from engine.loader.describe import native_params
from engine.strategy import Strategy, complete


def prepare_job(task: dict[str, Any], _report: Report) -> dict[str, Any]:
    """For `{strategy_path, params}`: `{params, warmup}` with every parameter checked and complete.

    Raises InputError for a parameter that the strategy refuses. A native backtesting.Strategy needs no warm-up of ours.
    """
    path = Path(task["strategy_path"])
    with open_strategy(path) as loaded:
        if not issubclass(loaded.strategy, Strategy):
            return {"params": complete(native_params(loaded.strategy), task["params"]), "warmup": 0}
        strategy: Strategy = loaded.strategy(task["params"])
        return {"params": strategy.values(), "warmup": ask_warmup(strategy, path)}
