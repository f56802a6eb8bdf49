"""Commands about strategies and runs: strategies, new-strategy, run, show, rerun, runs, export, report."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.analysis.verdict import verdict
from engine.cli.analysis import analysis_tables
from engine.cli.costs import charged
from engine.cli.options import (
    Cluster,
    End,
    Exchange,
    Json,
    NoFetch,
    RunId,
    Start,
    Tf,
    app,
    cancel_on_interrupt,
    given,
    runs_app,
)
from engine.cli.portfolio import metric_titles, portfolios_table, show_portfolio
from engine.cli.terminal import (
    print_files,
    print_json,
    print_line,
    print_note,
    print_page,
    progress,
    rerun_details,
    run_details,
    runs_table,
    table,
)
from engine.cli.values import file_option, folder_option, whole_option
from engine.errors import InputError
from engine.model.account import Costs
from engine.model.market import DEFAULT_EXCHANGE, Period, Timeframe
from engine.model.parameters import Assignment
from engine.model.reads import Warmup
from engine.model.rerun import Rerun
from engine.model.run import FINISHED, RunRequest
from engine.service import Engine


@app.command()
def strategies(json: Json = False) -> None:
    """List the strategies, with the broken ones and what is wrong with them."""
    with Engine() as engine, progress(quiet=json) as on_event:
        infos = engine.strategies.all(on_event=on_event)
    if json:
        print_json([info.to_json() for info in infos])
        return
    rows = [
        (i.name, i.error or i.title, ", ".join(f"{p['name']} {p['default']}" for p in i.params))
        for i in infos
    ]
    table("", ("strategy", "title", "parameters"), rows, left=3)
    for info in infos:
        if info.not_params:
            others = "; ".join(f"{other['name']} ({other['why']})" for other in info.not_params)
            print_line(f"{info.name}: no parameters: {others}")
        if info.reading:
            print_line(f"{info.name} {info.reading}")


@app.command("new-strategy")
def new_strategy(
    name: str,
    kind: Annotated[
        str, typer.Option("--kind", help="market, limit, trailing or dca: which orders it shows.")
    ] = "market",
    json: Json = False,
) -> None:
    """Write a working strategy to start from into your plug-in folder."""
    with Engine() as engine:
        path = engine.strategies.new(name, kind)
    if json:
        print_json({"name": name, "path": str(path)})
    else:
        print_note(f"wrote {path}; `backtest strategies` lists it")


@app.command()
@charged
def run(
    *,
    symbol: Annotated[list[str], typer.Option("-s", "--symbol", help="Repeat for several.")],
    strategy: Annotated[list[str], typer.Option("-S", "--strategy", help="Repeat for several.")],
    timeframe: Tf,
    start: Start,
    end: End,
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=value, or STRATEGY.name=value.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="Parameters as they were saved under that name; --param wins."),
    ] = None,
    costs: Costs,
    detail: Annotated[
        str | None,
        typer.Option(
            metavar="TF",
            help="A finer timeframe, whose candles settle what came first inside ambiguous ones; fetched for just those.",
        ),
    ] = None,
    warmup: Annotated[
        list[str] | None,
        typer.Option(
            help="At least so many candles before the period; 4h=800: of longer ones it reads. Repeats a trial of a sweep."
        ),
    ] = None,
    engine_name: Annotated[str, typer.Option("--engine", help="auto, compiled or reference.")] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Wait until backtesting.py has run the same, and compare.")
    ] = False,
    no_checks: Annotated[
        bool, typer.Option("--no-checks", help="Do not look for look-ahead and a short warm-up.")
    ] = False,
    no_fetch: NoFetch = False,
    cluster: Cluster = None,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Fetch what is missing, then run every strategy on every symbol in parallel, and store the runs."""
    before = Warmup.parse(warmup or ())
    request = RunRequest(
        strategy,
        symbol,
        exchange,
        Timeframe(timeframe),
        Period.parse(start, end),
        Assignment.parse_all(param or ()),
        replace(costs, detail=detail),
        engine_name,
        before.candles if warmup else None,
        checks=not no_checks,
        longer_warmup=before.longer,
    )
    with (
        Engine(**given(cluster=cluster)) as engine,
        cancel_on_interrupt() as cancel,
        progress(quiet=json) as on_event,
    ):
        if preset is not None:
            presets = engine.strategies.presets
            request = replace(request, assignments=presets.assignments(strategy, preset, request.assignments))
        results = engine.runs.run(request, fetch=not no_fetch, on_event=on_event, cancel=cancel)
        if check:
            ids = [result.id for result in results]
            results = engine.runs.cross_checks(ids, on_event=on_event, cancel=cancel)
    if json:
        print_json({"runs": [result.to_json() for result in results]})
    else:
        runs_table(results)
        for note in dict.fromkeys(note for result in results for note in result.left_out):
            print_note(note)
    if any(result.status != FINISHED for result in results):
        raise typer.Exit(1)


