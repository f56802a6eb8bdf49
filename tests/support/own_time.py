"""Promises of "at once" and "within two seconds", told on a busy machine too: own seconds.

A job that must stop within two seconds takes four where three others want its processor, and that is no fault of the
program. So seconds during which any task of the machine was ready to run and had no processor, or waited for a disk, are not
counted: Linux adds them up (/proc/pressure). On a quiet machine nothing is taken off. What does take longer is mostly
something else altogether, such as a job that goes on for its minute: no busy machine excuses that, so there is an end to it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ANYHOW_S = 20.0


def stalled_s() -> float | None:
    """Seconds since the machine began during which tasks waited for a processor or a disk; None where nobody counts."""
    try:
        lines = [Path(f"/proc/pressure/{kind}").read_text().splitlines()[0] for kind in ("cpu", "io")]
    except (OSError, IndexError):  # another system, a kernel or a container without it
        return None
    return sum(int(line.rpartition("total=")[2]) for line in lines) / 1e6


def stopwatch() -> Callable[[], float]:
    """Starts; what comes back tells the own seconds since then: 0 where nobody counts waits."""
    began, before = time.monotonic(), stalled_s()

    def own_s() -> float:
        after = stalled_s()
        if before is None or after is None:
            return 0.0
        return max(0.0, time.monotonic() - began - (after - before))

    return own_s


@contextmanager
def within(seconds: float, *, anyhow: float = ANYHOW_S) -> Iterator[None]:
    """Fails where what is done inside takes so many own seconds or more, or `anyhow` seconds on whatever machine.

    `anyhow` is less than what the fault takes that the promise is about: the minute of a job that was not stopped.
    """
    began, own_s = time.monotonic(), stopwatch()
    try:
        yield
    finally:  # a refusal comes in time too
        own, took = own_s(), time.monotonic() - began
        assert own < seconds, f"{own:.2f} of {took:.2f} s were its own, {seconds} s are promised"
        assert took < max(anyhow, seconds), f"{took:.1f} s; no busy machine explains that"
