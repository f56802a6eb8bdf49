"""What must be known of a strategy before its candles are loaded; a job, because strategy code runs only in workers."""

from engine.backtest.questions import ask_preparation
from engine.backtest.rules import Report
from engine.parallel.tasks import PrepareAnswer, PrepareTask


def prepare_job(task: PrepareTask, _report: Report) -> PrepareAnswer:
    """Every parameter checked and complete, the warm-up, and what is read beside the candles. A native backtesting.Strategy
    needs neither of ours. Raises InputError for a parameter that the strategy refuses.
    """
    return PrepareAnswer(**ask_preparation(task.strategy, task.params))
