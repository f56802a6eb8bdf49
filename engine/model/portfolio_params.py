"""What of a portfolio can be varied, by names with a dot: LEG.parameter, LEG.weight, wallet.max_open."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.model.parameters import Param, StrategyInfo
from engine.model.portfolio import (
    LEAST_LOOKBACK,
    MOST_LEGS,
    MOST_LOOKBACK,
    WEIGHT_ROUNDING,
    LegSpec,
    PortfolioSpec,
)
from engine.model.portfolio_rules import (
    CONTENTIONS,
    FIXED,
    INVERSE_VOLATILITY,
    RISK,
    WALLET,
    WEIGHED,
    WEIGHT,
)  # fmt: skip

MAX_OPEN, LOOKBACK, CONTENTION = "max_open", "lookback", "contention"


def dotted(leg: str, name: str) -> str:
    """What a parameter of a leg is called among those of all legs."""
    return f"{leg}.{name}"


def offered(spec: PortfolioSpec, infos: Mapping[str, StrategyInfo]) -> list[dict[str, Any]]:
    """All that can have a range: every parameter of the legs, their weights where they are read, the wallet's rules, as
    Param.to_json; the default is what the portfolio says. `infos`: by strategy. Raises InputError where a name means two.
    """
    return [*_of_legs(spec, infos), *_of_wallet(spec)]


def described(
    spec: PortfolioSpec, infos: Mapping[str, StrategyInfo], ranged: Collection[str]
) -> list[dict[str, Any]]:
    """The same, of the wallet only what is `ranged`. Raises InputError for a range of what is not there."""
    known = [*_of_legs(spec, infos), *(one for one in _of_wallet(spec) if one["name"] in ranged)]
    names = [str(one["name"]) for one in known]
    for name in ranged:
        if name not in names:
            raise InputError(_unknown(spec, name, names))
    return known


def _of_legs(spec: PortfolioSpec, infos: Mapping[str, StrategyInfo]) -> Iterable[dict[str, Any]]:
    return (one for leg in spec.legs for one in _of_leg(spec, leg, infos[leg.strategy]))


def _of_leg(spec: PortfolioSpec, leg: LegSpec, info: StrategyInfo) -> Iterable[dict[str, Any]]:
    for one in info.params:
        name = str(one["name"])
        if name == WEIGHT and spec.allocation in WEIGHED:
            raise InputError(
                f"leg {leg.name!r}: its strategy has a parameter called weight, as the leg has one; "
                "rename it to sweep this portfolio"
            )
        yield {**one, "name": dotted(leg.name, name), "default": leg.params.get(name, one["default"])}
    if spec.allocation in WEIGHED:
        most = 1.0 if spec.allocation == RISK else None
        yield _named(dotted(leg.name, WEIGHT), Param(float(leg.weight or 0.0), low=0.0, high=most))


def _of_wallet(spec: PortfolioSpec) -> Iterable[dict[str, Any]]:
    if any(leg.name == WALLET for leg in spec.legs):  # the names are that leg's
        return
    yield _named(dotted(WALLET, MAX_OPEN), Param(spec.max_open or len(spec.legs), low=1, high=MOST_LEGS))
    yield _named(dotted(WALLET, CONTENTION), Param(spec.contention, choices=CONTENTIONS))
    if spec.allocation == INVERSE_VOLATILITY:
        yield _named(dotted(WALLET, LOOKBACK), Param(spec.lookback, low=LEAST_LOOKBACK, high=MOST_LOOKBACK))


def _named(name: str, param: Param) -> dict[str, Any]:
    return param.to_json() | {"name": name}


def _unknown(spec: PortfolioSpec, name: str, names: Sequence[str]) -> str:
    """Why there is nothing of that name to give a range."""
    owner, dot, own = name.rpartition(".")
    legs = [leg.name for leg in spec.legs]
    if not dot:
        return f"the range of {name!r} names no leg; write LEG.{name}, there are the legs {', '.join(legs)}"
    if owner in legs and own == WEIGHT:
        return f"the range of {name!r}: allocation = {spec.allocation!r} reads no weights; {' and '.join(WEIGHED)} do"
    if owner == WALLET and own == LOOKBACK:
        return f"the range of {name!r}: allocation = {spec.allocation!r} looks back at nothing; {INVERSE_VOLATILITY} does"
    if owner not in legs and owner != WALLET:
        near = difflib.get_close_matches(owner, legs, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(legs)}"
        return f"the range of {name!r}: the portfolio has no leg {owner!r}; {hint}"
    own_names = [one for one in names if one.rpartition(".")[0] == owner]
    if owner == WALLET and owner not in legs:
        own_names = [str(one["name"]) for one in _of_wallet(spec)]
    return f"the range of {name!r}: there is no such parameter; there are: {', '.join(own_names) or 'none'}"


def weights_fit(spec: PortfolioSpec, columns: Mapping[str, Any], n: int) -> npt.NDArray[np.bool_]:
    """Of n combinations (`columns`: (n,) by name), which have weights that the portfolio can have, bool (n,)."""
    if spec.allocation not in WEIGHED:
        return np.ones(n, dtype=np.bool_)
    total = np.zeros(n)
    for leg in spec.legs:
        total += columns.get(dotted(leg.name, WEIGHT), leg.weight or 0.0)
    fits: npt.NDArray[np.bool_] = total > 0
    if spec.allocation == FIXED:
        fits &= total <= (spec.leverage or 1.0) * (1 + WEIGHT_ROUNDING)
    return fits


def weights_wanted(spec: PortfolioSpec) -> str:
    """What `weights_fit` asks for, in words."""
    most = f" and at most {spec.leverage or 1.0:g}" if spec.allocation == FIXED else ""
    return f"weights whose sum is above 0{most}"
