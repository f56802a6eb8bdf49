"""The JSON documents of what is found out about stored runs."""

from __future__ import annotations

from engine.api.document import Document, Number


class Spread(Document):
    """A figure of the path as it was, and its quantiles over all paths."""

    original: Number
    p5: Number
    p25: Number
    p50: Number
    p75: Number
    p95: Number


class Bands(Document):
    """Equity over the paths, at each moment by itself. `at`: times of days, or how many trades were made."""

    unit: str
    kind: str
    at: list[str] | list[int]
    original: list[Number]
    p5: list[Number]
    p25: list[Number]
    p50: list[Number]
    p75: list[Number]
    p95: list[Number]


class Loss(Document):
    """The share of paths that lost so much of the money at the start (`ruin`), and of a peak (`drawdown`)."""

    loss_pct: float
    ruin: float
    drawdown: float


class Histogram(Document):
    """How many paths have the figure `name` between two edges."""

    name: str
    edges: list[float]
    counts: list[int]


class Chance(Document):
    """The p value of a permutation: `reached` of `paths` have as large a `value` as the run, (1 + reached) / (1 + paths)."""

    p: float
    statistic: str
    value: float
    reached: int
    paths: int


class OwnCosts(Document):
    """What the run itself paid; `slippage` is null of a model."""

    commission: float
    slippage: Number


class CostCell(Document):
    """The run at one pair of costs. `same_trades`: whether it enters and leaves when it does at its own; null where it
    failed, with `error`, and where its own slippage is a model's.
    """

    commission: float
    slippage: float
    return_pct: Number
    sharpe: Number
    max_drawdown_pct: Number
    final_equity: Number
    trades: int | None
    same_trades: bool | None
    error: str | None


class BreakEven(Document):
    """The slippage at which the net profit is zero with that commission; null where it is none of those tried."""

    commission: float
    slippage: Number


class CostSurface(Document):
    """What every pair of commission and slippage, fractions per side, leaves of a stored run; `cells` row after row."""

    run: str
    commissions: list[float]
    slippages: list[float]
    own: OwnCosts
    cells: list[CostCell]
    break_even: list[BreakEven]
    notes: list[str]
    elapsed_s: float


class MonteCarlo(Document):
    """Courses that a stored run could have taken. Where `reason` says why there are none, the rest is null or empty."""

    run: str
    method: str
    title: str
    says: str
    cannot_say: str
    paths: int
    failed: int
    failure: str | None
    seed: int
    unit: str
    units: int
    block: Number
    noise: Number
    reason: str | None
    original: dict[str, Number] | None
    figures: dict[str, Spread] | None
    bands: Bands | None
    losing: Number
    losses: list[Loss]
    histogram: Histogram | None
    chance: Chance | None
    notes: list[str]
    elapsed_s: float
