"""A run's trades beside those of another program: pairs, what differs in them, and the money that it makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.model.market import Period, format_time
from engine.model.trade_list import TheirTrade, TradeList

DEFAULT_TOLERANCE: Final = 0.0001  # a fraction: prices and sizes that differ by no more are equal
DEFAULT_WITHIN: Final = 5  # candles: entries further apart are not one trade
MOST_WITHIN: Final = 1000
HALF_CENT: Final = 0.005  # files round money to cents
SEEN: Final = 1e-6  # money: less is what floats make
KINDS: Final[Mapping[str, str]] = {
    "missing": "missing in theirs",
    "extra": "only in theirs",
    "side": "the other side",
    "entry_earlier": "entry earlier in theirs",
    "entry_later": "entry later in theirs",
    "exit_earlier": "exit earlier in theirs",
    "exit_later": "exit later in theirs",
    "entry_price": "entry price",
    "exit_price": "exit price",
    "size": "size",
    "fee": "fee",
    "funding": "funding",
    "exit_reason": "exit reason",
    "their_profit": "their profit beside their figures",
    "rounding": "rounding, within the tolerance",
}
_TIMES: Final = ("entry_earlier", "entry_later", "exit_earlier", "exit_later", "missing", "extra")
Said = float | str | None


def is_time(kind: str) -> bool:
    """Whether what a kind of difference puts side by side are times, ms."""
    return kind in _TIMES


@dataclass(frozen=True, slots=True)
class TradeListDifference:
    """One thing that differs. `ours`, `theirs`: places in the run's trades and in theirs, None where it is only in one.

    `candles`: how many theirs is later, earlier negative, None where it is no matter of time or theirs is still open;
    `our_value`, `their_value`: what differs (times in ms); `money`: what it makes of our profit less theirs.
    """

    kind: str
    ours: int | None
    theirs: int | None
    candles: int | None
    our_value: Said
    their_value: Said
    money: float

    def to_json(self) -> dict[str, Any]:
        """Times as ISO text."""
        said = [self.our_value, self.their_value]
        if is_time(self.kind):
            said = [None if value is None else format_time(int(value)) for value in said]
        return {
            "kind": self.kind, "our_trade": self.ours, "their_trade": self.theirs, "candles": self.candles,
            "ours": said[0], "theirs": said[1], "money": self.money,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class KindTotal:
    """How often something differs, and the money that it makes in all."""

    kind: str
    count: int
    money: float

    def to_json(self) -> dict[str, Any]:
        """With its words."""
        return {"kind": self.kind, "title": KINDS[self.kind], "count": self.count, "money": self.money}


@dataclass(frozen=True, slots=True)
class TradeListComparison:
    """`theirs` is what was compared, and so many of the run's trades, `ours`. `pairs`: places in the run's list and theirs.

    `equal`: pairs in which nothing differs. `rounding`: money within the tolerance, of `rounded` pairs. `left_out`: trades
    that were not compared, by why. `overlap`: the part of the run's period that theirs covers, `overlap_share` of it.
    """

    run: str
    found: TradeList
    tolerance: float
    within: int
    ours: int
    theirs: tuple[TheirTrade, ...]
    pairs: tuple[tuple[int, int], ...]
    differences: tuple[TradeListDifference, ...]
    equal: int
    rounding: float
    rounded: int
    our_pnl: float
    their_pnl: float
    overlap: Period
    overlap_share: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def all_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    @property
    def difference(self) -> float:
        """Our profit less theirs."""
        return self.our_pnl - self.their_pnl

    @property
    def headline(self) -> str:
        """How many were compared and what came of it, in words."""
        counts = f"{self.ours:,} trades of ours, {len(self.theirs):,} of theirs, {len(self.pairs):,} pairs"
        money = f"our profit less theirs {self.difference:+,.2f}"
        if self.all_equal:
            more = f" within the tolerance, {money}" if abs(self.difference) > HALF_CENT else ""
            return f"{counts}: all equal{more}"
        return f"{counts}, {self.equal:,} equal; {len(self.differences):,} differences, {money}"

    def totals(self) -> list[KindTotal]:
        """The kinds that there are, in the order of KINDS; their money adds up to the difference."""
        money: dict[str, list[float]] = {}
        for one in self.differences:
            money.setdefault(one.kind, []).append(one.money)
        made = [KindTotal(kind, len(money[kind]), math.fsum(money[kind])) for kind in KINDS if kind in money]
        return [*made, KindTotal("rounding", self.rounded, self.rounding)] if self.rounded else made

    def to_json(self) -> dict[str, Any]:
        """The document of `compare`."""
        return {
            "run": self.run, "file": self.found.file, "format": self.found.kind, "stamps": self.found.stamps,
            "zone": self.found.zone, "tolerance": self.tolerance, "within": self.within, "all_equal": self.all_equal,
            "trades": {
                "ours": self.ours, "theirs": len(self.theirs), "paired": len(self.pairs), "equal": self.equal,
            },
            "pnl": {"ours": self.our_pnl, "theirs": self.their_pnl, "difference": self.difference},
            "kinds": [total.to_json() for total in self.totals()],
            "differences": [one.to_json() for one in self.differences],
            "their_trades": [trade.to_json() for trade in self.theirs],
            "overlap": self.overlap.to_json() | {"share": self.overlap_share}, "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }  # fmt: skip
