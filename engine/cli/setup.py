"""Commands about the program itself: doctor, demo, desktop."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json, app, cancel_on_interrupt
from engine.cli.values import folder_option
from engine.errors import InputError
from engine.runs import FINISHED
from engine.service import Engine
from engine.terminal import print_json, print_note, progress, runs_table, table


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
    out: Annotated[Path, folder_option("--out", help="Where the picture and the trades go.")] = Path("demo"),
    window: Annotated[bool, typer.Option(help="Open the window afterwards, where there is a screen.")] = True,
    json: Json = False,
) -> None:
    """Do the whole job on the bundled sample market, without network."""
    from engine.demo import open_detached, run_demo

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
        from desktop.app import render_window

        render_window(engine, run_ids, path)
    except ImportError as error:
        print_note(qt_advice(str(error)))
        return None
    finally:
        if before is None:
            del os.environ["QT_QPA_PLATFORM"]
        else:
            os.environ["QT_QPA_PLATFORM"] = before
    return path


def qt_advice(problem: str) -> str:
    """One line that says which part of Qt is missing and how to get it."""
    if any(name in problem for name in ("PySide6'", "pyqtgraph'", "qasync'")):
        return f"the window's packages are not installed ({problem}); `make desktop` installs them"
    packages = "libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1"
    return (
        f"the window needs a system library ({problem}); on Debian or Ubuntu: apt-get install -y {packages}"
    )


def check_screen() -> None:
    """Raise InputError where Qt would end the whole program instead of raising: no screen, or half of its X11 part."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        return
    if not os.environ.get("DISPLAY"):
        raise InputError(
            "there is no screen here (DISPLAY and WAYLAND_DISPLAY are not set); every other command works without one"
        )
    import ctypes

    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError as error:
        raise InputError(qt_advice(str(error))) from error


@app.command()
def desktop() -> None:
    """Open the window."""
    check_screen()
    try:
        from desktop.app import main as open_window
    except ImportError as error:
        raise InputError(qt_advice(str(error))) from error
    raise typer.Exit(open_window([]))
