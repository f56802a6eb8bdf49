"""What is held of a series, what the exchange has none of, what is not fetched yet; and what a fetch did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import BacktestError
from engine.model.funding import FundingRates
from engine.model.market import Candles, Market, Period, Timeframe, format_time, short_time
from engine.model.periods import merge, subtract

MAINTENANCE = "maintenance"
BEFORE_LISTING = "before_listing"
AFTER_DELISTING = "after_delisting"
OFF_GRID = "off_grid"
HOLE = "hole"  # of funding: a settlement must have been there, and two answers have none


@dataclass(frozen=True, slots=True)
class MissingRange:
    """Cells that the exchange has no candle for, confirmed by two answers. `reason` is one of the names above."""

    period: Period
    reason: str
    confirmed_ms: int | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, str]:
        """`{start, end, reason}`."""
        return {**self.period.to_json(), "reason": self.reason}


def symbol_json(market: Market, *, is_active: bool) -> dict[str, Any]:
    """The contract's symbol; `is_active`: in our tables and kept up to date."""
    return {
        "name": market.name,
        "unified": market.unified,
        "exchange": market.exchange,
        "is_active": is_active,
    }


def series_json(market: Market, timeframe: Timeframe, period: Period) -> dict[str, Any]:
    """The keys that name a series and a period in every document."""
    return {
        "symbol": market.name,
        "unified": market.unified,
        "exchange": market.exchange,
        "timeframe": timeframe.name,
        "kind": market.kind.value,
        **period.to_json(),
    }


@dataclass(frozen=True, slots=True)
class Coverage:
    """A series over a period whose bounds are on the grid and closed.

    `candles` = rows held, `expected` = cells, `gaps` = cells neither held nor known missing, merged, half-open.
    `claimed` = cells that the database's record of ranges claims although no candle is there (a damaged record); they
    are gaps. `false_listing`: the first candle that is recorded although earlier ones are held (a damaged record too);
    then no cell is before the listing.

    Of funding, `candles` counts settlements, `gaps` and `missing` are hours; `settlements`: how many are held or to be
    expected. `beside` of those held were served more than a minute away from any full hour.
    """

    market: Market
    timeframe: Timeframe
    period: Period
    candles: int
    gaps: tuple[Period, ...]
    missing: tuple[MissingRange, ...]
    claimed: int = 0
    false_listing: str | None = None
    settlements: int | None = None
    beside: int = 0

    @property
    def expected(self) -> int:
        """How many rows the period has: a candle a cell, or the settlements of funding."""
        return self.timeframe.count(self.period) if self.settlements is None else self.settlements

    @property
    def complete(self) -> bool:
        """Whether every cell is held or known missing."""
        return not self.gaps

    @property
    def notices(self) -> tuple[str, ...]:
        """Lines for people: what is wrong with the database's record of this series."""
        title, texts = f"{self.market.title(self.timeframe)}: the database", []
        if self.beside:
            texts.append(
                f"{self.market.title(self.timeframe)}: {self.beside:,} settlements lie more than a minute away from any "
                "full hour; they are kept at the times that the exchange tells"
            )
        if self.claimed:
            texts.append(
                f"{title} claims {self.claimed:,} candles that are not there; they count as not fetched, "
                "`backtest verify` mends the record"
            )
        if self.false_listing:
            texts.append(
                f"{title} says that the first candle is at {self.false_listing}, but earlier ones are held; it is not "
                "believed, `backtest verify` asks the exchange again"
            )
        return tuple(texts)

    @property
    def missing_candles(self) -> int:
        """How many cells are known missing."""
        return sum(self.timeframe.count(gone.period) for gone in self.missing)

    @property
    def answered(self) -> list[Period]:
        """Cells that are held or known missing, without those before the listing."""
        before = [gone.period for gone in self.missing if gone.reason == BEFORE_LISTING]
        return subtract(self.period, [*self.gaps, *before])

    def still_missing(self, came: Sequence[Period]) -> tuple[list[Period], list[Period]]:
        """What is known missing since the listing and did not come: all of it, and what counts as delisted."""
        left = [
            (gone.reason, subtract(gone.period, came))
            for gone in self.missing
            if gone.reason != BEFORE_LISTING
        ]
        return (
            merge(part for _, parts in left for part in parts),
            merge(part for why, parts in left if why == AFTER_DELISTING for part in parts),
        )

    def to_json(self) -> dict[str, Any]:
        """The contract's `status`."""
        return {
            **series_json(self.market, self.timeframe, self.period),
            "candles": self.candles,
            "expected": self.expected,
            "complete": self.complete,
            "gaps": [gap.to_json() for gap in self.gaps],
            "missing": [gone.to_json() for gone in self.missing],
            "notices": list(self.notices),
        }


