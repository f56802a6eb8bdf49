"""Commands that bring candles in and keep them up to date: symbols add/remove/activate/deactivate, import, sync."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.candles import FundingOption, MaybeTf, series_option
from engine.cli.options import Exchange, Json, Symbol, app, cancel_on_interrupt, symbols_app
from engine.cli.terminal import print_json, print_note, progress, table
from engine.cli.values import file_argument, number_option
from engine.errors import DatabaseError, InputError, failed_series
from engine.events import Event, Log
from engine.model.candle_files import (
    DECIMALS,
    FIELDS,
    FUNDING_FIELDS,
    FileFormat,
    ImportPreview,
    ImportReport,
    parse_columns,
)
from engine.model.coverage import SyncedSeries, symbol_json
from engine.model.kinds import Kind
from engine.model.market import DEFAULT_EXCHANGE, Timeframe, format_time, parse_time, short_time
from engine.service import Engine

log = logging.getLogger(__name__)
Asked = Annotated[
    list[str] | None, typer.Option("-t", "--timeframe", help="A timeframe to keep; repeat for several.")
]


@symbols_app.callback()
def symbols(
    context: typer.Context,
    exchange: Exchange = DEFAULT_EXCHANGE,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the exchange again.")] = False,
    json: Json = False,
) -> None:
    """List the exchange's markets (from the cache when offline)."""
    if context.invoked_subcommand:
        return
    with Engine() as engine:
        found = engine.candles.markets(exchange, refresh=refresh)
    if json:
        print_json([symbol_json(market, is_active=active) for market, active in found])
        return
    table(
        "", ("symbol", "unified", "kept"), [(m.name, m.unified, "yes" if a else "") for m, a in found], left=3
    )


