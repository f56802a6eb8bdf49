"""The command about leverage brackets."""

from typing import Annotated, Any

import typer

from engine.cli.options import Exchange, Json, app
from engine.cli.terminal import print_json, print_note, table
from engine.errors import InputError
from engine.model.brackets import Brackets
from engine.model.market import DEFAULT_EXCHANGE
from engine.service import Engine


@app.command()
def brackets(
    symbol: Annotated[
        str | None, typer.Argument(help="SOLUSDT, SOL/USDT or SOL/USDT:USDT; without it all.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Fetch today's first, and keep them.")] = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Show the leverage brackets that are known: how much leverage a position of some value may have, and which margin it
    must keep.
    """
    with Engine() as engine:
        if update:
            if exchange != DEFAULT_EXCHANGE:
                raise InputError(f"only the brackets of {DEFAULT_EXCHANGE} can be fetched")
            engine.brackets.update()
        known = engine.brackets.known(exchange)
        if symbol is None:
            found = {name: known.of(name) for name in known.rows}
        else:
            found = dict([engine.brackets.of(symbol, exchange)])
    shown = {name: one for name, one in found.items() if one is not None}
    if json:
        symbols = [_document(name, one) for name, one in shown.items()]
        print_json({"exchange": exchange, "source": known.source, "day": known.day, "symbols": symbols})
        return
    if symbol is None:
        print_note(f"{len(shown):,} symbols, {known.day}, from {known.source}")
        _table_of_all(shown)
    else:
        for name, one in shown.items():
            print_note(f"{name}, {known.day}, from {known.source}")
            _table_of_one(one)


def _document(name: str, one: Brackets) -> dict[str, Any]:
    return {"symbol": name, "max_leverage": one.most_leverage(), "brackets": one.to_json()}


def _table_of_all(shown: dict[str, Brackets]) -> None:
    columns = ("symbol", "most leverage", "below", "margin %", "brackets")
    rows = [
        (name, first["leverage"], first["cap"], (first["rate"] or 0) * 100, len(one.rate))
        for name, one in shown.items()
        for first in one.to_json()[:1]
    ]
    table("", columns, rows)


def _table_of_one(one: Brackets) -> None:
    columns = ("from", "below", "most leverage", "margin %", "less")
    rows = [
        (row["floor"], row["cap"], row["leverage"], (row["rate"] or 0) * 100, row["cum"])
        for row in one.to_json()
    ]
    table("", columns, rows, left=0)
