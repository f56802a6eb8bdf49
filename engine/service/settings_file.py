"""What a user chooses in the window, kept in the data folder: BACKTEST_HOME/settings.env, which only its owner may read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.errors import InputError, reason
from engine.settings import OLD_FILE, SETTINGS_FILE, chosen_lines
from engine.whole_file import write_whole


def keep(home: Path, changes: Mapping[str, str | None]) -> None:
    """Write these variables into the file; None takes one out. Every other line stays. Raises InputError."""
    for variable, text in changes.items():
        if text is not None and not text.isprintable():
            raise InputError(f"{variable}: must be one line of printable characters; nothing was changed")
    file, old = home / SETTINGS_FILE, home / OLD_FILE
    lines = [*chosen_lines(old), *chosen_lines(file)]
    lines = [line for line in lines if line.partition("=")[0] not in changes]
    lines += [f"{variable}={text}" for variable, text in changes.items() if text is not None]
    try:
        write_whole(file, "".join(f"{line}\n" for line in lines))
        old.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {file}: {reason(error)}; nothing was changed") from error
