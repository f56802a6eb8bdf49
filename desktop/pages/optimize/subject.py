"""What the Optimize tab varies: a strategy on what the set-up says, or the legs of the portfolio on its own page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from desktop.pages.optimize.values import NUMERIC, SweepChoice
from desktop.pages.setup.values import Setup
from desktop.tables import formats
from engine.errors import InputError
from engine.model.market import Timeframe
from engine.model.parameters import StrategyInfo
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_params import described, offered
from engine.model.sweep_spec import SweepSpec, swept_markets

PORTFOLIO_KEY: Final = "the portfolio"  # no strategy can be called so
_UNREADABLE: Final = "The Portfolio page holds no portfolio that can be read; it says there why"


class Subject(Protocol):
    """What is varied."""

    @property
    def key(self) -> str:
        """Under which name its choices are remembered."""

    @property
    def title(self) -> str:
        """What it is called in the list."""

    @property
    def params(self) -> Sequence[Mapping[str, Any]]:
        """What can vary, as Param.to_json, a row each."""

    @property
    def source(self) -> str:
        """What says the values that do not vary."""

    @property
    def example(self) -> str:
        """A constraint as one writes it here."""

    def fixed(self, setup: Setup) -> Mapping[str, Any]:
        """Values of parameters that differ from the defaults."""

    def words(self, setup: Setup) -> str:
        """On what, in a line."""

    def counted(self, ranged: Collection[str]) -> Sequence[Mapping[str, Any]]:
        """The parameters that make up a combination where these have ranges."""

    def spec(self, choice: SweepChoice, setup: Setup, symbol: str, across: str) -> SweepSpec:
        """The sweep to do, where there are markets on a symbol or `across` all of the set-up; raises InputError with the
        reason where there is none.
        """


@dataclass(frozen=True, slots=True)
class StrategySubject:
    """One strategy; everything else is the set-up's."""

    info: StrategyInfo
    source: str = "the set-up on the left"
    example: str = "fast < slow"

    @property
    def key(self) -> str:
        """The strategy's name."""
        return self.info.name

    @property
    def title(self) -> str:
        """What it is called in the list."""
        return self.info.name

    @property
    def params(self) -> Sequence[Mapping[str, Any]]:
        """The strategy's."""
        return self.info.params

    def fixed(self, setup: Setup) -> Mapping[str, Any]:
        """What the set-up says of it."""
        return setup.params.get(self.info.name, {})

    def words(self, setup: Setup) -> str:
        """Timeframe, period, costs."""
        inside = ", without its detail" if setup.costs.detail else ""
        return f"{setup.timeframe} · {days_words(setup.start, setup.end)} · costs of the set-up{inside}"

    def counted(self, ranged: Collection[str]) -> Sequence[Mapping[str, Any]]:
        """All of them."""
        del ranged
        return self.info.params

    def spec(self, choice: SweepChoice, setup: Setup, symbol: str, across: str) -> SweepSpec:
        """The sweep on the set-up's markets."""
        problem = setup.data_problem()
        if problem:
            raise InputError(problem)
        asked = choice.asked(self.params)
        fixed = {name: value for name, value in self.fixed(setup).items() if name not in asked["ranges"]}
        return SweepSpec(
            strategy=self.info.name, exchange=setup.exchange, timeframe=Timeframe(setup.timeframe),
            period=setup.period, params=fixed, costs=replace(setup.costs, detail=None), **asked,
            **swept_markets(setup.symbols if across else [symbol], across),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LegsSubject:
    """The legs of a portfolio and its wallet; the portfolio says everything else. `infos`: of the legs' strategies by name;
    `problem`: why nothing can be varied of it.
    """

    portfolio: PortfolioSpec
    infos: Mapping[str, StrategyInfo]
    params: Sequence[Mapping[str, Any]]
    problem: str = ""
    key: str = PORTFOLIO_KEY
    source: str = "the file on the Portfolio page"

    @classmethod
    def of(cls, portfolio: PortfolioSpec, infos: Mapping[str, StrategyInfo]) -> LegsSubject:
        """That of a portfolio; `infos`: every strategy there is."""
        own = {leg.strategy: infos[leg.strategy] for leg in portfolio.legs if leg.strategy in infos}
        for leg in portfolio.legs:
            if leg.strategy not in own:
                return cls(portfolio, own, (), f"leg {leg.name!r}: unknown strategy {leg.strategy!r}")
            if (error := own[leg.strategy].error) is not None:
                return cls(portfolio, own, (), f"leg {leg.name!r}: {leg.strategy} does not load: {error}")
        try:
            return cls(portfolio, own, tuple(offered(portfolio, own)))
        except InputError as error:
            return cls(portfolio, own, (), str(error))

    def now(self, portfolio: PortfolioSpec | None, infos: Mapping[str, StrategyInfo]) -> LegsSubject:
        """That of what stands on its page now, None for nothing that can be read; where nothing can be varied of it, what
        was varied before, and why not.
        """
        if portfolio is None:
            return replace(self, problem=_UNREADABLE)
        made = LegsSubject.of(portfolio, infos)
        return replace(self, problem=made.problem) if made.problem and self.params else made

    @property
    def title(self) -> str:
        """What it is called in the list."""
        return f"portfolio · {self.portfolio.name}"

    @property
    def example(self) -> str:
        """Two numbers of its legs; names with blanks cannot stand in constraints."""
        names = (str(param["name"]) for param in self.params if param["type"] in NUMERIC)
        numbers = [name for name in names if " " not in name]
        return " < ".join(numbers[:2] if len(numbers) > 1 else ("fast", "slow"))

    def fixed(self, setup: Setup) -> Mapping[str, Any]:
        """Nothing: the portfolio's values are the defaults."""
        del setup
        return {}

    def words(self, setup: Setup) -> str:
        """Legs and period."""
        del setup
        legs, period = len(self.portfolio.legs), self.portfolio.period
        counted = f"{formats.whole(legs)} leg{'s' * (legs != 1)}"
        return f"{counted} · {days_words(period.start, period.end)} · the rest as on the Portfolio page"

    def counted(self, ranged: Collection[str]) -> Sequence[Mapping[str, Any]]:
        """Those of the legs, and the rules of the wallet that have ranges."""
        return described(self.portfolio, self.infos, ranged)

    def spec(self, choice: SweepChoice, setup: Setup, symbol: str, across: str) -> SweepSpec:
        """The sweep over its legs; nothing of it is the set-up's."""
        del setup, symbol, across
        if self.problem:
            raise InputError(self.problem)
        return SweepSpec.of_portfolio(self.portfolio, **choice.asked(self.params))


def days_words(start: int, end: int) -> str:
    """The first and the last day of a period."""
    return f"{formats.day(start)} – {formats.day(end - 1)}"
