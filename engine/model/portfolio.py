"""Many legs on one wallet: a portfolio as it is asked for, and the rules by which its legs share the money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from engine.errors import InputError
from engine.model.account import AUTO_FUNDING, Costs
from engine.model.durations import parse_duration
from engine.model.market import Period, Timeframe, short_time
from engine.model.numerals import read_number
from engine.model.parameters import Assignment, Param, ParamValue, StrategyInfo, assign
from engine.model.portfolio_rules import (
    ALLOCATIONS,
    CONTENTIONS,
    EQUAL,
    FIXED,
    LOOKBACK,
    NEVER,
    RISK,
    SCALE,
    WALLET,
    WEIGHED,
    WEIGHT,
    PortfolioRules,
    by_owner,
)
from engine.model.run import RunSpec
from engine.model.simulators import COMPILED
from engine.model.window_params import MOST_WINDOWS, WindowParams

_BAND: Final = "band:"
MOST_LEGS: Final = 200
MOST_NAME: Final = 40
LEAST_LOOKBACK: Final = 3
MOST_LOOKBACK: Final = 100_000
WEIGHT_ROUNDING: Final = 1e-9  # thirds need not add up to one exactly


class PortfolioFault(InputError):
    """What is wrong with a portfolio: of which key, and of which leg or window (by position), where it is one's."""

    def __init__(
        self, text: str, key: str | None = None, leg: int | None = None, window: int | None = None
    ) -> None:
        super().__init__(text)
        self.key, self.leg, self.window = key, leg, window


def read_rebalance(text: str) -> tuple[int | None, float | None]:
    """(milliseconds, band) of never, a length such as 7d, or band:0.05; raises InputError."""
    bare = text.strip()
    if bare == NEVER:
        return None, None
    wanted = f"rebalance must be never, a length such as 7d, or band:0.05, not {text!r}"
    if bare.startswith(_BAND):
        try:
            band = read_number(bare.removeprefix(_BAND))
        except ValueError:
            raise InputError(wanted) from None
        if not 0 < band < 1:
            raise InputError(f"the band of rebalance must be above 0 and below 1, not {band:g}")
        return None, band
    try:
        length = parse_duration(bare, "rebalance")
    except InputError:
        raise InputError(wanted) from None
    if not length:
        raise InputError(wanted)
    return length, None


@dataclass(frozen=True, slots=True)
class LegSpec:
    """One strategy on one market. `params` holds only what differs from the strategy's defaults; `weight`: its share of the
    equity where weights are fixed, where risk is allocated the fraction that is lost at the stop; `rank`: the column of its
    indicators that says who comes first when the money does not suffice for all, None = by name. `costs`: its own, with the
    wallet's leverage and funding.
    """

    name: str
    strategy: str
    symbol: str
    exchange: str
    timeframe: Timeframe
    weight: float | None = None
    rank: str | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True, slots=True)
