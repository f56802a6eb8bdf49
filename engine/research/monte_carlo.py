"""Monte Carlo of a stored run: many courses that it could have taken, and what they say of the one it took.

Nothing of it is stored: run, method, paths and seed make the same again, whatever the number of workers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from engine.backtest.metrics import day_ends
from engine.backtest.rules import EXITS_AT_OPEN
from engine.errors import InputError
from engine.events import CancelToken, OnEvent, ProgressMeter
from engine.model.account import Costs
from engine.model.market import DAY_MS, MIN_DAYS, Candles, Float64Array, Int64Array
from engine.model.monte_carlo import (
    BOOTSTRAP,
    DAY,
    MEAN_RETURN,
    MIN_TRADES,
    STATIONARY,
    TRADE,
    Bands,
    Chance,
    Histogram,
    Loss,
    MonteCarloResult,
    MonteCarloSpec,
    Spread,
)
from engine.model.run import FINISHED, RunResult
from engine.model.trade import Trade
from engine.statistics.bootstrap import (
    drawn_positions,
    optimal_block_length,
    shuffled_positions,
    stationary_positions,
)
from engine.statistics.paths import (
    compounded,
    daily_figures,
    drawdown_histogram,
    growth_factors,
    money_figures,
    quantiles,
    spread_points,
)
from engine.statistics.positions import mean_return, permutation_p, reached, shuffled_means
from engine.statistics.ruin import LEVELS_PCT, loss_shares

MOST_POINTS: Final = 400  # along a band
_MOST_KEPT: Final = 8_000_000  # values of paths at those points
_CHUNK: Final = 200_000  # values that are drawn at a time
_BINS: Final = 40
_MODEL_NOTE: Final = (
    "by a slippage model no entry is known to be at the open: positions count from the candle after it"
)
_HIDDEN: Final = ("lowest_pct",)  # told as the shares that were ruined

Positions = Callable[[int, np.random.Generator], Int64Array]  # of so many paths


def check_run(run: RunResult) -> None:
    """Raise InputError for a run that has no course."""
    if run.status != FINISHED or run.equity is None:
        raise InputError(f"run {run.id[:8]} {run.status}: it has no trades and no equity to make paths of")


class Collected:
    """Paths of one study as they come in: the figures of each, and its values at a few moments."""

    def __init__(self, original: Float64Array, paths: int, unit: str) -> None:
        """`original`: (1, k + 1)."""
        self._daily = unit != TRADE
        self._original = original
        most = max(2, min(MOST_POINTS, _MOST_KEPT // paths))
        self.points = spread_points(original.shape[1] - 1, most)
        self._kept = np.empty((len(self.points), paths))
        self._figures = {name: np.empty(paths) for name in self._of(original)}
        self._done = 0

    def add(self, paths: Float64Array) -> None:
        """Take (m, k + 1) more."""
        here = slice(self._done, self._done + len(paths))
        for name, values in self._of(paths).items():
            self._figures[name][here] = values
        self._kept[:, here] = paths[:, self.points].T
        self._done = here.stop

    def result(self, run: RunResult, **about: Any) -> MonteCarloResult:
        """What came out; `about`: the other fields of the result."""
        figures = {name: values[: self._done] for name, values in self._figures.items()}
        losses = zip(
            LEVELS_PCT,
            loss_shares(figures["lowest_pct"]).tolist(),
            loss_shares(figures["max_drawdown_pct"]).tolist(),
            strict=True,
        )
        edges, counts = drawdown_histogram(figures["max_drawdown_pct"])
        return MonteCarloResult(
            run_id=run.id,
            paths=self._done,
            figures=_spreads(self._of(self._original), figures),
            bands=self._bands(run),
            losses=[Loss(*row) for row in losses],
            losing=float((figures["return_pct"] < 0).mean()),
            histogram=Histogram("max_drawdown_pct", edges.tolist(), counts.tolist()),
            **about,
        )

    def _of(self, paths: Float64Array) -> Mapping[str, Float64Array]:
        return daily_figures(paths) if self._daily else money_figures(paths)

    def _bands(self, run: RunResult) -> Bands:
        at = self.points
        if self._daily:
            assert run.equity is not None
            at = (int(run.equity.time[0]) // DAY_MS + self.points) * DAY_MS
        rows = quantiles(self._kept[:, : self._done]).T
        unit = DAY if self._daily else TRADE
        return Bands(at.tolist(), self._original[0, self.points].tolist(), rows.tolist(), unit)


def _spreads(original: Mapping[str, Float64Array], figures: Mapping[str, Float64Array]) -> dict[str, Spread]:
    return {
        name: Spread(_plain(original[name][0]), [_plain(one) for one in quantiles(values[None])[0]])
        for name, values in figures.items()
        if name not in _HIDDEN
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def resampled(
    run: RunResult, spec: MonteCarloSpec, job: str, on_event: OnEvent, cancel: CancelToken
) -> MonteCarloResult:
    """Paths of a run's own days or trades, put together anew."""
    started = time.monotonic()
    factors = _daily_factors(run) if spec.kind.unit == DAY else _trade_factors(run)
    about: dict[str, Any] = {"spec": spec, "units": len(factors), "notes": _notes(run, spec)}
    reason = _too_little(spec, factors)
    if reason is not None:
        return MonteCarloResult(run_id=run.id, paths=0, reason=reason, **about)
    if spec.method == STATIONARY:
        about["block"] = _block(spec, factors)
    positions = _positions(spec, len(factors), about.get("block", 1.0))
    collected = Collected(compounded(run.costs.cash, factors[None]), spec.wanted, spec.kind.unit)
    meter = ProgressMeter(job, spec.wanted, "paths", on_event)
    for count, rng in _chunks(spec, len(factors)):
        cancel.raise_if_cancelled()
        collected.add(compounded(run.costs.cash, factors[positions(count, rng)]))
        meter.add(count)
    return replace(collected.result(run, **about), elapsed_s=time.monotonic() - started)


