"""The account that a run trades with: its money, what of it an entry takes, what trading costs, and its terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from engine.errors import InputError
from engine.model.filters import FILTERS, NO_FILTERS
from engine.model.market import TIMEFRAMES, Timeframe
from engine.model.numerals import read_number, read_whole
from engine.model.slippage import FIXED, SlippageModel

MAX_CASH: Final = 1e15  # the reference engine counts it in units of 1e-8


def _check(name: str, value: float, low: float, high: float, *, low_open: bool, high_open: bool) -> None:
    below = value <= low if low_open else value < low
    above = value >= high if high_open else value > high
    if not math.isfinite(value) or below or above:
        bounds = f"{'above' if low_open else 'at least'} {low:g}"
        if math.isfinite(high):
            bounds += f" and {'below' if high_open else 'at most'} {high:g}"
        raise InputError(f"{name} must be {bounds}, not {value:g}")


BOTH: Final = "both"
SIDES: Final = (BOTH, "long", "short")
MOST_LEVERAGE: Final = 1000.0  # a bound for typing errors; the brackets of the symbol decide


AUTO_FUNDING, ON, OFF, ZERO, CONSTANT = "auto", "on", "off", "zero", "constant"
_MOST_CONSTANT: Final = 0.05  # per settlement; no cap of an exchange's is above 0.03


@dataclass(frozen=True, slots=True)
class FundingPolicy:
    """Whether funding is charged. "auto": where every settlement is known, else not, and said; "on": or the run fails;
    "off": not. "zero", "constant": settlements that nobody knows are taken as `rate`, and counted.
    """

    kind: str
    rate: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From auto, on, off, zero or constant:RATE; raises InputError."""
        kind, colon, rate = text.partition(":")
        if kind not in (AUTO_FUNDING, ON, OFF, ZERO, CONSTANT) or bool(colon) != (kind == CONSTANT):
            raise InputError(f"funding must be auto, on, off, zero or constant:RATE, not {text!r}")
        try:
            value = read_number(rate) if colon else 0.0
        except ValueError:
            raise InputError(
                f"the rate of funding must be a number, as constant:0.0001, not {rate!r}"
            ) from None
        if not abs(value) <= _MOST_CONSTANT:
            raise InputError(
                f"a funding rate of {value:g} is {value:.0%} at every settlement; exchanges cap it at 3 %, give at most "
                f"{_MOST_CONSTANT:g}"
            )
        return cls(kind, value)

    @property
    def fills(self) -> bool:
        """Whether it takes a rate for settlements that nobody knows."""
        return self.kind in (ZERO, CONSTANT)


