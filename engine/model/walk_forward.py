"""What goes into a walk-forward and what comes out: frozen values, the windows of a period, JSON shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np

from engine.errors import InputError
from engine.model.durations import duration_text, parse_duration
from engine.model.market import DAY_MS, MIN_DAYS, Float64Array, Int64Array, Period, format_time
from engine.model.numerals import counted
from engine.model.parameters import ParamValue
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import FINISHED, RunResult, Series
from engine.model.simulators import REFERENCE
from engine.model.sweep import FEW_TRADES, Column, SweepResult, loss_sign
from engine.model.sweep_spec import GRID, RANDOM, SweepSpec
from engine.model.trial import TriedLeg
from engine.model.window_params import MOST_WINDOWS, WindowParams

ROLLING, ANCHORED = "rolling", "anchored"
MODES: Final = (ROLLING, ANCHORED)
IN_SAMPLE, OUT_OF_SAMPLE = 0, 1  # of an array over both
FIGURES: Final = ("value", "trades")  # kept of every trial in every window
ANNUAL: Final = ("cagr_pct", "volatility_pct", "sharpe", "sortino", "calmar")  # None below MIN_DAYS


@dataclass(frozen=True, slots=True)
class Window:
    """Where parameters are chosen and where they are tried. `partial`: the period ended before the test did."""

    train: Period
    test: Period
    partial: bool = False


@dataclass(frozen=True, slots=True)
class WalkForwardSpec:
    """One walk-forward to do: the combinations of `sweep` in every window, ms long. The step is the test's length."""

    sweep: SweepSpec
    train_ms: int
    test_ms: int
    mode: str = ROLLING
    gap_ms: int = 0

    def __post_init__(self) -> None:
        if self.sweep.symbols:
            raise InputError("a walk-forward takes one symbol, not several")
        if self.mode not in MODES:
            raise InputError(f"unknown mode {self.mode!r}; known: {', '.join(MODES)}")
        if self.sweep.sampler not in (GRID, RANDOM) or self.sweep.second_objective:
            raise InputError("a walk-forward tries a grid or a random draw, and chooses by one objective")
        if self.gap_ms < 0:
            raise InputError("the gap between training and test must not be negative")
        start, timeframe = self.sweep.period.start, self.sweep.timeframe
        candle = timeframe.next(start) - timeframe.floor(start)
        for name, ms in (("train", self.train_ms), ("test", self.test_ms)):
            if ms < candle:
                raise InputError(f"{name} {duration_text(ms)} is shorter than a candle of {timeframe}")
        if self.sweep.objective in ANNUAL and self.train_ms < MIN_DAYS * DAY_MS:
            raise InputError(
                f"a training of {duration_text(self.train_ms)} has no {self.sweep.objective}, which needs {MIN_DAYS} days; "
                "train longer, or choose another objective, such as return_pct"
            )

    @property
    def ranks_tests(self) -> bool:
        """Whether the objective means something in a test."""
        return self.sweep.objective not in ANNUAL or self.test_ms >= MIN_DAYS * DAY_MS

    @property
    def sign(self) -> float:
        """What makes more of the objective better."""
        return -loss_sign(self.sweep.objective)

    def windows(self, period: Period) -> list[Window]:
        """The windows of a period, their bounds on the grid; raises InputError where there are fewer than two whole ones, or
        more than MOST_WINDOWS.

        Tests follow each other without a hole; the last one may be cut by the period's end.
        """
        grid = self.sweep.timeframe
        before, found = self.train_ms + self.gap_ms, list[Window]()
        first = period.start + before
        count = -(-(period.end - first) // self.test_ms)
        if count > MOST_WINDOWS:
            raise InputError(
                f"{self._lengths()} make {count:,} windows, and at most {MOST_WINDOWS:,} are walked: "
                "test longer, or a shorter period; nothing was run"
            )
        while (opens := grid.ceil(first)) < period.end:
            trained = grid.ceil(first - self.gap_ms)
            begins = period.start if self.mode == ANCHORED else grid.ceil(first - before)
            ends = grid.ceil(first + self.test_ms)
            test = Period(opens, min(ends, period.end))
            found.append(Window(Period(begins, trained), test, ends > period.end))
            first += self.test_ms
        whole = sum(not window.partial for window in found)
        if whole < 2:
            raise InputError(self._too_short(period, whole))
        return found

    def _lengths(self) -> str:
        gap = f" with a gap of {duration_text(self.gap_ms)}" if self.gap_ms else ""
        return f"train {duration_text(self.train_ms)} and test {duration_text(self.test_ms)}{gap}"

    def _too_short(self, period: Period, whole: int) -> str:
        days = (period.end - period.start) / DAY_MS
        holds = f"room for {whole} whole test" if whole else "no room for a test"
        return f"{self._lengths()}: {days:g} days of data have {holds}, a walk-forward needs two; nothing was run"

    def to_json(self) -> dict[str, Any]:
        """That of the sweep, and the windows' lengths as text."""
        return {
            **self.sweep.to_json(),
            "train": duration_text(self.train_ms),
            "test": duration_text(self.test_ms),
            "mode": self.mode,
            "gap": duration_text(self.gap_ms),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The spec that `to_json` described. Raises InputError."""
        values = dict(document)
        train, test, gap = (
            parse_duration(str(values.pop(name, "0")), name) for name in ("train", "test", "gap")
        )
        mode = values.pop("mode", ROLLING)
        return cls(SweepSpec.from_json(values), train, test, mode, gap)


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What became of a window. `params`: complete, those of combination `number`; `kept`: no combination traded in
    training and had the objective, so that they are those of the window before (of the first: the first combination).

    `train`: figures of their own run there; `test`: of the stitched run's slice; `rank`: of the chosen among all in the
    test, 0..1, and `rho`: of training against test over all, of flat runs, None where unknown.
    """

    window: Window
    number: int
    params: Mapping[str, ParamValue]
    kept: bool
    train: Mapping[str, float | int | None]
    test: Mapping[str, float | int | None]
    rank: float | None
    rho: float | None

    def to_json(self) -> dict[str, Any]:
        """The contract's window."""
        train, test = self.window.train, self.window.test
        return {
            "train_start": format_time(train.start),
            "train_end": format_time(train.end),
            "test_start": format_time(test.start),
            "test_end": format_time(test.end),
            "partial": self.window.partial,
            "trial": self.number,
            "params": dict(self.params),
            "kept": self.kept,
            "train": dict(self.train),
            "test": dict(self.test),
            "oos_rank": self.rank,
            "is_oos_rho": self.rho,
        }


@dataclass(frozen=True, eq=False)
class WalkForward:
    """One walk-forward as far as it came: `done` of `planned` combinations were tried, each in every window.

    `figures`: float64 (n, windows, 2, 2) over all combinations of the plan, both sides (IN_SAMPLE, OUT_OF_SAMPLE) and
    FIGURES, NaN where one has no meaning or was not tried; `columns`: their ranged parameters, `fixed`: all the others;
    `errors`: one line for each that failed in a window, by its number. `results` and `measures` once it is finished; `run`:
    the stitched one, or the `portfolio` of a walk over one's legs, None where it was deleted.
    """

    id: str
    spec: WalkForwardSpec
    status: str
    unified: str
    period: Period
    warmup: int
    columns: Mapping[str, Column]
    fixed: Mapping[str, ParamValue]
    figures: Float64Array
    done: int
    errors: Mapping[int, str] = field(default_factory=dict)
    results: Sequence[WindowResult] = ()
    measures: Mapping[str, Any] = field(default_factory=dict)
    run: RunResult | None = None
    portfolio: PortfolioResult | None = None
    longer_warmup: tuple[tuple[str, int], ...] = ()
    trials_of_strategy: int | None = None
    elapsed_s: float = 0.0
    created_ms: int = 0
    error: str | None = None

    @property
    def stitched(self) -> RunResult | PortfolioResult | None:
        """What all tests are together."""
        return self.run or self.portfolio

    @property
    def course(self) -> Series | None:
        """The account over all tests, with the column `equity`; it began with the cash of the costs."""
        if self.run is not None:
            return self.run.equity
        return None if self.portfolio is None else self.portfolio.series

    @property
    def planned(self) -> int:
        """How many combinations there are."""
        return len(self.figures)

    @property
    def windows(self) -> list[Window]:
        """All of them."""
        return self.spec.windows(self.period)

    @property
    def ruling(self) -> tuple[WindowParams, ...]:
        """Which parameters rule the stitched run when."""
        return tuple(WindowParams(one.window.test.start, one.params) for one in self.results)

    def params_of(self, number: int) -> dict[str, ParamValue]:
        """The complete parameters of a combination."""
        return dict(self.fixed) | {name: column[number].item() for name, column in self.columns.items()}

    def trained(self, window: int) -> SweepResult:
        """All combinations in one window's training as a sweep with the objective and the number of trades."""
        sweep = replace(self.spec.sweep, period=self.windows[window].train)
        value, trades = self.figures[:, window, IN_SAMPLE].T
        return SweepResult(
            id=self.id,
            spec=sweep,
            status=self.status,
            unified=self.unified,
            period=sweep.period,
            warmup=self.warmup,
            longer_warmup=self.longer_warmup,
            numbers=np.arange(self.planned),
            params=self.columns,
            fixed=self.fixed,
            metrics={"trades": trades, sweep.objective: value},
            errors=self.errors,
            planned=self.planned,
            done=self.planned,
            failed=len(self.errors),
        )

    @property
    def can_choose(self) -> bool:
        """Whether a combination traded in a training and had the objective there, or one that is left may yet."""
        value, trades = self.figures[:, :, IN_SAMPLE].transpose(2, 0, 1)
        return self.done < self.planned or bool((np.isfinite(value) & (trades > 0)).any())

    @property
    def kept_words(self) -> str:
        """What of it is there again, for messages; of one that did not come to its end, how it does."""
        kept = f"{self.done:,} of {self.planned:,} combinations are stored as walk-forward {self.id[:8]}"
        if self.status == FINISHED:
            return kept
        if not self.can_choose:
            return f"{kept}, and trying them again would tell the same: start a new one"
        return f"{kept}, `backtest walk-forwards resume {self.id[:8]}` goes on"

    @property
    def notes(self) -> list[str]:
        """What to keep in mind."""
        if not self.results:
            return []
        found = self._notes_of_choices()
        if self.results[-1].window.partial:
            found.append("the last test is cut by the period's end: it is run and left out of the ratios")
        if self.planned == 1:
            found.append("one combination: nothing was chosen")
        elif not self.spec.ranks_tests:
            found.append(
                f"tests of under {MIN_DAYS} days have no {self.spec.sweep.objective}: where the chosen ranked is not known"
            )
        if self.errors:
            number, line = next(iter(self.errors.items()))
            found.append(
                f"{counted(len(self.errors), 'combination')} failed in a window; the first, trial {number}: {line}"
            )
        if self.stitched is not None:
            if self.stitched.engine == REFERENCE:  # of what gives no signals
                found.append(
                    "a strategy of backtesting.py keeps its own account: it begins each window flat, having seen every "
                    "candle before it"
                )
            trades = self.stitched.metrics.get("trades") or 0
            if trades < FEW_TRADES:
                kind = "run" if self.portfolio is None else "portfolio"
                found.append(
                    f"the stitched {kind} made only {counted(int(trades), 'trade')}: too few to tell skill from luck"
                )
            ahead = self.stitched.checks.get("lookahead", {})
            if ahead.get("status") == "failed":
                found.append("the strategy looks ahead: its training saw what came after it")
        if self.trials_of_strategy is not None:
            name = self.spec.sweep.strategy
            found.append(f"{self.trials_of_strategy:,} trials of {name} have been made in all")
        return found

    def _notes_of_choices(self) -> list[str]:
        """Where nothing could be chosen, and what was traded there."""
        nothing, found = f"no combination traded and had a {self.spec.sweep.objective}", list[str]()
        if self.results[0].kept:
            found.append(f"in the first training {nothing}: its test trades the first combination")
        later = sum(one.kept for one in self.results[1:])
        if later:
            found.append(
                f"in {later} of {len(self.results)} trainings {nothing}: the parameters before stayed"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """The contract's walk-forward."""
        return {
            **self.spec.to_json(),
            **self.period.to_json(),
            "id": self.id,
            "status": self.status,
            "error": self.error,
            "unified": self.unified,
            "warmup": self.warmup,
            "longer_warmup": dict(self.longer_warmup),
            "fixed": dict(self.fixed),
            "trials": self.done,
            "planned": self.planned,
            "failed": len(self.errors),
            "trials_of_strategy": self.trials_of_strategy,
            "elapsed_s": self.elapsed_s,
            "created": format_time(self.created_ms),
            "windows": [one.to_json() for one in self.results],
            **{name: self.measures.get(name) for name in MEASURES},
            "run": None if self.run is None else self.run.to_json(),
            **({"stitched": self.portfolio.to_json()} if self.portfolio is not None else {}),
            "notes": self.notes,
        }


@dataclass(frozen=True, slots=True, eq=False)
class TriedPart:
    """Combinations that were tried: `figures` (m, windows, 2, len(FIGURES)) of those `numbers`, and the `errors` among
    them; `identities`: what was tried, None of one that failed everywhere; `legs`: what legs of a portfolio tried.
    """

    numbers: Int64Array
    figures: Float64Array
    errors: Mapping[int, str]
    identities: Sequence[bytes | None] = ()
    legs: frozenset[TriedLeg] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class BegunWalk:
    """A stored walk-forward that had not ended: what it depends on (None: nothing was tried yet) and what was tried."""

    walk: WalkForward
    inputs: Mapping[str, Any] | None
    parts: Sequence[TriedPart]


MEASURES: Final = (
    "wfe", "oos_rank", "is_oos_rho", "param_step", "param_mode_share", "profitable_windows", "largest_window_share",
)  # fmt: skip
