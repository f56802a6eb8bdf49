"""The command that puts a run's trades beside another program's: compare."""

from pathlib import Path
from typing import Annotated, Final

import typer

from engine.cli.options import Json, RunId, app
from engine.cli.terminal import print_json, print_line, print_note, table
from engine.cli.values import number_option, whole_option
from engine.model.market import short_time
from engine.model.trade_comparison import (
    DEFAULT_TOLERANCE,
    DEFAULT_WITHIN,
    KINDS,
    MOST_WITHIN,
    Said,
    TradeListComparison,
    TradeListDifference,
    is_time,
)
from engine.model.trade_list import TRADE_LISTS
from engine.service import Engine

_MOST: Final = 20  # differences; --json has all


@app.command()
def compare(
    run_id: RunId,
    trades: Annotated[
        Path,
        typer.Option(
            "--trades", metavar="FILE", help=f"Recognised by its content: {'; '.join(TRADE_LISTS.values())}."
        ),
    ],
    tz: Annotated[
        str, typer.Option("--tz", help="Time zone of times that name none: Europe/Berlin, +08:00.")
    ] = "UTC",
    tolerance: Annotated[
        float,
        number_option(
            "--tolerance", low=0, high=1, help="The fraction by which equal prices and sizes may differ."
        ),
    ] = DEFAULT_TOLERANCE,
    within: Annotated[
        int,
        whole_option(
            "--within",
            low=0,
            high=MOST_WITHIN,
            help="Entries more candles apart than that are not the same trade.",
        ),
    ] = DEFAULT_WITHIN,
    json: Json = False,
) -> None:
    """Compare a stored run's trades with another program's, name every difference and the money that it makes."""
    with Engine() as engine:
        found = engine.runs.compare_trades(run_id, trades, zone=tz, tolerance=tolerance, within=within)
    if json:
        print_json(found.to_json())
    else:
        _show(found)


def _show(found: TradeListComparison) -> None:
    print_line(f"run {found.run[:8]} and {found.found.file}: {found.headline}", bold=True)
    print_line(f"read as {TRADE_LISTS[found.found.kind]}; times: {found.found.stamps}, {found.found.zone}")
    rows = [(KINDS[total.kind], total.count, total.money) for total in found.totals()]
    if rows:
        table(
            "",
            ("what differs", "how often", "money"),
            [*rows, ("our profit less theirs", "", found.difference)],
        )
    if found.differences:
        shown = found.differences[:_MOST]
        table(
            "",
            ("our #", "their #", "what differs", "candles", "ours", "theirs", "money"),
            list(map(_row, shown)),
            left=3,
        )
        if len(found.differences) > _MOST:
            print_note(f"{len(found.differences) - _MOST} more differences: --json has all of them")
    for note in found.notes:
        print_note(note)


def _row(one: TradeListDifference) -> tuple[object, ...]:
    places = ("" if place is None else str(place + 1) for place in (one.ours, one.theirs))
    candles = "" if one.candles is None else f"{one.candles:+d}"
    said = (_text(one, value) for value in (one.our_value, one.their_value))
    return (*places, KINDS[one.kind], candles, *said, one.money)


def _text(one: TradeListDifference, value: Said) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value.replace("_", " ")
    return short_time(int(value)).removesuffix(" UTC") if is_time(one.kind) else f"{value:,.10g}"