@app.command()
def show(
    run_id: RunId,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with backtesting.py first, where that was not done yet.")
    ] = False,
    analysis: Annotated[
        bool,
        typer.Option("--analysis", help="Beside it months, groups of trades, drawdowns and the market."),
    ] = False,
    json: Json = False,
) -> None:
    """Show a stored run or portfolio exactly as it was."""
    with Engine() as engine:
        if (found := engine.portfolios.find(run_id)) is not None:
            if check or analysis:
                raise InputError(
                    "--check and --analysis are for runs; a portfolio was checked as it was made"
                )
            show_portfolio(engine, found, json=json)
            return
        if check:
            with cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
                engine.runs.cross_check(run_id, on_event=on_event, cancel=cancel)
        result = engine.runs.get(run_id)
        changed = engine.runs.data_changed(result)
        facts = verdict(result, data_changed=changed)
        more: dict[str, Any] = {}
        if analysis and result.status == FINISHED:
            bitcoin = {"bitcoin": engine.runs.bitcoin(result).to_json()}
            more = {"analysis": engine.runs.analysis(result).to_json() | bitcoin}
        titles = metric_titles(engine)
    if json:
        shown = {"verdict": [fact.to_json() for fact in facts]}
        print_json(result.to_shown_json(data_changed=changed) | shown | more)
        return
    run_details(result, titles, facts)
    if more:
        analysis_tables(more["analysis"])
    if changed:
        print_note(
            "the candles of this run have changed since (revised by the exchange, or more of the warm-up is held): "
            "run it again to see the difference"
        )


@app.command()
def rerun(
    run_id: RunId,
    stored_source: Annotated[
        bool,
        typer.Option(
            "--stored-source", help="Use the source that the run executed, whatever its file holds now."
        ),
    ] = False,
    no_fetch: NoFetch = False,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Make a stored run or portfolio again: say that it is equal, or which inputs changed and how the figures differ."""
    with (
        Engine(**given(cluster=cluster)) as engine,
        cancel_on_interrupt() as cancel,
        progress(quiet=json) as on_event,
    ):
        found = engine.portfolios.find(run_id)
        again: Rerun[Any]
        if found is not None:
            again = engine.portfolios.rerun(
                found, stored_source=stored_source, fetch=not no_fetch, on_event=on_event, cancel=cancel
            )
        else:
            again = engine.runs.rerun(
                run_id, stored_source=stored_source, fetch=not no_fetch, on_event=on_event, cancel=cancel
            )
    if json:
        print_json(again.to_json())
    else:
        rerun_details(again)
    if not again.equal:
        raise typer.Exit(1)


@runs_app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, whole_option(low=1, high=100_000, help="How many of the newest.")] = 50,
    json: Json = False,
) -> None:
    """List stored runs and portfolios, newest first."""
    if context.invoked_subcommand:
        return
    with Engine() as engine:
        found, wallets = engine.runs.stored(limit, with_trades=json), engine.portfolios.stored(limit)
    if json:
        print_json(
            {"runs": [one.to_json() for one in found], "portfolios": [one.to_json() for one in wallets]}
        )
        return
    if found:
        runs_table(found)
    if wallets:
        portfolios_table(wallets)
    if not found and not wallets:
        print_note("no runs yet; `backtest run --help` says how to make one, `backtest demo` makes seven")


@runs_app.command("delete")
def delete_run(run_id: RunId, json: Json = False) -> None:
    """Delete a stored run or portfolio."""
    with Engine() as engine:
        whole = engine.portfolios.find(run_id)
        if whole is not None:
            engine.portfolios.delete(whole)
        else:
            whole = engine.runs.get(run_id).id
            engine.runs.delete(whole)
    if json:
        print_json({"deleted": whole})
    else:
        print_note(f"deleted {whole}")


RunIds = Annotated[
    list[str],
    typer.Argument(metavar="RUN_ID...", help="A run's id, or a unique beginning of it; or several."),
]


@app.command()
def export(
    run_id: RunIds,
    out: Annotated[Path, folder_option("--out", help="A folder; it is made when needed.")],
    json: Json = False,
) -> None:
    """Write stored runs' and portfolios' trades, equity and figures as files; of several runs also a table of all."""
    with Engine() as engine:
        wallets = {one: engine.portfolios.find(one) for one in run_id}
        paths = engine.runs.export([one for one in run_id if wallets[one] is None], out)
        for found in dict.fromkeys(filter(None, wallets.values())):
            paths += engine.portfolios.export(found, out)
    print_files(paths, json=json)


_STDOUT = Path("-")


@app.command()
def report(
    run_id: RunIds,
    out: Annotated[
        Path, file_option("--out", help="The HTML file; one that is there is replaced. - is standard output.")
    ],
    json: Json = False,
) -> None:
    """Write stored runs, or a portfolio, as one HTML page with charts, figures, trades and source, for itself."""
    if json and out == _STDOUT:
        raise InputError("--out - and --json would both write to standard output; leave one of them out")
    with Engine() as engine:
        wallets = [found for found in map(engine.portfolios.find, run_id) if found is not None]
        if wallets and len(run_id) > 1:
            raise InputError("a portfolio has a page of its own: name it alone")
        if out == _STDOUT:
            print_page(engine.portfolios.report(wallets[0]) if wallets else engine.runs.report(run_id))
            return
        if wallets:
            engine.portfolios.write_report(wallets[0], out)
        else:
            engine.runs.write_report(run_id, out)
    print_files([out], json=json)
