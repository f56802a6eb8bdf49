"""How far code in another process is, told over a pipe."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any, Final

from engine.parallel.plain import encode

_REPORT_S: Final = 0.1  # between two reports of how far code is: the law of events, kept at the source


class Report:
    """What code calls to tell how far it is; at most ten times a second it is passed on."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._last = 0.0
        self._pending: tuple[float, float | None, str] | None = None

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None:
        """So many `done` of `total`, in words."""
        self._pending = float(done), None if total is None else float(total), str(text)[:200]
        if time.monotonic() - self._last >= _REPORT_S:
            self.flush()

    def flush(self) -> None:
        """Send what was held back, if anything."""
        if self._pending is not None:
            self._connection.send_bytes(b"P" + encode(self._pending).line)
            self._pending, self._last = None, time.monotonic()
