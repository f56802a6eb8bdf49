"""A run's trades beside a list of another program's: what of it can be compared, pairs, differences, their money."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from engine.errors import InputError
from engine.model.market import HOUR_MS, Period, Timeframe, short_time
from engine.model.run import FINISHED, RunResult
from engine.model.trade import Trade
from engine.model.trade_comparison import (
    DEFAULT_TOLERANCE,
    DEFAULT_WITHIN,
    HALF_CENT,
    SEEN,
    TradeListComparison,
    TradeListDifference,
)
from engine.model.trade_list import LONG, SHORT, TheirTrade, TradeList
from engine.trade_lists.cells import plain_symbol
from engine.trade_lists.differences import Naming
from engine.trade_lists.matching import Cells, matched

_WHOLE: Final = 0.9  # of the period: less is said
_SHIFTS_H: Final = tuple(hours for hours in range(-14, 15) if hours)
_ENOUGH: Final = 5  # trades: of fewer no time zone is guessed
_MANY: Final = 10  # pairs: of fewer one sign may be chance
_NEARLY_ALL: Final = 0.9
_LEFT_OUT: Final = {
    "other_symbols": "of their trades are of other symbols",
    "theirs_outside": "of their trades lie outside the run's period",
    "ours_outside": "of our trades lie outside the period that the file covers",
}


def compare_trades(
    run: RunResult,
    found: TradeList,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    within: int = DEFAULT_WITHIN,
    go_on: Callable[[], object] | None = None,
) -> TradeListComparison:
    """What differs, named; see `engine.trade_lists.differences`. `tolerance` is a fraction, `within` counts candles.

    Raises InputError for a run that has not ended, another symbol, periods that do not overlap, and more pairs
    than can be tried; and whatever `go_on`, asked now and then, raises to stop.
    """
    if run.status != FINISHED:
        raise InputError(f"run {run.id[:8]} {run.status}: it has no trades to compare with")
    theirs, left_out = _of_symbol(run, found)
    overlap, share = _overlap(run, found, theirs)
    inside = [trade for trade in theirs if run.period.start <= trade.entry_time < run.period.end]
    places = [place for place, trade in enumerate(run.trades) if _is_told(trade, found)]
    left_out |= {"theirs_outside": len(theirs) - len(inside), "ours_outside": len(run.trades) - len(places)}
    ours = [run.trades[place] for place in places]
    pairs = _pairs(ours, inside, run, within, go_on)
    inside = _marked(ours, inside, pairs)
    differences, rounding = _differences(ours, inside, pairs, Naming(run.timeframe, tolerance))
    touched = {one.ours for one in differences if one.theirs is not None and one.ours is not None}
    return TradeListComparison(
        run=run.id, found=found, tolerance=tolerance, within=within, ours=len(ours), theirs=tuple(inside),
        pairs=tuple((places[place], other) for place, other in pairs),
        differences=tuple(
            replace(one, ours=None if one.ours is None else places[one.ours]) for one in differences
        ),
        equal=len(pairs) - len(touched), rounding=math.fsum(rounding), rounded=sum(abs(one) > SEEN for one in rounding),
        our_pnl=math.fsum(trade.pnl for trade in ours), their_pnl=math.fsum(trade.net for trade in inside),
        overlap=overlap, overlap_share=share, left_out=left_out,
        notes=(
            *found.notes, *_period_note(ours, inside, overlap, share), *_left_out_notes(left_out, inside),
            *_rounding_note(rounding), *_zone_note(ours, inside, run.timeframe, found),
        ),
    )  # fmt: skip


def _of_symbol(run: RunResult, found: TradeList) -> tuple[list[TheirTrade], dict[str, int]]:
    """Their trades of the run's symbol, those that name none among them, and how many there are of others."""
    names = ("", run.symbol, plain_symbol(run.market.unified))  # SOLPERP is SOL/USDC:USDC
    mine = [trade for trade in found.trades if trade.symbol in names]
    others = Counter(trade.symbol for trade in found.trades if trade.symbol not in names)
    if others and not mine:
        named = ", ".join(name for name, _ in others.most_common(5))
        raise InputError(
            f"{found.file} holds trades of {named}; the run is on {run.symbol}: nothing to compare"
        )
    return mine, {"other_symbols": others.total()}


