"""Commands about candles: fetch, status, candles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import End, Exchange, Json, Start, Symbol, app, cancel_on_interrupt
from engine.cli.terminal import print_json, print_note, progress
from engine.cli.values import file_option
from engine.errors import BacktestError, InputError, failed_series
from engine.model.coverage import FetchReport, VerifyReport
from engine.model.kinds import Kind
from engine.model.market import DEFAULT_EXCHANGE, FUNDING_GRID, Period, Timeframe, series_name
from engine.service import Engine

MaybeTf = Annotated[str | None, typer.Option("-t", "--timeframe", help="1m, 1h, 1d, ...; 1M is a month.")]
Mark = Annotated[bool, typer.Option("--mark", help="Candles of the mark price, of perpetuals.")]
FundingOption = Annotated[bool, typer.Option("--funding", help="Funding rates, of perpetuals; without -t.")]


@app.command()
def fetch(
    symbol: Annotated[
        list[str], typer.Argument(help="SOLUSDT, SOL/USDT or SOL/USDT:USDT; several if you like.")
    ],
    start: Start,
    end: End,
    timeframe: Annotated[
        list[str] | None,
        typer.Option("-t", "--timeframe", help="1m, 1h, 1d, ...; 1M is a month. Repeat for several."),
    ] = None,
    mark: Mark = False,
    funding: FundingOption = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Fetch the candles (or funding rates) of a period that are not held yet, of several series side by side."""
    names = dict.fromkeys(timeframe) if timeframe else [None]
    series = [series_option(name, mark=mark, funding=funding) for name in names]
    kind, period = series[0][0], Period.parse(start, end)
    wanted = [(name, cells) for name in dict.fromkeys(symbol) for _, cells in series]
    if len(wanted) > 1:
        _fetch_all(wanted, period, exchange, kind, json=json)
        return
    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        report = engine.candles.fetch(
            *wanted[0], period, exchange=exchange, kind=kind, on_event=on_event, cancel=cancel
        )
    _note_fetch(report, quiet=json)
    if json:
        print_json(report.to_json())


def series_option(timeframe: str | None, *, mark: bool = False, funding: bool) -> tuple[Kind, Timeframe]:
    """Which kind of series is meant; raises InputError where the options do not go together."""
    if funding and (mark or timeframe is not None):
        raise InputError("funding rates have no timeframe and no mark price candles: --funding stands alone")
    if funding:
        return Kind.FUNDING, FUNDING_GRID
    if timeframe is None:
        raise InputError("say which candles: -t 1h; or --funding for funding rates")
    return Kind.MARK if mark else Kind.TRADED, Timeframe(timeframe)


def _fetch_all(
    wanted: Sequence[tuple[str, Timeframe]], period: Period, exchange: str, kind: Kind, *, json: bool
) -> None:
    """Several series: what was fetched is told of all; when some fail, the worst error decides how it ends."""
    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        outcomes = engine.candles.fetch_all(
            wanted, period, exchange=exchange, kind=kind, on_event=on_event, cancel=cancel
        )
    errors = []
    for (symbol, timeframe), outcome in outcomes.items():
        if isinstance(outcome, BacktestError):
            errors.append(outcome)
            print_note(f"{symbol} {series_name(kind, timeframe)}: {outcome}")
        else:
            _note_fetch(outcome, quiet=json)
    if errors:
        raise failed_series(errors, len(outcomes), fate="failed", rest="are done")
    if json:
        reports = [outcome for outcome in outcomes.values() if isinstance(outcome, FetchReport)]
        print_json({"series": [report.to_json() for report in reports]})


def _note_fetch(report: FetchReport, *, quiet: bool) -> None:
    for notice in report.notices:
        print_note(notice)
    if quiet:
        return
    files = f" and {report.archive_days:,} days of bulk files" if report.archive_days else ""
    print_note(
        f"{report.market.title(report.timeframe)}, {report.period}: {report.candles:,} {report.market.kind.rows} held, "
        f"{report.fetched:,} new in {report.requests} requests{files}"
    )
    _print_missing(report.missing)


