"""What must be known of a strategy before its candles are loaded; a job, because strategy code runs only in workers."""

from collections.abc import Callable
from typing import Any

Report = Callable[[float, float | None, str], None]


def prepare_job(task: dict[str, Any], _report: Report) -> dict[str, Any]:
    """For `{strategy_path, params}`: `{params, warmup}` with every parameter checked and complete.

    Raises InputError for a parameter that the strategy refuses. A native backtesting.Strategy needs no warm-up of ours.
    """
    from engine.errors import InputError
    from engine.loader import load_strategy
    from engine.strategy import Strategy

    kind = load_strategy(task["strategy_path"])
    if not issubclass(kind, Strategy):
        from engine.backtest.native import native_params

        return {"params": native_params(kind, task["params"]), "warmup": 0}
    strategy = kind(task["params"])
    warmup = strategy.warmup()
    if not isinstance(warmup, int) or not 0 <= warmup <= 1_000_000:
        raise InputError(
            f"warmup() must return a whole number of candles from 0 to 1,000,000, not {warmup!r}"
        )
    return {"params": strategy.values(), "warmup": warmup}
