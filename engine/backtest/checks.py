"""The checks `lookahead` and `warmup` of a run: what was found, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest.evaluation import CandleFrame, Evaluation, evaluate
from engine.backtest.lookahead import (
    Ask,
    Budget,
    Change,
    Findings,
    acts,
    compare_cuts,
    find_lookahead,
    find_short_warmup,
    planned_cuts,
    spread,
)
from engine.backtest.rules import Report
from engine.loader import open_strategy
from engine.market import Candles, format_time, short_time

CANDLES: Final = 6_000_000  # what one check of a run may compute again: the same on every machine
LEAST_S: Final = 2.0
MOST_S: Final = 10.0
SAMPLES: Final = 24  # candles that are seen again with less history
MOST_SAMPLES: Final = 1_000  # of an exhaustive search
FOREVER: Final = float("inf")
SWITCHED_OFF: Final = "switched off"

Check = dict[str, Any]


def run_checks(
    ask: Ask, frame: CandleFrame, full: Evaluation, held: int, wanted: int, own_s: float
) -> dict[str, Check]:
    """The checks `lookahead` and `warmup` of a run whose period begins at position `held`.

    Each takes about as long as the strategy itself did (`own_s`), at least 2 and at most 10 seconds; no run fails by them.
    """
    limit_s, pace_s = min(max(LEAST_S, own_s), MOST_S), own_s / len(frame)
    found = find_lookahead(ask, frame, full, held, Budget(CANDLES, limit_s, pace_s))
    warmup = _counted_warmup(held, wanted)
    if held >= wanted:
        samples = planned_cuts(len(frame), held, *acts(full.signals))[:SAMPLES]
        budget = Budget(CANDLES, limit_s, pace_s)
        short = find_short_warmup(ask, frame, full, samples, wanted, budget)
        warmup |= _tried_warmup(short, found, frame, warmup)
    return {"lookahead": lookahead_check(found, frame), "warmup": warmup}


def unmade_checks(held: int, wanted: int, why: str) -> dict[str, Check]:
    """The checks of a run that is not asked again: warm-up candles are still counted."""
    skipped = {"status": "skipped", "columns": [], "cuts": 0, "note": why, "first": []}
    return {"lookahead": skipped, "warmup": _counted_warmup(held, wanted)}


def _tried_warmup(found: Findings, ahead: Findings, frame: CandleFrame, counted: Check) -> Check:
    """What trying adds to a warm-up of which enough candles are held; columns that look ahead are another story."""
    changes = {name: change for name, change in found.changes.items() if name not in ahead.changes}
    if not changes:
        tried = f"; the same with more of them before on {_counted(found, 'candles')}" if found.done else ""
        status = "passed" if found.done else counted["status"]
        return {"status": status, "note": counted["note"] + tried + _failures(found)}
    first = min(changes.values(), key=lambda change: change.candle)
    when = short_time(int(frame.candles.timestamp[first.candle]))
    few = f"{counted['wanted']:,} candles of warm-up are too few"
    note = f"{few}: {', '.join(changes)} at {when} changes with more of them before" + _failures(found)
    return {"status": "failed", "columns": list(changes), "note": note}


def _counted_warmup(held: int, wanted: int) -> Check:
    status = "skipped" if not wanted else "passed" if held >= wanted else "failed"
    note = f"{held} of {wanted}" if wanted else "no warm-up wanted"
    return {"status": status, "columns": [], "wanted": wanted, "held": held, "note": note}


def lookahead_check(found: Findings, frame: CandleFrame) -> Check:
    """`{status, columns, cuts, note, first}`; it says on how many cuts it passed, never that there is no look-ahead."""
    changes = sorted(found.changes.values(), key=lambda change: (change.candle, change.cut))
    if changes:
        times = frame.candles.timestamp
        candle, cut = (short_time(int(times[at])) for at in (changes[0].candle, changes[0].cut))
        where = "there" if candle == cut else f"after {cut}"
        status, note = (
            "failed",
            f"{_names(found)}: another value at {candle} once the future is cut off {where}",
        )
    elif found.done:
        status, note = "passed", f"passed on {_counted(found, 'cuts')}"
    else:
        status, note = "skipped", _why_nothing(found)
    return {
        "status": status,
        "columns": list(found.changes),
        "cuts": found.done,
        "note": note + _failures(found),
        "first": [_plain(change, frame) for change in changes],
    }


def _why_nothing(found: Findings) -> str:
    if not found.planned:
        return "too few candles"
    return "no cut could be computed" if found.failed else "the strategy is too slow to be asked again"


def _names(found: Findings) -> str:
    return ", ".join(found.changes)


def _counted(found: Findings, what: str) -> str:
    return (
        f"{found.done} {what}" if found.done == found.planned else f"{found.done} of {found.planned} {what}"
    )


def _failures(found: Findings) -> str:
    return f"; {found.failed} could not be computed ({found.error})" if found.failed else ""


def _plain(change: Change, frame: CandleFrame) -> dict[str, str]:
    times = frame.candles.timestamp
    candle, cut = (format_time(int(times[at])) for at in (change.candle, change.cut))
    return {"column": change.column, "candle": candle, "cut": cut}


def lookahead_job(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Search one strategy for look-ahead, cutting after every candle of a period or as many as asked.

    `task`: as for `run_job`, without costs and engine, and `cuts`, how many at most. Returns the checks `lookahead` and
    `warmup`, and `candles`, after how many a cut is possible. Raises RunError where the strategy fails on the whole.
    """
    frame = CandleFrame(Candles.load(Path(task["candles_path"])).slice(task["first"], task["last"]))
    held, wanted, path = int(task["warmup_candles"]), int(task["warmup_wanted"]), Path(task["strategy_path"])
    with open_strategy(path) as loaded:

        def ask(part: CandleFrame) -> Evaluation:
            return evaluate(loaded.strategy(task["params"]), path, part)

        full = evaluate(loaded.strategy(task["params"]), path, frame, held=held, wanted=wanted)
        every = np.arange(held, len(frame) - 1)
        cuts = spread(every, task["cuts"])
        found = Findings(planned=len(cuts))

        def tell(_part: Evaluation) -> None:
            report(found.done, found.planned, "cuts")

        compare_cuts(ask, frame, full, cuts, found, Budget(FOREVER, FOREVER), tell)
        warmup = _counted_warmup(held, wanted)
        if held >= wanted:
            samples = spread(every, MOST_SAMPLES)
            short = find_short_warmup(ask, frame, full, samples, wanted, Budget(FOREVER, FOREVER))
            warmup |= _tried_warmup(short, found, frame, warmup)
    return {"lookahead": lookahead_check(found, frame), "warmup": warmup, "candles": len(every)}
