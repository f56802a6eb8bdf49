"""What a strategy reads beside the candles it trades: other timeframes and other symbols, declared as class attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from engine.errors import InputError, RunError
from engine.model.market import DAY_MS, CandleFile, Market, Period, Timeframe, timeframes_of
from engine.model.numerals import read_whole
from engine.model.simulators import MAX_WARMUP

OWN: Final = ""  # the symbol, and the timeframe, of the run itself
MOST_SERIES: Final = 32


@dataclass(frozen=True, slots=True)
class Reads:
    """`timeframes` of the symbol that is traded, the shortest first, and of each of `symbols` (as the strategy writes them),
    of which the timeframe of the run is read too. `build`: longer candles are built of those of the run, none is fetched.
    """

    timeframes: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    build: bool = False

    @classmethod
    def declared(cls, kind: type) -> Self:
        """By a strategy's class; raises InputError saying how it is written where it cannot be read."""
        timeframes = _texts(kind, "timeframes", '("4h", "1d")')
        symbols = _texts(kind, "symbols_read", '("BTCUSDT",)')
        build = getattr(kind, "build_timeframes", False)
        if not isinstance(build, bool):
            raise InputError(f"`build_timeframes` is True or False, not {build!r}")
        cells = sorted((Timeframe(name) for name in timeframes), key=lambda one: one.next(0) - one.floor(0))
        found = cls(tuple(one.name for one in cells), symbols, build)
        if len(list(found.series())) > MOST_SERIES:
            raise InputError(f"`timeframes` and `symbols_read` name more than {MOST_SERIES} series")
        return found

    def __bool__(self) -> bool:
        return bool(self.timeframes or self.symbols)

    def series(self) -> Iterator[tuple[str, str]]:
        """Symbol and timeframe of each series; a symbol's own in the timeframe of the run before its longer ones."""
        for symbol in (OWN, *self.symbols):
            for timeframe in (OWN, *self.timeframes):
                if symbol or timeframe:
                    yield symbol, timeframe

    def check(self, base: Timeframe, exchange: str, strategy: str) -> None:
        """Raise InputError where a run on candles of `base` cannot read them."""
        for name in self.timeframes:
            longer = Timeframe(name)
            if longer == base:
                why = "those are the candles of the run itself; choose a shorter timeframe for the run"
            elif base.divides(longer):
                if self.build or name in timeframes_of(exchange):
                    continue
                why = f"{exchange} has none; `build_timeframes = True` builds them"
            elif base.next(0) - base.floor(0) > longer.next(0) - longer.floor(0):
                why = f"those are shorter than the {base} candles of the run; choose a shorter timeframe for the run"
            else:
                why = f"those are not made of whole {base} candles; choose another timeframe for the run"
            raise InputError(f"{strategy} reads {name} candles: {why}; nothing was run")

    def to_json(self) -> dict[str, Any]:
        """`{timeframes, symbols, build}`."""
        return {"timeframes": list(self.timeframes), "symbols": list(self.symbols), "build": self.build}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` described."""
        return cls(tuple(document["timeframes"]), tuple(document["symbols"]), document["build"])


def _texts(kind: type, name: str, example: str) -> tuple[str, ...]:
    said = getattr(kind, name, ())
    if not isinstance(said, tuple | list) or not all(isinstance(one, str) and one for one in said):
        raise InputError(f"`{name}` is a tuple of texts, {name} = {example}, not {said!r}")
    return tuple(dict.fromkeys(said))


@dataclass(frozen=True, slots=True)
class Warmup:
    """What a strategy wants before its period: `candles` of the run's timeframe, and of each longer one as many as `longer`
    says, each counted in its own candles.
    """

    candles: int = 0
    longer: tuple[tuple[str, int], ...] = ()

    @classmethod
    def read(cls, said: Any, reads: Reads | None) -> Self:
        """From what `Strategy.warmup` returned; raises RunError where that is no number, nor one for each timeframe. `reads`
        plays no part for a number.
        """
        if reads is None or not isinstance(said, Mapping):
            return cls(_count(said))
        for name in said:
            if name != OWN and name not in reads.timeframes:
                raise RunError(
                    f"warmup() names {name!r}; {OWN!r} is the timeframe of the run, "
                    f"others are {', '.join(reads.timeframes) or 'none, as `timeframes` declares none'}"
                )
        counts = {name: _count(count) for name, count in said.items()}
        return cls(
            counts.pop(OWN, 0), tuple((name, counts[name]) for name in reads.timeframes if name in counts)
        )

    def of(self, timeframe: str) -> int:
        """How many candles of that timeframe; OWN is the run's."""
        return self.candles if timeframe == OWN else dict(self.longer).get(timeframe, 0)

    def longest(self, other: Warmup) -> Warmup:
        """The longer of both, timeframe by timeframe."""
        names = dict.fromkeys([*dict(self.longer), *dict(other.longer)])
        longer = tuple((name, max(self.of(name), other.of(name))) for name in names)
        return Warmup(max(self.candles, other.candles), longer)

    def building(self, reads: Reads, base: Timeframe) -> int:
        """How many candles of `base` are wanted before the period where the longer ones are built of them."""
        if not reads.build:
            return self.candles
        return max([self.candles, *(_built_of(base, name, count) for name, count in self.longer if count)])

    def to_json(self) -> dict[str, int]:
        """`{"": candles, "4h": ...}`."""
        return {OWN: self.candles, **dict(self.longer)}

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """From "200" (candles of the run's timeframe) and "4h=800", as on the command line; raises InputError."""
        counts: dict[str, int] = {}
        for text in texts:
            name, equals, count = text.rpartition("=")
            timeframe = Timeframe(name.strip()).name if equals else OWN
            if timeframe in counts:
                raise InputError(f"--warmup {text}: the warm-up of {timeframe or 'the run'} is given twice")
            try:
                counts[timeframe] = read_whole(count)
            except ValueError:
                raise InputError(f"--warmup {text!r} must read 200 or, of longer candles, 4h=800") from None
        return cls.from_json(counts)

    @property
    def words(self) -> str:
        """As `parse` reads it, each behind the option's name."""
        given = [str(self.candles), *(f"{name}={count}" for name, count in self.longer)]
        return " ".join(f"--warmup {one}" for one in given)

    @classmethod
    def from_json(cls, counts: Mapping[str, int]) -> Self:
        """What `to_json` described."""
        return cls(counts.get(OWN, 0), tuple((name, count) for name, count in counts.items() if name != OWN))


def _count(said: Any) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= MAX_WARMUP:
        raise RunError(
            f"warmup() must return a whole number of candles from 0 to {MAX_WARMUP:,}, not {said!r}"
        )
    return said


def _built_of(base: Timeframe, longer: str, count: int) -> int:
    """How many candles of `base` make so many longer ones before the one that a decision sees, wherever that begins. Loading
    begins with a whole day, so that only longer ones than that may have begun before what is counted.
    """
    cells = _cells(base, longer)
    begun = cells - 1 if cells > _cells(base, "1d") else 0
    return (count + 1) * cells + begun


def _cells(base: Timeframe, longer: str) -> int:
    """How many candles of `base` one longer candle is made of, at most."""
    whole = Timeframe(longer)
    return base.count(Period(whole.open_ms(0), whole.open_ms(1)))  # the first month has 31 days


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """A series that a run reads beside its own: `symbol` and `timeframe` as the strategy names them, of which `wanted`
    candles are to lie before what the first decision sees. `market`, `candle`: whose candles these are, and how long.
    """

    symbol: str
    timeframe: str
    market: Market
    candle: Timeframe
    wanted: int
    is_built: bool = False

    @property
    def title(self) -> str:
        """For sentences: "SOLUSDT 4h"."""
        return self.market.title(self.candle)

    @property
    def name(self) -> str:
        """Among the inputs of a run: "4h", "BTCUSDT", "BTCUSDT 4h"."""
        return f"{self.symbol} {self.timeframe}".strip()

    def to_json(self) -> dict[str, Any]:
        """`{symbol, timeframe, market, candle, warmup}`; symbol and timeframe are "" where they are those of the run."""
        return {
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "market": self.market.name,
            "candle": self.candle.name,
            "warmup": self.wanted,
        }

    def period(self, base: Timeframe, period: Period) -> Period:
        """The candles that decisions in a period of `base` candles see: from the last that had closed at the first."""
        first = latest_closed(self.candle, base.next(period.start))
        return Period(first, max(self.candle.floor(period.end), self.candle.next(first)))


def series_of(
    reads: Reads, warmup: Warmup, base: Timeframe, markets: Sequence[Market]
) -> tuple[ReadSeries, ...]:
    """The series of a run on candles of `base`; `markets`: the one traded and those of `reads.symbols`."""
    of = dict(zip((OWN, *reads.symbols), markets, strict=True))
    own = warmup.building(reads, base)
    return tuple(
        ReadSeries(
            symbol,
            timeframe,
            of[symbol],
            base if timeframe == OWN else Timeframe(timeframe),
            own if timeframe == OWN else warmup.of(timeframe),
            is_built=reads.build and timeframe != OWN,
        )
        for symbol, timeframe in reads.series()
    )


def longer_warmup(candles: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """The warm-up of each longer timeframe that was read, by what a run or sweep depends on: its inputs' `candles`."""
    reads = candles.get("reads", {}).values()
    return tuple(sorted({one["timeframe"]: one["warmup"] for one in reads if one["timeframe"]}.items()))


def longer_wanted(file: CandleFile) -> dict[str, int]:
    """Of each longer timeframe that is read beside the candles of a task, how many are to lie before the period."""
    return {side.timeframe: side.wanted for side in file.beside if side.timeframe}


def latest_closed(timeframe: Timeframe, instant: int) -> int:
    """Open time of the last candle that has closed at that instant, ms."""
    return timeframe.shift(timeframe.floor(instant), -1)


def warmup_start(timeframe: Timeframe, start: int, candles: int) -> int:
    """Where loading begins for so many candles before `start`: from there back to 00:00 UTC, as anchors need whole days."""
    day = max(0, timeframe.shift(start, -candles) // DAY_MS * DAY_MS)
    return min(timeframe.ceil(day), start)
