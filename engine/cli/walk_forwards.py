"""Commands that choose parameters again and again: walk-forward, walk-forwards."""

from pathlib import Path
from typing import Annotated

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
    walk_forwards_app,
)
from engine.cli.swept import Subject
from engine.cli.terminal import print_files, print_json, print_line, print_note, progress, table
from engine.cli.values import folder_option, whole_option
from engine.errors import Interrupted, RunError
from engine.model.account import Costs
from engine.model.durations import duration_text, parse_duration
from engine.model.market import format_time
from engine.model.numerals import counted
from engine.model.run import CANCELLED, FINISHED
from engine.model.sweep_spec import SAMPLERS
from engine.model.walk_forward import (
    MODES,
    ROLLING,
    WalkForward,
    WalkForwardSpec,
)
from engine.service import Engine
from engine.service.research import check_sweep

WalkId = Annotated[str, typer.Argument(help="A walk-forward's id, or a unique beginning of it.")]


@app.command("walk-forward")
@charged
def walk_forward(
    *,
    symbols: Annotated[list[str] | None, typer.Option("-s", "--symbol", help="One symbol.")] = None,
    strategies: OneStrategy = None,
    timeframe: AnyTf = None,
    start: AnyStart = None,
    end: AnyEnd = None,
    portfolio: OfPortfolio = None,
    grid: Grid = None,
    train: Annotated[
        str, typer.Option(metavar="LENGTH", help="What each choice is made from, as 180d or 12h.")
    ] = "180d",
    test: Annotated[
        str,
        typer.Option(metavar="LENGTH", help="How long each choice is traded, and the step of the windows."),
    ] = "30d",
    mode: Annotated[
        str, typer.Option(help=f"{' or '.join(MODES)}: trainings move on, or all begin with the period.")
    ] = ROLLING,
    gap: Annotated[
        str, typer.Option(metavar="LENGTH", help="What is left out between training and test.")
    ] = "0",
    constraint: Constraint = "",
    objective: Annotated[
        str, typer.Option(help="The metric that decides which combination is best.")
    ] = "sharpe",
    trials: Annotated[
        int | None, whole_option(help="How many combinations to draw at random, in place of all.")
    ] = None,
    seed: Annotated[int, whole_option(help="Draws the same combinations again.")] = 0,
    param: FixedParam = None,
    costs: Costs,
    workers: Workers = None,
    cluster: Cluster = None,
    no_fetch: NoFetch = False,
    exchange: AnyExchange = None,
    json: Json = False,
) -> None:
    """Choose parameters in one window, trade them in the next, again and again, as one run, or one portfolio, over all
    tests.
    """
    asked = {
        "constraint": constraint,
        "objective": objective,
        "sampler": SAMPLERS[0] if trials is None else SAMPLERS[1],
        "trials": trials,
        "seed": seed,
    }
    subject = Subject(
        symbols, strategies, timeframe, start, end, "", costs, exchange, work="walk-forward", several=False
    )
    swept = subject.swept(portfolio, grid or (), param or (), asked)
    check_sweep(swept.spec)
    lengths = (parse_duration(train, "train"), parse_duration(test, "test"))
    spec = WalkForwardSpec(swept.spec, *lengths, mode, parse_duration(gap, "gap"))
    opened = Engine(**given(workers=workers, cluster=cluster))
    with opened as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event, swept.located:
        result = engine.walk_forwards.make(
            spec, swept.assignments, fetch=not no_fetch, on_event=on_event, cancel=cancel
        )
    _say(result, json=json)


def _say(walk: WalkForward, *, json: bool) -> None:
    """Print one that was just made; raises what its end means for the exit code."""
    if walk.status == CANCELLED:
        raise Interrupted(f"stopped; {walk.kept_words}")
    if json:
        print_json(walk.to_json())
    else:
        walk_table(walk)
    if walk.status != FINISHED:
        raise RunError(f"{walk.error}; {walk.kept_words}")


