"""Commands about the program itself: doctor, demo, desktop, serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Cluster, Json, app, cancel_on_interrupt, given
from engine.cli.terminal import print_json, print_note, progress, runs_table, table
from engine.cli.values import folder_option, whole_option
from engine.errors import InputError
from engine.model.run import FINISHED
from engine.service import Engine
from engine.service.serving import load_server
from engine.service.window import advice, check_screen, load_window, missing_packages


@app.command()
def doctor(cluster: Cluster = None, json: Json = False) -> None:
    """Say what the program sees of its surroundings, and what is wrong."""
    with Engine(**given(cluster=cluster)) as engine, progress(quiet=json) as on_event:
        findings = engine.doctor.examine(on_event)
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
    out: Annotated[Path, folder_option("--out", help="Where the picture and the trades go.")] = Path("demo"),
    window: Annotated[bool, typer.Option(help="Open the window afterwards, where there is a screen.")] = True,
    json: Json = False,
) -> None:
    """Do the whole job on the bundled sample market, without network."""
    from engine.service.demo import open_detached, run_demo

    with Engine() as engine, cancel_on_interrupt() as cancel, progress(quiet=json) as on_event:
        report = run_demo(engine, out, on_event, cancel)
        picture = _render(engine, [result.id for result in report.best_first()], out / "window.png")
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
    before = os.environ.get("QT_QPA_PLATFORM")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        load_window().render_window(engine, run_ids, path)
    except ImportError as error:
        print_note(f"no picture: {advice(error)}")
        return None
    finally:
        if before is None:
            del os.environ["QT_QPA_PLATFORM"]
        else:
            os.environ["QT_QPA_PLATFORM"] = before
    return path


@app.command()
def desktop() -> None:
    """Open the window."""
    absent = missing_packages()
    if absent is not None:
        raise InputError(absent)
    check_screen()
    try:
        window = load_window()
    except ImportError as error:
        raise InputError(advice(error)) from error
    raise typer.Exit(window.main([]))


@app.command()
def serve(
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; beyond this machine only with BACKTEST_API_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, whole_option("--port", low=0, high=65_535, help="0: any that is free.")] = 8000,
) -> None:
    """Serve the engine over HTTP until Ctrl-C."""
    load_server().serve(host, port, print_note)