def _chunks(spec: MonteCarloSpec, length: int) -> Iterator[tuple[int, np.random.Generator]]:
    """How many paths to draw at a time, each time by a generator of its own."""
    size = max(1, _CHUNK // max(1, length))
    for number, first in enumerate(range(0, spec.wanted, size)):
        seed = np.random.SeedSequence(spec.seed, spawn_key=(number,))
        yield min(size, spec.wanted - first), np.random.default_rng(seed)


def _positions(spec: MonteCarloSpec, n: int, block: float) -> Positions:
    if spec.method == STATIONARY:
        return lambda paths, rng: stationary_positions(n, block, paths, rng)
    draw = drawn_positions if spec.method == BOOTSTRAP else shuffled_positions
    return lambda paths, rng: draw(n, paths, rng)


def _block(spec: MonteCarloSpec, factors: Float64Array) -> float:
    if spec.block is None:
        return optimal_block_length(factors - 1)
    if spec.block > len(factors):
        raise InputError(
            f"a block of {spec.block:g} days is longer than the {len(factors):,} days of the run"
        )
    return spec.block


def _daily_factors(run: RunResult) -> Float64Array:
    assert run.equity is not None
    ends = day_ends(run.equity.time)
    return growth_factors(run.costs.cash, run.equity.columns["equity"][ends])


def _trade_factors(run: RunResult) -> Float64Array:
    """By what each trade multiplies the money, in the order of their exits."""
    ordered = sorted(run.trades, key=lambda trade: trade.exit_time)
    money = run.costs.cash + np.cumsum([trade.pnl for trade in ordered], dtype=np.float64)
    return growth_factors(run.costs.cash, money)


def _too_little(spec: MonteCarloSpec, factors: Float64Array) -> str | None:
    """Why nothing can be said, else None."""
    if spec.kind.unit == TRADE and len(factors) < MIN_TRADES:
        return f"{len(factors)} trades are too few to resample: at least {MIN_TRADES} are needed"
    if spec.kind.unit == DAY and len(factors) < MIN_DAYS:
        return f"{len(factors)} days are too few to resample: at least {MIN_DAYS} are needed"
    if np.ptp(factors) <= 4 * np.finfo(float).eps * float(np.abs(factors).max()):
        return "the account never moved: there is nothing to resample"
    return None


def _notes(run: RunResult, spec: MonteCarloSpec) -> list[str]:
    """What one has to know of a run whose paths these are."""
    notes = []
    assert run.equity is not None
    if not (run.equity.columns["equity"] > 0).all():
        notes.append(
            "the run lost everything: a path ends where it draws that day or trade; the days after it count as idle"
        )
    if spec.kind.unit == TRADE:
        if any(trade.exit_reason == "open" for trade in run.trades):
            notes.append("the trade still open counts as it stands at the last close")
        ordered = sorted(run.trades, key=lambda trade: trade.entry_time)
        if any(a.exit_time > b.entry_time for a, b in pairwise(ordered)):
            notes.append("trades that overlap count one after the other, in the order of their exits")
    return [*notes, depth_note(spec)]


def depth_note(spec: MonteCarloSpec) -> str:
    """Why drawdowns differ from the run's own."""
    moments = "after each trade" if spec.kind.unit == TRADE else "at the end of each day"
    return f"drawdowns are those {moments}; between, the account may have been deeper"


def permuted(
    run: RunResult,
    candles: Candles,
    spec: MonteCarloSpec,
    job: str,
    on_event: OnEvent,
    cancel: CancelToken,
) -> MonteCarloResult:
    """The positions of a run placed at random over the candles of its period."""
    started = time.monotonic()
    returns, positions = open_returns(candles), positions_of(run, candles)
    notes = [_MODEL_NOTE] if run.costs.slippage_model else []
    about: dict[str, Any] = {"run_id": run.id, "spec": spec, "units": len(returns), "notes": notes}
    if len(run.trades) < MIN_TRADES:
        reason = f"{len(run.trades)} trades are too few: at least {MIN_TRADES} are needed"
        return MonteCarloResult(paths=0, reason=reason, **about)
    if not positions.any() or abs(int(positions.sum())) == len(positions):
        reason = "the positions never change at the open of a candle: there is nothing to permute"
        return MonteCarloResult(paths=0, reason=reason, **about)
    observed, means = mean_return(positions, returns), np.empty(spec.wanted)
    meter = ProgressMeter(job, spec.wanted, "paths", on_event)
    at = 0
    for count, rng in _chunks(spec, len(returns)):
        cancel.raise_if_cancelled()
        means[at : at + count] = shuffled_means(positions, returns, count, rng)
        at += count
        meter.add(count)
    as_well, name = reached(means, observed, returns), MEAN_RETURN
    counts, edges = np.histogram(means * 100, _BINS)
    figures = _spreads({name: np.array([observed * 100])}, {name: means * 100})
    return MonteCarloResult(
        paths=spec.wanted,
        figures=figures,
        histogram=Histogram(name, edges.tolist(), counts.tolist()),
        chance=Chance(permutation_p(as_well, spec.wanted), name, observed * 100, as_well, spec.wanted),
        elapsed_s=time.monotonic() - started,
        **about,
    )


def open_returns(candles: Candles) -> Float64Array:
    """The return (n,) from the open of each candle to the next open, of the last one to its close."""
    after = np.concatenate((candles.open[1:], candles.close[-1:]))
    returns: Float64Array = after / candles.open - 1
    return returns


def positions_of(run: RunResult, candles: Candles) -> Int64Array:
    """+1, 0 or -1 for what a run held from the open of each candle on, int64 (n,), whatever then happened inside it.

    Only what was known at an open decides: the candle inside which a trade left counts whole, the candle inside which an
    order entered not at all. To leave out the candles that hit a stop would make skill out of noise.
    """
    change = np.zeros(len(candles) + 1, dtype=np.int64)
    for trade in run.trades:
        side = 1 if trade.side == "long" else -1
        first, last = np.searchsorted(candles.timestamp, [trade.entry_time, trade.exit_time])
        begin = first + (not _entered_at_open(trade, float(candles.open[first]), run.costs))
        change[begin] += side
        change[max(begin, last + (trade.exit_reason not in EXITS_AT_OPEN))] -= side
    return np.sign(np.cumsum(change[:-1]))


def _entered_at_open(trade: Trade, opened: float, costs: Costs) -> bool:
    """Whether it is the fill of a market order. By a slippage model it cannot be told from that of an order."""
    price = trade.fills[0].price if trade.fills else trade.entry_price
    slipped = opened * (1 + costs.slippage if trade.side == "long" else 1 - costs.slippage)
    return not costs.slippage_model and math.isclose(price, slipped, rel_tol=1e-9)
