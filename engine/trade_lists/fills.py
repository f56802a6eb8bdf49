"""Folds fills into round trips: from flat to flat, one position a symbol (and a leg, where both sides are held at once).

Where fills tell their realized profit, it shows which of them the file lacks: what enters makes none, and what leaves makes
what the price did since the entry. A position that does not fit is left out, and so is what closes an unseen one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from engine.model.trade_comparison import HALF_CENT
from engine.model.trade_list import LONG, SHORT, TheirTrade

_NOTHING: Final = 1e-9  # of the most that was held
_FITS: Final = 0.001  # of a fill's value: a realized profit further off is that of another position


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill. `size` in coins, + buys; `fee` in money, None: paid in something else; `taken`: coins that the fee took of
    what was bought; `realized`: profit before fees, where the file tells it; `leg`: long or short where both may be held.
    """

    time: int
    symbol: str
    size: float
    price: float
    fee: float | None
    taken: float = 0.0
    realized: float | None = None
    line: int = 0
    leg: str = ""


@dataclass(slots=True)
class _Position:
    first: Fill
    side: str
    held: float = 0.0
    most: float = 0.0
    average: float = 0.0  # price of what is held, as exchanges keep it
    entered: float = 0.0
    paid: float = 0.0  # size x price of entries
    left: float = 0.0
    got: float = 0.0  # size x price of exits
    fee: float | None = 0.0
    realized: float | None = 0.0
    last: int = 0

    def take(self, fill: Fill, size: float, share: float) -> None:
        """A fill, or the `share` of one that belongs to this position; `size` in coins, + enters."""
        if size > 0:
            self.entered += size
            self.paid += size * fill.price
            self.average += (fill.price - self.average) * size / (self.held + size)
        else:
            self.left -= size
            self.got -= size * fill.price
        self.held += size - fill.taken * share * (size > 0)
        self.most = max(self.most, self.held)
        self.fee = None if self.fee is None or fill.fee is None else self.fee + fill.fee * share
        if size < 0 and self.realized is not None:
            self.realized = None if fill.realized is None else self.realized + fill.realized
        self.last = fill.time

    def fits(self, fill: Fill, closing: float) -> bool:
        """Whether the realized profit of a fill that closes so many coins can be this position's; untold it can."""
        if fill.realized is None:
            return True
        made = (1 if self.side == LONG else -1) * closing * (fill.price - self.average)
        slack = _FITS * closing * fill.price if fill.realized else _NOTHING * closing * fill.price
        return abs(fill.realized - made) <= HALF_CENT + slack

    def trade(self, *, is_open: bool) -> TheirTrade:
        """As a round trip; where it is open, without an exit."""
        enters = self.paid / self.entered
        if is_open:
            return TheirTrade(
                self.side, self.entered, self.first.time, enters, fee=self.fee, symbol=self.first.symbol,
                row=self.first.line,
            )  # fmt: skip
        leaves = self.got / self.left
        sign = 1 if self.side == LONG else -1
        gross = self.realized if self.realized is not None else sign * self.entered * (leaves - enters)
        return TheirTrade(
            self.side, self.entered, self.first.time, enters, self.last, leaves,
            None if self.fee is None else gross - self.fee, self.fee,
            symbol=self.first.symbol, row=self.first.line,
        )  # fmt: skip


@dataclass(slots=True)
class Folding:
    """Takes fills in order of time. `dust`: the fraction of the most that was held at which a position counts as left."""

    dust: float = 0.0
    _open: dict[tuple[str, str], _Position] = field(default_factory=dict)
    _trades: list[TheirTrade] = field(default_factory=list)
    _orphans: int = 0
    _torn: int = 0
    _unknown_fees: int = 0

    def add(self, fill: Fill) -> None:
        """One more fill; what is more than closes a position opens the next one, on the other side."""
        if not fill.size or fill.price <= 0:
            return
        self._unknown_fees += fill.fee is None
        key = fill.symbol, fill.leg
        position = self._open.get(key)
        if position is None:
            self._begin(key, fill)
            return
        sign = 1 if position.side == LONG else -1
        size = abs(fill.size)
        if fill.size * sign > 0:
            if fill.realized:
                self._tear(key, fill)
            else:
                position.take(fill, size, 1.0)
            return
        slack = max(_NOTHING, self.dust) * position.most
        closing = size if size <= position.held + slack else position.held
        if not position.fits(fill, closing):
            self._tear(key, fill)
            return
        position.take(fill, -closing, closing / size)
        if position.held <= slack:
            self._trades.append(position.trade(is_open=False))
            del self._open[key]
            if size - closing > slack:
                self._enter(key, fill, size - closing, 1 - closing / size)

    def _begin(self, key: tuple[str, str], fill: Fill) -> None:
        """A fill while nothing is held: it enters, or closes what the file does not show."""
        if fill.realized:
            self._orphans += 1
        else:
            self._enter(key, fill, abs(fill.size), 1.0)

    def _tear(self, key: tuple[str, str], fill: Fill) -> None:
        """Leave a position out that lacks a fill, as this one tells, and go on without it."""
        del self._open[key]
        self._torn += 1
        self._begin(key, fill)

    def _enter(self, key: tuple[str, str], fill: Fill, size: float, share: float) -> None:
        side = LONG if fill.size > 0 else SHORT
        if (fill.leg and side != fill.leg) or (self.dust and side == SHORT):  # spot has no shorts
            self._orphans += 1
            return
        position = self._open[key] = _Position(fill, side)
        position.take(fill, size, share)

    def ended(self) -> tuple[tuple[TheirTrade, ...], list[str]]:
        """All round trips by their entries, those that never closed among them, and what is to be said of it."""
        opened = [one.trade(is_open=True) for one in self._open.values()]
        notes = []
        if self._orphans:
            notes.append(
                f"{self._orphans} fills close what the file does not open and were left out, with what they turned into"
            )
        if self._torn:
            notes.append(
                f"{self._torn} positions lack a fill in the file, as its realized profit tells: left out"
            )
        if self._unknown_fees:
            notes.append(
                f"the fees of {self._unknown_fees} fills were paid in another coin and are not known in money"
            )
        return tuple(_in_order([*self._trades, *opened])), notes


def _in_order(trades: Iterable[TheirTrade]) -> list[TheirTrade]:
    return sorted(trades, key=lambda one: (one.entry_time, one.row))
