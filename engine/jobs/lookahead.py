"""The exhaustive search for look-ahead inside a worker."""

from functools import partial

from engine.backtest.questions import ask_whole, asking_again
from engine.backtest.rules import Report
from engine.checks.verdicts import search
from engine.model.reads import longer_wanted
from engine.parallel.tasks import LookaheadAnswer, LookaheadTask


def lookahead_job(task: LookaheadTask, report: Report) -> LookaheadAnswer:
    """`checks.verdicts.search` of one strategy. Raises RunError where the strategy fails on the whole period."""
    answer = ask_whole(task, report)
    fresh, longer = partial(asking_again, task), longer_wanted(task.candles)
    return LookaheadAnswer(**search(fresh, answer, task.cuts, task.warmup, report, longer))
