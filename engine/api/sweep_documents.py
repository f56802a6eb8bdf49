"""What endpoints about sweeps answer."""

from __future__ import annotations

from typing import Literal

from engine.api.check_documents import SweepChecks
from engine.api.document import Document, Number, Span, Value
from engine.api.documents import CostsDocument
from engine.api.portfolio_documents import PortfolioAsked


class Trial(Document):
    """One of the best trials of a sweep. `markets`: of a sweep over several, its value on each by symbol."""

    trial: int
    params: dict[str, Value]
    value: Number
    metrics: dict[str, Number]
    error: str | None
    markets: dict[str, Number] | None = None


class Best(Document):
    """The best trial."""

    params: dict[str, Value]
    value: Number
    metrics: dict[str, Number]


class Failure(Document):
    """A trial that failed."""

    params: dict[str, Value]
    error: str


class Histogram(Document):
    """How many values lie between each two neighbouring `edges`, of which there is one more."""

    edges: list[float]
    counts: list[int]


class Superiority(Document):
    """p values of "no trial is better than nothing"; `consistent` is the one to read."""

    lower: float
    consistent: float
    upper: float


class Suggested(Document):
    """The trial in the middle of the best plateau."""

    trial: int
    params: dict[str, Value]
    value: Number


class SweepStatistics(Document):
    """Whether the best of a sweep is more than luck, null where a figure has no meaning."""

    compared: int
    constant: int
    equal: int
    blocks: int | None
    splits: int
    pbo: Number
    prob_oos_loss: Number
    degradation: Number
    intercept: Number
    dominance: int | None
    logits: Histogram | None
    independent: Number
    spa: Superiority | None
    chance_sharpe: Number
    neighbours: int
    nbr_ratio: Number
    nbr_min: Number
    nbr_loss: Number
    plateau: Number
    suggested: Suggested | None
    grid_median: Number
    grid_positive: Number
    notes: list[str]


class SweptMarket(Span):
    """One market of a sweep over several: the period of its candles, its own best trial."""

    symbol: str
    unified: str
    trials: int
    failed: int
    best: Best | None
    checks: SweepChecks
    notes: list[str]


class Tried(Span):
    """What a sweep and a walk-forward both tell: what was asked, and how much of it was tried. `ranges`: low:high:step,
    a,b,c or a list; `trials` were made of `planned`. `portfolio`: what was swept, as its file says it; then its legs say
    symbol, exchange and costs, which are null, and `strategy` is what the portfolio is called.
    """

    id: str
    error: str | None
    strategy: str
    symbol: str | None
    unified: str | None
    exchange: str | None
    timeframe: str
    portfolio: PortfolioAsked | None = None
    ranges: dict[str, str | list[Value]]
    params: dict[str, Value]
    constraint: str
    objective: str
    second_objective: str
    sampler: str
    seed: int
    costs: CostsDocument | None
    warmup: int
    longer_warmup: dict[str, int]
    fixed: dict[str, Value]
    trials: int
    planned: int
    failed: int
    trials_of_strategy: int | None
    elapsed_s: float
    created: str
    notes: list[str]


class Sweep(Tried):
    """A sweep as far as it came.

    `status`: of one whose program was killed `stopped`; all but `finished` and `running` can be gone on with.
    """

    status: Literal["finished", "failed", "cancelled", "running", "stopped"]
    engine: str
    best: Best | None
    top: list[Trial]
    front: list[Trial]
    checks: SweepChecks
    failures: list[Failure]
    statistics: SweepStatistics | None
    symbols: list[str] | None = None
    across: str | None = None
    markets: list[SweptMarket] | None = None


class Sweeps(Document):
    """Several sweeps, each with its best trial."""

    sweeps: list[Sweep]