def _overlap(run: RunResult, found: TradeList, theirs: Sequence[TheirTrade]) -> tuple[Period, float]:
    """The part of the run's period that theirs covers, as the file says or as its trades show, and its share of it."""
    period = run.period
    if found.start is not None and found.end is not None:
        covered = Period(found.start, run.timeframe.next(found.end))
    elif theirs:
        last = max(trade.entry_time if trade.exit_time is None else trade.exit_time for trade in theirs)
        covered = Period(theirs[0].entry_time, run.timeframe.next(last))
    else:
        return Period(period.start, period.start), 0.0
    overlap = covered.clip(period)
    if overlap.start >= overlap.end:
        raise InputError(
            f"{found.file} covers {covered}, the run {period}: nothing overlaps, so nothing was compared"
        )
    return overlap, (overlap.end - overlap.start) / (period.end - period.start)


def _is_told(trade: Trade, found: TradeList) -> bool:
    """Whether it lies in the period that the file says it covers; where it says none, yes."""
    return found.start is None or found.end is None or found.start <= trade.entry_time <= found.end


def _cells(timeframe: Timeframe, entry: int, leaves: int) -> Cells:
    return timeframe.index(entry), timeframe.index(leaves)


def _pairs(
    ours: Sequence[Trade],
    theirs: Sequence[TheirTrade],
    run: RunResult,
    within: int,
    go_on: Callable[[], object] | None,
) -> list[tuple[int, int]]:
    """Places of the same trade in both, side by side; then those of the other side that enter on the same candle."""
    last = run.period.end - 1  # of what is still open
    mine = [_cells(run.timeframe, one.entry_time, one.exit_time) for one in ours]
    others = [
        _cells(run.timeframe, one.entry_time, last if one.exit_time is None else one.exit_time)
        for one in theirs
    ]
    pairs: list[tuple[int, int]] = []
    for side in (LONG, SHORT):
        here = [at for at, trade in enumerate(ours) if trade.side == side]
        there = [at for at, trade in enumerate(theirs) if trade.side == side]
        found = matched([mine[at] for at in here], [others[at] for at in there], within, go_on)
        pairs += [(here[one], there[other]) for one, other in found]
    taken, used = ({pair[number] for pair in pairs} for number in (0, 1))
    free = {mine[at][0]: at for at in reversed(range(len(ours))) if at not in taken}
    for other in range(len(theirs)):
        if other not in used and (at := free.pop(others[other][0], None)) is not None:
            pairs.append((at, other))
    return sorted(pairs)


def _marked(
    ours: Sequence[Trade], theirs: Sequence[TheirTrade], pairs: Sequence[tuple[int, int]]
) -> list[TheirTrade]:
    """Theirs that is still open and has no price is worth what ours left at."""
    marked = list(theirs)
    for place, other in pairs:
        if marked[other].exit_price is None:
            marked[other] = replace(marked[other], exit_price=ours[place].exit_price)
    return marked


def _differences(
    ours: Sequence[Trade], theirs: Sequence[TheirTrade], pairs: Sequence[tuple[int, int]], naming: Naming
) -> tuple[list[TradeListDifference], list[float]]:
    """All of them by time of ours, or of theirs where it is alone; and what is within the tolerance, a pair each."""
    found: list[TradeListDifference] = []
    rounding = []
    for place, other in pairs:
        named, rest = naming.of_pair(ours[place], theirs[other], (place, other))
        found += named
        rounding.append(rest)
    taken, used = ({pair[number] for pair in pairs} for number in (0, 1))
    for place, trade in enumerate(ours):
        if place not in taken:
            found.append(TradeListDifference("missing", place, None, None, trade.entry_time, None, trade.pnl))
    for other, theirs_alone in enumerate(theirs):
        if other not in used:
            said = theirs_alone.entry_time
            found.append(TradeListDifference("extra", None, other, None, None, said, -theirs_alone.net))

    def when(one: TradeListDifference) -> int:
        return ours[one.ours].entry_time if one.ours is not None else theirs[one.theirs or 0].entry_time

    return sorted(found, key=when), rounding


