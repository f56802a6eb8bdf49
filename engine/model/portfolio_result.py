"""A portfolio as it ended and as it is stored: the wallet as one account, each leg in it, and their JSON shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final

from engine.model.market import Market, Period, Timeframe, format_time
from engine.model.portfolio import LegSpec, PortfolioSpec
from engine.model.portfolio_document import document_of
from engine.model.portfolio_rules import FIXED, WEIGHED, WEIGHT
from engine.model.rerun import Rerun
from engine.model.run import FINISHED, Series, funding_left_out, skipped_checks
from engine.model.simulators import COMPILED
from engine.model.trade import Trade
from engine.model.window_params import WindowParams, windows_json

KIND: Final = "portfolio"
_WHOLE: Final = 1 + 1e-9  # thirds need not add up to one exactly
Check = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contention:
    """What a leg asked of the wallet: `requests` of so much money (margin and fee), so much of it filled; how many were
    scaled down, and dropped for which reasons.
    """

    requests: int = 0
    requested: float = 0.0
    filled: float = 0.0
    scaled: int = 0
    dropped: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """An entry, add or rebalancing that did not get all it asked for. `time`: open of its candle, ms; `why`: scaled, or
    dropped and for what reason.
    """

    time: int
    leg: str
    requested: float
    filled: float
    why: str

    def to_json(self) -> dict[str, Any]:
        """Its time as ISO text."""
        return asdict(self) | {"time": format_time(self.time)}


def checks_of_a_leg() -> dict[str, dict[str, Any]]:
    """Those of a run before any was made, but for the cross-check: that is of the whole."""
    return {name: check for name, check in skipped_checks().items() if name != "crosscheck"}


@dataclass(frozen=True, slots=True)
class LegResult:
    """One leg of a finished portfolio. `period` is the effective one; `params` are complete, and empty where `windows` say
    which ruled from when on; `weight`: at first; `metrics`: of the wallet's cash and what the leg made of it; `pnl`: money;
    shares of the whole profit, and of the variance of its days, in %.
    """

    spec: LegSpec
    market: Market
    period: Period
    params: Mapping[str, Any]
    weight: float
    windows: tuple[WindowParams, ...] = ()
    signals: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    trades: tuple[Trade, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=checks_of_a_leg)
    pnl: float | None = None
    profit_share_pct: float | None = None
    risk_share_pct: float | None = None
    contention: Contention = field(default_factory=Contention)

    @property
    def name(self) -> str:
        """Its own name."""
        return self.spec.name

    def to_json(self) -> dict[str, Any]:
        """Of a run what a leg has too, by the same names, its trades by number in the whole's being left out; its shares."""
        return {
            "name": self.name,
            "strategy": self.spec.strategy,
            "symbol": self.market.name,
            "unified": self.market.unified,
            "exchange": self.market.exchange,
            "timeframe": self.spec.timeframe.name,
            **self.period.to_json(),
            "weight": self.weight,
            "params": dict(self.params),
            **({"windows": windows_json(self.windows)} if self.windows else {}),
            "costs": self.spec.costs.to_json(),
            "pnl": self.pnl,
            "profit_share_pct": self.profit_share_pct,
            "risk_share_pct": self.risk_share_pct,
            "metrics": dict(self.metrics),
            "signals": dict(self.signals),
            "checks": {name: dict(check) for name, check in self.checks.items()},
        }


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioResult:
    """A portfolio as it ended. One that failed or was stopped has no figures at all: those of some legs would look whole.

    `series`: over open times of the finest candles: equity, exposure, margin and hold (the basket of the legs), in money;
    `pnl`: what each leg made so far, by its name. `correlation`: of the legs' days; `marginal`: what each leg adds; `use`:
    how much of the equity was used; `contended`: the requests that did not get all they asked for.
    """

    id: str
    status: str
    spec: PortfolioSpec
    period: Period
    legs: tuple[LegResult, ...]
    error: str | None = None
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=skipped_checks)
    series: Series | None = None
    pnl: Series | None = None
    correlation: Sequence[Sequence[float | None]] = ()
    marginal: Sequence[Mapping[str, Any]] = ()
    use: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    contended: tuple[Request, ...] = ()
    inputs: Mapping[str, Any] | None = None
    fingerprint: str | None = None
    elapsed_s: float = 0.0
    created_ms: int = 0
    traceback: str | None = None

    @property
    def engine(self) -> str:
        """Which simulator played it."""
        return COMPILED

    @property
    def timeframe(self) -> Timeframe:
        """The finest of its legs', by whose closes the wallet is valued."""
        start = self.period.start
        return min((leg.spec.timeframe for leg in self.legs), key=lambda one: one.next(start) - start)

    @property
    def walk_trials(self) -> int | None:
        """How many trials its windows were chosen from, of a stitched one."""
        chosen_from = self.metrics.get("walk_trials")
        return None if chosen_from is None else int(chosen_from)

    @property
    def windows(self) -> list[WindowParams]:
        """All parameters and weights by when they begin to rule, as `LEG.name`; none where nothing changes with time."""
        return (
            []
            if not self.spec.windows
            else [
                WindowParams(start, self._ruling(number, stage))
                for number, (start, stage) in enumerate(self.spec.stages)
            ]
        )

    def changing(self) -> tuple[list[str], list[tuple[int, list[Any]]]]:
        """(names of what changes with time; the values of each window by when it begins to rule, ms)."""
        told = self.windows
        first = told[0].params if told else {}
        names = [name for name in first if len({repr(one.params[name]) for one in told}) > 1]
        return names, [(one.start_ms, [one.params[name] for name in names]) for one in told]

    def _ruling(self, number: int, stage: PortfolioSpec) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for leg, weight in zip(self.legs, stage.weights, strict=True):
            params = leg.windows[number].params if leg.windows else leg.params
            found |= {f"{leg.name}.{name}": value for name, value in params.items()}
            if stage.allocation in WEIGHED:
                found[f"{leg.name}.{WEIGHT}"] = weight
        return found

    @property
    def trades(self) -> list[tuple[str, Trade]]:
        """The trades of all legs with the name of each one's leg, in order of entry, then of legs."""
        found = [(leg.name, trade) for leg in self.legs for trade in leg.trades]
        return sorted(found, key=lambda pair: pair[1].entry_time)

    @property
    def notes(self) -> list[str]:
        """What the figures leave out, and what people expect otherwise."""
        same = defaultdict[Market, list[str]](list)
        silent = defaultdict[str, list[str]](list)
        for leg in self.legs:
            same[leg.market].append(leg.name)
            for note in funding_left_out(leg.market.exchange, leg.checks):
                silent[note].append(leg.name)
        told = [
            f"{', '.join(names)} trade {market}: each has a position of its own, they do not net"
            for market, names in same.items()
            if len(names) > 1
        ]
        told += [f"{note}: {', '.join(names)}" for note, names in silent.items()]
        if self.spec.allocation not in WEIGHED and any(leg.weight is not None for leg in self.spec.legs):
            told.append(f"allocation {self.spec.allocation} reads no weights: those of the legs are not used")
        asked = max(sum(stage.weights) for _, stage in self.spec.stages)
        if self.spec.allocation == FIXED and asked > _WHOLE:
            told.append(
                f"the weights are margin and sum to {asked:g} of the equity: not all legs can be held whole at once"
            )
        if self.status == FINISHED and len(self.legs) > 1 and not self.marginal:
            told.append(
                "what each leg adds is not told: too many candles to play the portfolio once more without each"
            )
        return told

    def _distinct(self, values: Sequence[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    def to_json(self) -> dict[str, Any]:
        """As a run, whose symbol and the like are those of all legs; and `legs`, `contention`, `correlation`, `marginal`."""
        markets = [leg.market for leg in self.legs]
        return {
            "id": self.id,
            "kind": KIND,
            "status": self.status,
            "error": self.error,
            "strategy": self.spec.name,
            "symbol": self._distinct([market.name for market in markets]),
            "unified": self._distinct([market.unified for market in markets]),
            "exchange": self._distinct([market.exchange for market in markets]),
            "timeframe": self.timeframe.name,
            **self.period.to_json(),
            "params": {
                f"{leg.name}.{name}": value for leg in self.legs for name, value in leg.params.items()
            },
            **({"windows": windows_json(self.windows)} if self.spec.windows else {}),
            "costs": self.spec.legs[0].costs.to_json(),
            "engine": self.engine,
            "metrics": dict(self.metrics),
            "signals": {f"{leg.name}.{name}": n for leg in self.legs for name, n in leg.signals.items()},
            "trades": [{"leg": name} | trade.to_json() for name, trade in self.trades],
            "checks": {name: dict(check) for name, check in self.checks.items()},
            "fingerprint": self.fingerprint,
            "elapsed_s": self.elapsed_s,
            "created": format_time(self.created_ms),
            "notes": self.notes,
            "spec": document_of(self.spec),
            "legs": [leg.to_json() for leg in self.legs],
            "contention": [{"leg": leg.name} | asdict(leg.contention) for leg in self.legs],
            "contended": [request.to_json() for request in self.contended],
            "correlation": [list(row) for row in self.correlation],
            "marginal": [dict(row) for row in self.marginal],
            "use": {name: dict(told) for name, told in self.use.items()},
        }

    def to_shown_json(self) -> dict[str, Any]:
        """As a stored run is shown: with `equity` and what each leg made, `[[time, value]]` and `{leg: [value]}`."""
        pnl = {} if self.pnl is None else {name: one.tolist() for name, one in self.pnl.columns.items()}
        use = (
            {}
            if self.series is None
            else {n: self.series.columns[n].tolist() for n in ("exposure", "margin")}
        )
        return self.to_json() | {"equity": self.equity_points(), "pnl": pnl, **use, "inputs": self.inputs}

    def equity_points(self) -> list[tuple[str, float]]:
        """`[[time, value]]`, one per close of the wallet, by the open time of the candle that closes."""
        return [] if self.series is None else self.series.points("equity")


@dataclass(frozen=True, slots=True)
class PortfolioRerun(Rerun[PortfolioResult]):
    """A stored portfolio made again as a portfolio of its own."""

    kind: ClassVar[str] = KIND
