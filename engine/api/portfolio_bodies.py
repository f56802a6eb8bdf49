"""What may be sent of a portfolio: what its file says, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag

from engine.api.bodies import (
    SAMPLE,
    Body,
    End,
    ExchangeName,
    Number,
    Start,
    SweepBody,
    TimeframeName,
    TriedBody,
    WalkForwardBody,
    WindowsBody,
    one_of,
)  # fmt: skip
from engine.api.document import Value
from engine.model.account import AUTO_FUNDING, Costs
from engine.model.cost_presets import COST_PRESETS, TAKER
from engine.model.filters import FILTERS
from engine.model.market import DEFAULT_EXCHANGE
from engine.model.parameters import Assignment
from engine.model.portfolio import MOST_LEGS, PortfolioSpec
from engine.model.portfolio_document import spec_of
from engine.model.portfolio_rules import ALLOCATIONS, CONTENTIONS, EQUAL, LOOKBACK, NEVER, SCALE
from engine.model.ranges import read_range
from engine.model.slippage import SLIPPAGES
from engine.model.sweep_spec import SweepSpec


class SharedBody(Body):
    """What a leg may say itself, and the portfolio for all legs that do not."""

    timeframe: TimeframeName | None = None
    commission: Number | None = Field(
        default=None, description=f"Fraction per side; without it {Costs().commission}."
    )
    costs: str | None = Field(
        default=None,
        description="An exchange's commission in place of `commission`.",
        json_schema_extra=one_of([*COST_PRESETS, None]),
    )
    limit_fee: str | Number | None = Field(
        default=None, description=f"What orders pay that rested: {TAKER}, maker (of `costs`), or a fraction."
    )
    size: Number | None = Field(
        default=None, description=f"Fraction of what it gets; without it {Costs().size}."
    )
    slippage: str | Number | None = Field(
        default=None, description=f"By how much fills are worse: {SLIPPAGES}."
    )
    filters: str | None = Field(default=None, json_schema_extra=one_of([*FILTERS, None]))


class LegBody(SharedBody):
    """One strategy on one market."""

    name: str | None = Field(default=None, description="Its own; without it STRATEGY-SYMBOL.")
    strategy: str
    symbol: str
    exchange: ExchangeName | None = None
    weight: Number | None = Field(default=None, description="Where weights are fixed, or risk is allocated.")
    rank: str | None = Field(default=None, description="The column of indicators that says who comes first.")
    params: dict[str, Value] = Field(default={})


class WindowBody(Body):
    """What rules from a time on in place of what the legs say."""

    start: Start
    params: dict[str, Value] = Field(description="Parameters as `LEG.name`, weights as `LEG.weight`.")


class PortfolioBody(SharedBody):
    """Legs, and how they share one wallet."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **SAMPLE,
                    "legs": [
                        {
                            "name": "trend",
                            "strategy": "ema_cross",
                            "symbol": "SAMPLEUSDT",
                            "params": {"fast": 10},
                        },
                        {"name": "dips", "strategy": "rsi_reversion", "symbol": "SAMPLEUSDT"},
                    ],
                }
            ]
        }
    )

    name: str = "portfolio"
    start: Start
    end: End
    exchange: ExchangeName = DEFAULT_EXCHANGE
    cash: Number = Costs().cash
    leverage: Number | None = Field(default=None, description="Isolated margin of it; null: no margin.")
    funding: str = Field(default=AUTO_FUNDING, description="auto, on, off, zero or constant:RATE.")
    allocation: str = Field(default=EQUAL, json_schema_extra=one_of(ALLOCATIONS))
    rebalance: str = Field(default=NEVER, description="never, a length such as 7d, or band:0.05.")
    contention: str = Field(default=SCALE, json_schema_extra=one_of(CONTENTIONS))
    max_open: int | None = Field(default=None, description="At most so many legs in a position.")
    lookback: int = Field(default=LOOKBACK, description="Closes that inverse volatility looks back at.")
    legs: list[LegBody] = Field(min_length=1, max_length=MOST_LEGS)
    windows: list[WindowBody] = Field(default=[], description="Parameters and weights that change with time.")
    fetch: bool = Field(default=True, description="false: fail instead of fetching.")

    def spec(self) -> PortfolioSpec:
        """What is asked for; raises InputError."""
        return spec_of(self.model_dump(exclude={"fetch"}, exclude_none=True))


class PortfolioSweepBody(TriedBody):
    """Many combinations of what a portfolio's legs can vary: LEG.parameter, LEG.weight, wallet.max_open."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "portfolio": {
                        **SAMPLE,
                        "allocation": "fixed",
                        "legs": [
                            {"name": "trend", "strategy": "ema_cross", "symbol": "SAMPLEUSDT", "weight": 0.5},
                            {
                                "name": "dips",
                                "strategy": "rsi_reversion",
                                "symbol": "SAMPLEUSDT",
                                "weight": 0.5,
                            },
                        ],
                    },
                    "ranges": {"trend.fast": "5:15:5", "dips.weight": [0.2, 0.5]},
                }
            ]
        }
    )

    portfolio: PortfolioBody = Field(description="As its file says it; its `fetch` is that of the sweep.")
    params: dict[str, Value] = Field(
        default={},
        description="Parameters in place of the legs' own: `LEG.name`, `name` for all that have it.",
    )

    @property
    def fetch(self) -> bool:
        """Whether what lacks is fetched."""
        return self.portfolio.fetch

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """The parameters, as the command line knows them; raises InputError."""
        return Assignment.from_json(self.params)

    def spec(self) -> SweepSpec:
        """The sweep, without fixed parameters; raises InputError."""
        asked = self.asked()
        ranges = {name: read_range(given) for name, given in asked.pop("ranges").items()}
        return SweepSpec.of_portfolio(self.portfolio.spec(), ranges=ranges, **asked)


class PortfolioWalkBody(PortfolioSweepBody, WindowsBody):
    """Such a sweep in every window; ranges of parameters and weights of legs. `top` is not used."""


def _kind(body: Any) -> str:
    """What a sweep or walk-forward is of, by what was sent, or by what was read of it."""
    is_legs = "portfolio" in body if isinstance(body, Mapping) else isinstance(body, PortfolioSweepBody)
    return "portfolio" if is_legs else "body"  # as what is wrong in it is said without a name for the whole


AnySweepBody = Annotated[
    Annotated[SweepBody, Tag("body")] | Annotated[PortfolioSweepBody, Tag("portfolio")],
    Discriminator(_kind),
]
AnyWalkBody = Annotated[
    Annotated[WalkForwardBody, Tag("body")] | Annotated[PortfolioWalkBody, Tag("portfolio")],
    Discriminator(_kind),
]
