"""What documents say of how far a run or a sweep is to be trusted."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from engine.api.document import Document, Missing, Span

CheckStatus = Literal["passed", "failed", "pending", "skipped"]


class DataCheck(Document):
    """Missing candles of the period, and the trades beside them by number (null: not told, as in a sweep). `span`: of a
    sweep on one market, from the first candle to the end of the last. `read`: missing candles of the series that are read
    beside, by name, where there are such.
    """

    status: CheckStatus
    missing_candles: int
    trades_beside_holes: list[int] | None
    missing: list[Missing] = Field(default=[])
    span: Span | None = None
    read: dict[str, list[Missing]] | None = None
    note: str = ""


class Change(Document):
    """A candle at which a column changes once what follows `cut` is not there."""

    column: str
    candle: str
    cut: str


class LookaheadCheck(Document):
    """Whether what the strategy said changes when the future is cut off."""

    status: CheckStatus
    columns: list[str]
    cuts: int = 0
    first: list[Change] = Field(default=[])
    note: str = ""


class WarmupCheck(Document):
    """Whether there was as much warm-up as was asked for, and whether that is enough."""

    status: CheckStatus
    columns: list[str]
    wanted: int = 0
    held: int = 0
    note: str = ""


class Difference(Document):
    """A value that the two engines do not agree on; `trade`: its number."""

    trade: int | None
    time: str
    column: str
    compiled: JsonValue
    reference: JsonValue


class CrossCheck(Document):
    """How many trades are equal in both engines."""

    status: CheckStatus
    equal: int
    total: int
    differences: list[Difference] = Field(default=[])
    note: str = ""
    referee: str = ""


class FundingCheck(Document):
    """Settlements charged, those that were assumed, and where their prices are from; skipped: not charged, and why."""

    status: CheckStatus
    note: str = ""
    settlements: int | None = None
    assumed: int | None = None
    mark_prices: dict[str, int] = Field(default={})


class MarginCheck(Document):
    """Which brackets a margin was kept by, and how many candles had no mark price."""

    status: CheckStatus
    note: str = ""
    candles_without_mark: int
    brackets: str


class FiltersCheck(Document):
    """What the exchange takes of orders today, to which those of the run were held."""

    status: CheckStatus
    note: str


class EntriesCheck(Document):
    """Entries that protections blocked, by name, those that leverage cut or that opened beyond their stop; and where there
    were any, entries and adds that nobody traded against, those that the exchange would refuse or cut, and signals whose
    limit is `beyond` the market.
    """

    status: CheckStatus
    note: str = ""
    blocked: dict[str, int] = Field(default={})
    clipped: int
    dropped: int
    no_volume: int = 0
    below_minimum: int = 0
    above_maximum: int = 0
    beyond: int = 0


class DetailCheck(Document):
    """Of a run with a detail: how many candles in doubt finer ones played (`walked`), how many are `left`, and of those how
    many are `lacking` some finer ones or `differing` from what these make.
    """

    status: CheckStatus
    note: str = ""
    timeframe: str
    walked: int
    left: int
    lacking: int
    differing: int


class OrdersCheck(Document):
    """What became of the orders of a backtesting.Strategy."""

    model_config = ConfigDict(extra="allow", strict=True)

    status: CheckStatus
    note: str


class SweepChecks(Document):
    """The checks that all trials of a sweep share."""

    data: DataCheck
    lookahead: LookaheadCheck
    warmup: WarmupCheck
    funding: FundingCheck | None = None
    margin: MarginCheck | None = None
    filters: FiltersCheck | None = None


class Checks(SweepChecks):
    """How far a run is to be trusted; `orders` of a backtesting.Strategy only."""

    crosscheck: CrossCheck
    orders: OrdersCheck | None = None
    entries: EntriesCheck | None = None
    detail: DetailCheck | None = None
