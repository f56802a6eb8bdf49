"""What must be known of a strategy before its candles are loaded; a job, because strategy code runs only in workers."""

from pathlib import Path
from typing import Any

from engine.backtest.questions import ask_preparation
from engine.backtest.rules import Report


def prepare_job(task: dict[str, Any], _report: Report) -> dict[str, Any]:
    """For `{strategy_path, params}`: `{params, warmup}` with every parameter checked and complete.

    Raises InputError for a parameter that the strategy refuses. A native backtesting.Strategy needs no warm-up of ours.
    """
    return ask_preparation(Path(task["strategy_path"]), task["params"])
