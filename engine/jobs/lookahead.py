"""The exhaustive search for look-ahead inside a worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from engine.backtest.questions import ask_whole, asking_again
from engine.backtest.rules import Report
from engine.checks.verdicts import search


def lookahead_job(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """`checks.verdicts.search` of one strategy. `task`: as for `run_job`, without engine, and `cuts`, how many at most.

    Raises RunError where the strategy fails on the whole period.
    """
    answer = ask_whole(task, report)
    return search(partial(asking_again, task), answer, task["cuts"], int(task["warmup_wanted"]), report)
