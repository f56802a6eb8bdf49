"""Whether two engines gave the same run: their trades side by side, with the tolerances of semantics section 7."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from engine.model.market import format_time
from engine.model.run import RunResult, Series
from engine.model.trade import Trade

RELATIVE: Final = 1e-9
UNIT: Final = 1e-8  # of a coin: sizes are floored to it
_EXACT: Final = ("exit_time", "candles", "entry_signal", "exit_reason")
_MOST_ROWS: Final = 200  # that are kept with a run


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs: of the trade at position `trade` (in its engine's list; None: not of a trade), entered at
    or else noted at `time` (ISO). A trade that one engine lacks is the column "trade", None on that engine's side.
    """

    trade: int | None
    time: str
    column: str
    compiled: Any
    reference: Any


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """How a compiled run compares: `equal` of `total` trades (of either engine) are equal; `differences` says the rest."""

    equal: int
    total: int
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether trades and equity are the same."""
        return not self.differences

    @property
    def note(self) -> str:
        """One line for people."""
        if self.passed and not self.total:
            return "no trades"
        counted = f"{self.equal:,} of {self.total:,} trades equal"
        return counted if self.passed or self.equal < self.total else f"{counted}, but the equity is not"

    def to_check(self) -> dict[str, Any]:
        """As kept in `RunResult.checks`."""
        return {
            "status": "passed" if self.passed else "failed",
            "equal": self.equal,
            "total": self.total,
            "differences": [asdict(row) for row in self.differences[:_MOST_ROWS]],
            "note": self.note,
        }


def cross_check(compiled: RunResult, reference: RunResult) -> CrossCheck:
    """Compare a finished run of the compiled engine with the same run of the reference engine."""
    equal, total, rows = compare_trades(compiled.trades, reference.trades)
    rows += equity_rows(compiled.equity, reference.equity, compiled.costs.cash)
    return CrossCheck(equal, total, tuple(rows))


def compare_trades(ours: Sequence[Trade], theirs: Sequence[Trade]) -> tuple[int, int, list[Difference]]:
    """(how many are equal, of how many, what differs) of two engines' trades, each list in order of entry."""
    rows: list[Difference] = []
    equal = total = 0
    for one, other in _pairs(ours, theirs):
        total += 1
        found = list(_trade_rows(ours, one, theirs, other))
        equal += not found
        rows += found
    return equal, total, rows


def _pairs(ours: Sequence[Trade], theirs: Sequence[Trade]) -> Iterator[tuple[int | None, int | None]]:
    """Positions of trades of the same side and entry candle, both lists in order of entry; None where one lacks it."""
    a = b = 0
    while a < len(ours) or b < len(theirs):
        left = _key(ours[a]) if a < len(ours) else None
        right = _key(theirs[b]) if b < len(theirs) else None
        has_left = left is not None and (right is None or left <= right)
        has_right = right is not None and (left is None or right <= left)
        yield a if has_left else None, b if has_right else None
        a, b = a + has_left, b + has_right


def _key(trade: Trade) -> tuple[int, str]:
    return trade.entry_time, trade.side


def _trade_rows(
    ours: Sequence[Trade], a: int | None, theirs: Sequence[Trade], b: int | None
) -> Iterator[Difference]:
    if a is None or b is None:
        trade = theirs[b] if b is not None else ours[a or 0]
        words = f"{trade.side} {trade.size:g} at {trade.entry_price:g}"
        sides = (None, words) if a is None else (words, None)
        yield Difference(b if a is None else a, format_time(trade.entry_time), "trade", *sides)
        return
    one, other = ours[a], theirs[b]
    for column in _differing(one, other):
        values = [getattr(trade, column) for trade in (one, other)]
        if column == "exit_time":
            values = [format_time(value) for value in values]
        yield Difference(a, format_time(one.entry_time), column, *values)


def _differing(one: Trade, other: Trade) -> Iterator[str]:
    """Names of the columns in which two trades of one entry are not equal."""
    yield from (name for name in _EXACT if getattr(one, name) != getattr(other, name))
    for name in ("entry_price", "exit_price"):
        if not abs(getattr(one, name) - getattr(other, name)) <= RELATIVE * abs(getattr(other, name)):
            yield name
    apart = abs(one.size - other.size)
    unit = UNIT * (1 + RELATIVE)  # two sizes one unit apart are so only up to rounding
    if not apart <= max(RELATIVE * other.size, unit):
        yield "size"
    slack = RELATIVE * other.size * other.entry_price
    if apart:
        slack += UNIT * max(other.entry_price, other.exit_price)
    if not abs(one.pnl - other.pnl) <= slack:
        yield "pnl"


def equity_rows(ours: Series | None, theirs: Series | None, cash: float) -> Iterator[Difference]:
    """The first candle where the equities differ."""
    if ours is None or theirs is None:
        return
    if not np.array_equal(ours.time, theirs.time):
        yield Difference(None, "", "candles", len(ours.time), len(theirs.time))
        return
    one, other = ours.columns["equity"], theirs.columns["equity"]
    wrong = np.flatnonzero(~(np.abs(one - other) <= RELATIVE * np.maximum(cash, np.abs(other))))
    if len(wrong):
        first = int(wrong[0])
        yield Difference(
            None, format_time(int(ours.time[first])), "equity", float(one[first]), float(other[first])
        )
