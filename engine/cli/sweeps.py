"""Commands that try many parameters: optimize, sweeps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import (
    Cash,
    Cluster,
    Commission,
    End,
    Exchange,
    Json,
    NoFetch,
    Size,
    Slippage,
    Start,
    Tf,
    app,
    cancel_on_interrupt,
    given,
    sweeps_app,
)
from engine.cli.terminal import RUN_COLUMNS, print_files, print_json, print_line, print_note, progress, table
from engine.cli.values import folder_option, whole_option
from engine.errors import InputError, Interrupted, RunError
from engine.model.account import Costs
from engine.model.market import DEFAULT_EXCHANGE, Period, Timeframe, format_time
from engine.model.parameters import Assignment, ParamValue
from engine.model.ranges import parse_range
from engine.model.run import CANCELLED, FINISHED
from engine.model.sweep import SAMPLERS, TOP, SweepResult, SweepSpec
from engine.service import Engine
from engine.service.research import check_sweep

SweepId = Annotated[str, typer.Argument(help="A sweep's id, or a unique beginning of it.")]
Top = Annotated[int, whole_option("--top", low=1, high=10_000, help="How many of the best to show.")]


@app.command()
def optimize(
    symbols: Annotated[list[str], typer.Option("-s", "--symbol", help="One symbol.")],
    strategies: Annotated[list[str], typer.Option("-S", "--strategy", help="One strategy.")],
    timeframe: Tf,
    start: Start,
    end: End,
    grid: Annotated[
        list[str],
        typer.Option("--grid", help="name=low:high:step, both ends included, or name=a,b,c. Repeat."),
    ],
    constraint: Annotated[str, typer.Option(help='What must hold, such as "fast < slow".')] = "",
    objective: Annotated[str, typer.Option(help="The metric that decides which trial is best.")] = "sharpe",
    sampler: Annotated[
        str | None, typer.Option(help="grid (all combinations) or random (needs --trials).")
    ] = None,
    trials: Annotated[int | None, whole_option(help="How many combinations to draw at random.")] = None,
    seed: Annotated[int, whole_option(help="Draws the same trials again.")] = 0,
    param: Annotated[list[str] | None, typer.Option("--param", help="A fixed parameter, name=value.")] = None,
    cash: Cash = 10_000,
    commission: Commission = 0.001,
    size: Size = 0.95,
    slippage: Slippage = 0,
    workers: Annotated[
        int | None, whole_option(low=1, high=256, help="Processes; default: one per core.")
    ] = None,
    cluster: Cluster = None,
    top: Top = TOP,
    no_fetch: NoFetch = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Try many combinations of a strategy's parameters on one symbol, and store every trial."""
    assignments = Assignment.parse_all(param or ())
    spec = SweepSpec(
        _only("strategy", strategies),
        _only("symbol", symbols),
        exchange,
        Timeframe(timeframe),
        Period.parse(start, end),
        _ranges(grid),
        {},
        Costs(cash, commission, size, slippage),
        constraint,
        objective,
        sampler or (SAMPLERS[0] if trials is None else SAMPLERS[1]),
        trials,
        seed,
    )
    check_sweep(spec)
    opened = Engine(**given(workers=workers, cluster=cluster))
    with opened as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        result = engine.research.optimize(
            spec, assignments, fetch=not no_fetch, on_event=on_event, cancel=cancel
        )
    _say(result, top, json=json)


def _only(what: str, given: Sequence[str]) -> str:
    """The one that was given; `run` takes several, so that somebody will try, and the last one must not win in silence."""
    if len(given) != 1:
        raise InputError(f"a sweep takes one {what}, not {len(given)}: {', '.join(given)}")
    return given[0]


def _ranges(texts: Sequence[str]) -> dict[str, Sequence[ParamValue]]:
    found: dict[str, Sequence[ParamValue]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"--grid {text!r} must read name=low:high:step or name=a,b,c")
        if name in found:
            raise InputError(f"--grid {text!r}: {name} is given twice")
        found[name] = parse_range(values)
    return found


def _say(result: SweepResult, top: int, *, json: bool) -> None:
    """Print a sweep that was just made; raises what its end means for the exit code."""
    if result.status == CANCELLED:
        if not json:
            sweep_table(result, top)
        raise Interrupted(f"stopped; {result.kept}")
    if json:
        print_json(result.to_json(top))
    else:
        sweep_table(result, top)
    if result.status != FINISHED:
        raise RunError(f"{result.error}; {result.kept}")
    if result.failed == result.done:
        raise RunError(f"every trial failed; the first: {result.errors[0]}")


def sweep_table(result: SweepResult, top: int) -> None:
    """The best trials with the figures people look at first, what failed, and how far to trust it."""
    goal = result.spec.objective
    shown = {title: name for title, name in RUN_COLUMNS.items() if name != goal}
    rows = [
        (
            *(found["params"][name] for name in result.params),
            found["value"],
            *(found["metrics"].get(name) for name in shown.values()),
        )
        for found in result.top(top)
    ]
    spec = result.spec
    print_line(
        f"{spec.strategy} on {spec.symbol} {spec.timeframe}, {format_time(result.period.start)[:10]} to "
        f"{format_time(result.period.end)[:10]}: {result.done:,} trials in {result.elapsed_s:.2f} s",
        bold=True,
    )
    table("", (*result.params, goal, *shown), rows, left=0)
    if result.failed:
        line = next(iter(result.errors.values()))
        print_note(f"{result.failed:,} trials failed; the first: {line}")
    for name, check in result.checks.items():
        print_note(f"check {name}: {check['status']} ({check['note']})")
    for note in result.notes:
        print_note(note)
    print_note(
        f"sweep {result.id[:8]}; a trial again with all its details: `backtest run --warmup {result.warmup}`"
    )


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
        columns = ("sweep", "strategy", "symbol", "tf", "best", "objective", "value", "trials", "failed")
        table("", columns, [_row(result) for result in found], left=6)
    else:
        print_note("no sweeps yet; `backtest optimize --help` says how to make one")


def _row(result: SweepResult) -> tuple[object, ...]:
    spec, best = result.spec, result.best
    params = ", ".join(f"{name} {best['params'][name]}" for name in result.params) if best else result.status
    value = best["value"] if best else None
    return (
        result.id[:8], spec.strategy, spec.symbol, spec.timeframe.name, params, spec.objective, value, result.done,
        result.failed,
    )  # fmt: skip


@sweeps_app.command("show")
def show_sweep(sweep_id: SweepId, top: Top = TOP, json: Json = False) -> None:
    """Show a stored sweep with its best trials."""
    with Engine() as engine:
        result = engine.research.sweep(sweep_id)
    if json:
        print_json(result.to_json(top))
    else:
        sweep_table(result, top)


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
