"""The JSON documents of portfolios: of a run all that one account has, and what only many legs have."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.api.check_documents import (
    CheckStatus,
    CrossCheck,
    DataCheck,
    EntriesCheck,
    LookaheadCheck,
    SweepChecks,
    WarmupCheck,
)
from engine.api.document import Document, Number, Value
from engine.api.documents import CostsDocument, Series, Status, Trade


class LegTrade(Trade):
    """A round trip of one leg."""

    leg: str


class WorstCheck(Document):
    """The worst status that any leg's check has."""

    status: CheckStatus
    note: str = ""


class PortfolioChecks(Document):
    """How far a portfolio is to be trusted: of each check the worst of the legs, the cross-check of the whole."""

    data: DataCheck
    lookahead: LookaheadCheck
    warmup: WarmupCheck
    crosscheck: CrossCheck
    funding: WorstCheck | None = None
    margin: WorstCheck | None = None
    filters: WorstCheck | None = None
    entries: WorstCheck | None = None


class LegChecks(SweepChecks):
    """The checks of one leg."""

    entries: EntriesCheck | None = None


class LegAsked(Document):
    """A leg as it was asked for; what it leaves out is the portfolio's."""

    name: str
    strategy: str
    symbol: str
    weight: float | None = None
    rank: str | None = None
    exchange: str | None = None
    timeframe: str | None = None
    commission: float | None = None
    limit_fee: float | str | None = None
    size: float | None = None
    slippage: float | str | None = None
    filters: str | None = None
    params: dict[str, Value] = Field(default={})


class PortfolioWindow(Document):
    """Parameters (`LEG.name`) and weights (`LEG.weight`) that rule from `start` on."""

    start: str
    params: dict[str, Value]


class PortfolioAsked(Document):
    """A portfolio as its file says it."""

    name: str
    start: str
    end: str
    cash: float
    leverage: float | None
    funding: str
    allocation: str
    rebalance: str
    contention: str
    max_open: int | None
    lookback: int
    exchange: str
    timeframe: str
    commission: float
    limit_fee: float | str
    size: float
    slippage: float | str
    filters: str
    legs: list[LegAsked]
    windows: list[PortfolioWindow] | None = None


class Leg(Series):
    """A leg as it ended. `metrics`: of the wallet's cash and what the leg made of it; shares of the whole profit, and of the
    variance of its days, in %. `windows`: in place of `params`, where those change with time.
    """

    name: str
    strategy: str
    weight: float
    params: dict[str, Value]
    windows: list[PortfolioWindow] | None = None
    costs: CostsDocument
    pnl: Number
    profit_share_pct: Number
    risk_share_pct: Number
    metrics: dict[str, Number]
    signals: dict[str, int]
    checks: LegChecks


class LegContention(Document):
    """What a leg asked of the wallet, in money (margin and fee); how often it was scaled down, and dropped for what."""

    leg: str
    requests: int
    requested: float
    filled: float
    scaled: int
    dropped: int
    reasons: dict[str, int]


class Contended(Document):
    """A request that did not get all it asked for."""

    time: str
    leg: str
    requested: float
    filled: float
    why: str


class Marginal(Document):
    """A portfolio without one of its legs, and what that leg adds."""

    leg: str
    without: dict[str, Number]
    adds: dict[str, Number]


class Use(Document):
    """A share of the equity, in %."""

    max_pct: float
    mean_pct: float


class Portfolio(Series):
    """A portfolio as it ended: symbol and the like are those of all legs, parameters and signals `LEG.name`."""

    id: str
    kind: Literal["portfolio"]
    status: Status
    error: str | None
    strategy: str
    params: dict[str, Value]
    windows: list[PortfolioWindow] | None = None
    costs: CostsDocument
    engine: str
    metrics: dict[str, Number]
    signals: dict[str, int]
    trades: list[LegTrade]
    checks: PortfolioChecks
    fingerprint: str | None
    elapsed_s: float
    created: str
    notes: list[str]
    spec: PortfolioAsked
    legs: list[Leg]
    contention: list[LegContention]
    contended: list[Contended]
    correlation: list[list[Number]]
    marginal: list[Marginal]
    use: dict[str, Use]


class Portfolios(Document):
    """Several portfolios, without contended requests."""

    portfolios: list[Portfolio]


class ShownPortfolio(Portfolio):
    """A stored portfolio with its equity, `[[time, value]]`, and all that its fingerprint covers (`inputs`).

    At the same times: what each leg made so far, and what of the equity was in positions and bound as margin.
    """

    equity: list[tuple[str, Number]]
    pnl: dict[str, list[Number]]
    exposure: list[Number] = Field(default=[])
    margin: list[Number] = Field(default=[])
    inputs: dict[str, Any] | None