@symbols_app.command("add")
def add_symbol(
    symbol: Symbol,
    timeframe: Asked = None,
    start: Annotated[
        str | None, typer.Option("--start", help="From when on; without it from listing.")
    ] = None,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Make a symbol active: `sync` keeps what is held of it, and the timeframes named here from their start on."""
    if start is not None and not timeframe:
        raise InputError("--start needs the timeframes it is meant for: add -t")
    timeframes = [Timeframe(name) for name in dict.fromkeys(timeframe or ())]
    start_ms = parse_time(start) if start else 0
    with Engine() as engine:
        market = engine.candles.add_symbol(symbol, timeframes, exchange=exchange, start_ms=start_ms)
    if json:
        print_json(symbol_json(market, is_active=True) | {"timeframes": [str(name) for name in timeframes]})
        return
    kept = f" and {', '.join(map(str, timeframes))}" if timeframes else ""
    print_note(f"{market} is active: `backtest sync` keeps what is held of it{kept} up to date")


@symbols_app.command("activate")
def activate_symbol(symbol: Symbol, exchange: Exchange = DEFAULT_EXCHANGE, json: Json = False) -> None:
    """Make a symbol active again."""
    add_symbol(symbol, None, None, exchange, json)


@symbols_app.command("deactivate")
def deactivate_symbol(symbol: Symbol, exchange: Exchange = DEFAULT_EXCHANGE, json: Json = False) -> None:
    """Keep a symbol no longer up to date; its candles stay."""
    with Engine() as engine:
        market = engine.candles.deactivate_symbol(symbol, exchange=exchange)
    if json:
        print_json(symbol_json(market, is_active=False))
    else:
        print_note(f"{market} is not kept up to date any more; its candles stay")


@symbols_app.command("remove")
def remove_symbol(
    symbol: Symbol,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Delete its candles too.")] = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Deactivate a symbol and forget which timeframes were asked for; with --delete-data delete its candles at once."""
    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        market, candles, settlements = engine.candles.remove_symbol(
            symbol, exchange=exchange, delete_data=delete_data, on_event=on_event, cancel=cancel
        )
    if json:
        deleted = {"deleted": candles, "settlements": settlements}
        print_json(symbol_json(market, is_active=False) | deleted)
        return
    funding = f" and {settlements:,} funding rates" if settlements else ""
    fate = (
        f"{candles:,} candles{funding} were deleted; stored runs stay" if delete_data else "its candles stay"
    )
    print_note(f"{market} is not kept up to date any more; {fate}")


@app.command("import")
def import_file(
    file: Annotated[Path, file_argument(help="CSV (also .gz, or .zip with one file) or Parquet.")],
    symbol: Annotated[str, typer.Option("-s", "--symbol", help="Whose candles or funding rates they are.")],
    timeframe: MaybeTf = None,
    funding: FundingOption = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            help="timestamp=Date,open=O,... (of funding timestamp, rate, mark, ...): a column's name, or number from 1; "
            "timestamp=Date+Time: two columns.",
        ),
    ] = "",
    unit: Annotated[str, typer.Option("--unit", help="Of numeric times: s, ms, us or auto.")] = "auto",
    tz: Annotated[str, typer.Option("--tz", help="Time zone of times that name none.")] = "UTC",
    decimal: Annotated[
        str, typer.Option("--decimal", help=f"The decimal mark in numbers: {', '.join(DECIMALS)}.")
    ] = "auto",
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", help="Whether the first row names the columns; without it: seen from it."
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would be stored; store nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Store candles (or funding rates) of a file that are not held; held ones never change, differing ones are reported."""
    _, cells = series_option(timeframe, funding=funding)
    chosen = parse_columns(columns, FUNDING_FIELDS if funding else FIELDS)
    form = FileFormat(chosen, unit, tz, decimal, header)
    with Engine() as engine:
        look, store = engine.candles.preview_import, engine.candles.import_candles
        previewed = partial(look, timeframe=cells) if not funding else engine.funding.preview_import
        stored = partial(store, timeframe=cells) if not funding else engine.funding.import_rates
        if preview:
            _show_preview(previewed(file, symbol, exchange=exchange, form=form), json=json)
            return
        with cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
            report = stored(file, symbol, exchange=exchange, form=form, on_event=on_event, cancel=cancel)
    if json:
        print_json(report.to_json())
    else:
        _note_import(report)


def _show_preview(seen: ImportPreview, *, json: bool) -> None:
    if json and seen.error is None:
        print_json(seen.to_json())
        return
    if not json:
        print_note(
            "columns: "
            + ", ".join(f"{field} = {name!r}" for field, name in seen.columns.items())
            + f"; times: {seen.unit}"
        )
        rows = [(format_time(opened), *(repr(value) for value in values)) for opened, values in seen.candles]
        table("", ("time (UTC)", *seen.fields), rows)
    if seen.error is not None:
        raise seen.error
    if seen.report is not None:
        _note_import(seen.report)


def _note_import(report: ImportReport) -> None:
    verb = "would be stored" if report.dry_run else "stored"
    print_note(
        f"{report.market.title(report.timeframe)}, {report.period}: {report.stored:,} {report.market.kind.rows} {verb} of "
        f"{report.rows:,} rows; {report.equal:,} are held already"
    )
    for notice in report.notices:
        print_note(f"  {notice}")
    for one in report.differences:
        print_note(f"    {short_time(one.time)}: held {one.held}, in the file {one.file}")
    if report.gaps and report.market.kind is Kind.FUNDING:
        hours = sum(map(report.timeframe.count, report.gaps))
        print_note(
            f"  of {hours:,} hours the file does not say whether they had a settlement, the first {report.gaps[0]}"
        )
    elif report.gaps:
        print_note(f"  {len(report.gaps):,} holes inside the file stay gaps, the first {report.gaps[0]}")


@app.command()
def sync(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    interval: Annotated[
        float, number_option("--interval", low=1, high=604_800, help="Seconds between rounds of --watch.")
    ] = 60,
    exchange: Annotated[str | None, typer.Option("--exchange", help="Only this one; without it all.")] = None,
    json: Json = False,
) -> None:
    """Bring the held series of active symbols up to the last closed candle."""
    if watch and json:
        raise InputError("--watch has no end, so it has no JSON document; leave --json or --watch out")
    with Engine() as engine, cancel_on_interrupt() as cancel:
        if watch:
            engine.candles.watch(interval, _Changes(), exchange, on_event=_log_event, cancel=cancel)
        with progress(quiet=json) as on_event:
            found = engine.candles.sync(exchange, on_event=on_event, cancel=cancel)
    for series in found:
        print_note(str(series))
    if not found:
        print_note("nothing to keep: fetch something, or `backtest symbols add SYMBOL -t 1h`")
    errors = [series.error for series in found if series.error is not None]
    if errors:
        raise failed_series(errors, len(found), fate="are not up to date", rest="are")
    if json:
        print_json({"series": [series.to_json() for series in found]})


def _log_event(event: Event) -> None:
    """What a watch asks again or waits for fills the log file, not the screen: a night is long."""
    if isinstance(event, Log):
        log.warning("%s", event.text)


class _Changes:
    """Prints a line per series in the first round of a watch, then only what is new, with the time (UTC)."""

    def __init__(self) -> None:
        self._said: dict[object, str | None] = {"database": None}

    def __call__(self, round_: Sequence[SyncedSeries] | DatabaseError) -> None:
        """Hear of one round."""
        if isinstance(round_, DatabaseError):
            self._say("database", str(round_), str(round_))
            return
        self._say("database", None, "the database answers again", always=bool(self._said.get("database")))
        for series in round_:
            error = None if series.error is None else str(series.error)
            self._say((series.market, series.timeframe), error, str(series), always=bool(series.fetched))

    def _say(self, about: object, state: str | None, line: str, *, always: bool = False) -> None:
        if always or about not in self._said or self._said[about] != state:
            print_note(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {line}")
        self._said[about] = state