@dataclass(frozen=True, slots=True)
class Protections:
    """When no new position is entered; exits go on. None = not used. Judged at closes; a day is a UTC day.

    `daily_loss`, `max_drawdown`: fractions of the equity at the day's start and at its peak; `cooldown`: candles after an
    exit; `trades_per_day`: entries; `hours`: from the first to before the second, of the close; `after_losses`: after so
    many losing trades in a row, for so many candles.
    """

    daily_loss: float | None = None
    max_drawdown: float | None = None
    cooldown: int | None = None
    trades_per_day: int | None = None
    hours: tuple[int, int] | None = None
    after_losses: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("daily_loss", "max_drawdown"):
            value = getattr(self, name)
            if value is not None:
                _check(name.replace("_", "-"), value, 0, 1, low_open=True, high_open=True)
        for name, numbers in (
            ("cooldown", [self.cooldown]),
            ("trades-per-day", [self.trades_per_day]),
            ("after-losses", self.after_losses or []),
        ):
            for number in numbers:
                if number is not None and number < 1:
                    raise InputError(f"{name} must be whole numbers from 1 on, not {number}")
        first, end = self.hours or (0, 24)
        if not (0 <= first <= 24 and 0 <= end <= 24 and first != end):
            raise InputError(f"hours must be two different hours of a day, as 8-20, not {first}-{end}")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From values by name, pairs as lists; raises InputError for another name and for what is no such value."""
        known = {field.name for field in fields(cls)}
        for name in document.keys() - known:
            raise InputError(f"unknown protection {name!r}; known: {', '.join(sorted(known))}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        for name, value in values.items():
            kind, _, count = _PROTECTIONS[name]
            parts = (value,) if count == 1 else value if isinstance(value, tuple) else ()
            kinds = (int, float) if kind is _share else (int,)
            if value is not None and (len(parts) != count or any(type(part) not in kinds for part in parts)):
                raise InputError(
                    f"{name} must be {'a number' if kind is _share else 'whole numbers'}, not {value!r}"
                )
        return cls(**values)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """From texts such as daily-loss=3%, as `texts` gives them; raises InputError that says what is wanted."""
        values: dict[str, Any] = {}
        for text in texts:
            typed, equals, value = (part.strip() for part in text.partition("="))
            name = typed.replace("-", "_")
            if not equals or name not in _PROTECTIONS:
                raise InputError(f"a protection must read {PROTECTIONS}, not {text!r}")
            if name in values:
                raise InputError(f"the protection {typed} is given twice")
            read, between, count = _PROTECTIONS[name]
            parts = value.split(between) if between else [value]
            try:
                found = tuple(read(part) for part in parts)
            except ValueError:
                found = ()
            if len(found) != count:
                example = next(
                    one for one in PROTECTIONS.split(", ") if one.startswith(name.replace("_", "-"))
                )
                raise InputError(f"a protection must read as {example}, not {text!r}")
            values[name] = found if between else found[0]
        return cls(**values)

    def texts(self) -> list[str]:
        """What `parse` reads, of each that is used."""
        return [f"{name}={value}" for name, value in self.told().items()]

    def told(self) -> dict[str, str]:
        """Each that is used, by the name and in the way in which it is typed."""
        told = {}
        for name, value in asdict(self).items():
            read, between, _ = _PROTECTIONS[name]
            if value is not None:
                shown = (
                    f"{value * 100:.10g}%"
                    if read is _share
                    else between.join(map(str, value if between else [value]))
                )
                told[name.replace("_", "-")] = shown
        return told


def _share(text: str) -> float:
    """3% as 0.03; a bare number is a fraction."""
    bare = text.strip()
    return read_number(bare[:-1]) / 100 if bare.endswith("%") else read_number(bare)


PROTECTIONS: Final = (
    "daily-loss=3%, max-drawdown=20%, cooldown=6, trades-per-day=4, hours=8-20, after-losses=3:24"
)
# how each is read, what stands between its numbers, how many those are
_PROTECTIONS: Final[Mapping[str, tuple[Callable[[str], Any], str, int]]] = {
    "daily_loss": (_share, "", 1),
    "max_drawdown": (_share, "", 1),
    "cooldown": (read_whole, "", 1),
    "trades_per_day": (read_whole, "", 1),
    "hours": (read_whole, "-", 2),
    "after_losses": (read_whole, ":", 2),
}


# by number, and in the order in which a blocked signal is counted
BLOCKED: Final = ("hours", "trades_per_day", "cooldown", "after_losses", "daily_loss", "max_drawdown")


@dataclass(frozen=True, slots=True)
class Costs:
    """Money, costs and terms of a run: starting cash, fraction of it per entry, fractions per side.

    `leverage`: isolated margin of that leverage, None = margin is off. `maker`: commission of orders that rested, None = as
    `commission`. `side`: the only one that is entered. `funding`: a policy, as `FundingPolicy` reads it. `slippage_model`:
    in place of the fixed `slippage`, which is 0 then, as `SlippageModel` reads it; "" = none.
    `filters`: CURRENT = orders are held to those that the exchange has today. `detail`: the timeframe whose candles settle
    what one candle leaves open, None = nothing does.
    """

    cash: float = 10_000.0
    commission: float = 0.001
    size: float = 0.95
    slippage: float = 0.0
    leverage: float | None = None
    maker: float | None = None
    side: str = BOTH
    funding: str = OFF
    protect: Protections = Protections()
    slippage_model: str = ""
    filters: str = NO_FILTERS
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.leverage is not None:
            _check("leverage", self.leverage, 1, MOST_LEVERAGE, low_open=False, high_open=False)
        if self.maker is not None:
            _check("maker commission", self.maker, 0, 0.1, low_open=False, high_open=True)
        if self.side not in SIDES:
            raise InputError(f"side must be one of {', '.join(SIDES)}, not {self.side!r}")
        if self.filters not in FILTERS:
            raise InputError(f"filters must be {' or '.join(FILTERS)}, not {self.filters!r}")
        FundingPolicy.parse(self.funding)
        if self.detail is not None:
            Timeframe(self.detail)
        _check("cash", self.cash, 0, MAX_CASH, low_open=True, high_open=False)
        _check("commission", self.commission, 0, 0.1, low_open=False, high_open=True)
        _check("size", self.size, 0, 1, low_open=True, high_open=False)
        _check("slippage", self.slippage, 0, 0.1, low_open=False, high_open=True)
        if self.slippage_model and (self.slippage or SlippageModel.parse(self.slippage_model).kind == FIXED):
            raise InputError(
                f"slippage is a fraction or a model, not {self.slippage:g} and {self.slippage_model!r}"
            )

    @property
    def slips(self) -> SlippageModel:
        """How much worse than its price an order fills."""
        return (
            SlippageModel.parse(self.slippage_model)
            if self.slippage_model
            else SlippageModel(FIXED, self.slippage)
        )

    def check_detail(self, timeframe: Timeframe) -> None:
        """Raise InputError where candles of that timeframe are not made of whole ones of `detail`."""
        if self.detail is None or Timeframe(self.detail).divides(timeframe):
            return
        finer = [name for name in TIMEFRAMES if Timeframe(name).divides(timeframe)]
        known = f"; these are: {', '.join(finer)}" if finer else "; nothing is finer"
        raise InputError(f"detail {self.detail}: {timeframe} candles are not made of several of them{known}")

    def to_json(self) -> dict[str, Any]:
        """By name; terms only where they are set, so that plain runs say what they always said."""
        plain = {name: getattr(self, name) for name in ("cash", "commission", "size", "slippage")}
        plain["slippage"] = self.slippage_model or self.slippage
        default = type(self)()
        terms = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in (*plain, "slippage_model")
            and getattr(self, field.name) != getattr(default, field.name)
        }
        if "protect" in terms:
            terms["protect"] = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in asdict(self.protect).items()
                if value is not None
            }
        return plain | terms

    def told(self) -> dict[str, Any]:
        """`to_json` as one row of values for people: each protection by its own name."""
        told = self.to_json()
        told.pop("protect", None)
        return told | self.protect.told()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` described; raises InputError for a value or a name that is none of it."""
        values = dict(document)
        known = {field.name for field in fields(cls)} - {"slippage_model"}
        for name in values.keys() - known:
            raise InputError(f"unknown cost {name!r}; known: {', '.join(sorted(known))}")
        if "protect" in values:
            values["protect"] = Protections.from_json(values["protect"])
        if "slippage" in values:
            values |= slippage_values(values["slippage"])
        return cls(**values)


def slippage_values(given: float | str) -> dict[str, Any]:
    """The fields of `Costs` that a fraction or a text as `SlippageModel` reads it stands for; raises InputError."""
    model = SlippageModel.parse(given) if isinstance(given, str) else SlippageModel(FIXED, given)
    if model.kind == FIXED:
        return {"slippage": model.value, "slippage_model": ""}
    return {"slippage": 0.0, "slippage_model": str(model)}
