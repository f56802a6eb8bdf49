"""What workers are asked about a portfolio: each leg's strategy by itself, then all legs together on one wallet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.model.account import Costs
from engine.model.combinations import Combinations
from engine.model.market import CandleFile, Float64Array, Int64Array
from engine.model.parameters import ParamValue
from engine.model.perpetual import PerpetualFile
from engine.model.portfolio_rules import PortfolioRules
from engine.model.window_params import WindowParams
from engine.parallel.tasks import Begun, Checks, Sources, StrategyTask, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidSignals:
    """What a strategy said over the n candles of a period, as it crosses borders: `raw` bool (n,) by name; `prices` of stop
    and target float64 (n,), None = none; `orders` as `Orders.plain`.
    """

    raw: Mapping[str, npt.NDArray[np.bool_]]
    prices: Mapping[str, Float64Array | None]
    orders: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswer:
    """What the strategy of a leg says over the period. `said`: the fields of SaidSignals; `rank`: float64 (n,), the column
    that was asked for; the rest as in RunAnswer.
    """

    params: Mapping[str, ParamValue]
    said: Mapping[str, Any]
    rank: Float64Array | None
    reverse: bool
    signals: Mapping[str, int]
    checks: Checks
    versions: Mapping[str, str]
    sources: Sources
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LegTask(StrategyTask, Task[LegAnswer]):
    """Ask the strategy of a leg, once for all. `rank`: the column of its indicators that says who comes first; `checks`:
    whether to look for look-ahead and a short warm-up.
    """

    answer = LegAnswer
    rank: str | None = None
    checks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedLeg:
    """A leg of which it is known what its strategy said. `weight`: what it asks of the equity; `weights`: `{weight}` from
    when on, in place of that where it changes with time.
    """

    name: str
    candles: CandleFile
    timeframe: str
    said: SaidSignals
    reverse: bool
    weight: float
    costs: Costs
    weights: Sequence[WindowParams] = ()
    rank: Float64Array | None = None
    perpetual: PerpetualFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioAnswer:
    """A portfolio as a worker played it. `time`: int64 (m,), open times (ms) of its finest candles; `series`: float64 (m,)
    by name; `pnl`: float64 (m, legs); `trades`: of each leg a column per field of Trade; `legs`: what is told of each;
    `requests`: columns (k,) by name; `figures`: of the whole; `source`: the worker's `portfolio_source`. Of the plain
    simulator only time, series and trades.
    """

    metrics: Mapping[str, float | int | None]
    time: Int64Array
    series: Mapping[str, Float64Array]
    pnl: Float64Array
    trades: Sequence[Mapping[str, Any]]
    legs: Sequence[Mapping[str, Any]]
    requests: Mapping[str, Any]
    figures: Mapping[str, Any]
    source: str
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioTask(Task[PortfolioAnswer]):
    """Play legs on one wallet. `engine`: compiled, or plain to check that; `others`: for each leg that is to be left out,
    the weights of those that remain, by name, so that it is known what it adds.
    """

    answer = PortfolioAnswer
    legs: Sequence[PlayedLeg]
    rules: PortfolioRules
    engine: str
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


# -- trials


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptLeg:
    """A leg that is asked again and again with other parameters. `candles`: with the longest warm-up of all combinations,
    `warmup`, in front of the period, which begins at `start_ms`; `sides_ms`: where the period of each series beside them
    begins. `weight`: as the portfolio says it. The rest as in LegTask and PlayedLeg.
    """

    name: str
    strategy: Path
    sources: Begun
    candles: CandleFile
    timeframe: str
    start_ms: int
    sides_ms: Sequence[int]
    warmup: int
    weight: float
    costs: Costs
    rank: str | None = None
    perpetual: PerpetualFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedLeg:
    """What the process of a leg executed, as in RunAnswer."""

    versions: Mapping[str, str]
    sources: Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptLegsAnswer:
    """A batch of portfolios as a worker played it. `legs`: of each by name the fields of ExecutedLeg; `source`: the worker's
    `portfolio_source`; the rest as in TrialsAnswer.
    """

    errors: Sequence[tuple[int, str]]
    engine: str
    legs: Mapping[str, Any]
    source: str
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioTrialsAnswer(SweptLegsAnswer):
    """As TrialsAnswer, of the wallet."""

    metrics: Float64Array
    returns: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptLegsTask:
    """Combinations to play a portfolio with (`engine.model.portfolio_params` names what they vary). A worker asks each leg
    of one `sweep` in a process of the leg's own, and keeps what it said; `memory_bytes`: for that.
    """

    sweep: str
    legs: Sequence[SweptLeg]
    rules: PortfolioRules
    combinations: Combinations
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioTrialsTask(SweptLegsTask, Task[PortfolioTrialsAnswer]):
    """Play them over the whole period. `kept`: as in TrialsTask."""

    answer = PortfolioTrialsAnswer
    kept: Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioWindowTrialsAnswer(SweptLegsAnswer):
    """In every span: `figures` as in WindowTrialsAnswer, of the wallet."""

    figures: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioWindowTrialsTask(SweptLegsTask, Task[PortfolioWindowTrialsAnswer]):
    """Play them over every span (from start to before end, ms), each time from a flat wallet with all its cash; the legs are
    asked once over all candles. `figures`: of SUMMARY, which are wanted.
    """

    answer = PortfolioWindowTrialsAnswer
    spans: Sequence[tuple[int, int]]
    figures: Sequence[str]
