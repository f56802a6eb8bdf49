"""The `backtest` command. Each command is a few lines around one call of Engine; imports wait until they are needed."""

from __future__ import annotations

import difflib
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import BacktestError, InputError, Interrupted
from engine.events import CancelToken
from engine.logs import silence_console
from engine.market import DEFAULT_EXCHANGE, Period, Timeframe
from engine.runs import FINISHED, Costs, RunSpec
from engine.service import Engine
from engine.strategy import StrategyInfo
from engine.terminal import (
    print_error,
    print_json,
    print_note,
    progress,
    run_details,
    runs_table,
    table,
)

log = logging.getLogger(__name__)
UsageError: type[Exception] = typer.BadParameter.__bases__[
    0
]  # Typer brings its own Click and exports only this

app = typer.Typer(
    help="Backtest trading strategies on Binance candles. Every command takes --json for programs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="List stored runs, or delete one.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Exchange = Annotated[str, typer.Option("--exchange", help="binanceusdm, binance (spot) or sample.")]
Symbol = Annotated[str, typer.Argument(help="SOLUSDT, SOL/USDT or SOL/USDT:USDT.")]
Tf = Annotated[str, typer.Option("-t", "--timeframe", help="1m, 1h, 1d, ...; 1M is a month.")]
Start = Annotated[str, typer.Option("--start", help="Date or time, UTC.")]
End = Annotated[str, typer.Option("--end", help="A bare date includes that day; a full time is exclusive.")]
RunId = Annotated[str, typer.Argument(help="A run's id, or a unique beginning of it.")]


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


@app.command()
def symbols(
    exchange: Exchange = DEFAULT_EXCHANGE,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the exchange again.")] = False,
    json: Json = False,
) -> None:
    """List the exchange's markets (from the cache when offline)."""
    with Engine() as engine:
        found = engine.markets(exchange, refresh=refresh)
    if json:
        print_json(
            [
                {"name": m.name, "unified": m.unified, "exchange": m.exchange, "is_active": active}
                for m, active in found
            ]
        )
        return
    table(
        "", ("symbol", "unified", "kept"), [(m.name, m.unified, "yes" if a else "") for m, a in found], left=3
    )


@app.command()
def strategies(json: Json = False) -> None:
    """List the strategies, with the broken ones and what is wrong with them."""
    with Engine() as engine:
        infos = engine.strategies()
    if json:
        print_json([info.to_json() for info in infos])
        return
    rows = [
        (i.name, i.error or i.title, ", ".join(f"{p['name']} {p['default']}" for p in i.params))
        for i in infos
    ]
    table("", ("strategy", "title", "parameters"), rows, left=3)


@app.command()
def fetch(
    symbol: Symbol,
    timeframe: Tf,
    start: Start,
    end: End,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Fetch the candles of a period that are not held yet."""
    asked = Timeframe(timeframe), Period.parse(start, end)
    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        report = engine.fetch(symbol, *asked, exchange=exchange, on_event=on_event, cancel=cancel)
    for notice in report.notices:
        print_note(notice)
    if json:
        print_json(report.to_json())
        return
    print_note(
        f"{report.market.name} {timeframe}, {report.period}: {report.candles:,} candles held, "
        f"{report.fetched:,} new in {report.requests} requests"
    )
    _print_missing(report.missing)


@app.command()
def status(
    symbol: Symbol,
    timeframe: Tf,
    start: Start,
    end: End,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Say what is held of a period and what is not; no network."""
    asked = Timeframe(timeframe), Period.parse(start, end)
    with Engine() as engine:
        held = engine.status(symbol, *asked, exchange=exchange)
    if json:
        print_json(held.to_json())
        return
    state = "complete" if held.complete else "not complete"
    print_note(
        f"{held.market.name} {timeframe}, {held.period}: {held.candles:,} of {held.expected:,} candles held, {state}"
    )
    for gap in held.gaps:
        print_note(f"  not fetched: {gap}")
    _print_missing(held.missing)


def _print_missing(missing: Sequence[Any]) -> None:
    for gone in missing:
        print_note(f"  the exchange has none: {gone.period} ({gone.reason.replace('_', ' ')})")


@app.command()
def candles(
    symbol: Symbol,
    timeframe: Tf,
    start: Start,
    end: End,
    out: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file.")],
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Write the candles that are held to a file; never fetches."""
    from engine.export import write_candles

    asked = Timeframe(timeframe), Period.parse(start, end)
    with Engine() as engine:
        held = engine.candles(symbol, *asked, exchange=exchange)
    write_candles(held, out)
    if json:
        print_json({"path": str(out), "candles": len(held)})
    else:
        print_note(f"{len(held):,} candles written to {out}")


@app.command()
def run(
    symbol: Annotated[list[str], typer.Option("-s", "--symbol", help="Repeat for several.")],
    strategy: Annotated[list[str], typer.Option("-S", "--strategy", help="Repeat for several.")],
    timeframe: Tf,
    start: Start,
    end: End,
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=value, or STRATEGY.name=value.")
    ] = None,
    cash: Annotated[float, typer.Option(help="Starting cash.")] = 10_000,
    commission: Annotated[float, typer.Option(help="Fraction per side.")] = 0.001,
    size: Annotated[float, typer.Option(help="Fraction of the cash per entry.")] = 0.95,
    slippage: Annotated[float, typer.Option(help="Fraction by which every fill is worse.")] = 0,
    engine_name: Annotated[str, typer.Option("--engine", help="auto, compiled or reference.")] = "auto",
    no_fetch: Annotated[bool, typer.Option("--no-fetch", help="Fail instead of fetching.")] = False,
    exchange: Exchange = DEFAULT_EXCHANGE,
    json: Json = False,
) -> None:
    """Fetch what is missing, then run every strategy on every symbol in parallel, and store the runs."""
    asked = Timeframe(timeframe), Period.parse(start, end)
    costs = Costs(cash, commission, size, slippage)
    with Engine() as engine, cancel_on_interrupt() as cancel:
        names = list(dict.fromkeys(strategy))
        params = assign_params(param or (), names, engine.strategies())
        specs = [
            RunSpec(name, wanted, exchange, *asked, params[name], costs, engine_name)
            for wanted in dict.fromkeys(symbol)
            for name in names
        ]
        with progress(quiet=json) as on_event:
            results = engine.run(specs, fetch=not no_fetch, on_event=on_event, cancel=cancel)
    if json:
        print_json({"runs": [result.to_json() for result in results]})
    else:
        runs_table(results)
        if exchange == "binanceusdm":
            print_note("funding not included")
    if any(result.status != FINISHED for result in results):
        raise typer.Exit(1)


def assign_params(
    texts: Sequence[str], names: Sequence[str], infos: Sequence[StrategyInfo]
) -> dict[str, dict[str, str]]:
    """Which of the given `k=v` and `STRATEGY.k=v` go to which selected strategy; raises InputError when one goes nowhere."""
    known = {i.name: [str(p["name"]) for p in i.params] for i in infos if i.name in names and i.error is None}
    assigned: dict[str, dict[str, str]] = {name: {} for name in names}
    for text in texts:
        key, equals, value = text.partition("=")
        owner, dot, name = key.strip().rpartition(".")
        if not equals or not name:
            raise InputError(f"--param {text!r} must read name=value or STRATEGY.name=value")
        if dot and owner not in names:
            raise InputError(f"--param {text!r}: the strategy {owner!r} is not selected")
        takers = [n for n in ([owner] if dot else names) if n not in known or name in known[n]]
        if not takers:
            offered = sorted({p for n in ([owner] if dot else names) for p in known.get(n, ())})
            near = difflib.get_close_matches(name, offered, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(offered) or 'none'}"
            raise InputError(f"--param {text!r}: no selected strategy has a parameter {name!r}; {hint}")
        for taker in takers:
            assigned[taker][name] = value.strip()
    return assigned


@app.command()
def show(run_id: RunId, json: Json = False) -> None:
    """Show a stored run exactly as it was."""
    with Engine() as engine:
        result = engine.run_result(run_id)
        titles = {name: metric.title for name, metric in engine.metric_definitions().items()}
    if json:
        print_json(result.to_json() | {"equity": result.equity_points()})
    else:
        run_details(result, titles)


@runs_app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = 50,
    json: Json = False,
) -> None:
    """List stored runs, newest first."""
    if context.invoked_subcommand:
        return
    with Engine() as engine:
        found = engine.runs(limit)
    if json:
        print_json({"runs": [result.to_json() for result in found]})
    elif found:
        runs_table(found)
    else:
        print_note("no runs yet; `backtest run --help` says how to make one, `backtest demo` makes seven")


@runs_app.command("delete")
def delete_run(run_id: RunId, json: Json = False) -> None:
    """Delete a stored run."""
    with Engine() as engine:
        found = engine.run_result(run_id)
        engine.delete_run(found.id)
    if json:
        print_json({"deleted": found.id})
    else:
        print_note(f"deleted run {found.id}")


@app.command()
def export(
    run_id: RunId,
    out: Annotated[Path, typer.Option("--out", help="A folder; it is made when needed.")],
    json: Json = False,
) -> None:
    """Write a stored run's trades, equity and figures as files."""
    with Engine() as engine:
        paths = engine.export_run(run_id, out)
    if json:
        print_json({"files": [str(path) for path in paths]})
    else:
        for path in paths:
            print_note(str(path))


@app.command("new-strategy")
def new_strategy(name: str, json: Json = False) -> None:
    """Write a working strategy to start from into your plug-in folder."""
    with Engine() as engine:
        path = engine.new_strategy(name)
    if json:
        print_json({"name": name, "path": str(path)})
    else:
        print_note(f"wrote {path}; `backtest strategies` lists it")


@app.command()
def doctor(json: Json = False) -> None:
    """Say what the program sees of its surroundings, and what is wrong."""
    with Engine() as engine:
        findings = engine.doctor()
    faults = [finding for finding in findings if not finding.ok]
    if json:
        print_json({"ok": not faults, "findings": [finding.to_json() for finding in findings]})
    else:
        rows = [("ok" if f.ok else "FAULT", f.name, f.text, "" if f.ok else f.advice) for f in findings]
        table("", ("", "what", "seen", "what to do"), rows, left=4)
    if faults:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the picture and the trades go.")] = Path("demo"),
    window: Annotated[bool, typer.Option(help="Open the window afterwards, where there is a screen.")] = True,
    json: Json = False,
) -> None:
    """Do the whole job on the bundled sample market, without network."""
    from engine.demo import open_detached, run_demo

    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        report = run_demo(engine, out, on_event, cancel)
        picture = _render(engine, [result.id for result in report.results], out / "window.png")
    if json:
        print_json(report.to_json() | {"picture": picture and str(picture)})
    else:
        print_note(report.text())
        runs_table(report.results)
        print_note(f"written: {', '.join(str(path) for path in (*report.files, picture) if path)}")
    if window and picture:
        opened = open_detached()
        print_note(
            "the window opens on these runs"
            if opened
            else "no screen here: `backtest desktop` opens the window"
        )
    if any(result.status != FINISHED for result in report.results):
        raise typer.Exit(1)


def _render(engine: Engine, run_ids: list[str], path: Path) -> Path | None:
    """A picture of the window, drawn without a screen; None with a note where Qt is not installed."""
    import os

    before = os.environ.get("QT_QPA_PLATFORM")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        from desktop.app import render_window
    except ImportError as error:
        print_note(qt_advice(error))
        return None
    finally:
        if before is None:
            os.environ.pop("QT_QPA_PLATFORM", None)
        else:
            os.environ["QT_QPA_PLATFORM"] = before
    render_window(engine, run_ids, path)
    return path


def qt_advice(error: ImportError) -> str:
    """One line that says which part of Qt is missing and how to get it."""
    if "PySide6" in str(error) or "pyqtgraph" in str(error) or "qasync" in str(error):
        return f"the window's packages are not installed ({error}); `make desktop` installs them"
    packages = "libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1"
    return f"the window needs a system library ({error}); on Debian or Ubuntu: apt-get install -y {packages}"


@app.command()
def desktop() -> None:
    """Open the window."""
    try:
        from desktop.app import main as open_window
    except ImportError as error:
        raise InputError(qt_advice(error)) from error
    raise typer.Exit(open_window([]))


def run_command_line(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: every failure is one line on stderr and an exit code of the contract."""
    sys.exit(exit_code(arguments))


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    silence_console()
    try:
        result = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except UsageError as error:
        print_error(error.format_message())  # type: ignore[attr-defined]
        return InputError.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print_error("interrupted; what was finished is kept")
        return Interrupted.exit_code
    except BacktestError as error:
        log.exception("command failed")
        print_error(str(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        log.exception("command failed")
        print_error(
            f"{type(error).__name__}: {error} (a fault of this program; the log file has the details)"
        )
        return 1
    return result if isinstance(result, int) else 0
