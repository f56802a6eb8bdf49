"""Does a strategy use candles that it could not know yet, and is its warm-up long enough?

Both are found by asking the strategy again. With the future cut off, nothing up to the cut may change: every column is
compared on all candles up to there. With the past cut down to the warm-up, the last candle may not change.

Each search has a fresh process, which is asked the shortest cut first and the whole last: so what a strategy remembers
between two questions, wherever it does, knows only the past; and where that changes what it says of the whole, it shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.backtest.evaluation import Evaluation
from engine.backtest.questions import Ask
from engine.errors import BacktestError
from engine.model.market import DAY_MS, Candles, Float64Array
from engine.parallel.isolated import Ended
from engine.parallel.job import TimedOut

Fresh = Callable[[float | None], AbstractContextManager[Ask]]  # a fresh process, with a time limit in seconds
OnPart = Callable[[Evaluation], None]
Columns = Sequence[tuple[str, npt.NDArray[Any]]]
Flags = npt.NDArray[np.bool_]

FOREVER: Final = float("inf")
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
    """Of `planned` repetitions `done` were compared; the first change of each column; the first error of the `failed`.

    `remembered` are changes on the whole, asked after the cuts: the strategy says otherwise when it was asked before.
    """

    planned: int = 0
    done: int = 0
    failed: int = 0
    error: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    remembered: dict[str, Change] = field(default_factory=dict)
    ended: bool = False  # the process under way answers no more


class Budget:
    """What repetitions may cost: candles, and seconds as far as can be told from those done so far, or from `pace_s`, the
    seconds that a candle took before.
    """

    def __init__(self, candles: float, seconds: float, pace_s: float = 0.0) -> None:
        self._candles, self.seconds, self._pace_s = candles, seconds, pace_s
        self._counted, self._started = 0, time.monotonic()
        self._tried: list[
            tuple[int, float]
        ] = []  # candles and seconds of the first repetition and of the last

    def allows(self, candles: int) -> bool:
        """Whether one more repetition over that many candles fits; it is counted when it does."""
        if self._counted + candles > self._candles:
            return False
        self._counted += candles
        return True

    def affords(self, candles: int, repetitions: int = 1) -> bool:
        """Whether there is time left for so many more, over so many candles together."""
        pace_s, each_s = self._pace_s, 0.0
        if self._tried:
            (few, least_s), (many, most_s) = self._tried[0], self._tried[-1]
            if many > few:
                pace_s = max(0.0, (most_s - least_s) / (many - few))
            each_s = max(0.0, most_s - pace_s * many)
        spent_s = time.monotonic() - self._started
        return spent_s + each_s * repetitions + pace_s * candles <= self.seconds

    @contextmanager
    def spending(self, candles: int) -> Iterator[None]:
        """A repetition over that many candles: what it takes is learned from it."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._tried = [*self._tried[:1], (candles, time.monotonic() - began)]

    @property
    def is_untried(self) -> bool:
        """Whether nothing was repeated yet."""
        return not self._tried

    @property
    def limit_s(self) -> float | None:
        """When a process that hangs is given up."""
        return None if self.seconds == FOREVER else 2 * self.seconds + 5


def find_lookahead(fresh: Fresh, candles: int, full: Evaluation, held: int, budget: Budget) -> Findings:
    """Cut the future off after candles all over the period (from position `held` on), and after those that act.

    `candles`: how many there are. `full`: what the strategy said of all, asked once.
    """
    findings = Findings()
    entering, leaving = (np.zeros(candles, dtype=np.bool_) for _ in range(2))

    def remember_acts(part: Evaluation) -> None:
        for seen, found in zip((entering, leaving), acts(part), strict=True):
            seen[: len(found)] |= found

    even = even_cuts(candles, held)
    compare_cuts(fresh, candles, full, even, findings, budget, remember_acts)
    own = act_cuts(held, *acts(full))
    entering[own], leaving[own] = False, False
    acting = dict.fromkeys([*_far_apart(own), *_far_apart(act_cuts(held, entering, leaving))])
    compare_cuts(fresh, candles, full, [cut for cut in acting if cut not in even], findings, budget)
    return findings


def acts(said: Evaluation) -> tuple[Flags, Flags]:
    """Where an entry fires, and where an exit begins to."""
    signals = said.signals
    columns = signals.exit_long, signals.exit_short
    long, short = (column & ~np.concatenate(([False], column[:-1])) for column in columns)
    return signals.entry != 0, long | short


def even_cuts(candles: int, held: int) -> list[int]:
    """Last candles of cuts in each of 32 equal parts of the period, the most telling first.

    Where in its part a cut lies differs from part to part: always at midnight, it would not see that a day is used before it
    is over.
    """
    span = (candles - 1 - held) / EVEN_CUTS
    places = (held + int((part + part * GOLDEN % 1) * span) for part in range(EVEN_CUTS))
    return _far_apart(sorted({place for place in places if place < candles - 1}))


def act_cuts(held: int, entering: Flags, leaving: Flags) -> list[int]:
    """Last candles of up to 50 cuts where something fires."""
    exits = spread(_inside(leaving, held), EXIT_CUTS)
    return sorted({*exits, *spread(_inside(entering, held), ACT_CUTS - len(exits))})