@app.command()
def status(
    symbol: Symbol,
    start: Start,
    end: End,
    timeframe: MaybeTf = None,
    mark: Mark = False,
    funding: FundingOption = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Say what is held of a period and what is not; no network."""
    kind, cells = series_option(timeframe, mark=mark, funding=funding)
    period = Period.parse(start, end)
    with Engine() as engine:
        held = engine.candles.status(symbol, cells, period, exchange=exchange, kind=kind)
    if json:
        print_json(held.to_json())
        return
    state = "complete" if held.complete else "not complete"
    print_note(
        f"{held.market.title(cells)}, {held.period}: {held.candles:,} of {held.expected:,} {kind.rows} held, {state}"
    )
    for notice in held.notices:
        print_note(notice)
    for gap in held.gaps:
        print_note(f"  not fetched: {gap}")
    _print_missing(held.missing)


def _print_missing(missing: Sequence[Any]) -> None:
    for gone in missing:
        print_note(f"  the exchange has none: {gone.period} ({gone.reason.replace('_', ' ')})")


@app.command()
def candles(
    symbol: Symbol,
    start: Start,
    end: End,
    out: Annotated[Path, file_option("--out", help="A .csv or .parquet file.")],
    timeframe: MaybeTf = None,
    mark: Mark = False,
    funding: FundingOption = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Write the candles (or funding rates) that are held to a file; never fetches."""
    kind, cells = series_option(timeframe, mark=mark, funding=funding)
    period = Period.parse(start, end)
    with Engine() as engine:
        held = engine.candles.export(symbol, cells, period, out, exchange=exchange, kind=kind)
        expected = cells.count(period)
        if held and kind is Kind.FUNDING:
            expected = engine.candles.status(symbol, cells, period, exchange=exchange, kind=kind).expected
    if not held:
        name = series_name(kind, cells)
        print_note(
            f"nothing of {symbol} {name}, {period}, is held: {out} has no {kind.rows}; fetch them first"
        )
    elif held < expected:
        print_note(f"{held:,} of {expected:,} {kind.rows} are held; `backtest status` says what is not")
    if json:
        print_json({"path": str(out), "candles": held})
    elif held:
        print_note(f"{held:,} {kind.rows} written to {out}")


@app.command()
def verify(
    symbol: Symbol,
    timeframe: MaybeTf = None,
    start: Annotated[str | None, typer.Option("--start", help="Date or time, UTC; with --end.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="As for fetch; with --start.")] = None,
    mark: Mark = False,
    funding: FundingOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, change nothing.")] = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Compare the candles (or funding rates) that are held with the exchange's, and mend what differs."""
    if (start is None) != (end is None):
        raise InputError("give --start and --end, or neither to verify everything that is held")
    period = Period.parse(start, end) if start is not None and end is not None else None
    kind, cells = series_option(timeframe, mark=mark, funding=funding)
    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        report = engine.candles.verify(
            symbol,
            cells,
            period,
            exchange=exchange,
            kind=kind,
            dry_run=dry_run,
            on_event=on_event,
            cancel=cancel,
        )
    for notice in report.notices:
        print_note(notice)
    if json:
        print_json(report.to_json())
    else:
        _print_verified(report)


def _print_verified(report: VerifyReport) -> None:
    done = "would be" if report.dry_run else "were"
    what = f"{report.checked:,} {report.market.kind.rows}"
    print_note(
        f"{report.market.title(report.timeframe)}, {report.period}: {what} compared in {report.requests} requests; "
        f"{len(report.revised[0]):,} revised by the exchange {done} replaced, "
        f"{report.added:,} {done} added, {report.repaired_ranges} rows of the record of ranges {done} mended"
    )
    for part in report.only_here:
        print_note(f"  held, but the exchange has none: {part}")
    for part in report.still_missing:
        print_note(f"  still missing: {part}")
