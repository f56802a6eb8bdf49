"""What may be sent: the bodies of requests, with the defaults and limits of the command line."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from engine.api.documents import Value
from engine.model.account import Costs
from engine.model.exchanges import EXCHANGES
from engine.model.market import (
    DEFAULT_EXCHANGE,
    SAMPLE_EXCHANGE,
    TIMEFRAMES,
    Period,
    Timeframe,
    check_exchange,
)
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import Assignment
from engine.model.run import RunRequest, values_of_spec
from engine.model.simulators import ENGINES
from engine.model.sweep import SAMPLERS, TOP, SweepSpec


def one_of(names: Any) -> dict[str, Any]:
    """What the schema says; that another one is refused, and in which words, is the engine's."""
    return {"enum": list(names)}


ExchangeName = Annotated[str, Field(json_schema_extra=one_of(EXCHANGES))]
TimeframeName = Annotated[
    str, Field(description="1m is a minute, 1M a month.", json_schema_extra=one_of(TIMEFRAMES))
]
Start = Annotated[str, Field(description="Date or time, UTC.")]
End = Annotated[str, Field(description="A bare date includes that day; a full time is exclusive.")]
Texts = Annotated[list[str], Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
SYMBOL: Final = "SOLUSDT, SOL/USDT or SOL/USDT:USDT."
SAMPLE: Final = {"timeframe": "1h", "start": "2023-03-01", "end": "2023-03-31", "exchange": SAMPLE_EXCHANGE}


class Body(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CostsBody(Body):
    """Money and costs: starting cash, fraction of it per entry, fractions per side."""

    cash: Number = Costs().cash
    commission: Number = Costs().commission
    size: Number = Costs().size
    slippage: Number = Costs().slippage


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

    def series(self) -> tuple[Timeframe, Period, str]:
        """Timeframe, period and exchange; raises InputError."""
        return Timeframe(self.timeframe), Period.parse(self.start, self.end), check_exchange(self.exchange)


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
    checks: bool = Field(default=True, description="false: look for no look-ahead and no short warm-up.")

    def request(self) -> RunRequest:
        """What is asked for; raises InputError."""
        check_exchange(self.exchange)
        document = self.model_dump(exclude={"params", "fetch"})
        return RunRequest(**values_of_spec(document), assignments=self.assignments)


class SweepBody(TestedBody):
    """Many combinations of one strategy's parameters on one symbol."""

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

    symbol: str
    strategy: str
    ranges: dict[str, str | list[Value]] = Field(
        description="low:high:step, both ends included; a,b,c; a list."
    )
    constraint: str = Field(default="", description='What must hold, such as "fast < slow".')
    objective: str = Field(default="sharpe", json_schema_extra=one_of(SUMMARY))
    sampler: str | None = Field(
        default=None,
        description="grid: all combinations; random: needs trials.",
        json_schema_extra=one_of(SAMPLERS),
    )
    trials: int | None = None
    seed: int = 0
    top: int = Field(default=TOP, ge=1, le=10_000, description="How many of the best to answer.")

    def spec(self) -> SweepSpec:
        """The sweep, without fixed parameters; raises InputError."""
        check_exchange(self.exchange)
        document = self.model_dump(exclude={"params", "fetch", "top"})
        return SweepSpec.from_json(document | {"sampler": self.sampler or SAMPLERS[self.trials is not None]})
