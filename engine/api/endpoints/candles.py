"""Endpoints about candles: symbols, fetch, status."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from engine.api.bodies import KIND, SYMBOL, FetchBody, one_of, read_kind
from engine.api.documents import Fetch, Fetches, Held, Symbol
from engine.api.served import Ask, Server, Wait, answers, begun, in_short, started
from engine.errors import BacktestError, failed_series
from engine.events import CancelToken, OnEvent
from engine.model.coverage import FetchReport, symbol_json
from engine.model.exchanges import EXCHANGES
from engine.model.kinds import Kind
from engine.model.market import DEFAULT_EXCHANGE, TIMEFRAMES, Period, Timeframe, series_name
from engine.service import Engine

router = APIRouter(prefix="/api", tags=["candles"])
Exchange = Annotated[
    str,
    Query(json_schema_extra=one_of(EXCHANGES), openapi_examples={"sample": {"value": "sample"}}),
]


@router.get("/symbols", responses=answers((200, list[Symbol]), _502="The exchange cannot be reached."))
async def symbols(
    served: Server,
    ask: Ask,
    exchange: Exchange = DEFAULT_EXCHANGE,
    q: Annotated[
        str, Query(description="A part of the name.", openapi_examples={"sample": {"value": "sample"}})
    ] = "",
) -> Response:
    """The exchange's markets, from the cache when it does not answer, and whether they are kept up to date."""
    wanted = q.strip().upper()

    def listed(cancel: CancelToken) -> list[dict[str, Any]]:
        return [
            symbol_json(market, is_active=active)
            for market, active in served.engine.candles.markets(exchange, cancel=cancel)
            if wanted in market.name.upper() or wanted in market.unified.upper()
        ]

    return await ask(listed)


@router.get(
    "/data/status", responses=answers((200, Held), _502="The exchange's list of markets cannot be had.")
)
async def status(
    served: Server,
    ask: Ask,
    symbol: Annotated[str, Query(description=SYMBOL, openapi_examples={"sample": {"value": "SAMPLEUSDT"}})],
    timeframe: Annotated[
        str, Query(json_schema_extra=one_of(TIMEFRAMES), openapi_examples={"sample": {"value": "1h"}})
    ],
    start: Annotated[
        str, Query(description="Date or time, UTC.", openapi_examples={"sample": {"value": "2023-03-01"}})
    ],
    end: Annotated[
        str,
        Query(
            description="A bare date includes that day; a full time is exclusive.",
            openapi_examples={"sample": {"value": "2023-03-31"}},
        ),
    ],
    exchange: Exchange = DEFAULT_EXCHANGE,
    kind: Annotated[
        str,
        Query(
            description=KIND,
            json_schema_extra=one_of(Kind),
            openapi_examples={"traded": {"value": Kind.TRADED.value}},
        ),
    ] = Kind.TRADED.value,
) -> Response:
    """What is held of a period and what is not; asks no exchange for candles."""
    meant, cells = read_kind(kind, timeframe)
    period = Period.parse(start, end)

    def held(cancel: CancelToken) -> dict[str, Any]:
        return served.engine.candles.status(
            symbol, cells, period, exchange=exchange, kind=meant, cancel=cancel
        ).to_json()

    return await ask(held)


@router.post("/data/fetch", responses=started(Fetch | Fetches))
async def fetch(served: Server, body: FetchBody, wait: Wait = 0) -> Response:
    """Fetch the candles, or funding rates, of a period that are not held yet; of several symbols side by side."""
    kind, timeframe, period, exchange = body.series()
    names = list(dict.fromkeys(body.symbols))

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        shared = {"exchange": exchange, "kind": kind, "on_event": on_event, "cancel": cancel}
        return _fetched(served.engine, names, timeframe, period, shared)

    return await begun(served, "fetch", f"{in_short(names)} {series_name(kind, timeframe)}", work, wait)


def _fetched(
    engine: Engine,
    names: list[str],
    timeframe: Timeframe,
    period: Period,
    shared: dict[str, Any],
) -> dict[str, Any]:
    """One series' report, or those of several; raises the worst error where one of them failed."""
    if len(names) == 1:
        return engine.candles.fetch(names[0], timeframe, period, **shared).to_json()
    outcomes = engine.candles.fetch_all([(name, timeframe) for name in names], period, **shared)
    errors = [outcome for outcome in outcomes.values() if isinstance(outcome, BacktestError)]
    if errors:
        raise failed_series(errors, len(outcomes), fate="failed", rest="are done")
    return {"series": [report.to_json() for report in outcomes.values() if isinstance(report, FetchReport)]}
