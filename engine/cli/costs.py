"""The options that say what trading costs and on which terms, and what they make together."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.values import number_option
from engine.model.account import PROTECTIONS, SIDES, Costs, Protections, slippage_values
from engine.model.cost_presets import commission_rates
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

Detail = Annotated[
    str | None,
    typer.Option(
        "--detail",
        metavar="TF",
        help="A finer timeframe, whose candles settle what came first inside ambiguous ones; fetched for just those.",
    ),
]


def costs_of(
    cash: float,
    commission: float | None,
    preset: str | None,
    limit_fee: str,
    size: float,
    slippage: str,
    leverage: float | None,
    side: str,
    funding: str,
    protect: list[str] | None,
    filters: str,
    detail: str | None = None,
) -> Costs:
    """What these options make; raises InputError."""
    taker, maker = commission_rates(commission, preset, limit_fee)
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
        detail=detail,
        **slippage_values(slippage),
    )
