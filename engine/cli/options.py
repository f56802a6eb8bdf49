"""The Typer application, the options that several commands share, and what Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.values import file_option, whole_option
from engine.events import CancelToken
from engine.model.exchanges import EXCHANGES
from engine.model.market import DEFAULT_EXCHANGE, check_exchange

app = typer.Typer(
    help="Backtest trading strategies on Binance and Bybit candles. All commands but desktop and serve take --json, "
    "for programs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="List stored runs, or delete one.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")
sweeps_app = typer.Typer(help="List stored sweeps, show, resume or delete one.", invoke_without_command=True)
app.add_typer(sweeps_app, name="sweeps")
walk_forwards_app = typer.Typer(
    help="List stored walk-forwards, show, resume or delete one.", invoke_without_command=True
)
app.add_typer(walk_forwards_app, name="walk-forwards")
symbols_app = typer.Typer(
    help="List the exchange's markets, or say which to keep.", invoke_without_command=True
)
app.add_typer(symbols_app, name="symbols")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Exchange = Annotated[
    str, typer.Option("--exchange", callback=check_exchange, help=f"{', '.join(EXCHANGES)}.")
]
_TF = typer.Option("-t", "--timeframe", help="1m, 1h, 1d, ...; 1M is a month.")
_START = typer.Option("--start", help="Date or time, UTC.")
_END = typer.Option("--end", help="A bare date includes that day; a full time is exclusive.")
Symbol = Annotated[str, typer.Argument(help="SOLUSDT, SOL/USDT or SOL/USDT:USDT.")]
Tf = Annotated[str, _TF]
Start = Annotated[str, _START]
End = Annotated[str, _END]
NoFetch = Annotated[bool, typer.Option("--no-fetch", help="Fail instead of fetching.")]
RunId = Annotated[str, typer.Argument(help="A run's id, or a unique beginning of it.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="TCP://HOST:PORT",
        help="A Dask scheduler whose workers do the work; off: this machine's (default: BACKTEST_CLUSTER).",
    ),
]
Workers = Annotated[int | None, whole_option(low=1, high=256, help="Processes; default: one per core.")]

# of commands that try many parameters, of one strategy or of a portfolio, whose file says most of it
OneStrategy = Annotated[list[str] | None, typer.Option("-S", "--strategy", help="One strategy.")]
AnyTf = Annotated[str | None, _TF]
AnyStart = Annotated[str | None, _START]
AnyEnd = Annotated[str | None, _END]
AnyExchange = Annotated[
    str | None,
    typer.Option(
        "--exchange",
        callback=lambda name: name and check_exchange(name),
        help=f"{', '.join(EXCHANGES)} (default: {DEFAULT_EXCHANGE}).",
    ),
]
OfPortfolio = Annotated[
    Path | None,
    file_option("--portfolio", help="In place of a strategy: a portfolio's file, whose legs are tried."),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="name=low:high:step, both ends included, or name=a,b,c; of a portfolio LEG.name, LEG.weight, and in optimize "
        "wallet.max_open. Repeat.",
    ),
]
Constraint = Annotated[str, typer.Option(help='What must hold, such as "fast < slow".')]
FixedParam = Annotated[list[str] | None, typer.Option("--param", help="A fixed parameter, name=value.")]


def given(**options: Any) -> dict[str, Any]:
    """Those options that were given, as fields of Settings."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def cancel_on_interrupt() -> Iterator[CancelToken]:
    """A token that the first Ctrl-C sets; a second Ctrl-C interrupts at once."""
    token = CancelToken()

    def stop(_signal: int, _frame: object) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
