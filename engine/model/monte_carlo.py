"""Monte Carlo of a stored run: what is asked, what came out, and what each method can and cannot say."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from engine.errors import InputError
from engine.model.market import format_time
from engine.model.metric_definitions import DEFINITIONS

SHUFFLE: Final = "shuffle"
BOOTSTRAP: Final = "bootstrap"
STATIONARY: Final = "stationary"
NOISE: Final = "noise"
BLOCKS: Final = "blocks"
POSITIONS: Final = "positions"

DAY: Final = "day"
TRADE: Final = "trade"
CANDLE: Final = "candle"

MEAN_RETURN: Final = "mean_return_pct"  # of the positions, per candle

MOST_PATHS: Final = 100_000
MOST_SEED: Final = 2**63 - 1
MOST_NOISE: Final = 5.0
DEFAULT_NOISE: Final = 0.25
MIN_TRADES: Final = 20


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make paths. `unit`: what is resampled; `paths`: how many are made unless told; `full_runs`: each path is a
    backtest of its own.
    """

    name: str
    title: str
    unit: str
    says: str
    cannot_say: str
    paths: int = 10_000
    full_runs: bool = False


METHODS: Final[Mapping[str, Method]] = {
    method.name: method
    for method in (
        Method(
            STATIONARY,
            "stationary bootstrap of daily returns",
            DAY,
            "how far Sharpe ratio, growth and drawdown spread when days like these come in another order, in blocks that "
            "keep how they depend on each other",
            "what a market does that this period did not contain",
        ),
        Method(
            BOOTSTRAP,
            "bootstrap of trades",
            TRADE,
            "how far drawdown and final equity spread if each trade were drawn independently from these",
            "streaks (trades that depend on each other make the bands too narrow), or whether there is an edge",
        ),
        Method(
            SHUFFLE,
            "shuffle of trades",
            TRADE,
            "how deep the drawdown could have been with the same trades in another order",
            "anything about profit: every order ends at the same equity",
        ),
        Method(
            NOISE,
            "noise on candles",
            CANDLE,
            "how much the result depends on the exact prices: each path is a backtest on candles moved a little",
            "whether there is an edge: trend and drift of the period stay in every path",
            500,
            True,
        ),
        Method(
            BLOCKS,
            "candles from shuffled blocks",
            CANDLE,
            "how the strategy does on other courses made of the same stretches: each path is a backtest",
            "whether there is an edge: the drift stays, the hours of the day and trends longer than a block do not",
            500,
            True,
        ),
        Method(
            POSITIONS,
            "permutation of positions",
            CANDLE,
            "the chance (p) that positions without any skill in timing earn as much on these candles",
            "anything about costs, the size of positions, or stops inside candles",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarloSpec:
    """How to make paths. None stands for what suits the method and the run: `paths`, and `block`, the mean length of blocks
    in days or candles. `noise`: in standard deviations of the return of a candle. Raises InputError.
    """

    method: str = STATIONARY
    paths: int | None = None
    seed: int = 0
    block: float | None = None
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"unknown method {self.method!r}; there are: {', '.join(METHODS)}")
        if self.paths is not None and not 1 <= self.paths <= MOST_PATHS:
            raise InputError(f"the number of paths must be from 1 to {MOST_PATHS:,}, not {self.paths:,}")
        if not 0 <= self.seed <= MOST_SEED:
            raise InputError(f"the seed must be from 0 to {MOST_SEED}, not {self.seed}")
        if self.block is not None and not (self.method in (STATIONARY, BLOCKS) and self.block >= 1):
            raise InputError(
                f"a block length is for the methods {STATIONARY} and {BLOCKS}, and at least 1, not {self.block:g}"
            )
        if self.noise is not None and not (self.method == NOISE and 0 <= self.noise <= MOST_NOISE):
            raise InputError(
                f"noise is for the method {NOISE}, and from 0 to {MOST_NOISE:g} standard deviations, not {self.noise:g}"
            )

    @property
    def kind(self) -> Method:
        """The method."""
        return METHODS[self.method]

    @property
    def wanted(self) -> int:
        """How many paths to make."""
        return self.kind.paths if self.paths is None else self.paths


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all paths. `original`: of the path as it was; `quantiles`: 5, 25, 50, 75, 95 %; None: no meaning."""

    original: float | None
    quantiles: Sequence[float | None]

    def to_json(self) -> dict[str, Any]:
        """`{original, p5, p25, p50, p75, p95}`."""
        return {"original": self.original} | _named(self.quantiles)


@dataclass(frozen=True, slots=True)
class Bands:
    """Equity over the paths, pointwise: no single path need run along a band. `at`: close of the day in ms, or how many
    trades were made; `quantiles`: five rows as long as `at`, 5, 25, 50, 75, 95 %.
    """

    at: Sequence[int]
    original: Sequence[float]
    quantiles: Sequence[Sequence[float]]
    unit: str

    def to_json(self) -> dict[str, Any]:
        """`{unit, kind, at, original, p5, p25, p50, p75, p95}`; `at`: times of days as ISO text."""
        at = [format_time(ms) for ms in self.at] if self.unit == DAY else list(self.at)
        named = {"unit": self.unit, "kind": "pointwise", "at": at, "original": list(self.original)}
        return named | _named([list(row) for row in self.quantiles])


def _named(five: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(("p5", "p25", "p50", "p75", "p95"), five, strict=True))


@dataclass(frozen=True, slots=True)
class Loss:
    """Of the paths, the share that lost `loss_pct` of the money they began with (`ruin`), or of a peak (`drawdown`)."""

    loss_pct: float
    ruin: float
    drawdown: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many paths have the figure `name` between two of the edges (k + 1), counts (k)."""

    name: str
    edges: Sequence[float]
    counts: Sequence[int]

    def place(self, value: float | None) -> int | None:
        """Between which two edges a value lies, None where it lies outside."""
        if value is None or not self.edges[0] <= value <= self.edges[-1]:
            return None
        return min(bisect_right(self.edges, value), len(self.counts)) - 1


@dataclass(frozen=True, slots=True)
class Chance:
    """The p value of a permutation. `statistic`: what is compared; `value`: of the run; `reached`: in how many paths."""

    p: float
    statistic: str
    value: float
    reached: int
    paths: int

    @property
    def sentence(self) -> str:
        """For people."""
        return f"p = {self.p:.4f}: of {self.paths:,} arrangements {self.reached:,} earn {self.value:.4f} % a candle or more"


@dataclass(frozen=True, slots=True, eq=False)
class MonteCarloResult:
    """What came out for the run `run_id`. `paths`: how many were made, `failed` of them beside; `units`: how many trades,
    days or candles were resampled; `losing`: the share of paths that end with less than they began. Where the run is too
    short or stands still, `reason` says so and the rest is empty.
    """

    run_id: str
    spec: MonteCarloSpec
    paths: int
    units: int
    reason: str | None = None
    block: float | None = None
    noise: float | None = None
    figures: Mapping[str, Spread] = field(default_factory=dict)
    bands: Bands | None = None
    losses: Sequence[Loss] = ()
    losing: float | None = None
    histogram: Histogram | None = None
    chance: Chance | None = None
    failed: int = 0
    failure: str | None = None
    notes: Sequence[str] = ()
    elapsed_s: float = 0.0

    @property
    def headline(self) -> str:
        """What was made, in one line."""
        method, about = self.spec.kind, f"{self.paths:,} paths of {self.units:,} {self.spec.kind.unit}s"
        if self.block is not None:
            about += f", blocks of {self.block:.1f} on average"
        if self.noise is not None:
            about += f", noise {self.noise:g}"
        return f"{method.title}, {about}, seed {self.spec.seed}"

    @property
    def explained(self) -> tuple[str, str]:
        """What the method can say and what it cannot, a line each."""
        return f"says: {self.spec.kind.says}", f"cannot say: {self.spec.kind.cannot_say}"

    @property
    def remarks(self) -> list[str]:
        """What has to be known of the paths: notes, and how many failed."""
        failed = [f"{self.failed:,} paths failed; the first: {self.failure}"] if self.failed else []
        return [*self.notes, *failed]

    def to_json(self) -> dict[str, Any]:
        """The contract's `monte-carlo`."""
        method, made = self.spec.kind, self.reason is None
        return {
            "run": self.run_id,
            "method": method.name,
            "title": method.title,
            "says": method.says,
            "cannot_say": method.cannot_say,
            "paths": self.paths,
            "failed": self.failed,
            "failure": self.failure,
            "seed": self.spec.seed,
            "unit": method.unit,
            "units": self.units,
            "block": self.block,
            "noise": self.noise,
            "reason": self.reason,
            "original": {name: one.original for name, one in self.figures.items()} if made else None,
            "figures": {name: one.to_json() for name, one in self.figures.items()} if made else None,
            "bands": None if self.bands is None else self.bands.to_json(),
            "losing": self.losing,
            "losses": [asdict(one) for one in self.losses],
            "histogram": None if self.histogram is None else asdict(self.histogram),
            "chance": None if self.chance is None else asdict(self.chance),
            "notes": list(self.notes),
            "elapsed_s": self.elapsed_s,
        }


def figure_title(name: str) -> str:
    """What a figure of paths is called."""
    if name == MEAN_RETURN:
        return "Mean return of a candle %"
    about = DEFINITIONS[name]
    return f"{about.title} %" if about.unit == "%" else about.title


def figure_digits(name: str) -> int:
    """How many of them are worth showing."""
    return 4 if name == MEAN_RETURN else 2
