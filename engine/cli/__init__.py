"""The `backtest` command. Each command is a few lines around one call of Engine; heavy imports wait."""

import logging
import sys
from collections.abc import Sequence

import typer

from engine.cli import backtests, candles, keeping, research, setup, sweeps  # noqa: F401 - importing them adds their commands to the application
from engine.cli.options import app
from engine.errors import BacktestError, InputError, Interrupted
from engine.logs import silence_console
from engine.terminal import print_error

log = logging.getLogger(__name__)
# Typer brings its own Click and exports only this
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


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
        print_error("interrupted; what was stored by then is kept")
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
    if result == Interrupted.exit_code:  # Typer makes an exit code of a Ctrl-C that nobody waited for
        print_error("interrupted; what was stored by then is kept")
    return result if isinstance(result, int) else 0
