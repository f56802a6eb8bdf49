"""The checks `lookahead` and `warmup` of a run: what was found, in words and figures."""

from __future__ import annotations

from typing import Any, Final

from engine.backtest.evaluation import CandleFrame, Evaluation
from engine.backtest.lookahead import (
    Ask,
    Budget,
    Change,
    Findings,
    find_lookahead,
    find_short_warmup,
)
from engine.market import format_time, short_time

CANDLES: Final = 3_000_000  # what one check of a run may compute again: the same on every machine
LEAST_S: Final = 2.0
NATIVE: Final = "a backtesting.Strategy is shown one candle after the other"
SWITCHED_OFF: Final = "switched off"

Check = dict[str, Any]


def run_checks(
    ask: Ask, frame: CandleFrame, full: Evaluation, held: int, wanted: int, own_s: float
) -> dict[str, Check]:
    """The checks `lookahead` and `warmup` of a run whose period begins at position `held`.

    Each takes about as long as the strategy itself did (`own_s`), or two seconds; no run fails by them.
    """
    limit_s = max(LEAST_S, own_s)
    found = find_lookahead(ask, frame, full, held, Budget(CANDLES, limit_s))
    return {
        "lookahead": lookahead_check(found, frame),
        "warmup": _warmup(ask, frame, full, held, wanted, Budget(CANDLES, limit_s)),
    }


def unmade_checks(held: int, wanted: int, why: str) -> dict[str, Check]:
    """The checks of a run that is not asked again: warm-up candles are still counted."""
    skipped = {"status": "skipped", "columns": [], "cuts": 0, "note": why, "first": []}
    return {"lookahead": skipped, "warmup": _counted_warmup(held, wanted)}


def _warmup(ask: Ask, frame: CandleFrame, full: Evaluation, held: int, wanted: int, budget: Budget) -> Check:
    check = _counted_warmup(held, wanted)
    if held < wanted:
        return check
    found = find_short_warmup(ask, frame, full, held, wanted, budget)
    if found.changes:
        first = min(found.changes.values(), key=lambda change: change.candle)
        when = short_time(int(frame.candles.timestamp[first.candle]))
        note = f"{wanted} candles are too few: {_names(found)} at {when} changes with more of them before"
        check |= {"status": "failed", "columns": list(found.changes), "note": note}
    elif found.done:
        note = f"{check['note']}; the same with more of them before on {_counted(found, 'candles')}"
        check |= {"status": "passed", "note": note}
    check["note"] += _failures(found)
    return check


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
        status, note = "skipped", "too few candles" if not found.planned else "no cut could be computed"
    return {
        "status": status,
        "columns": list(found.changes),
        "cuts": found.done,
        "note": note + _failures(found),
        "first": [_plain(change, frame) for change in changes],
    }


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