def _period_note(
    ours: Sequence[Trade], theirs: Sequence[TheirTrade], overlap: Period, share: float
) -> Iterator[str]:
    """What is to be said of the period that both cover."""
    if not theirs:
        yield "the file holds no trades of the run's period: all of ours are missing in it"
    elif share < _WHOLE:
        outside = sum(not overlap.start <= trade.entry_time < overlap.end for trade in ours)
        more = f"; {outside} of our trades lie outside and count as missing" if outside else ""
        span = f"{short_time(overlap.start)} to {short_time(overlap.end)}"
        yield f"theirs covers {span}, {share:.0%} of the run's period{more}"


def _left_out_notes(left_out: Mapping[str, int], theirs: Sequence[TheirTrade]) -> Iterator[str]:
    """What was not compared, and what counts at a price that is none of its own."""
    for why, words in _LEFT_OUT.items():
        if left_out[why]:
            yield f"{left_out[why]} {words}: not compared"
    opened = sum(trade.exit_time is None for trade in theirs)
    if opened:
        yield f"{opened} of their trades are still open: they count at the price of our exit, or of the file's"


def _rounding_note(rounding: Sequence[float]) -> Iterator[str]:
    """Whether what is within the tolerance looks like a cost of one program alone: it has one sign in nearly all pairs."""
    signs = Counter(rest > 0 for rest in rounding if abs(rest) > SEEN)
    most = max(signs.values(), default=0)
    made = math.fsum(rounding)
    if most >= max(_MANY, _NEARLY_ALL * len(rounding)) and abs(made) > HALF_CENT:
        yield (
            f"what lies within the tolerance has one sign in {most} of {len(rounding)} pairs and makes {made:+,.2f}, "
            f"as a cost does that one of them alone has; a smaller tolerance names it (--tolerance)"
        )


def _zone_note(
    ours: Sequence[Trade], theirs: Sequence[TheirTrade], timeframe: Timeframe, found: TradeList
) -> Iterator[str]:
    """Whether their clock seems to be another one: hours by which far more entries fall on the same candles."""
    mine = Counter((trade.side, timeframe.index(trade.entry_time)) for trade in ours)

    def same(hours: float) -> int:
        moved = Counter(
            (one.side, timeframe.index(one.entry_time + round(hours * HOUR_MS))) for one in theirs
        )
        return (mine & moved).total()

    candle = timeframe.shift(0, 1) / HOUR_MS
    tried = (*_SHIFTS_H, -candle, candle) if candle < 1 else _SHIFTS_H
    hours: float = max(tried, key=lambda hours: (same(hours), -abs(hours)))
    most = same(hours)
    if most >= max(_ENOUGH, 2 * same(0), len(theirs) / 2):
        candle = math.copysign(candle, hours)
        is_candle = same(candle) == most
        hours = candle if is_candle else hours
        way = "later" if hours > 0 else "earlier"
        far = (
            f"{abs(hours):g} hour{'' if abs(hours) == 1 else 's'}"
            if abs(hours) >= 1
            else f"{abs(hours) * 60:g} minutes"
        )
        yield f"{far} {way}, {most} of their entries would fall on ours: {_why(hours, found, is_candle=is_candle)}"


def _why(hours: float, found: TradeList, *, is_candle: bool) -> str:
    """What may move their times by so many hours, as a question."""
    asks = []
    if found.asks_zone and hours in _SHIFTS_H:
        sign = "-" if hours > 0 else "+"
        other = f"is their time zone {sign}{abs(int(hours)):02d}:00"
        asks.append(f"{other if found.zone == 'UTC' else f'is {found.zone} their time zone'}? (--tz)")
    if is_candle:
        asks.append(
            "are they stamped by the close?" if hours < 0 else "do they fill on the candle that decided?"
        )
    return " Or ".join(asks) or "is their clock another one?"
