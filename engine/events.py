"""What long work tells its caller, and how the caller stops it.

Law of events, per job: `Started`, any number of `Progress` and `Log` (throttled to 10 a second at the source), then exactly
one of `Finished`, `Failed`, `Cancelled`, and nothing after it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.errors import BacktestError, Interrupted, redacted

MIN_INTERVAL_S = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Started:
    """Work on a job begins. `kind` is "fetch", "warmup", "run", "sweep", "compile", ...; `title`: one short line for people.

    `subject` is what it is about: exchange, symbol and timeframe of a series, or the id of a run or sweep; () where it
    is about neither. `series`: exchange, symbol and timeframe that a run is made over.
    """

    job: str
    kind: str
    title: str
    subject: tuple[str, ...] = ()
    series: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` of `total` (None: unknown) `unit`s; `rate` per second; `eta_s` seconds left."""

    job: str
    done: float
    total: float | None
    unit: str
    rate: float | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """One line worth reading. `level` is "info", "warning" or "error"."""

    job: str
    level: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", redacted(self.text))


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is done; `result` is what it made (a FetchReport, a RunResult, ...)."""

    job: str
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The job failed; `error` is one line, `result` what is known of it nevertheless (or None)."""

    job: str
    error: str
    result: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", redacted(self.error))


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user stopped the job; finished parts are kept."""

    job: str
    result: Any = None


Event = Started | Progress | Log | Finished | Failed | Cancelled
OnEvent = Callable[[Event], None]


def ignore_event(_: Event) -> None:
    """The listener of callers who do not listen."""


class CancelToken:
    """A flag that any thread may set once; work looks at it often and waits on it instead of sleeping."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `Interrupted` when the work was asked to stop."""
        if self.cancelled:
            raise Interrupted("stopped; what was finished is kept")

    def sleep(self, seconds: float) -> None:
        """Wait that long, or raise `Interrupted` as soon as the work is asked to stop."""
        if self._event.wait(seconds):
            self.raise_if_cancelled()


class ProgressMeter:
    """Turns counts into throttled `Progress` events with rate and remaining time."""

    def __init__(self, job: str, total: float | None, unit: str, on_event: OnEvent) -> None:
        self._job, self._total, self._unit, self._on_event = job, total, unit, on_event
        self._started = time.monotonic()
        self._last = 0.0
        self.done = 0.0

    def add(self, amount: float) -> None:
        """Count `amount` more units as done."""
        self.update(self.done + amount)

    def update(self, done: float) -> None:
        """Set how many units are done; tells the listener at most ten times a second, and always at the end."""
        self.done = done
        now = time.monotonic()
        complete = self._total is not None and done >= self._total
        if now - self._last < MIN_INTERVAL_S and not complete:
            return
        self._last = now
        elapsed = now - self._started
        rate = done / elapsed if elapsed > 0 and done > 0 else None
        left = (self._total - done) / rate if rate and self._total is not None else None
        self._on_event(Progress(self._job, done, self._total, self._unit, rate, left))


def as_job(
    job: str,
    kind: str,
    title: str,
    on_event: OnEvent,
    work: Callable[[], T],
    *,
    subject: tuple[str, ...] = (),
) -> T:
    """Do `work` as one job: Started before it, and Finished, Failed or Cancelled after it. Returns or raises as `work`."""
    on_event(Started(job, kind, title, subject))
    try:
        result = work()
    except BaseException as error:
        on_event(ending(job, error))
        raise
    on_event(Finished(job, result))
    return result


def ending(job: str, error: BaseException, result: Any = None) -> Failed | Cancelled:
    """The event that ends a job which raised `error`."""
    if isinstance(error, Interrupted):
        return Cancelled(job, result)
    text = str(error) if isinstance(error, BacktestError) else f"{type(error).__name__}: {error}"
    return Failed(job, text, result)
