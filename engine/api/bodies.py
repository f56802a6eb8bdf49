"""What may be sent: the bodies of requests, with the defaults and limits of the command line."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from engine.api.document import Value
from engine.errors import InputError
from engine.model.account import AUTO_FUNDING, BOTH, SIDES, Costs, Protections, slippage_values
from engine.model.cost_presets import COST_PRESETS, TAKER, commission_rates
from engine.model.cost_surface import CostSurfaceSpec
from engine.model.durations import parse_duration
from engine.model.exchanges import EXCHANGES
from engine.model.filters import FILTERS, NO_FILTERS
from engine.model.kinds import Kind
from engine.model.market import (
    DEFAULT_EXCHANGE,
    FUNDING_GRID,
    SAMPLE_EXCHANGE,
    TIMEFRAMES,
    Period,
    Timeframe,
    check_exchange,
)
from engine.model.metric_definitions import SUMMARY
from engine.model.monte_carlo import METHODS, STATIONARY, MonteCarloSpec
from engine.model.parameters import Assignment
from engine.model.ranges import read_range
from engine.model.run import RunRequest, values_of_spec
from engine.model.simulators import ENGINES
from engine.model.slippage import SLIPPAGES
from engine.model.sweep import TOP
from engine.model.sweep_spec import ACROSS, ASKED, SAMPLERS, SweepSpec, swept_markets
from engine.model.trade_comparison import DEFAULT_TOLERANCE, DEFAULT_WITHIN, MOST_WITHIN
from engine.model.walk_forward import MODES, ROLLING, WalkForwardSpec


def one_of(names: Any) -> dict[str, Any]:
    """What the schema says; that another one is refused, and in which words, is the engine's."""
    return {"enum": list(names)}