def sample_candles(candles: int, held: int, said: Evaluation, most: int) -> list[int]:
    """Candles of the period that are looked at again, in turn evenly spread ones and ones that act."""
    mixed = zip_longest(even_cuts(candles, held), _far_apart(act_cuts(held, *acts(said))))
    return list(dict.fromkeys(one for pair in mixed for one in pair if one is not None))[:most]


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
    fresh: Fresh,
    candles: int,
    full: Evaluation,
    cuts: Sequence[int],
    findings: Findings,
    budget: Budget,
    on_part: OnPart = lambda _: None,
) -> None:
    """Compare every column of `full` on all candles up to each cut with what the strategy says when nothing follows.

    `cuts`: the most telling first, should there be no room for all. One process is asked them, the shortest first, and then
    the whole.
    """
    findings.planned += len(cuts)
    chosen = sorted(cut for cut in cuts if budget.allows(cut + 1)) if budget.allows(candles) else []
    if not chosen:
        return
    expected = list(_columns(full))
    rounding = {name: ROUNDING * _largest(column) for name, column in expected}
    before = findings.done
    with fresh(budget.limit_s) as ask:
        for at, cut in enumerate(chosen):
            left = [] if budget.seconds == FOREVER else [one for one in cuts if one in chosen[at:]]
            has_room = _has_room(budget, cut, left, candles)
            part = _asked(ask, 0, cut + 1, findings, budget) if has_room else None
            if findings.ended:
                break
            if part is not None:
                findings.changes = _earliest(findings.changes, _changed(expected, part, rounding, cut))
                on_part(part)
        asks = findings.done > before and not findings.ended
        whole = _asked_last(ask, candles, findings) if asks else None
    findings.ended = False
    if whole is not None:
        found = _changed(expected, whole, rounding, candles - 1)
        findings.remembered = _earliest(findings.remembered, found)


def _has_room(budget: Budget, cut: int, left: Sequence[int], candles: int) -> bool:
    """Whether a cut is among the most telling of those `left` for which there is time, the whole included."""
    if budget.is_untried or budget.seconds == FOREVER:
        return budget.affords(cut + 1)
    total = candles
    for count, one in enumerate(left, start=2):
        total += one + 1
        if one == cut or not budget.affords(total, count):
            return budget.affords(total, count)
    return False


def _changed(
    expected: Columns, part: Evaluation, rounding: Mapping[str, float], cut: int
) -> Iterator[Change]:
    """Where columns up to the cut are not what was expected; a column that only a shorter history has as well."""
    found = dict(_columns(part))
    for name, column in expected:
        at = _first_difference(column[: cut + 1], found.pop(name, None), SAME_FUTURE, rounding[name])
        if at is not None:
            yield Change(name, at, cut)
    for name in found:
        yield Change(name, 0, cut)


def _earliest(known: Mapping[str, Change], found: Iterable[Change]) -> dict[str, Change]:
    """The first change of each column."""
    first = dict(known)
    for change in found:
        if change.column not in first or change.candle < first[change.column].candle:
            first[change.column] = change
    return first


def find_short_warmup(
    fresh: Fresh, candles: Candles, full: Evaluation, samples: Sequence[int], warmup: int, budget: Budget
) -> Findings:
    """Compare the candles at these positions with themselves after `warmup` candles only, from there back to 00:00 UTC."""
    findings = Findings()
    expected = list(_columns(full))
    usual = {name: SAME_PAST * _usual(column) for name, column in expected}
    starts = {sample: _day_start(candles, sample - warmup) for sample in samples}
    wanted = [
        sample for sample in samples if starts[sample] > 0
    ]  # the history of the others is no longer than that
    findings.planned = len(wanted)
    chosen = sorted(sample for sample in wanted if budget.allows(sample + 1 - starts[sample]))
    if not chosen:
        return findings
    with fresh(budget.limit_s) as ask:
        for sample in chosen:
            start, stop = starts[sample], sample + 1
            part = _asked(ask, start, stop, findings, budget) if budget.affords(stop - start) else None
            if findings.ended:
                break
            if part is None:
                continue
            found = dict(_columns(part))
            for name, column in expected:
                last = found[name][-1:] if name in found else None
                if _first_difference(column[sample : sample + 1], last, SAME_PAST, usual[name]) is not None:
                    findings.changes = _earliest(findings.changes, [Change(name, sample, sample)])
    return findings


def _asked(ask: Ask, start: int, stop: int, findings: Findings, budget: Budget) -> Evaluation | None:
    try:
        with budget.spending(stop - start):
            evaluation = ask(start, stop)
    except (BacktestError, MemoryError, Ended) as error:
        findings.ended = isinstance(error, Ended)
        findings.failed += 1
        findings.error = findings.error or str(error) or type(error).__name__
        return None
    findings.done += 1
    return evaluation


def _asked_last(ask: Ask, candles: int, findings: Findings) -> Evaluation | None:
    """The whole, once more. It was computed before; that it cannot be now is a change like any other."""
    try:
        return ask(0, candles)
    except (BacktestError, MemoryError) as error:
        findings.remembered = findings.remembered or {str(error): Change(str(error), 0, candles - 1)}
    except Ended as error:
        if not isinstance(error.outcome, TimedOut):
            findings.remembered = findings.remembered or {str(error): Change(str(error), 0, candles - 1)}
    return None


def _columns(evaluation: Evaluation) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield from evaluation.indicators.items()
    signals = evaluation.signals
    yield from signals.raw.items()
    if signals.orders is not None:
        yield from signals.orders.named().items()
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


def _day_start(candles: Candles, position: int) -> int:
    """Position of the first held candle of the UTC day of the candle at `position`; 0 or less: there is none before."""
    if position <= 0:
        return position
    times = candles.timestamp
    return int(np.searchsorted(times, times[position] // DAY_MS * DAY_MS))
