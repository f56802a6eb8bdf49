"""What is held of a series, what the exchange has none of, what is not fetched yet; and what a fetch did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.market import Market, Period, Timeframe

MAINTENANCE = "maintenance"
BEFORE_LISTING = "before_listing"
AFTER_DELISTING = "after_delisting"
OFF_GRID = "off_grid"


@dataclass(frozen=True, slots=True)
class MissingRange:
    """Cells that the exchange has no candle for, confirmed by two answers. `reason` is one of the names above."""

    period: Period
    reason: str
    confirmed_ms: int | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, str]:
        """`{start, end, reason}`."""
        return {**self.period.to_json(), "reason": self.reason}


def series_json(market: Market, timeframe: Timeframe, period: Period) -> dict[str, Any]:
    """The keys that name a series and a period in every document."""
    return {
        "symbol": market.name,
        "unified": market.unified,
        "exchange": market.exchange,
        "timeframe": timeframe.name,
        **period.to_json(),
    }


@dataclass(frozen=True, slots=True)
class Coverage:
    """A series over a period whose bounds are on the grid and closed.

    `candles` = rows held, `expected` = cells, `gaps` = cells neither held nor known missing, merged, half-open.
    `claimed` = cells that the database's record of ranges claims although no candle is there (a damaged record); they
    are gaps.
    """

    market: Market
    timeframe: Timeframe
    period: Period
    candles: int
    gaps: tuple[Period, ...]
    missing: tuple[MissingRange, ...]
    claimed: int = 0

    @property
    def expected(self) -> int:
        """How many cells the period has."""
        return self.timeframe.count(self.period)

    @property
    def complete(self) -> bool:
        """Whether every cell is held or known missing."""
        return not self.gaps

    @property
    def missing_candles(self) -> int:
        """How many cells are known missing."""
        return sum(self.timeframe.count(gone.period) for gone in self.missing)

    def to_json(self) -> dict[str, Any]:
        """The contract's `status`."""
        return {
            **series_json(self.market, self.timeframe, self.period),
            "candles": self.candles,
            "expected": self.expected,
            "complete": self.complete,
            "gaps": [gap.to_json() for gap in self.gaps],
            "missing": [gone.to_json() for gone in self.missing],
        }


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch did. `candles` = rows held in the period afterwards, `fetched` = rows newly stored by this call,
    `requests` = candle requests sent, `filled` = merged ranges that became covered, `notices` = lines for people,
    `archive_days` = days whose candles came from bulk files.
    """

    market: Market
    timeframe: Timeframe
    period: Period
    candles: int
    fetched: int
    requests: int
    filled: tuple[Period, ...]
    missing: tuple[MissingRange, ...]
    notices: tuple[str, ...] = ()
    archive_days: int = 0

    def to_json(self) -> dict[str, Any]:
        """The contract's `fetch`."""
        return {
            **series_json(self.market, self.timeframe, self.period),
            "candles": self.candles,
            "fetched": self.fetched,
            "requests": self.requests,
            "archive_days": self.archive_days,
            "filled": [part.to_json() for part in self.filled],
            "missing": [gone.to_json() for gone in self.missing],
            "notices": list(self.notices),
        }