class PortfolioSpec:
    """A portfolio to make. Raises PortfolioFault where legs and rules do not fit together.

    `windows`: from when on which parameters (`LEG.name`) and weights (`LEG.weight`) rule in place of the legs' own; each
    stands for itself, and what it leaves out is the legs' own again.
    """

    period: Period
    legs: tuple[LegSpec, ...]
    cash: float = Costs().cash
    leverage: float | None = None
    funding: str = AUTO_FUNDING
    allocation: str = EQUAL
    rebalance: str = NEVER
    contention: str = SCALE
    max_open: int | None = None
    lookback: int = LOOKBACK
    name: str = "portfolio"
    windows: tuple[WindowParams, ...] = ()

    def __post_init__(self) -> None:
        for key, known in (("allocation", ALLOCATIONS), ("contention", CONTENTIONS)):
            if getattr(self, key) not in known:
                raise PortfolioFault(
                    f"{key} must be one of {', '.join(known)}, not {getattr(self, key)!r}", key
                )
        with faults_of("rebalance"):
            read_rebalance(self.rebalance)
        if self.rebalance != NEVER and self.allocation == RISK:
            raise PortfolioFault(
                "allocation by risk has no weights to go back to; leave rebalance out", "rebalance"
            )
        if self.max_open is not None and not 1 <= self.max_open <= MOST_LEGS:
            raise PortfolioFault(
                f"max_open must be a whole number from 1 to {MOST_LEGS}, not {self.max_open}", "max_open"
            )
        if not LEAST_LOOKBACK <= self.lookback <= MOST_LOOKBACK:
            raise PortfolioFault(
                f"lookback must be from {LEAST_LOOKBACK} to {MOST_LOOKBACK:,} closes, not {self.lookback}",
                "lookback",
            )
        _check_name(self.name, None)
        _check_legs(self.legs)
        _check_weights(self)
        _check_windows(self)

    @property
    def rules(self) -> PortfolioRules:
        """How its legs share the wallet."""
        length, band = read_rebalance(self.rebalance)
        return PortfolioRules(
            self.cash, self.allocation, self.contention, self.max_open, length, band, self.lookback
        )

    @property
    def weights(self) -> tuple[float, ...]:
        """What each leg asks of the equity, or risks of it; by inverse volatility, told only at a signal, the mean."""
        if self.allocation in WEIGHED:
            return tuple(leg.weight or 0.0 for leg in self.legs)
        return (1 / len(self.legs),) * len(self.legs)

    def run_specs(self) -> list[RunSpec]:
        """Each leg as a run of its own would be asked for."""
        return [
            RunSpec(
                leg.strategy, leg.symbol, leg.exchange, leg.timeframe, self.period, leg.params, leg.costs, COMPILED
            )
            for leg in self.legs
        ]  # fmt: skip

    def without(self, name: str) -> PortfolioSpec | None:
        """The same without that leg; None where nothing is left, or nothing that is bought."""
        left = tuple(leg for leg in self.legs if leg.name != name)
        windows = tuple(
            replace(
                one,
                params={key: value for key, value in one.params.items() if key.rpartition(".")[0] != name},
            )
            for one in self.windows
        )
        try:
            return replace(self, legs=left, windows=windows) if left else None
        except PortfolioFault:  # the weights of the rest sum to 0
            return None

    def with_values(self, values: Mapping[str, ParamValue]) -> PortfolioSpec:
        """The same without windows, with these in place of its own: parameters of legs (`LEG.name`), their weights where
        they are read (`LEG.weight`), rules (`wallet.name`). Raises PortfolioFault where its weights do not fit then.
        """
        weighs, told = self.allocation in WEIGHED, by_owner(values)
        legs = []
        for leg in self.legs:
            given = told.pop(leg.name, {})
            weight = _weight(leg.name, given.pop(WEIGHT)) if weighs and WEIGHT in given else leg.weight
            legs.append(replace(leg, weight=weight, params={**leg.params, **given}))
        wallet: dict[str, Any] = told.pop(WALLET, {})
        if told:
            raise PortfolioFault(
                f"there is no leg {next(iter(told))!r}; there are: {', '.join(leg.name for leg in legs)}"
            )
        return replace(self, legs=tuple(legs), windows=(), **wallet)

    @property
    def stages(self) -> list[tuple[int, PortfolioSpec]]:
        """What rules from when on, ms: the legs' own values from the period's start, then those of each window."""
        found = [(one.start_ms, self.with_values(one.params)) for one in self.windows]
        if not found or found[0][0] > self.period.start:
            found.insert(0, (self.period.start, replace(self, windows=())))
        return found


def assigned(
    spec: PortfolioSpec, infos: Mapping[str, StrategyInfo], more: Sequence[Assignment] = ()
) -> PortfolioSpec:
    """With every leg's parameters as its strategy reads them, and those of `more` (`LEG.k=v`) in place of them; raises
    PortfolioFault for one that the strategy does not have or refuses.
    """
    takers = [replace(infos[leg.strategy], name=leg.name) for leg in spec.legs]
    known = dict(zip((leg.name for leg in spec.legs), takers, strict=True))
    for number, (leg, info) in enumerate(zip(spec.legs, takers, strict=True)):
        for key, value in leg.params.items():
            with faults_of(key, number):
                assign(Assignment.from_json({f"{leg.name}.{key}": value}), [info], "leg")
    weights = [one for one in more if _is_weight(one, spec, known)]
    weighs = {one.strategy: _read_weight(one) for one in weights}
    won = assign([one for one in more if one not in weights], takers, "leg")
    legs = tuple(
        replace(
            leg, weight=weighs.get(leg.name, leg.weight), params=_typed({**leg.params, **won[leg.name]}, info)
        )
        for leg, info in zip(spec.legs, takers, strict=True)
    )
    ruled = {key for window in spec.windows for key in window.params}
    given = [f"{leg}.{name}" for leg, own in won.items() for name in own]
    for key in given + [f"{one.strategy}.{WEIGHT}" for one in weights]:
        if key in ruled:
            raise PortfolioFault(f"{key} is what the windows say; change it there")
    return replace(spec, legs=legs, windows=tuple(_typed_windows(spec, known)))


def _read_weight(one: Assignment) -> float:
    try:
        return read_number(one.value)
    except ValueError:
        raise PortfolioFault(f"{one.text}: a weight is a number from 0 on") from None


def _is_weight(one: Assignment, spec: PortfolioSpec, known: Mapping[str, StrategyInfo]) -> bool:
    """Whether it sets the weight of a leg, and not a parameter of that name."""
    if one.name != WEIGHT or one.strategy not in known or spec.allocation not in WEIGHED:
        return False
    return all(param["name"] != WEIGHT for param in known[one.strategy].params)


def _typed_windows(spec: PortfolioSpec, infos: Mapping[str, StrategyInfo]) -> Iterator[WindowParams]:
    """With every parameter as the strategy of its leg reads it; `infos`: by leg."""
    for number, window in enumerate(spec.windows):
        typed: dict[str, ParamValue] = {}
        for key, value in window.params.items():
            leg, name = key.rpartition(".")[0], key.rpartition(".")[2]
            with faults_of(key, window=number):
                if name == WEIGHT and spec.allocation in WEIGHED:
                    typed[key] = value
                    continue
                if name == WEIGHT and all(param["name"] != WEIGHT for param in infos[leg].params):
                    raise InputError(f"{key}: allocation {spec.allocation} reads no weights")
                assign(Assignment.from_json({key: value}), [infos[leg]], "leg")
                typed[key] = _typed({name: value}, infos[leg])[name]
        yield replace(window, params=typed)


