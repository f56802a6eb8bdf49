"""Commands about markets and candles: symbols, fetch, status, candles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import End, Exchange, Json, Start, Symbol, Tf, app, cancel_on_interrupt
from engine.market import DEFAULT_EXCHANGE, Period, Timeframe
from engine.service import Engine
from engine.terminal import print_json, print_note, progress, table


@app.command()
def symbols(
    exchange: Exchange = DEFAULT_EXCHANGE,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the exchange again.")] = False,
    json: Json = False,
) -> None:
    """List the exchange's markets (from the cache when offline)."""
    with Engine() as engine:
        found = engine.markets(exchange, refresh=refresh)
    if json:
        print_json(
            [
                {"name": m.name, "unified": m.unified, "exchange": m.exchange, "is_active": active}
                for m, active in found
            ]
        )
        return
    table(
        "", ("symbol", "unified", "kept"), [(m.name, m.unified, "yes" if a else "") for m, a in found], left=3
    )


@app.command()
def fetch(
    symbol: Symbol,
    timeframe: Tf,
    start: Start,
    end: End,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Fetch the candles of a period that are not held yet."""
    asked = Timeframe(timeframe), Period.parse(start, end)
    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        report = engine.fetch(symbol, *asked, exchange=exchange, on_event=on_event, cancel=cancel)
    for notice in report.notices:
        print_note(notice)
    if json:
        print_json(report.to_json())
        return
    print_note(
        f"{report.market.name} {timeframe}, {report.period}: {report.candles:,} candles held, "
        f"{report.fetched:,} new in {report.requests} requests"
    )
    _print_missing(report.missing)


@app.command()
def status(
    symbol: Symbol,
    timeframe: Tf,
    start: Start,
    end: End,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Say what is held of a period and what is not; no network."""
    asked = Timeframe(timeframe), Period.parse(start, end)
    with Engine() as engine:
        held = engine.status(symbol, *asked, exchange=exchange)
    if json:
        print_json(held.to_json())
        return
    state = "complete" if held.complete else "not complete"
    print_note(
        f"{held.market.name} {timeframe}, {held.period}: {held.candles:,} of {held.expected:,} candles held, {state}"
    )
    for gap in held.gaps:
        print_note(f"  not fetched: {gap}")
    _print_missing(held.missing)


def _print_missing(missing: Sequence[Any]) -> None:
    for gone in missing:
        print_note(f"  the exchange has none: {gone.period} ({gone.reason.replace('_', ' ')})")


@app.command()
def candles(
    symbol: Symbol,
    timeframe: Tf,
    start: Start,
    end: End,
    out: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file.")],
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Write the candles that are held to a file; never fetches."""
    from engine.export import write_candles

    asked = Timeframe(timeframe), Period.parse(start, end)
    with Engine() as engine:
        held = engine.candles(symbol, *asked, exchange=exchange)
    write_candles(held, out)
    if json:
        print_json({"path": str(out), "candles": len(held)})
    else:
        print_note(f"{len(held):,} candles written to {out}")