def walk_table(walk: WalkForward) -> None:
    """Its windows with what was chosen and how that went, the measures, and how far to trust them."""
    spec = walk.spec
    print_line(
        f"{spec.sweep.strategy} on {spec.sweep.markets} {spec.sweep.timeframe}, {format_time(walk.period.start)[:10]} to "
        f"{format_time(walk.period.end)[:10]}: {counted(walk.done, 'combination')}, {spec.mode} training of "
        f"{duration_text(spec.train_ms)}, tests of {duration_text(spec.test_ms)}, in {walk.elapsed_s:.2f} s",
        bold=True,
    )
    goal = spec.sweep.objective
    columns = (
        "test from",
        "to",
        *walk.columns,
        f"train {goal}",
        *(f"test {one}" for one in _tested(walk)),
        "trades",
        "rank",
    )
    table("", columns, [_window_row(walk, at) for at in range(len(walk.results))], left=2)
    run = walk.stitched
    if run is not None:
        table(
            f"stitched {_kind(walk)}", ("return_pct", "sharpe", "max_drawdown_pct", "trades"),
            [tuple(run.metrics.get(name) for name in ("return_pct", "sharpe", "max_drawdown_pct", "trades"))], left=0,
        )  # fmt: skip
    for name, value in walk.measures.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        told = ", ".join(f"{part} {_figure(one)}".strip() for part, one in parts)
        print_note(f"{name}: {told}")
    for note in walk.notes:
        print_note(note)
    if run is not None:
        print_note(
            f"walk-forward {walk.id[:8]}; the stitched {_kind(walk)} with its trades: `backtest show {run.id[:8]}`"
        )
    elif not walk.results:
        print_note(f"walk-forward {walk.id[:8]} is {walk.status}: {walk.error or walk.kept_words}")


def _kind(walk: WalkForward) -> str:
    return "run" if walk.spec.sweep.portfolio is None else "portfolio"


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _tested(walk: WalkForward) -> list[str]:
    """The figures of a test that stand in the table."""
    return list(dict.fromkeys((walk.spec.sweep.objective, "return_pct")))


def _window_row(walk: WalkForward, at: int) -> tuple[object, ...]:
    one, goal = walk.results[at], walk.spec.sweep.objective
    return (
        format_time(one.window.test.start)[:10],
        format_time(one.window.test.end)[:10] + (" (cut)" if one.window.partial else ""),
        *(one.params[name] for name in walk.columns),
        one.train.get(goal),
        *(one.test.get(name) for name in _tested(walk)),
        one.test.get("trades"),
        one.rank,
    )


@walk_forwards_app.callback()
def walk_forwards(
    context: typer.Context,
    limit: Annotated[int, whole_option(low=1, high=100_000, help="How many of the newest.")] = 50,
    json: Json = False,
) -> None:
    """List stored walk-forwards, newest first."""
    if context.invoked_subcommand:
        return
    with Engine() as engine:
        found = engine.walk_forwards.stored(limit)
    if json:
        print_json({"walk_forwards": [walk.to_json() for walk in found]})
    elif found:
        columns = (
            "walk-forward",
            "strategy",
            "symbol",
            "tf",
            "status",
            "windows",
            "wfe",
            "oos_rank",
            "trials",
        )
        table("", columns, [_row(walk) for walk in found], left=5)
    else:
        print_note("no walk-forwards yet; `backtest walk-forward --help` says how to make one")


def _row(walk: WalkForward) -> tuple[object, ...]:
    sweep = walk.spec.sweep
    return (
        walk.id[:8], sweep.strategy, sweep.markets, sweep.timeframe.name, walk.status, len(walk.windows),
        walk.measures.get("wfe"), walk.measures.get("oos_rank"), walk.done,
    )  # fmt: skip


@walk_forwards_app.command("show")
def show_walk_forward(walk_id: WalkId, json: Json = False) -> None:
    """Show a stored walk-forward with its windows."""
    with Engine() as engine:
        walk = engine.walk_forwards.get(walk_id)
    if json:
        print_json(walk.to_json())
    else:
        walk_table(walk)


@walk_forwards_app.command("resume")
def resume_walk_forward(walk_id: WalkId, cluster: Cluster = None, json: Json = False) -> None:
    """Go on with a walk-forward that was stopped or killed; it ends as if it had not been."""
    opened = Engine(**given(cluster=cluster))
    with opened as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        walk = engine.walk_forwards.resume(walk_id, on_event=on_event, cancel=cancel)
    _say(walk, json=json)


@walk_forwards_app.command("export")
def export_walk_forward(
    walk_id: WalkId,
    out: Annotated[Path, folder_option("--out", help="A folder; it is made when needed.")],
    json: Json = False,
) -> None:
    """Write a stored walk-forward as JSON, and every combination in every window as a row of a CSV."""
    with Engine() as engine:
        paths = engine.walk_forwards.export(walk_id, out)
    print_files(paths, json=json)


@walk_forwards_app.command("delete")
def delete_walk_forward(walk_id: WalkId, json: Json = False) -> None:
    """Delete a stored walk-forward; its stitched run stays, and its trials stay counted."""
    with Engine() as engine:
        found = engine.walk_forwards.get(walk_id)
        engine.walk_forwards.delete(found.id)
    if json:
        print_json({"deleted": found.id})
    else:
        print_note(f"deleted walk-forward {found.id}")
