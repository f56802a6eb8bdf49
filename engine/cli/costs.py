"""The options that say what trading costs and on which terms, and the commands that have them all."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from engine.cli.values import number_option
from engine.model.account import AUTO_FUNDING, BOTH, PROTECTIONS, SIDES, Costs, Protections, slippage_values
from engine.model.cost_presets import TAKER, commission_rates
from engine.model.filters import NO_FILTERS
from engine.model.slippage import SLIPPAGES

Cash = Annotated[float, number_option(help="Starting cash.")]
Commission = Annotated[
    float | None, number_option(help=f"Fraction per side; without it {Costs().commission}.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--costs",
        metavar="PRESET",
        help="An exchange's commission in place of --commission: binanceusdm-regular, -vip3 to -vip9, binance-regular; each "
        "also with -bnb.",
    ),
]
LimitFee = Annotated[
    str,
    typer.Option(
        "--limit-fee",
        metavar="taker|maker|RATE",
        help="What limit entries and targets pay that rested: as all, as --costs says of makers, or that fraction.",
    ),
]
Size = Annotated[float, number_option(help="Fraction of the cash per entry.")]
Slippage = Annotated[
    str,
    typer.Option(
        "--slippage",
        metavar="FRACTION|MODEL",
        help=f"By how much every fill is worse: {SLIPPAGES}.",
    ),
]
Filtered = Annotated[
    str,
    typer.Option(
        "--filters",
        metavar="off|current",
        help="current: orders as the exchange takes them today: ticks, steps, the least and the most of an order.",
    ),
]
Leverage = Annotated[
    float | None,
    number_option(help="Isolated margin of that leverage, with liquidation; without it no margin at all."),
]
Side = Annotated[str, typer.Option("--side", help=f"{', '.join(SIDES)}: the only one that is entered.")]
Funding = Annotated[
    str,
    typer.Option(
        "--funding",
        metavar="POLICY",
        help="auto: charged where all of it is known; on: or the run fails; off; zero or constant:RATE for what is unknown.",
    ),
]
Protect = Annotated[
    list[str] | None,
    typer.Option("--protect", metavar="NAME=VALUE", help=f"When nothing is entered: {PROTECTIONS}. Repeat."),
]


def _costs_of(
    cash: Cash = 10_000,
    commission: Commission = None,
    costs: Preset = None,
    limit_fee: LimitFee = TAKER,
    size: Size = 0.95,
    slippage: Slippage = "0",
    leverage: Leverage = None,
    side: Side = BOTH,
    funding: Funding = AUTO_FUNDING,
    protect: Protect = None,
    filters: Filtered = NO_FILTERS,
) -> Costs:
    """What these options make; raises InputError."""
    taker, maker = commission_rates(commission, costs, limit_fee)
    return Costs(
        cash=cash,
        commission=taker,
        size=size,
        leverage=leverage,
        maker=maker,
        side=side,
        funding=funding,
        protect=Protections.parse(protect or ()),
        filters=filters,
        **slippage_values(slippage),
    )


UNSAID: Final = _costs_of()  # where none of these options is given
_OPTIONS: Final = inspect.signature(_costs_of, eval_str=True).parameters


def charged(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose keyword `costs` is made of all the options of costs, which stand in its place: Typer reads options
    from the signature.
    """
    own = inspect.signature(command, eval_str=True)
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, said in own.parameters.items()
        for one in (_OPTIONS.values() if name == "costs" else (said,))
    ]

    @functools.wraps(command)
    def made(**given: Any) -> None:
        asked = {name: given.pop(name) for name in _OPTIONS}
        command(**given, costs=_costs_of(**asked))

    made.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    made.__annotations__ = {one.name: one.annotation for one in parameters}
    return made
