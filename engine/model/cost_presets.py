"""What exchanges take, by their own tables: presets for the commission of a run.

Left out is what sources do not agree on: VIP 1 and 2 of USD-M futures, all VIP levels of spot, and promotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.numerals import read_number

TAKER, MAKER = "taker", "maker"


@dataclass(frozen=True, slots=True)
class CostPreset:
    """Commission per side of an order that takes and of one that rested, as fractions."""

    name: str
    title: str
    taker: float
    maker: float


def _presets(
    exchange: str, title: str, bnb: float, tiers: Mapping[str, tuple[float, float]]
) -> list[CostPreset]:
    """Each tier (maker and taker in percent) as it is, and paid in BNB: `bnb` less."""
    return [
        CostPreset(
            f"{exchange}-{tier.lower().replace(' ', '')}{ending}",
            f"{title}, {tier}{paid}",
            round(taker / 100 * part, 10),
            round(maker / 100 * part, 10),
        )
        for tier, (maker, taker) in tiers.items()
        for ending, paid, part in (("", "", 1.0), ("-bnb", ", paid in BNB", 1 - bnb))
    ]


_USDM: Final = {
    "regular": (0.02, 0.05),
    "VIP 3": (0.012, 0.032),
    "VIP 4": (0.010, 0.030),
    "VIP 5": (0.008, 0.027),
    "VIP 6": (0.006, 0.025),
    "VIP 7": (0.004, 0.022),
    "VIP 8": (0.002, 0.020),
    "VIP 9": (0.0, 0.017),
}
COST_PRESETS: Final[Mapping[str, CostPreset]] = {
    one.name: one
    for one in (
        *_presets("binanceusdm", "Binance USD-M", 0.10, _USDM),
        *_presets("binance", "Binance spot", 0.25, {"regular": (0.1, 0.1)}),
    )
}


def cost_preset(name: str) -> CostPreset:
    """The preset of that name; raises InputError that lists them."""
    if name not in COST_PRESETS:
        plain = ", ".join(known for known in COST_PRESETS if not known.endswith("-bnb"))
        raise InputError(f"unknown costs {name!r}; known: {plain}, each also with -bnb")
    return COST_PRESETS[name]


def commission_rates(
    commission: float | None, preset: str | None, limit_fee: str
) -> tuple[float, float | None]:
    """(commission, maker) of Costs from what was asked for. `limit_fee`: taker, maker or a rate. Raises InputError."""
    if commission is not None and preset is not None:
        raise InputError("either a commission or a preset of costs, not both: the preset says the commission")
    known = None if preset is None else cost_preset(preset)
    taker = known.taker if known else Costs().commission if commission is None else commission
    if limit_fee == TAKER:
        return taker, None
    if limit_fee == MAKER:
        if known is None:
            raise InputError(
                "what a maker pays is not known: name a preset of costs, or give the rate itself in place of maker"
            )
        return taker, known.maker
    try:
        return taker, read_number(limit_fee)
    except ValueError:
        raise InputError(
            f"the fee of limit orders must be taker, maker or a rate, not {limit_fee!r}"
        ) from None
