"""The `backtest` command. Each command is a few lines around one call of Engine; heavy imports wait."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer

from engine.cli import (  # noqa: F401 - importing them adds their commands to the application
    backtests,
    brackets,
    candles,
    compare,
    keeping,
    monte_carlo,
    portfolio,
    research,
    setup,
    surface,
    sweeps,
    walk_forwards,
)
from engine.cli.options import app
from engine.cli.terminal import print_error, printing
from engine.errors import BacktestError, InputError, Interrupted, system_fault
from engine.service.logs import log_fault, silence_console

log = logging.getLogger(__name__)
# Typer brings its own Click and exports only this
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def run_command_line(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: every failure is one line on stderr and an exit code of the contract."""
    _fill_standard_files()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = exit_code(arguments)
    _finish_standard_files()
    sys.exit(code)


def _fill_standard_files() -> None:
    """Where one of the three is closed, the next file opened would get its number, and what somebody prints."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _finish_standard_files() -> None:
    """What cannot be written now cannot be written later: Python would print a traceback about it at its very end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    silence_console()
    try:
        result = app(list(arguments) if arguments is not None else None, standalone_mode=False)
        if sys.stdout is not None:
            with printing():
                sys.stdout.flush()
    except UsageError as error:
        print_error(error.format_message())  # type: ignore[attr-defined]
        return InputError.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print_error("interrupted; what was stored by then is kept")
        return Interrupted.exit_code
    except BacktestError as error:
        log.exception("command failed")
        print_error(str(error))
        return error.exit_code
    except BrokenPipeError:  # who reads has enough, as `head` has
        return 1
    except OSError as error:
        log.exception("command failed")
        print_error(system_fault(error))
        return 1
    except Exception as error:
        log.exception("command failed")
        print_error(f"{type(error).__name__}: {error} (a fault of this program; {_where_details_are()})")
        return 1
    if result == Interrupted.exit_code:  # Typer makes an exit code of a Ctrl-C that nobody waited for
        print_error("interrupted; what was stored by then is kept")
    return result if isinstance(result, int) else 0


def _where_details_are() -> str:
    fault = log_fault()
    return "the log file has the details" if fault is None else f"the log file could not be written: {fault}"
