"""The checks `lookahead` and `warmup` of a run: what was found, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.backtest.evaluation import Evaluation
from engine.backtest.questions import Answer
from engine.backtest.rules import Report
from engine.checks.lookahead import (
    FOREVER,
    Budget,
    Change,
    Findings,
    Fresh,
    compare_cuts,
    find_lookahead,
    find_short_warmup,
    sample_candles,
    spread,
)
from engine.model.market import Candles, format_time, short_time
from engine.model.run import counted_warmup

CANDLES: Final = 6_000_000  # what one check of a run may compute again: the same on every machine
LEAST_S: Final = 2.0
MOST_S: Final = 10.0
SAMPLES: Final = 24  # candles that are seen again with less history
MOST_SAMPLES: Final = 1_000  # of an exhaustive search
NO_WARMUP: Final = "a backtesting.Strategy is given no candles before its period"
SWITCHED_OFF: Final = "switched off"
REMEMBERS: Final = "the strategy remembers what it was asked before, or answers by chance or by the clock"

Check = dict[str, Any]


def run_checks(
    fresh: Fresh,
    candles: Candles,
    full: Evaluation,
    held: int,
    wanted: int,
    own_s: float,
    longer: Mapping[str, int],
) -> dict[str, Check]:
    """The checks `lookahead` and `warmup` of a run whose period begins at position `held`; `longer`: the warm-up of longer
    candles that it reads.

    Each takes about as long as the strategy itself did (`own_s`), at least 2 and at most 10 seconds; no run fails by them.
    """
    limit_s, pace_s = min(max(LEAST_S, own_s), MOST_S), own_s / len(candles)
    found = find_lookahead(fresh, len(candles), full, held, Budget(CANDLES, limit_s, pace_s))
    warmup = counted_warmup(held, wanted)
    if held >= wanted:
        samples = sample_candles(len(candles), held, full, SAMPLES)
        budget = Budget(CANDLES, limit_s, pace_s)
        short = find_short_warmup(fresh, candles, full, samples, wanted, budget)
        warmup |= _tried_warmup(short, found, candles, warmup, longer)
    return {"lookahead": lookahead_check(found, candles), "warmup": warmup}


def native_checks(fresh: Fresh, answer: Answer, held: int = 0) -> dict[str, Check]:
    """The checks of a native run: `init()` sees all of its period, so it is asked again with the future cut off.
    `held`: how many candles before it it saw, as one of a walk-forward does.
    """
    found, candles = Findings(), answer.candles
    if answer.first < len(candles) - 1:
        limit_s, pace_s = min(max(LEAST_S, answer.own_s), MOST_S), answer.own_s / len(candles)
        budget = Budget(CANDLES, limit_s, pace_s)
        found = find_lookahead(fresh, len(candles), answer.said, answer.first, budget)
    return {"lookahead": lookahead_check(found, candles), "warmup": _no_warmup(held)}


def search(
    fresh: Fresh, answer: Answer, cuts: int, wanted: int, report: Report, longer: Mapping[str, int]
) -> dict[str, Any]:
    """Search a strategy for look-ahead, cutting after every candle of its period, or `cuts` of them spread over it.

    Returns the checks `lookahead` and `warmup`, and `candles`, after how many a cut is possible.
    """
    candles, first, full = answer.candles, answer.first, answer.said
    every = np.arange(first, len(candles) - 1)
    chosen, found = spread(every, cuts), Findings()

    def tell(_part: Evaluation) -> None:
        report(found.done, found.planned, "cuts")

    compare_cuts(fresh, len(candles), full, chosen, found, Budget(FOREVER, FOREVER), tell)
    warmup = _no_warmup()
    if answer.outcome is None:
        warmup = counted_warmup(first, wanted)
        if first >= wanted:
            samples = spread(every, MOST_SAMPLES)
            short = find_short_warmup(fresh, candles, full, samples, wanted, Budget(FOREVER, FOREVER))
            warmup |= _tried_warmup(short, found, candles, warmup, longer)
    return {"lookahead": lookahead_check(found, candles), "warmup": warmup, "candles": len(every)}


def _no_warmup(held: int = 0) -> Check:
    note = f"each window saw the candles before it, the first {held:,}" if held else NO_WARMUP
    return {"status": "skipped", "columns": [], "wanted": held, "held": held, "note": note}


def unmade_checks(held: int, wanted: int, why: str) -> dict[str, Check]:
    """The checks of a run that is not asked again: warm-up candles are still counted."""
    skipped = {"status": "skipped", "columns": [], "cuts": 0, "note": why, "first": []}
    return {"lookahead": skipped, "warmup": counted_warmup(held, wanted)}


def _tried_warmup(
    found: Findings, ahead: Findings, candles: Candles, counted: Check, longer: Mapping[str, int]
) -> Check:
    """What trying adds to a warm-up of which enough candles are held; columns that look ahead are another story."""
    known = ahead.changes | ahead.remembered
    changes = {name: change for name, change in found.changes.items() if name not in known}
    if not changes:
        tried = f"; the same with more of them before on {_counted(found, 'candles')}" if found.done else ""
        status = "passed" if found.done else counted["status"]
        return {"status": status, "note": counted["note"] + tried + _failures(found)}
    first = min(changes.values(), key=lambda change: change.candle)
    when = short_time(int(candles.timestamp[first.candle]))
    named = [f"{name} {count:,}" for name, count in longer.items() if count]
    own = [f"{counted['wanted']:,}"] if counted["wanted"] or not named else []
    wanted = ", ".join(own + named)
    note = (
        f"the warm-up ({wanted}) is too short: {', '.join(changes)} at {when} changes with more of them before"
        + _failures(found)
    )
    return {"status": "failed", "columns": list(changes), "note": note}


def lookahead_check(found: Findings, candles: Candles) -> Check:
    """`{status, columns, cuts, note, first}`; it says on how many cuts it passed, never that there is no look-ahead."""
    columns, times = list(found.changes | found.remembered), candles.timestamp
    changes = sorted(found.changes.values(), key=lambda change: (change.candle, change.cut))
    status = "failed" if columns else "passed" if found.done else "skipped"
    if found.remembered:
        note = f"{_names(found.changes | found.remembered)}: otherwise when asked for the past first; {REMEMBERS}"
    elif changes:
        candle, cut = (short_time(int(times[at])) for at in (changes[0].candle, changes[0].cut))
        where = "there" if candle == cut else f"after {cut}"
        note = f"{_names(found.changes)}: another value at {candle} once the future is cut off {where}"
    elif found.done:
        note = f"passed on {_counted(found, 'cuts')}"
    else:
        note = _why_nothing(found)
    return {
        "status": status,
        "columns": columns,
        "cuts": found.done,
        "note": note + _failures(found),
        "first": [_plain(change, candles) for change in changes],
    }


def _why_nothing(found: Findings) -> str:
    if not found.planned:
        return "too few candles"
    return "no cut could be computed" if found.failed else "the strategy is too slow to be asked again"


def _names(changes: Mapping[str, Change]) -> str:
    return ", ".join(changes)


def _counted(found: Findings, what: str) -> str:
    return (
        f"{found.done} {what}" if found.done == found.planned else f"{found.done} of {found.planned} {what}"
    )


def _failures(found: Findings) -> str:
    return f"; {found.failed} could not be computed ({found.error})" if found.failed else ""


def _plain(change: Change, candles: Candles) -> dict[str, str]:
    times = candles.timestamp
    candle, cut = (format_time(int(times[at])) for at in (change.candle, change.cut))
    return {"column": change.column, "candle": candle, "cut": cut}
