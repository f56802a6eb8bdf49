"""Commands that try many parameters: optimize, sweeps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.costs import charged
from engine.cli.options import (
    AnyEnd,
    AnyExchange,
    AnyStart,
    AnyTf,
    Cluster,
    Constraint,
    FixedParam,
    Grid,
    Json,
    NoFetch,
    OfPortfolio,
    OneStrategy,
    Workers,
    app,
    cancel_on_interrupt,
    given,
    sweeps_app,
)
from engine.cli.swept import Subject
from engine.cli.terminal import RUN_COLUMNS, print_files, print_json, print_line, print_note, progress, table
from engine.cli.values import folder_option, whole_option
from engine.errors import Interrupted, RunError
from engine.model.account import Costs
from engine.model.market import format_time
from engine.model.numerals import counted
from engine.model.reads import Warmup
from engine.model.run import CANCELLED, FINISHED, RUNNING
from engine.model.sweep import TOP, SweepResult
from engine.model.sweep_spec import SAMPLERS
from engine.model.sweep_statistics import SweepStatistics
from engine.service import Engine
from engine.service.research import check_sweep

SweepId = Annotated[str, typer.Argument(help="A sweep's id, or a unique beginning of it.")]
Top = Annotated[int, whole_option("--top", low=1, high=10_000, help="How many of the best to show.")]


@app.command()
@charged
def optimize(
    *,
    symbols: Annotated[
        list[str] | None,
        typer.Option("-s", "--symbol", help="A symbol; repeat it, or A,B, for several."),
    ] = None,
    strategies: OneStrategy = None,
    timeframe: AnyTf = None,
    start: AnyStart = None,
    end: AnyEnd = None,
    portfolio: OfPortfolio = None,
    grid: Grid = None,
    across: Annotated[
        str,
        typer.Option(help="Of several symbols: how their figures become one: mean (default), median, worst."),
    ] = "",
    constraint: Constraint = "",
    objective: Annotated[str, typer.Option(help="The metric that decides which trial is best.")] = "sharpe",
    second_objective: Annotated[
        str, typer.Option(help="A second metric; what no trial beats in both is shown as the front.")
    ] = "",
    sampler: Annotated[
        str | None,
        typer.Option(
            help="grid (all combinations); with --trials: random, sobol (then around the best), cmaes, tpe, "
            "nsga2 (two objectives)."
        ),
    ] = None,
    trials: Annotated[
        int | None, whole_option(low=1, help="How many combinations to try, where not all.")
    ] = None,
    seed: Annotated[int, whole_option(low=0, help="Tries the same again.")] = 0,
    param: FixedParam = None,
    costs: Costs,
    workers: Workers = None,
    cluster: Cluster = None,
    top: Top = TOP,
    no_fetch: NoFetch = False,
    exchange: AnyExchange = None,
    json: Json = False,
) -> None:
    """Try many combinations of a strategy's parameters on one symbol, or across several, or of a portfolio's legs, and store
    every trial.
    """
    asked = {
        "constraint": constraint,
        "objective": objective,
        "sampler": sampler or (SAMPLERS[0] if trials is None else SAMPLERS[1]),
        "trials": trials,
        "seed": seed,
        "second_objective": second_objective,
    }
    subject = Subject(symbols, strategies, timeframe, start, end, across, costs, exchange)
    swept = subject.swept(portfolio, grid or (), param or (), asked)
    check_sweep(swept.spec)
    opened = Engine(**given(workers=workers, cluster=cluster))
    with opened as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event, swept.located:
        result = engine.research.optimize(
            swept.spec, swept.assignments, fetch=not no_fetch, on_event=on_event, cancel=cancel
        )
        statistics = _statistics(engine, result)
    _say(result, statistics, top, json=json)


def _statistics(engine: Engine, result: SweepResult) -> SweepStatistics:
    """None of a sweep that was stopped: who stops it does not want to wait."""
    return SweepStatistics() if result.status == CANCELLED else engine.research.statistics(result)


def _say(result: SweepResult, statistics: SweepStatistics, top: int, *, json: bool) -> None:
    """Print a sweep that was just made; raises what its end means for the exit code."""
    if result.status == CANCELLED:
        if not json:
            sweep_table(result, statistics, top)
        raise Interrupted(f"stopped; {result.kept}")
    if json:
        print_json(result.to_json(top, statistics))
    else:
        sweep_table(result, statistics, top)
    if result.status != FINISHED:
        raise RunError(f"{result.error}; {result.kept}")
    if result.failed == result.done:
        raise RunError(f"every trial failed; the first: {result.errors[0]}")


def sweep_table(result: SweepResult, statistics: SweepStatistics, top: int) -> None:
    """The best trials with the figures people look at first, what failed, and how far to trust it."""
    spec = result.spec
    print_line(
        f"{spec.strategy} on {spec.markets} {spec.timeframe}, {format_time(result.period.start)[:10]} to "
        f"{format_time(result.period.end)[:10]}: {counted(result.done, 'trial')} in {result.elapsed_s:.2f} s",
        bold=True,
    )
    _trials_table("", result, result.top(top))
    if spec.second_objective:
        front = [result.trial(at) for at in result.front.tolist()]
        title = (
            f"no trial is better than these {len(front):,} in {spec.objective} and {spec.second_objective}"
        )
        _trials_table(title + (f"; the first {top}" if len(front) > top else ""), result, front[:top])
    if result.failed:
        line = next(iter(result.errors.values()))
        print_note(f"{result.failed:,} trials failed; the first: {line}")
    for name, check in result.checks.items():
        print_note(f"check {name}: {check['status']} ({check['note']})")
    for note in (*result.notes, *statistics.sentences):
        print_note(note)
    print_note(f"sweep {result.id[:8]}; a trial again with all its details: {_again(result)}")


def _again(result: SweepResult) -> str:
    """The command that makes a trial again; of a portfolio it needs a file."""
    if result.spec.portfolio is None:
        return f"`backtest run {Warmup(result.warmup, result.longer_warmup).words}`"
    return f"`backtest sweeps export {result.id[:8]} --out FOLDER` writes the best as a file for `backtest portfolio`"


def _trials_table(title: str, result: SweepResult, trials: Sequence[Mapping[str, Any]]) -> None:
    goals = result.spec.objectives
    shown = {column: name for column, name in RUN_COLUMNS.items() if name not in goals}
    markets = result.spec.symbols
    rows = [
        (
            *(found["params"][name] for name in result.params),
            *(found["metrics"].get(name) for name in goals),
            *(found["markets"][symbol] for symbol in markets),
            *(found["metrics"].get(name) for name in shown.values()),
        )
        for found in trials
    ]
    table(title, (*result.params, *goals, *markets, *shown), rows, left=0)


@sweeps_app.callback()
def sweeps(
    context: typer.Context,
    limit: Annotated[int, whole_option(low=1, high=100_000, help="How many of the newest.")] = 50,
    json: Json = False,
) -> None:
    """List stored sweeps, newest first."""
    if context.invoked_subcommand:
        return
    with Engine() as engine:
        found = engine.research.sweeps(limit)
    if json:
        print_json({"sweeps": [result.to_json(1) for result in found]})
    elif found:
        columns = (
            "sweep", "strategy", "symbol", "tf", "status", "best", "objective", "value", "trials", "failed",
        )  # fmt: skip
        table("", columns, [_row(result) for result in found], left=7)
    else:
        print_note("no sweeps yet; `backtest optimize --help` says how to make one")


def _row(result: SweepResult) -> tuple[object, ...]:
    spec, best = result.spec, result.best
    params = ", ".join(f"{name} {best['params'][name]}" for name in result.params) if best else ""
    value = best["value"] if best else None
    return (
        result.id[:8], spec.strategy, spec.markets, spec.timeframe.name, result.status, params, spec.objective, value,
        result.done, result.failed,
    )  # fmt: skip


@sweeps_app.command("show")
def show_sweep(sweep_id: SweepId, top: Top = TOP, json: Json = False) -> None:
    """Show a stored sweep with its best trials."""
    with Engine() as engine:
        result = engine.research.sweep(sweep_id)
        statistics = engine.research.statistics(result)
    if json:
        print_json(result.to_json(top, statistics))
        return
    sweep_table(result, statistics, top)
    if result.status not in (FINISHED, RUNNING):
        print_note(f"{result.status}: {result.kept}")


@sweeps_app.command("resume")
def resume_sweep(sweep_id: SweepId, cluster: Cluster = None, top: Top = TOP, json: Json = False) -> None:
    """Go on with a sweep that was stopped or killed; it ends as if it had not been."""
    opened = Engine(**given(cluster=cluster))
    with opened as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        result = engine.research.resume_sweep(sweep_id, on_event=on_event, cancel=cancel)
        statistics = _statistics(engine, result)
    _say(result, statistics, top, json=json)


@sweeps_app.command("export")
def export_sweep(
    sweep_id: SweepId,
    out: Annotated[Path, folder_option("--out", help="A folder; it is made when needed.")],
    json: Json = False,
) -> None:
    """Write a stored sweep as JSON, and every trial of it as a row of a CSV."""
    with Engine() as engine:
        paths = engine.research.export(sweep_id, out)
    print_files(paths, json=json)


@sweeps_app.command("delete")
def delete_sweep(sweep_id: SweepId, json: Json = False) -> None:
    """Delete a stored sweep; its trials stay counted."""
    with Engine() as engine:
        found = engine.research.sweep(sweep_id)
        engine.research.delete_sweep(found.id)
    if json:
        print_json({"deleted": found.id})
    else:
        print_note(f"deleted sweep {found.id}")