def _typed(params: Mapping[str, ParamValue], info: StrategyInfo) -> dict[str, ParamValue]:
    """Each as the strategy reads it, and not as text."""
    known = {described["name"]: Param.from_json(described) for described in info.params}
    return {name: known[name].parse(value) for name, value in params.items()}


class faults_of:  # noqa: N801 - reads as a function: `with faults_of("symbol", 3)`
    """What is raised inside as InputError is a fault of that key, in that leg where one is given."""

    def __init__(self, key: str, leg: int | None = None, window: int | None = None) -> None:
        self._key, self._leg, self._window = key, leg, window

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, InputError):
            return
        if self._window is not None:
            text = f"window {self._window + 1}: {error}"
            key = (error.key if isinstance(error, PortfolioFault) else None) or self._key
            raise PortfolioFault(text, key, None, self._window) from error
        if not isinstance(error, PortfolioFault):
            raise PortfolioFault(str(error), self._key, self._leg) from error


def _check_name(name: str, leg: int | None) -> None:
    what = "the portfolio" if leg is None else f"leg {leg + 1}"
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or name != name.strip() or "=" in name:
        raise PortfolioFault(
            f"{what}: a name has 1 to {MOST_NAME} printable characters and no =, not {name!r}", "name", leg
        )


def _check_legs(legs: Sequence[LegSpec]) -> None:
    if not legs:
        raise PortfolioFault("the portfolio has no leg: add a [[leg]] with name, strategy and symbol")
    if len(legs) > MOST_LEGS:
        raise PortfolioFault(
            f"{len(legs)} legs are more than the {MOST_LEGS} that a portfolio can have", None, MOST_LEGS
        )
    names = Counter[str]()
    for number, leg in enumerate(legs):
        _check_name(leg.name, number)
        names[leg.name] += 1
        if names[leg.name] > 1:
            raise PortfolioFault(
                f"two legs are called {leg.name!r}; each needs a name of its own", "name", number
            )
        if leg.weight is not None and not 0 <= leg.weight < float("inf"):
            raise PortfolioFault(
                f"leg {leg.name!r}: a weight is a number from 0 on, not {leg.weight:g}", "weight", number
            )
        if leg.costs.detail is not None:
            raise PortfolioFault(
                f"leg {leg.name!r}: a portfolio does not look inside candles", "detail", number
            )


def _weight(leg: str, value: ParamValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PortfolioFault(f"the weight of leg {leg!r} must be a number, not {value!r}")
    return float(value)


def _check_windows(spec: PortfolioSpec) -> None:
    if len(spec.windows) > MOST_WINDOWS:
        raise PortfolioFault(
            f"{len(spec.windows)} windows are more than the {MOST_WINDOWS:,} that a portfolio can have",
            window=MOST_WINDOWS,
        )
    before = spec.period.start - 1
    for number, window in enumerate(spec.windows):
        with faults_of("start", window=number):
            if not spec.period.start <= window.start_ms < spec.period.end:
                raise InputError(
                    f"it starts at {short_time(window.start_ms)}, outside the period {spec.period}"
                )
            if window.start_ms <= before:
                raise InputError("it starts no later than the one before it; put them in order of time")
        before = window.start_ms
        with faults_of("params", window=number):
            if WALLET in by_owner(window.params) and WALLET not in [leg.name for leg in spec.legs]:
                raise InputError("the rules of the wallet cannot change with time; leave wallet.* out")
            spec.with_values(window.params)


def _check_weights(spec: PortfolioSpec) -> None:
    given = [leg.weight for leg in spec.legs]
    if spec.allocation in WEIGHED:
        for number, leg in enumerate(spec.legs):
            if leg.weight is None:
                raise PortfolioFault(
                    f"leg {leg.name!r} has no weight, which allocation = {spec.allocation!r} needs of every leg",
                    None,
                    number,
                )
            if spec.allocation == RISK and leg.weight > 1:
                raise PortfolioFault(
                    f"leg {leg.name!r}: the weight is what is lost at the stop, at most 1, not {leg.weight:g}",
                    "weight",
                    number,
                )
    known = [weight for weight in given if weight is not None]
    last = max((number for number, weight in enumerate(given) if weight is not None), default=None)
    if spec.allocation in WEIGHED and not sum(known):
        raise PortfolioFault("the weights sum to 0: nothing would be bought", "weight", last)
    most = spec.leverage or 1.0
    if spec.allocation == FIXED and sum(known) > most * (1 + WEIGHT_ROUNDING):
        why = "the leverage" if spec.leverage else "all of the equity; a leverage would allow more"
        raise PortfolioFault(f"the weights sum to {sum(known):g}, above {most:g}, {why}", "weight", last)
