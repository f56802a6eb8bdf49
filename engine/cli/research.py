"""Commands that ask more of a strategy than a run: lookahead."""

from typing import Annotated

import typer

from engine.cli.options import Cluster, Exchange, Json, app, cancel_on_interrupt, given
from engine.cli.terminal import print_json, print_line, progress, table
from engine.cli.values import whole_option
from engine.errors import InputError
from engine.model.market import DEFAULT_EXCHANGE, SAMPLE_EXCHANGE, Period, Timeframe
from engine.model.parameters import Assignment
from engine.model.run import MOST_CUTS, LookaheadReport, RunSpec
from engine.service import Engine

# the bundled market: held for good once fetched, no network at all
SAMPLE = ("SAMPLEUSDT", "2024-09-01", "2024-12-31")


@app.command()
def lookahead(
    strategy: str,
    symbol: Annotated[
        str | None, typer.Option("-s", "--symbol", help="Without it: the bundled sample market.")
    ] = None,
    timeframe: Annotated[str, typer.Option("-t", "--timeframe", help="1m, 1h, 1d, ...")] = "1h",
    start: Annotated[str | None, typer.Option("--start", help="Date or time, UTC.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="A bare date includes that day.")] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value.")] = None,
    cuts: Annotated[
        int | None,
        whole_option(
            "--cuts", low=1, high=MOST_CUTS, help="How many candles to cut after; without it every one."
        ),
    ] = None,
    no_fetch: Annotated[bool, typer.Option("--no-fetch", help="Fail instead of fetching.")] = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Cut the future off after every candle of a period and see whether what the strategy said before changes."""
    if symbol is None:
        symbol, exchange = SAMPLE[0], SAMPLE_EXCHANGE
        start, end = start or SAMPLE[1], end or SAMPLE[2]
    if start is None or end is None:
        raise InputError("name --start and --end of the period of that symbol")
    spec = RunSpec(strategy, symbol, exchange, Timeframe(timeframe), Period.parse(start, end))
    assignments = Assignment.parse_all(param or ())
    with (
        Engine(**given(cluster=cluster)) as engine,
        cancel_on_interrupt() as cancel,
        progress(quiet=json) as on_event,
    ):
        report = engine.research.lookahead(
            spec, assignments, cuts=cuts, fetch=not no_fetch, on_event=on_event, cancel=cancel
        )
    if json:
        print_json(report.to_json())
    else:
        _show(report)
    if report.lookahead["status"] == "failed":
        raise typer.Exit(1)


def _show(report: LookaheadReport) -> None:
    for name, check in (("look-ahead", report.lookahead), ("warm-up", report.warmup)):
        print_line(f"{name}: {check['status']}, {check['note'].removeprefix('passed ')}")
    rows = [(one["column"], one["candle"], one["cut"]) for one in report.lookahead["first"]]
    if rows:
        table("", ("column", "first candle that changes", "when nothing follows after"), rows, left=3)