ExchangeName = Annotated[str, Field(json_schema_extra=one_of(EXCHANGES))]
TimeframeName = Annotated[
    str, Field(description="1m is a minute, 1M a month.", json_schema_extra=one_of(TIMEFRAMES))
]
KIND: Final = "Candles of traded prices or of the mark price, or funding rates: those have the timeframe 1h."
KindName = Annotated[str, Field(description=KIND, json_schema_extra=one_of(Kind))]
Start = Annotated[str, Field(description="Date or time, UTC.")]
End = Annotated[str, Field(description="A bare date includes that day; a full time is exclusive.")]
Texts = Annotated[list[str], Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
SYMBOL: Final = "SOLUSDT, SOL/USDT or SOL/USDT:USDT."
SAMPLE: Final = {"timeframe": "1h", "start": "2023-03-01", "end": "2023-03-31", "exchange": SAMPLE_EXCHANGE}


def read_kind(kind: str, timeframe: str) -> tuple[Kind, Timeframe]:
    """Which kind of series is meant; raises InputError."""
    if kind not in list(Kind):
        raise InputError(f"unknown kind {kind!r}; known: {', '.join(Kind)}")
    cells = Timeframe(timeframe)
    if kind == Kind.FUNDING and cells != FUNDING_GRID:
        raise InputError(f"funding rates are held by hours: their timeframe is {FUNDING_GRID}, not {cells}")
    return Kind(kind), cells


class Body(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class ProtectBody(Body):
    """When no new position is entered; exits go on. Fractions of the equity, candles, entries a UTC day, hours (UTC)."""

    daily_loss: Number | None = None
    max_drawdown: Number | None = None
    cooldown: int | None = None
    trades_per_day: int | None = None
    hours: Pair | None = None
    after_losses: Pair | None = None


class CostsBody(Body):
    """Money, costs and terms: starting cash, fraction of it per entry, fractions per side."""

    cash: Number = Costs().cash
    commission: Number | None = Field(
        default=None, description=f"Without it and a preset {Costs().commission}."
    )
    preset: str | None = Field(
        default=None,
        description="An exchange's commission in place of `commission`.",
        json_schema_extra=one_of([*COST_PRESETS, None]),
    )
    limit_fee: str | Number = Field(
        default=TAKER, description="What orders pay that rested: taker, maker (of the preset), or a fraction."
    )
    size: Number = Costs().size
    slippage: str | Number = Field(
        default=Costs().slippage, description=f"By how much fills are worse: {SLIPPAGES}."
    )
    leverage: Number | None = Field(default=None, description="Isolated margin of it; null: no margin.")
    side: str = Field(default=BOTH, json_schema_extra=one_of(SIDES))
    funding: str = Field(default=AUTO_FUNDING, description="auto, on, off, zero or constant:RATE.")
    protect: ProtectBody = ProtectBody()
    filters: str = Field(
        default=NO_FILTERS,
        description="current: orders as the exchange takes them today.",
        json_schema_extra=one_of(FILTERS),
    )
    detail: str | None = Field(
        default=None,
        description="A finer timeframe, whose candles settle what came first inside ambiguous ones; not of sweeps.",
    )

    def costs(self) -> Costs:
        """What they make; raises InputError."""
        taker, maker = commission_rates(self.commission, self.preset, str(self.limit_fee))
        protect = Protections.from_json(self.protect.model_dump(exclude_none=True))
        return Costs(
            cash=self.cash,
            commission=taker,
            size=self.size,
            leverage=self.leverage,
            maker=maker,
            side=self.side,
            funding=self.funding,
            protect=protect,
            filters=self.filters,
            detail=self.detail,
            **slippage_values(self.slippage),
        )


class SeriesBody(Body):
    """Which candles."""

    timeframe: TimeframeName
    start: Start
    end: End
    exchange: ExchangeName = DEFAULT_EXCHANGE


class FetchBody(SeriesBody):
    """Candles to hold."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"symbols": ["SAMPLEUSDT"], **SAMPLE}]})

    symbols: Texts
    kind: KindName = Kind.TRADED.value

    def series(self) -> tuple[Kind, Timeframe, Period, str]:
        """Kind, timeframe, period and exchange; raises InputError."""
        exchange = check_exchange(self.exchange)
        return *read_kind(self.kind, self.timeframe), Period.parse(self.start, self.end), exchange


class TestedBody(SeriesBody):
    """What runs and sweeps have in common."""

    params: dict[str, Value] = Field(
        default={}, description="Parameters: `name` for every strategy that has it, `STRATEGY.name` for one."
    )
    costs: CostsBody = CostsBody()
    fetch: bool = Field(default=True, description="false: fail instead of fetching.")

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """The parameters, as the command line knows them; raises InputError."""
        return Assignment.from_json(self.params)


class RunBody(TestedBody):
    """Every strategy on every symbol."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbols": ["SAMPLEUSDT"],
                    "strategies": ["ema_cross", "buy_and_hold"],
                    **SAMPLE,
                    "params": {"fast": 10},
                    "costs": {"commission": 0.0005},
                }
            ]
        }
    )

    symbols: Texts
    strategies: Texts
    engine: str = Field(default="auto", json_schema_extra=one_of(ENGINES))
    warmup: int | None = Field(default=None, description="At least so many candles before the period.")
    longer_warmup: dict[str, int] = Field(
        default={},
        description="The same of longer timeframes that a strategy reads, each in its own candles.",
    )
    checks: bool = Field(default=True, description="false: look for no look-ahead and no short warm-up.")

    def request(self) -> RunRequest:
        """What is asked for; raises InputError."""
        check_exchange(self.exchange)
        document = self.model_dump(exclude={"params", "fetch", "costs"})
        document["costs"] = self.costs.costs().to_json()
        document["longer_warmup"] = tuple(self.longer_warmup.items())
        return RunRequest(**values_of_spec(document), assignments=self.assignments)


class TriedBody(Body):
    """What is asked of a sweep, whatever it is of."""

    ranges: dict[str, str | list[Value]] = Field(
        description="low:high:step, both ends included; a,b,c; a list."
    )
    constraint: str = Field(default="", description='What must hold, such as "fast < slow".')
    objective: str = Field(default="sharpe", json_schema_extra=one_of(SUMMARY))
    second_objective: str = Field(default="", json_schema_extra=one_of(("", *SUMMARY)))
    sampler: str | None = Field(
        default=None,
        description="grid: all combinations; the others need trials; nsga2 a second objective too.",
        json_schema_extra=one_of(SAMPLERS),
    )
    trials: int | None = None
    seed: int = 0
    top: int = Field(default=TOP, ge=1, le=10_000, description="How many of the best to answer.")

    def asked(self) -> dict[str, Any]:
        """The fields of a SweepSpec that say it."""
        found = self.model_dump(include=set(ASKED))
        return found | {"sampler": self.sampler or SAMPLERS[self.trials is not None]}


