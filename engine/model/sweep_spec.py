"""What goes into a sweep: one frozen value, and its JSON shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.market import Period, Timeframe
from engine.model.parameters import ParamValue
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_document import document_of, spec_of
from engine.model.portfolio_rules import WEIGHED, WEIGHT
from engine.model.ranges import range_json, read_range
from engine.model.run import values_of_spec

GRID, RANDOM, SOBOL, CMAES, NSGA2, TPE = "grid", "random", "sobol", "cmaes", "nsga2", "tpe"


SAMPLERS: Final = (GRID, RANDOM, SOBOL, CMAES, NSGA2, TPE)


EVEN_SAMPLERS: Final = (
    GRID,
    RANDOM,
    SOBOL,
)  # the others follow what they find and breed trials that are alike


MEAN, MEDIAN, WORST = "mean", "median", "worst"


ACROSS: Final = (MEAN, MEDIAN, WORST)


MOST_NAMED: Final = 3
PORTFOLIO: Final = "portfolio"
# what is asked of a sweep whatever it is of
ASKED: Final = ("ranges", "constraint", "objective", "sampler", "trials", "seed", "second_objective")


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """One sweep to do: which values of which parameters to combine, on what, and what counts as best.

    `ranges`: the values tried, per parameter (`engine.model.ranges.parse_range` makes them from text); `params`: fixed ones.
    `constraint`: an expression over parameters that a combination must fulfil, "" for none. `trials`: how many distinct
    combinations are tried by every sampler but the grid. `second_objective`: "" for none. `symbols`: of a sweep over several
    markets, of which `symbol` is the first, else empty; `across`: how the figures of a combination on all of them become
    one. `portfolio`: what is swept in place of one strategy (`of_portfolio`); ranges are called LEG.name then.
    """

    strategy: str
    symbol: str
    exchange: str
    timeframe: Timeframe
    period: Period
    ranges: Mapping[str, Sequence[ParamValue]]
    params: Mapping[str, Any] = field(default_factory=dict)
    costs: Costs = field(default_factory=Costs)
    constraint: str = ""
    objective: str = "sharpe"
    sampler: str = GRID
    trials: int | None = None
    seed: int = 0
    second_objective: str = ""
    symbols: tuple[str, ...] = ()
    across: str = ""
    portfolio: PortfolioSpec | None = None

    def __post_init__(self) -> None:
        self._check_markets()
        if not self.ranges:
            raise InputError("nothing to sweep: give at least one parameter a range, such as fast=5:50:1")
        if self.costs.detail is not None:
            raise InputError(
                "a sweep does not look inside candles; leave the detail out, a run of a trial can have it"
            )
        if self.sampler not in SAMPLERS:
            raise InputError(f"unknown sampler {self.sampler!r}; known: {', '.join(SAMPLERS)}")
        if (self.trials is not None) != (self.sampler != GRID):
            needs = RANDOM if self.sampler == GRID else self.sampler
            raise InputError(
                f"the {needs} sampler needs a number of trials; the grid tries every combination and takes none"
            )
        if self.seed < 0:
            raise InputError(f"seed must not be negative, but is {self.seed}")
        if self.second_objective == self.objective:
            raise InputError(f"the second objective must be another than {self.objective}")
        if self.sampler == NSGA2 and not self.second_objective:
            raise InputError("nsga2 looks for what is best by two objectives: give a second one, or use tpe")
        if self.sampler == CMAES and self.second_objective:
            raise InputError(
                "cmaes knows one objective only; two are for nsga2, tpe, sobol, random and the grid"
            )
        if self.trials is not None and self.trials < 1:
            raise InputError(f"trials must be at least 1, not {self.trials}")
        both = self.ranges.keys() & self.params.keys()
        if both:
            raise InputError(f"{', '.join(sorted(both))}: either a range or a fixed value, not both")

    def _check_markets(self) -> None:
        if self.portfolio is not None and (self.symbols or self.across):
            raise InputError(
                "the legs of a portfolio say their symbols themselves; leave symbols and across out"
            )
        if self.portfolio is not None and self.portfolio.windows:
            raise InputError(
                "the windows of the portfolio would rule in place of what is tried; leave them out to try values"
            )
        if not self.symbols:
            if self.across:
                raise InputError(f"{self.across} is taken across several symbols; give more than one")
            return
        if (
            len(set(self.symbols)) < len(self.symbols)
            or len(self.symbols) < 2
            or self.symbols[0] != self.symbol
        ):
            raise InputError(f"a sweep over several markets names each once: {', '.join(self.symbols)}")
        if self.across not in ACROSS:
            raise InputError(f"unknown way across markets {self.across!r}; there are: {', '.join(ACROSS)}")

    @classmethod
    def of_portfolio(cls, portfolio: PortfolioSpec, **more: Any) -> Self:
        """A sweep over the legs of a portfolio: where one of a strategy names what it is on, that is the first leg's market,
        the finest timeframe, and the wallet's money. `more`: ranges and the other fields.
        """
        first, wallet = portfolio.legs[0], _wallet(portfolio)
        name = PORTFOLIO if portfolio.name == PORTFOLIO else f"{PORTFOLIO} {portfolio.name}"
        finest = min((leg.timeframe for leg in portfolio.legs), key=lambda one: one.next(0))
        return cls(
            name,
            first.symbol,
            first.exchange,
            finest,
            portfolio.period,
            costs=wallet,
            portfolio=portfolio,
            **more,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols that it is on, each once."""
        if self.portfolio is not None:
            return tuple(dict.fromkeys(leg.symbol for leg in self.portfolio.legs))
        return self.symbols or (self.symbol,)

    @property
    def markets(self) -> str:
        """On what, for people: SOLUSDT; median of SOLUSDT, BTCUSDT and 3 more."""
        names = self.names
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        how = f"{self.across} of " if self.across else ""
        return f"{how}{', '.join(names[:MOST_NAMED])}{more}"

    @property
    def objectives(self) -> tuple[str, ...]:
        """What counts: one metric, or two."""
        return (self.objective, self.second_objective) if self.second_objective else (self.objective,)

    @property
    def weights_vary(self) -> bool:
        """Whether the weights of a portfolio's legs are among what is tried."""
        weighs = self.portfolio is not None and self.portfolio.allocation in WEIGHED
        return weighs and any(name.rpartition(".")[2] == WEIGHT for name in self.ranges)

    def on(self, *symbols: str) -> Self:
        """The same sweep with the markets' own names, or on one of them alone."""
        if len(symbols) == 1:
            return replace(self, symbol=symbols[0], symbols=(), across="")
        return replace(self, symbol=symbols[0], symbols=symbols)

    def to_json(self) -> dict[str, Any]:
        """The spec for people and programs; ranges as text where that reads back as the same, else as lists."""
        return {
            "strategy": self.strategy,
            "symbol": None if self.portfolio else self.symbol,
            "exchange": None if self.portfolio else self.exchange,
            "timeframe": self.timeframe.name,
            **self.period.to_json(),
            "ranges": {name: range_json(values) for name, values in self.ranges.items()},
            "params": dict(self.params),
            "constraint": self.constraint,
            "objective": self.objective,
            "sampler": self.sampler,
            "trials": self.trials,
            "seed": self.seed,
            "second_objective": self.second_objective,
            "costs": None if self.portfolio else self.costs.to_json(),
            **({"symbols": list(self.symbols), "across": self.across} if self.symbols else {}),
            **({"portfolio": document_of(self.portfolio)} if self.portfolio else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The spec that `to_json` described; dates and ranges as on the command line. Raises InputError."""
        if portfolio := document.get("portfolio"):
            told = {name: document[name] for name in ASKED if name in document}
            read = {name: read_range(given) for name, given in told.pop("ranges", {}).items()}
            return cls.of_portfolio(spec_of(portfolio), ranges=read, **told)
        values = values_of_spec(document)
        ranges = {name: read_range(given) for name, given in values["ranges"].items()}
        if symbols := tuple(values.get("symbols") or ()):
            values |= {"symbols": symbols, "symbol": symbols[0]}
        return cls(**values | {"ranges": ranges})


def _wallet(portfolio: PortfolioSpec) -> Costs:
    """What is asked of the wallet; the rest of the costs is each leg's."""
    return Costs(cash=portfolio.cash, leverage=portfolio.leverage, funding=portfolio.funding)


def swept_markets(symbols: Sequence[str], across: str) -> dict[str, Any]:
    """The fields of a SweepSpec that say on what, from what a user names; the mean where several come without a way."""
    if not symbols:
        raise InputError("nothing to sweep on: name at least one symbol")
    if len(symbols) == 1:
        return {"symbol": symbols[0], "symbols": (), "across": across}
    return {"symbol": symbols[0], "symbols": tuple(symbols), "across": across or MEAN}
