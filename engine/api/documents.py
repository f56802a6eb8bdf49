"""The JSON documents of the command line and of the server, described once: nothing more may be in them, and nothing less.

The engine makes them (`to_json`); tests hold what both doors really say against these models.
"""

from __future__ import annotations

from typing import Any, Literal

from engine.api.check_documents import Checks
from engine.api.document import Document, Missing, Number, Span, Value

Status = Literal["finished", "failed", "cancelled"]


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
    """A strategy; `error` is a line where its file does not load.

    `timeframes`, `symbols_read`: what it reads beside the candles that it trades, longer ones built of those where
    `build_timeframes`; `warmups`: then candles by timeframe, "" being that of the run.
    """

    name: str
    title: str
    description: str
    params: list[Param]
    not_params: list[NotParam]
    kind: str
    path: str
    plots: dict[str, Plot]
    timeframes: list[str]
    symbols_read: list[str]
    build_timeframes: bool
    warmups: dict[str, int]
    error: str | None


class Series(Span):
    """What names a series and a period."""

    symbol: str
    unified: str
    exchange: str
    timeframe: str


class KindSeries(Series):
    """The same; `kind`: traded or mark, whose rows are candles, or funding, whose rows are settlements."""

    kind: str


class Fetch(KindSeries):
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


class Held(KindSeries):
    """What is held of a period, of `expected` candles."""

    candles: int
    expected: int
    complete: bool
    gaps: list[Span]
    missing: list[Missing]
    notices: list[str]


class CostsDocument(Document):
    """Money, costs and terms: fractions per side, `size` of the cash per entry, `slippage` that or a model; terms only where
    they are set.
    """

    cash: float
    commission: float
    size: float
    slippage: float | str
    leverage: float | None = None
    maker: float | None = None
    side: str | None = None
    funding: str | None = None
    protect: dict[str, float | list[int]] | None = None
    filters: str | None = None
    detail: str | None = None


class Fill(Document):
    """One fill of a trade: size + enters, - leaves."""

    time: str
    price: Number
    size: Number
    reason: str
    commission: Number


class Trade(Document):
    """A round trip; `fills` where it is more than one market entry and one exit."""

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
    slippage: Number
    price_pnl: Number
    liquidated: bool
    ambiguous: bool | None
    fills: list[Fill]


class Run(Series):
    """A run as it ended. `metrics`: as in docs/metrics.md, null where without meaning; `windows`: of a walk-forward."""

    id: str
    status: Status
    error: str | None
    strategy: str
    params: dict[str, Value]
    windows: list[dict[str, str | dict[str, Value]]] | None = None
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


class Fact(Document):
    """Something that is known for or against a run; `open`: not known, or not made."""

    about: str
    speaks: Literal["for", "against", "open", "plain"]
    figure: str
    words: str


class ShownRun(Run):
    """A stored run with its equity, `[[time, value]]`, and all that its fingerprint covers.

    `data_changed`: whether the candles held now are others; null: not known.
    """

    equity: list[tuple[str, Number]]
    data_changed: bool | None
    inputs: dict[str, Any] | None
    verdict: list[Fact]


class Deleted(Document):
    """What was deleted, by its whole id."""

    deleted: str