class SweepBody(TestedBody, TriedBody):
    """Many combinations of one strategy's parameters on one symbol, or across several."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbol": "SAMPLEUSDT",
                    "strategy": "ema_cross",
                    **SAMPLE,
                    "ranges": {"fast": "5:20:5", "slow": [30, 50]},
                    "constraint": "fast < slow",
                }
            ]
        }
    )

    symbol: str | None = Field(default=None, description=f"{SYMBOL} Or several `symbols`.")
    symbols: list[str] = Field(default=[], description="Each combination is tried on all of them.")
    across: str = Field(
        default="",
        description="Of several symbols: how their figures become one, mean where nothing is said.",
        json_schema_extra=one_of(("", *ACROSS)),
    )
    strategy: str

    def spec(self) -> SweepSpec:
        """The sweep, without fixed parameters; raises InputError."""
        check_exchange(self.exchange)
        document = self.model_dump(include=set(SweepBody.model_fields) - {"params", "fetch", "top", "costs"})
        document["costs"] = self.costs.costs().to_json()
        named = [] if self.symbol is None else [self.symbol]
        document |= swept_markets([*named, *self.symbols], self.across)
        return SweepSpec.from_json(document | self.asked())


class MonteCarloBody(Body):
    """How to make other courses of a stored run; null: what suits the method and the run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"method": STATIONARY, "paths": 1000}]})

    method: str = Field(default=STATIONARY, json_schema_extra=one_of(METHODS))
    paths: int | None = None
    seed: int = 0
    block: Number | None = Field(
        default=None, description="Mean length of blocks: days of stationary, candles of blocks."
    )
    noise: Number | None = Field(
        default=None, description="Of the method noise, in standard deviations of a candle's return."
    )

    def spec(self) -> MonteCarloSpec:
        """What is asked for; raises InputError."""
        return MonteCarloSpec(**self.model_dump())


class CostSurfaceBody(Body):
    """Which costs to try of a stored run: fractions per side, low:high:step, a,b,c or a list; null: 0 to 20 basis points."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"commission": "0:0.001:0.0005", "slippage": [0, 0.0005]}]}
    )

    commission: str | list[Value] | None = None
    slippage: str | list[Value] | None = None

    def spec(self) -> CostSurfaceSpec:
        """What is asked for; raises InputError."""
        found: list[Any] = [
            () if one is None else read_range(one) for one in (self.commission, self.slippage)
        ]
        return CostSurfaceSpec(commissions=found[0], slippages=found[1])


class TradeListBody(Body):
    """A trade list of another program, as the text of its file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "Trade #,Type,Signal,Date/Time,Price USDT,Contracts,Profit USDT\n"
                    "1,Entry long,buy,2023-03-02 08:00,150,10,\n1,Exit long,sell,2023-03-03 08:00,155,10,50\n"
                }
            ]
        }
    )

    text: str = Field(description="JSON or CSV; what it is is seen in it.")
    zone: str = Field(default="UTC", description="Time zone of times that name none.")
    tolerance: float = Field(
        default=DEFAULT_TOLERANCE, ge=0, le=1, description="The fraction by which equal numbers may differ."
    )
    within: int = Field(
        default=DEFAULT_WITHIN,
        ge=0,
        le=MOST_WITHIN,
        description="Entries more candles apart are not the same trade.",
    )


class WindowsBody(Body):
    """The windows of a walk-forward: lengths as 180d or 12h."""

    train: str = Field(default="180d", description="What each choice is made from.")
    test: str = Field(
        default="30d", description="How long each choice is traded, and the step of the windows."
    )
    mode: str = Field(default=ROLLING, json_schema_extra=one_of(MODES))
    gap: str = Field(default="0", description="What is left out between training and test.")

    def walk_over(self, sweep: SweepSpec) -> WalkForwardSpec:
        """The walk-forward of a sweep, without fixed parameters; raises InputError."""
        lengths = (parse_duration(self.train, "train"), parse_duration(self.test, "test"))
        return WalkForwardSpec(sweep, *lengths, self.mode, parse_duration(self.gap, "gap"))


class WalkForwardBody(SweepBody, WindowsBody):
    """A sweep in every window. `top` is not used."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbol": "SAMPLEUSDT",
                    "strategy": "ema_cross",
                    **SAMPLE,
                    "ranges": {"fast": "5:15:5", "slow": [30, 50]},
                    "objective": "return_pct",
                    "train": "10d",
                    "test": "5d",
                }
            ]
        }
    )
