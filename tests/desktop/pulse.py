"""How long the turns of the window's event loop take."""

import contextlib
import gc
import time
from pathlib import Path

from PySide6.QtCore import QTimer


class Pulse:
    """A timer on the window's event loop that measures how long each turn took.

    On a busy machine a turn is also long because other programs have the processor. That is not the window's doing, so
    Linux is asked how long this process's threads were ready to run but had to wait (schedstat), and the longest such
    wait is taken off. Sleeping, computing and waiting for the interpreter's lock or an answer all stay in: they are not
    waits for a processor. On a quiet machine nothing is taken off. What the tests before left behind is collected, and what
    is there is kept from the collector meanwhile: a process that ran a thousand tests holds many times what a window does.
    """

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        self._gaps: list[tuple[float, float]] = []
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._beat)
        self._last, self._waited = time.perf_counter(), _waited()
        self._timer.start()

    def _beat(self) -> None:
        now, waited = time.perf_counter(), _waited()
        starved = max(
            (after - self._waited.get(thread, after) for thread, after in waited.items()), default=0.0
        )
        gap = now - self._last
        self._gaps.append((max(0.0, gap - starved), gap))
        self._last, self._waited = now, waited

    def stop(self) -> list[tuple[float, float]]:
        """All turns as (own seconds, all seconds), the longest own one last."""
        self._timer.stop()
        gc.unfreeze()
        return self.lap()

    def lap(self) -> list[tuple[float, float]]:
        """The turns since the last call, in the same way; those that follow are counted anew."""
        gaps, self._gaps = sorted(self._gaps), []
        return gaps


def _waited() -> dict[str, float]:
    """Seconds that each thread of this process was kept waiting for a processor; empty where the system does not tell."""
    found = {}
    for stat in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # the thread has ended
            found[stat.parent.name] = int(stat.read_text().split()[1]) / 1e9
    return found
