"""The JSON documents of the command line and of the server, described once: nothing more may be in them, and nothing less.

The engine makes them (`to_json`); tests hold what both doors really say against these models.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

Number = float | None  # null where a figure has no meaning
Value = bool | int | float | str
Status = Literal["finished", "failed", "cancelled"]
CheckStatus = Literal["passed", "failed", "pending", "skipped"]


class Document(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Span(Document):
    """A half-open period, ISO times in UTC."""

    start: str
    end: str


class Missing(Span):
    """Cells that the exchange has no candle for."""

    reason: str


class Symbol(Document):
    """A market; `is_active`: kept up to date."""

    name: str
    unified: str
    exchange: str
    is_active: bool


class Param(Document):
    """A strategy's parameter."""

    name: str
    type: str
    default: Value
    low: Number
    high: Number
    choices: list[Value] | None
    help: str


class NotParam(Document):
    """A class variable of a backtesting.Strategy that is no parameter."""

    name: str
    why: str


class Plot(Document):
    """How a column of indicators is drawn: on the candles ("price"), "hidden", or in a pane of that title."""

    pane: str
    style: str
    low: Number
    high: Number
    levels: list[Number]


class Strategy(Document):
    """A strategy; `error` is a line where its file does not load."""

    name: str
    title: str
    description: str
    params: list[Param]
    not_params: list[NotParam]
    kind: str
    path: str
    plots: dict[str, Plot]
    error: str | None


class Series(Span):
    """What names a series and a period."""

    symbol: str
    unified: str
    exchange: str
    timeframe: str


class Fetch(Series):
    """What a fetch did: `candles` are held afterwards, `fetched` were stored by it."""

    candles: int
    fetched: int
    requests: int
    archive_days: int
    filled: list[Span]
    missing: list[Missing]
    notices: list[str]


class Fetches(Document):
    """What a fetch of several series did."""

    series: list[Fetch]


class Held(Series):
    """What is held of a period, of `expected` candles."""

    candles: int
    expected: int
    complete: bool
    gaps: list[Span]
    missing: list[Missing]
    notices: list[str]


class CostsDocument(Document):
    """Money and costs: fractions per side, `size` of the cash per entry."""

    cash: float
    commission: float
    size: float
    slippage: float


class Trade(Document):
    """A round trip."""

    side: str
    size: Number
    entry_time: str
    entry_price: Number
    exit_time: str
    exit_price: Number
    pnl: Number
    return_pct: Number
    commission: Number
    funding: Number
    entry_signal: str
    exit_reason: str
    candles: int
    mae_pct: Number
    mfe_pct: Number


class DataCheck(Document):
    """Missing candles of the period, and the trades beside them by number (null: not told, as in a sweep)."""

    status: CheckStatus
    missing_candles: int
    trades_beside_holes: list[int] | None
    missing: list[Missing] = []
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
    first: list[Change] = []
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
    differences: list[Difference] = []
    note: str = ""


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


class Checks(SweepChecks):
    """How far a run is to be trusted; `orders` of a backtesting.Strategy only."""

    crosscheck: CrossCheck
    orders: OrdersCheck | None = None


class Run(Series):
    """A run as it ended. `metrics`: as docs/metrics.md explains them, null where without meaning."""

    id: str
    status: Status
    error: str | None
    strategy: str
    params: dict[str, Value]
    costs: CostsDocument
    engine: str
    metrics: dict[str, Number]
    signals: dict[str, int]
    trades: list[Trade]
    checks: Checks
    fingerprint: str | None
    elapsed_s: float
    created: str
    notes: list[str]


class Runs(Document):
    """Several runs."""

    runs: list[Run]


class ShownRun(Run):
    """A stored run with its equity, `[[time, value]]`, and all that its fingerprint covers.

    `data_changed`: whether the candles held now are others; null: not known.
    """

    equity: list[tuple[str, Number]]
    data_changed: bool | None
    inputs: dict[str, Any] | None


class Deleted(Document):
    """What was deleted, by its whole id."""

    deleted: str


class Trial(Document):
    """One of the best trials of a sweep."""

    trial: int
    params: dict[str, Value]
    value: Number
    metrics: dict[str, Number]
    error: str | None


class Best(Document):
    """The best trial."""

    params: dict[str, Value]
    value: Number
    metrics: dict[str, Number]


class Failure(Document):
    """A trial that failed."""

    params: dict[str, Value]
    error: str


class Sweep(Series):
    """A sweep as far as it came. `ranges`: low:high:step, a,b,c or a list; `trials` were made of `planned`."""

    id: str
    status: Status
    error: str | None
    strategy: str
    ranges: dict[str, str | list[Value]]
    params: dict[str, Value]
    constraint: str
    objective: str
    sampler: str
    seed: int
    costs: CostsDocument
    engine: str
    warmup: int
    fixed: dict[str, Value]
    trials: int
    planned: int
    failed: int
    trials_of_strategy: int | None
    elapsed_s: float
    created: str
    best: Best | None
    top: list[Trial]
    checks: SweepChecks
    failures: list[Failure]
    notes: list[str]


class Sweeps(Document):
    """Several sweeps, each with its best trial."""

    sweeps: list[Sweep]
