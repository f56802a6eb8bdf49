"""Keeps this program below a number of requests in a stretch of time, for what an exchange counts and tells nobody."""

import threading
import time
from collections import deque
from collections.abc import Callable

from engine.data.exchanges.connection import Caller


class Pace:
    """At most `most` requests in any `seconds`. Thread-safe. `clock`: seconds that only grow."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._sent: deque[float] = deque([-seconds] * most, most)
        self._lock = threading.Lock()

    def wait(self, caller: Caller) -> None:
        """Return when one more may be sent, and count it; `caller` hears of the wait and may end it."""
        while (left_s := self._try()) > 0:
            caller.log("info", f"so many requests are enough for now, resuming in {left_s:.0f} s")
            caller.cancel.sleep(min(left_s, 5))

    def _try(self) -> float:
        with self._lock:
            now = self._clock()
            left_s = self._sent[0] + self._seconds - now
            if left_s <= 0:
                self._sent.append(now)
            return left_s
