"""A portfolio as a document: what its file and the body of a request hold, read into a spec and written from one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from engine.errors import InputError
from engine.model.account import AUTO_FUNDING, Costs, slippage_values
from engine.model.cost_presets import TAKER, commission_rates
from engine.model.filters import NO_FILTERS
from engine.model.market import DEFAULT_EXCHANGE, Period, Timeframe, check_exchange, parse_time
from engine.model.parameters import ParamValue
from engine.model.portfolio import LegSpec, PortfolioFault, PortfolioSpec, faults_of
from engine.model.portfolio_rules import EQUAL, LOOKBACK, NEVER, SCALE
from engine.model.window_params import WindowParams, windows_json

# what a leg may say itself, and the portfolio for all legs that do not
SHARED: Final = ("exchange", "timeframe", "commission", "costs", "limit_fee", "size", "slippage", "filters")
_OWN: Final = (
    "name", "start", "end", "cash", "leverage", "funding", "allocation", "rebalance", "contention", "max_open", "lookback",
)  # fmt: skip
LEGS: Final = "legs"
WINDOWS: Final = "windows"
_WINDOW_KEYS: Final = ("start", "params")
KEYS: Final = (*_OWN, *SHARED)
LEG_KEYS: Final = ("name", "strategy", "symbol", "weight", "rank", *SHARED, "params")
_EITHER: Final = {"commission": "costs", "costs": "commission"}  # who gives one takes back the other
_NUMBER: Final[tuple[type, ...]] = (int, float)
_TEXT: Final[tuple[type, ...]] = (str,)
_WHOLE: Final[tuple[type, ...]] = (int,)
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "name": _TEXT, "start": (str, date), "end": (str, date), "cash": _NUMBER, "leverage": _NUMBER, "funding": _TEXT,
    "allocation": _TEXT, "rebalance": _TEXT, "contention": _TEXT, "max_open": _WHOLE, "lookback": _WHOLE,
    "exchange": _TEXT, "timeframe": _TEXT, "commission": _NUMBER, "costs": _TEXT, "limit_fee": (*_NUMBER, *_TEXT),
    "size": _NUMBER, "slippage": (*_NUMBER, *_TEXT), "filters": _TEXT, "strategy": _TEXT, "symbol": _TEXT,
    "weight": _NUMBER, "rank": _TEXT, "params": (dict,), LEGS: (list,), WINDOWS: (list,),
}  # fmt: skip
_WORDS: Final = {
    _NUMBER: "a number",
    _TEXT: "a text",
    _WHOLE: "a whole number",
    (str, date): "a date or time",
}


def spec_of(document: Mapping[str, Any]) -> PortfolioSpec:
    """The portfolio that a document describes; null is as left out. Raises PortfolioFault."""
    given = _checked(document, (*KEYS, LEGS, WINDOWS), None)
    with faults_of("start" if "start" not in given else "end"):
        if "start" not in given or "end" not in given:
            raise InputError('a portfolio needs start and end, as start = "2024-01-01"')
        period = Period.parse(given["start"], given["end"])
    defaults: dict[str, Any] = {name: given[name] for name in SHARED if name in given}
    wallet = _wallet(given)
    legs = []
    for number, leg in enumerate(given.get(LEGS, ())):
        if not isinstance(leg, Mapping):
            raise PortfolioFault(f"leg {number + 1} must be a table of keys, not {leg!r}")
        legs.append(_leg(_checked(leg, LEG_KEYS, number), defaults, wallet, number))
    return PortfolioSpec(
        period,
        tuple(legs),
        wallet.cash,
        wallet.leverage,
        wallet.funding,
        given.get("allocation", EQUAL),
        given.get("rebalance", NEVER),
        given.get("contention", SCALE),
        given.get("max_open"),
        given.get("lookback", LOOKBACK),
        given.get("name", "portfolio"),
        tuple(_window(number, one) for number, one in enumerate(given.get(WINDOWS, ()))),
    )


def _window(number: int, given: Any) -> WindowParams:
    with faults_of("start", window=number):
        if not isinstance(given, Mapping):
            raise InputError(f"it must be a table of keys, not {given!r}")
        told = _checked(given, _WINDOW_KEYS, None)
        if "start" not in told:
            raise InputError('it needs a start, as start = "2024-02-01"')
        return WindowParams(parse_time(told["start"]), _params(dict(_flat(told.get("params", {}))), None))


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`LEG.name` of each value: TOML reads an unquoted dot as a table."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{below}", one) for below, one in _flat(value))
        else:
            yield name, value


def _wallet(given: Mapping[str, Any]) -> Costs:
    """Cash, leverage and funding, which no leg has of its own."""
    found = Costs(funding=AUTO_FUNDING)
    for key in ("cash", "leverage", "funding"):
        if key in given:
            with faults_of(key):
                found = replace(found, **{key: given[key]})
    return found


def _leg(given: Mapping[str, Any], defaults: Mapping[str, Any], wallet: Costs, number: int) -> LegSpec:
    for key in ("strategy", "symbol"):
        if key not in given:
            called = f"leg {given['name']!r}" if "name" in given else f"leg {number + 1}"
            raise PortfolioFault(f"{called} has no {key}", None, number)
    against = {_EITHER[name] for name in given if name in _EITHER}
    told = {name: value for name, value in defaults.items() if name not in against} | dict(given)
    with faults_of("timeframe", number):
        if "timeframe" not in told:
            raise InputError('a leg needs a timeframe, its own or the portfolio\'s, as timeframe = "1h"')
        timeframe = Timeframe(told["timeframe"])
    with faults_of("exchange", number):
        exchange = check_exchange(told.get("exchange", DEFAULT_EXCHANGE))
    return LegSpec(
        given.get("name", f"{given['strategy']}-{given['symbol']}"),
        given["strategy"],
        given["symbol"],
        exchange,
        timeframe,
        given.get("weight"),
        given.get("rank"),
        _params(given.get("params", {}), number),
        _costs(told, wallet, number),
    )


def _costs(told: Mapping[str, Any], wallet: Costs, number: int) -> Costs:
    commission = told.get("commission")
    with faults_of("costs" if "costs" in told else "limit_fee", number):
        taker, maker = commission_rates(commission, told.get("costs"), str(told.get("limit_fee", TAKER)))
    terms: dict[str, Any] = {"cash": wallet.cash, "leverage": wallet.leverage, "funding": wallet.funding}
    slippage = told.get("slippage", 0.0)
    with faults_of("slippage", number):
        slips = slippage_values(slippage if isinstance(slippage, str) else float(slippage))
    for key, values in (
        ("commission", {"commission": taker, "maker": maker}),
        ("size", {"size": told.get("size", Costs().size)}),
        ("slippage", slips),
        ("filters", {"filters": told.get("filters", NO_FILTERS)}),
    ):
        with faults_of(key, number):
            terms |= values
            found = Costs(**terms)
    return found


def _params(given: Mapping[str, Any], number: int | None) -> dict[str, ParamValue]:
    for name, value in given.items():
        if not isinstance(value, bool | int | float | str):
            raise PortfolioFault(
                f"the parameter {name} must be a number, true, false or a text, not {value!r}", name, number
            )
    return dict(given)


def _checked(given: Mapping[str, Any], known: Collection[str], leg: int | None) -> dict[str, Any]:
    """What is given, nulls left out; raises PortfolioFault for a key that is none and a value of another kind."""
    found = {}
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise PortfolioFault(f"unknown key {key!r}; {hint}", key, leg)
        if value is None:
            continue
        kinds: tuple[type, ...] = _KINDS[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = _WORDS.get(
                kinds, "a number or a text" if str in kinds else "a table" if dict in kinds else "a list"
            )
            raise PortfolioFault(f"{key} must be {wanted}, not {value!r}", key, leg)
        found[key] = _number(key, value, leg) if kinds == _NUMBER else value
    return found


def _number(key: str, value: Any, leg: int | None) -> float:
    try:
        return float(value)
    except OverflowError:
        raise PortfolioFault(f"{key} has too many digits", key, leg) from None


# -- and back


def document_of(spec: PortfolioSpec) -> dict[str, Any]:
    """What `spec_of` reads, by the same names; JSON values. What all legs share is said once."""
    shared = _told(spec.legs[0])
    return {
        "name": spec.name,
        **spec.period.to_json(),
        "cash": spec.cash,
        "leverage": spec.leverage,
        "funding": spec.funding,
        "allocation": spec.allocation,
        "rebalance": spec.rebalance,
        "contention": spec.contention,
        "max_open": spec.max_open,
        "lookback": spec.lookback,
        **shared,
        LEGS: [_leg_document(leg, shared) for leg in spec.legs],
        **({WINDOWS: windows_json(spec.windows)} if spec.windows else {}),
    }


def _leg_document(leg: LegSpec, shared: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in _told(leg).items() if value != shared[name]}
    said = {"name": leg.name, "strategy": leg.strategy, "symbol": leg.symbol}
    asked = {"weight": leg.weight, "rank": leg.rank}
    told = {name: value for name, value in asked.items() if value is not None}
    return {**said, **told, **own, **({"params": dict(leg.params)} if leg.params else {})}


def _told(leg: LegSpec) -> dict[str, Any]:
    costs = leg.costs
    return {
        "exchange": leg.exchange,
        "timeframe": leg.timeframe.name,
        "commission": costs.commission,
        "limit_fee": TAKER if costs.maker is None else costs.maker,
        "size": costs.size,
        "slippage": costs.slippage_model or costs.slippage,
        "filters": costs.filters,
    }
