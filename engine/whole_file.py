"""Writes a file whole or not at all: who reads it meanwhile, or finds it after a crash, never sees a part."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write UTF-8 text in place of what the file held, and make its folder; `mode`: who may read it, from the beginning.

    Raises OSError; then what was there is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as new:
            new.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
