"""What `optimize` sweeps, read from its options: one strategy on markets, or the legs of a portfolio's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cli.costs import UNSAID
from engine.errors import InputError
from engine.model.account import Costs
from engine.model.market import DEFAULT_EXCHANGE, Period, Timeframe
from engine.model.parameters import Assignment, ParamValue
from engine.model.portfolio_file import read_portfolio
from engine.model.ranges import parse_range
from engine.model.sweep_spec import SweepSpec, swept_markets


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep as it is asked for, with its fixed parameters; inside `located` faults of a portfolio say their place in its
    file.
    """

    spec: SweepSpec
    assignments: Sequence[Assignment]
    located: AbstractContextManager[None]


@dataclass(frozen=True, slots=True)
class Subject:
    """The options that say what is swept, for a `work` that takes `several` symbols or one."""

    symbols: Sequence[str] | None
    strategies: Sequence[str] | None
    timeframe: str | None
    start: str | None
    end: str | None
    across: str
    costs: Costs
    exchange: str | None
    work: str = "sweep"
    several: bool = True

    def swept(
        self, file: Path | None, grid: Sequence[str], param: Sequence[str], asked: Mapping[str, Any]
    ) -> Swept:
        """Of the portfolio in a file, or of one strategy where there is none."""
        return self.portfolio(file, grid, param, asked) if file else self.strategy(grid, param, asked)

    def strategy(self, grid: Sequence[str], param: Sequence[str], asked: Mapping[str, Any]) -> Swept:
        """A sweep of one strategy. Raises InputError where something lacks."""
        needed = {"--symbol": self.symbols, "--strategy": self.strategies, "--timeframe": self.timeframe}
        needed |= {"--start": self.start, "--end": self.end, "--grid": grid}
        lacking = [name for name, value in needed.items() if not value]
        if lacking:
            raise InputError(
                f"a {self.work} needs {', '.join(lacking)}; or --portfolio FILE with --grid LEG.name=values"
            )
        assert self.strategies
        assert self.timeframe
        symbols = [name.strip() for text in self.symbols or () for name in text.split(",")]
        if not self.several:
            only("symbol", symbols, self.work)
        spec = SweepSpec(
            strategy=only("strategy", self.strategies, self.work),
            exchange=self.exchange or DEFAULT_EXCHANGE,
            timeframe=Timeframe(self.timeframe),
            period=Period.parse(self.start or "", self.end or ""),
            ranges=ranges_of(grid),
            costs=self.costs,
            **asked,
            **swept_markets(symbols, self.across),
        )
        return Swept(spec, Assignment.parse_all(param), nullcontext())

    def portfolio(
        self, file: Path, grid: Sequence[str], param: Sequence[str], asked: Mapping[str, Any]
    ) -> Swept:
        """A sweep over the legs in a file, which says all the rest. A --param whose value is a range is a --grid."""
        self._refuse_what_the_file_says(file)
        read = read_portfolio(file)
        ranged = [text for text in param if is_range(text)]
        spec = SweepSpec.of_portfolio(read.spec, ranges=ranges_of([*grid, *ranged]), **asked)
        fixed = Assignment.parse_all([text for text in param if text not in ranged])
        return Swept(spec, fixed, read.located())

    def _refuse_what_the_file_says(self, file: Path) -> None:
        given = {
            "--symbol": self.symbols,
            "--strategy": self.strategies,
            "--timeframe": self.timeframe,
            "--start": self.start,
            "--end": self.end,
            "--across": self.across,
            "--exchange": self.exchange,
            "options of costs": self.costs != UNSAID,
        }
        both = [name for name, value in given.items() if value]
        if both:
            raise InputError(
                f"{file.name} says what is traded and at what costs; leave {', '.join(both)} out"
            )


def is_range(text: str) -> bool:
    """Whether the value in `name=value` is written as a range: low:high:step, or a,b,c."""
    value = text.partition("=")[2]
    return ":" in value or "," in value


def only(what: str, given: Sequence[str], work: str = "sweep") -> str:
    """The one that was given; `run` takes several, so that somebody will try, and the last one must not win in silence."""
    if len(given) != 1:
        raise InputError(f"a {work} takes one {what}, not {len(given)}: {', '.join(given)}")
    return given[0]


def ranges_of(texts: Sequence[str]) -> dict[str, Sequence[ParamValue]]:
    """The values of each --grid, by parameter."""
    found: dict[str, Sequence[ParamValue]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"--grid {text!r} must read name=low:high:step or name=a,b,c")
        if name in found:
            raise InputError(f"--grid {text!r}: {name} is given twice")
        found[name] = parse_range(values)
    return found
