"""The command that asks what else could have become of a run: monte-carlo."""

from typing import Annotated

import typer

from engine.cli.options import Cluster, Json, RunId, app, cancel_on_interrupt, given
from engine.cli.terminal import number, print_json, print_line, print_note, progress, table
from engine.cli.values import number_option, whole_option
from engine.model.monte_carlo import (
    BLOCKS,
    DEFAULT_NOISE,
    METHODS,
    MOST_NOISE,
    MOST_PATHS,
    MOST_SEED,
    NOISE,
    STATIONARY,
    MonteCarloResult,
    MonteCarloSpec,
    figure_digits,
    figure_title,
)
from engine.service import Engine


@app.command("monte-carlo")
def monte_carlo(
    run_id: RunId,
    method: Annotated[str, typer.Option("--method", help=f"{', '.join(METHODS)}.")] = STATIONARY,
    paths: Annotated[
        int | None,
        whole_option(
            "--paths",
            low=1,
            high=MOST_PATHS,
            help=f"How many; default {METHODS[STATIONARY].paths:,}, {METHODS[NOISE].paths} where each is a backtest.",
        ),
    ] = None,
    seed: Annotated[
        int, whole_option("--seed", low=0, high=MOST_SEED, help="Draws the same paths again.")
    ] = 0,
    block: Annotated[
        float | None,
        number_option(
            "--block",
            low=1,
            help=f"Mean length of blocks, {STATIONARY} in days, {BLOCKS} in candles; default: by the data.",
        ),
    ] = None,
    noise: Annotated[
        float | None,
        number_option(
            "--noise",
            low=0,
            high=MOST_NOISE,
            help=f"For {NOISE}, in standard deviations of a candle's return; default {DEFAULT_NOISE}.",
        ),
    ] = None,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Make many courses that a stored run could have taken, and show how far apart they lie."""
    spec = MonteCarloSpec(method=method, paths=paths, seed=seed, block=block, noise=noise)
    with (
        Engine(**given(cluster=cluster)) as engine,
        cancel_on_interrupt() as cancel,
        progress(quiet=json) as on_event,
    ):
        result = engine.research.monte_carlo(run_id, spec, on_event=on_event, cancel=cancel)
    if json:
        print_json(result.to_json())
    else:
        _show(result)


def _show(result: MonteCarloResult) -> None:
    print_line(f"run {result.run_id[:8]}: {result.headline}", bold=True)
    for line in result.explained:
        print_line(line)
    if result.reason is not None:
        print_line(result.reason)
        return
    rows = [
        (
            figure_title(name),
            *(number(value, figure_digits(name)) for value in (one.original, *one.quantiles)),
        )
        for name, one in result.figures.items()
    ]
    table("", ("figure", "this run", "5 %", "25 %", "50 %", "75 %", "95 %"), rows)
    losses = [
        (f"{one.loss_pct:g} %", one.ruin * 100, one.drawdown * 100) for one in result.losses if one.drawdown
    ]
    if losses:
        table("share of paths, in %", ("lost", "of the money at the start", "of a peak"), losses)
    if result.losing is not None:
        print_line(f"{result.losing * 100:.1f} % of the paths end with less than they began with")
    if result.chance is not None:
        print_line(result.chance.sentence)
    for note in result.remarks:
        print_note(note)
