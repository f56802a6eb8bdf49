"""Does a strategy use candles that it could not know yet, and is its warm-up long enough?

Both are found by asking the strategy again. With the future cut off, nothing up to the cut may change: every column is
compared on all candles up to there. With the past cut down to the warm-up, the last candle may not change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.backtest.evaluation import CandleFrame, Evaluation
from engine.errors import RunError
from engine.market import DAY_MS, Float64Array
from engine.strategy import Signals

Ask = Callable[[CandleFrame], Evaluation]
OnPart = Callable[[Evaluation], None]
Flags = npt.NDArray[np.bool_]

GOLDEN: Final = 0.6180339887498949  # its multiples never fall into a rhythm
EVEN_CUTS: Final = 32
ACT_CUTS: Final = 50  # where an entry or an exit fires; and as many more where one does in the cut runs
EXIT_CUTS: Final = 10  # of them, where an exit begins to fire: a peep that only leaves in time moves no entry
SAME_FUTURE: Final = 1e-9  # relative
SAME_PAST: Final = 1e-6  # relative: a recursive average never quite forgets
ROUNDING: Final = (
    1e-12  # of a column's largest value: what an algorithm of another order of sums may differ by
)


@dataclass(frozen=True, slots=True)
class Change:
    """A column that came out otherwise: first on the candle at position `candle`, with the cut after position `cut`."""

    column: str
    candle: int
    cut: int


@dataclass(slots=True)
class Findings:
    """Of `planned` repetitions `done` were compared; the first change of each column; the first error of the `failed`."""

    planned: int = 0
    done: int = 0
    failed: int = 0
    error: str = ""
    changes: dict[str, Change] = field(default_factory=dict)


class Budget:
    """What repetitions may cost: candles, and seconds as far as can be told from those done so far, or from `pace_s`, the
    seconds that a candle took before.
    """

    def __init__(self, candles: float, seconds: float, pace_s: float = 0.0) -> None:
        self._candles, self._seconds, self._pace_s = candles, seconds, pace_s
        self._spent, self._started = 0, time.monotonic()

    def allows(self, candles: int) -> bool:
        """Whether one more repetition over that many candles fits; it is counted when it does."""
        used_s = time.monotonic() - self._started
        pace_s = used_s / self._spent if self._spent else self._pace_s
        if self._spent + candles > self._candles or used_s + pace_s * candles > self._seconds:
            return False
        self._spent += candles
        return True


def find_lookahead(ask: Ask, frame: CandleFrame, full: Evaluation, held: int, budget: Budget) -> Findings:
    """Cut the future off after candles all over the period (from position `held` on), and after those that act."""
    findings = Findings()
    cuts = planned_cuts(len(frame), held, *acts(full.signals))
    findings.planned = len(cuts)
    entering, leaving = (np.zeros(len(frame), dtype=np.bool_) for _ in range(2))

    def remember_acts(part: Evaluation) -> None:
        for seen, found in zip((entering, leaving), acts(part.signals), strict=True):
            seen[: len(found)] |= found

    compare_cuts(ask, frame, full, cuts, findings, budget, remember_acts)
    entering[cuts] = leaving[cuts] = False
    more = _act_cuts(held, entering, leaving)
    findings.planned += len(more)
    compare_cuts(ask, frame, full, more, findings, budget)
    return findings


def acts(signals: Signals) -> tuple[Flags, Flags]:
    """Where an entry fires, and where an exit begins to."""
    columns = signals.exit_long, signals.exit_short
    long, short = (column & ~np.concatenate(([False], column[:-1])) for column in columns)
    return signals.entry != 0, long | short


def planned_cuts(candles: int, held: int, entering: Flags, leaving: Flags) -> list[int]:
    """Last candles of the cuts to begin with: one in each of 32 equal parts of the period, and up to 50 that act.

    The most telling first, should there be no time for all. Where in its part a cut lies differs from part to part:
    always at midnight, it would not see that a day is used before it is over.
    """
    span = (candles - 1 - held) / EVEN_CUTS
    places = (held + int((part + part * GOLDEN % 1) * span) for part in range(EVEN_CUTS))
    even = sorted({place for place in places if place < candles - 1})
    mixed = zip_longest(_far_apart(even), _far_apart(_act_cuts(held, entering, leaving)))
    return list(dict.fromkeys(cut for pair in mixed for cut in pair if cut is not None))


def _act_cuts(held: int, entering: Flags, leaving: Flags) -> list[int]:
    exits = spread(_inside(leaving, held), EXIT_CUTS)
    return sorted({*exits, *spread(_inside(entering, held), ACT_CUTS - len(exits))})


def _inside(flags: Flags, held: int) -> npt.NDArray[np.intp]:
    """Positions of the period that are flagged; not the last candle, after which there is no future."""
    return held + np.flatnonzero(flags[held:-1])


def spread(positions: npt.NDArray[np.intp], most: int) -> list[int]:
    """At most so many of the positions, evenly chosen."""
    if len(positions) > most:
        positions = positions[np.linspace(0, len(positions) - 1, most).astype(np.intp)]
    return [int(position) for position in positions]


def _far_apart(positions: Sequence[int]) -> list[int]:
    """In an order whose every beginning is spread over the whole."""
    return [positions[i] for i in sorted(range(len(positions)), key=lambda i: i * GOLDEN % 1)]


def compare_cuts(
    ask: Ask,
    frame: CandleFrame,
    full: Evaluation,
    cuts: Sequence[int],
    findings: Findings,
    budget: Budget,
    on_part: OnPart = lambda _: None,
) -> None:
    """Compare every column of `full` on all candles up to each cut with what the strategy says when nothing follows."""
    expected = list(_columns(full))
    rounding = {name: ROUNDING * _largest(column) for name, column in expected}
    for cut in cuts:
        part = _ask(ask, frame.part(0, cut + 1), findings) if budget.allows(cut + 1) else None
        if part is None:
            continue
        found = dict(_columns(part))
        for name, column in expected:
            at = _first_difference(column[: cut + 1], found.pop(name, None), SAME_FUTURE, rounding[name])
            if at is not None:
                _note(findings, Change(name, at, cut))
        for name in found:  # a column that only a shorter history has
            _note(findings, Change(name, 0, cut))
        on_part(part)


def find_short_warmup(
    ask: Ask, frame: CandleFrame, full: Evaluation, samples: Sequence[int], warmup: int, budget: Budget
) -> Findings:
    """Compare the candles at these positions with themselves after `warmup` candles only, from there back to 00:00 UTC."""
    findings = Findings()
    expected = list(_columns(full))
    usual = {name: SAME_PAST * _usual(column) for name, column in expected}
    for sample in samples:
        start = _day_start(frame, sample - warmup)
        if start <= 0:
            continue  # its history is no longer than that
        findings.planned += 1
        part = (
            _ask(ask, frame.part(start, sample + 1), findings) if budget.allows(sample + 1 - start) else None
        )
        if part is None:
            continue
        found = dict(_columns(part))
        for name, column in expected:
            last = found[name][-1:] if name in found else None
            if _first_difference(column[sample : sample + 1], last, SAME_PAST, usual[name]) is not None:
                _note(findings, Change(name, sample, sample))
    return findings


def _ask(ask: Ask, frame: CandleFrame, findings: Findings) -> Evaluation | None:
    try:
        evaluation = ask(frame)
    except (RunError, MemoryError) as error:
        findings.failed += 1
        findings.error = findings.error or str(error) or type(error).__name__
        return None
    findings.done += 1
    return evaluation


def _note(findings: Findings, change: Change) -> None:
    known = findings.changes.get(change.column)
    if known is None or change.candle < known.candle:
        findings.changes[change.column] = change


def _columns(evaluation: Evaluation) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield from evaluation.indicators.items()
    signals = evaluation.signals
    yield from signals.raw.items()
    yield "stop_loss", signals.stop_loss
    yield "take_profit", signals.take_profit


def _largest(column: npt.NDArray[Any]) -> float:
    finite = np.abs(column[np.isfinite(column)]) if column.dtype != np.bool_ else column
    return float(finite.max(initial=0.0))


def _usual(column: npt.NDArray[Any]) -> float:
    finite = np.abs(column[np.isfinite(column)]) if column.dtype != np.bool_ else column[:0]
    return float(np.median(finite)) if len(finite) else 0.0


def _first_difference(
    expected: npt.NDArray[Any], found: npt.NDArray[Any] | None, relative: float, absolute: float
) -> int | None:
    """Position of the first value that is not the same (NaN = NaN); None where all are."""
    if found is None:
        return 0
    if expected.dtype == np.bool_:
        differs = expected != found
    elif np.array_equal(expected.view(np.int64), found.view(np.int64)):
        return None  # nearly always, and five times as fast
    else:
        differs = ~_same(expected, found, relative, absolute)
    return int(differs.argmax()) if differs.any() else None


def _same(
    expected: Float64Array, found: Float64Array, relative: float, absolute: float
) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(expected - found) <= np.maximum(
            relative * np.maximum(np.abs(expected), np.abs(found)), absolute
        )
    same: npt.NDArray[np.bool_] = (expected == found) | near | (np.isnan(expected) & np.isnan(found))
    return same


def _day_start(frame: CandleFrame, position: int) -> int:
    """Position of the first held candle of the UTC day of the candle at `position`; 0 or less: there is none before."""
    if position <= 0:
        return position
    times = frame.candles.timestamp
    return int(np.searchsorted(times, times[position] // DAY_MS * DAY_MS))