@dataclass(frozen=True, slots=True)
class Holding:
    """A series of which candles are held: open times of its first and last one, what they take on disk (`size_bytes`, a
    share of the table), and how many came from a file and were not compared with the exchange yet.

    `coverage` reaches from the first candle held of any series to the last closed one of this series.
    """

    coverage: Coverage
    first_ms: int
    last_ms: int
    size_bytes: int
    imported: int

    @property
    def candles(self) -> int:
        """How many are held."""
        return self.coverage.candles


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


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How held candles compare with the exchange's. `revised` gives the candles whose values differ, as they were and
    as the exchange has them; the others are counts and periods.

    `checked` = held candles that the exchange served too. `added` = candles it has and the database lacked.
    `still_missing` = inner cells known missing that it still has nothing for. `only_here` = held candles that it does
    not have; they are kept. `repaired_ranges` = rows of the record of ranges that were wrong. With `dry_run` nothing
    of it was changed.
    """

    market: Market
    timeframe: Timeframe
    period: Period
    checked: int
    revised: tuple[Candles, Candles] | tuple[FundingRates, FundingRates]
    added: int
    still_missing: tuple[Period, ...]
    only_here: tuple[Period, ...]
    repaired_ranges: int
    requests: int
    dry_run: bool = False
    notices: tuple[str, ...] = ()

    @property
    def differences(self) -> int:
        """How much was wrong: revised, added and only held here, and rows of the record."""
        only_here = sum(self.timeframe.count(part) for part in self.only_here)
        return len(self.revised[0]) + self.added + only_here + self.repaired_ranges

    def to_json(self) -> dict[str, Any]:
        """The shape of `verify --json`; `old` and `new` are [open, high, low, close, volume], of funding [rate, mark]."""
        old, new = (
            list(zip(*(column.tolist() for column in side.columns().values()), strict=True))
            for side in self.revised
        )
        return {
            **series_json(self.market, self.timeframe, self.period),
            "checked": self.checked,
            "revised": [
                {"time": format_time(opened), "old": list(before), "new": list(after)}
                for opened, before, after in zip(self.revised[0].timestamp.tolist(), old, new, strict=True)
            ],
            "added": self.added,
            "still_missing": [part.to_json() for part in self.still_missing],
            "only_here": [part.to_json() for part in self.only_here],
            "repaired_ranges": self.repaired_ranges,
            "requests": self.requests,
            "dry_run": self.dry_run,
            "notices": list(self.notices),
        }


@dataclass(frozen=True, slots=True)
class SyncedSeries:
    """What a round did for one series. `last_ms`: open time of the last held candle; `error`: why it is not up to date."""

    market: Market
    timeframe: Timeframe
    last_ms: int | None
    fetched: int = 0
    error: BacktestError | None = None

    def __str__(self) -> str:
        """One line for people."""
        name = self.market.title(self.timeframe)
        if self.error is not None:
            return f"{name}: {self.error}"
        if self.last_ms is None:
            return f"{name}: nothing yet"
        new = f"{self.fetched:,} new" if self.fetched else "nothing new"
        return f"{name}: {new}, held up to the {self.market.kind.one} of {short_time(self.last_ms)}"

    def to_json(self) -> dict[str, Any]:
        """`{symbol, unified, exchange, timeframe, last, fetched, error}`."""
        return {
            "symbol": self.market.name,
            "unified": self.market.unified,
            "exchange": self.market.exchange,
            "timeframe": self.timeframe.name,
            "kind": self.market.kind.value,
            "last": None if self.last_ms is None else format_time(self.last_ms),
            "fetched": self.fetched,
            "error": self.error and str(self.error),
        }


@dataclass(frozen=True, slots=True)
class RemovedSeries:
    """A series that was deleted: how many candles it held, and the file that brings it back for a while."""

    market: Market
    timeframe: Timeframe
    candles: int
    path: Path
