"""The command that asks what other costs would leave of a run: surface."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from engine.cli.options import Cluster, Json, RunId, app, cancel_on_interrupt, given
from engine.cli.terminal import number, print_json, print_line, print_note, progress, table
from engine.model.cost_surface import CostSurface, CostSurfaceSpec, basis_points
from engine.model.ranges import parse_range
from engine.service import Engine

_SHOWN = {"return %": "return_pct", "Sharpe ratio": "sharpe"}


@app.command()
def surface(
    run_id: RunId,
    commission: Annotated[
        str | None,
        typer.Option(
            help="Fractions per side, low:high:step or a,b,c; default: 0 to 20 basis points in 8 steps."
        ),
    ] = None,
    slippage: Annotated[str | None, typer.Option(help="The same, of slippage.")] = None,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Make a stored run again at every pair of commission and slippage, and show what they leave."""
    spec = CostSurfaceSpec(commissions=_fractions(commission), slippages=_fractions(slippage))
    with (
        Engine(**given(cluster=cluster)) as engine,
        cancel_on_interrupt() as cancel,
        progress(quiet=json) as on_event,
    ):
        result = engine.research.cost_surface(run_id, spec, on_event=on_event, cancel=cancel)
    if json:
        print_json(result.to_json())
    else:
        _show(result)


def _fractions(text: str | None) -> Sequence[Any]:
    return () if text is None else parse_range(text)


def _show(result: CostSurface) -> None:
    commission, slippage = result.own
    print_line(
        f"run {result.run_id[:8]}: a row a commission, a column a slippage, both in basis points per side"
        + (
            ""
            if slippage is None
            else f"; * its own, {basis_points(commission)} and {basis_points(slippage)}"
        ),
        bold=True,
    )
    columns = ("", *map(basis_points, result.slippages))
    for title, name in _SHOWN.items():
        rows = [
            (
                basis_points(row[0].commission),
                *(
                    number(one.figures[name]) + "*" * ((one.commission, one.slippage) == result.own)
                    for one in row
                ),
            )
            for row in result.rows
        ]
        table(title, columns, rows, left=0)
    zeros = [
        (basis_points(one), "–" if zero is None else f"{zero * 1e4:.2f}")
        for one, zero in zip(result.commissions, result.break_even, strict=True)
    ]
    table("slippage at which nothing is left", ("commission", "slippage"), zeros, left=0)
    for note in result.remarks:
        print_note(note)
