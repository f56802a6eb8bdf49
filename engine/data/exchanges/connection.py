"""Asks one exchange: patience with faults, rate limits and bans that all processes share, answers that can be stopped."""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from engine.data.exchanges.answers import (
    Answer,
    Banned,
    RateLimited,
    Refused,
    UnexpectedAnswer,
    Unreachable,
    unexpected,
)
from engine.data.exchanges.ccxt_client import Client
from engine.data.exchanges.dialect import Dialect, Request
from engine.data.exchanges.silence import Silence
from engine.errors import ExchangeError
from engine.events import CancelToken, Log, OnEvent, ignore_event

OFF: Final = "off"  # in place of an address: nothing is asked
_CANCEL_POLL_S: Final = 0.1
_LONGEST_LIMIT_S: Final = 3600  # exchanges count requests by the minute, a rate limit is a matter of minutes
T = TypeVar("T")
# what a value of an answer means, read with the client that brought it; None: it is not what was asked for
Read = Callable[[Any, Client], T | None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an exchange is waited for, and how often it is asked again."""

    timeout_s: float = 10
    attempts: int = 5
    first_wait_s: float = 0.5  # doubles from attempt to attempt
    longest_wait_s: float = 20
    rate_limits: int = 20  # waits as told before giving up
    settle_s: float = 1.5  # a candle that closed less than this ago may still change

    def wait_s(self, attempt: int) -> float:
        """How long to wait after attempt number `attempt` (from 1) failed."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))


class ExchangeMemory(Protocol):
    """What all processes know of an exchange; the database keeps it."""

    def clock_offset_ms(self, exchange: str) -> int | None: ...  # noqa: D102
    def save_clock_offset(self, exchange: str, offset_ms: int) -> None: ...  # noqa: D102
    def blocked_until_ms(self, exchange: str) -> int | None: ...  # noqa: D102
    def save_blocked_until(self, exchange: str, until_ms: int) -> None: ...  # noqa: D102


class Caller:
    """One caller's work at an exchange: who hears of it, when to stop, how many candle requests it took. `attempts`: ask no
    oftener, for what can be done without.
    """

    def __init__(
        self,
        job: str = "",
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
        silence: Silence | None = None,
        attempts: int | None = None,
    ) -> None:
        self.job, self.on_event, self.cancel = job, on_event, cancel or CancelToken()
        self.silence, self.attempts = silence or Silence(), attempts
        self.candle_requests = 0

    def log(self, level: str, text: str) -> None:
        """Tell the caller one line."""
        self.on_event(Log(self.job, level, text))


def local_ms() -> int:
    """The local clock, which may be wrong: candles are judged by the exchange's."""
    return time.time_ns() // 1_000_000


class Connection:
    """The way to one exchange. Thread-safe; every call blocks, tells its caller what it waits for, and stops within a
    moment.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        memory: ExchangeMemory,
        base_url: str | None,
        patience: Patience,
        clock: Callable[[], int],
    ) -> None:
        self.name, self.patience = name, patience
        self._dialect, self._memory, self._base_url, self._clock = dialect, memory, base_url, clock
        self._limits = dialect.limits or name
        self._lock = threading.Lock()
        self._resting: list[Client] = []
        self._closed = False

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        with self._lock:
            self._closed = True
            resting, self._resting = self._resting, []
        for client in resting:
            client.close()

    @property
    def host(self) -> str:
        """The host that is asked."""
        if self._base_url == OFF:
            return OFF
        client = self._take_client()
        self._rest_client(client)
        return client.host

    def ask(
        self,
        request: Request,
        read: Read[T],
        caller: Caller,
        patience: Patience | None = None,
        on_fault: Callable[[Answer], T | None] = lambda _: None,
        *,
        is_candles: bool = False,
    ) -> T:
        """A checked answer. Passing faults are asked again with growing waits, a rate limit is waited for as told,
        a refusal ends it at once. `on_fault` may still read something from an answer that stays faulty.
        """
        if self._base_url == OFF:
            raise Refused(f"{self.name} itself is not asked (its address is set to off)")
        patience = patience or self.patience
        attempts = self._attempts(caller, patience)
        failures = limits = 0
        while True:
            self._wait_until_allowed(caller)
            caller.candle_requests += is_candles
            try:
                return self._send(request, read, caller.cancel, on_fault if failures else None)
            except RateLimited as limited:
                self._remember_block(limited)
                limits += 1
                if isinstance(limited, Banned) or limits > patience.rate_limits:
                    raise self._blocked_error() or limited from limited
            except (Unreachable, UnexpectedAnswer) as error:
                failures += 1
                if failures >= attempts:
                    if isinstance(error, Unreachable):
                        caller.silence.note(self.name, failures, error)
                    raise
                wait_s = patience.wait_s(failures)
                caller.log("warning", f"{error}; asking again in {wait_s:g} s")
                caller.cancel.sleep(wait_s)

    def _attempts(self, caller: Caller, patience: Patience) -> int:
        wanted = min(patience.attempts, caller.attempts or patience.attempts)
        return caller.silence.attempts(self.name, wanted)

    def _send(
        self,
        request: Request,
        read: Read[T],
        cancel: CancelToken,
        on_fault: Callable[[Answer], T | None] | None,
    ) -> T:
        """One request, in a thread of its own: an answer that does not come must not keep the user from stopping."""
        outcome: Future[T] = Future()

        def work() -> None:
            client = None
            try:
                client = self._take_client()
                answer, value = client.send(request)
                self._mind_limits(answer)
                outcome.set_result(self._judge(answer, value, client, read, on_fault))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                outcome.set_exception(error)
            finally:
                if client is not None:
                    self._rest_client(client)

        cancel.raise_if_cancelled()
        threading.Thread(target=work, name=f"{self.name}-{request.method}", daemon=True).start()
        while True:
            try:
                return outcome.result(timeout=_CANCEL_POLL_S)
            except TimeoutError:
                cancel.raise_if_cancelled()

    def _judge(
        self,
        answer: Answer,
        value: Any,
        client: Client,
        read: Read[T],
        on_fault: Callable[[Answer], T | None] | None,
    ) -> T:
        try:
            if (error := self._dialect.fault(answer)) is not None:
                raise error
            if (found := read(value, client)) is not None:
                return found
            raise unexpected(answer)
        except (Unreachable, UnexpectedAnswer):
            rescued = on_fault(answer) if on_fault else None
            if rescued is None:
                raise
            return rescued

    # -- limits, shared by all processes through the memory

    @property
    def _ban_name(self) -> str:
        return f"{self._limits} ban"  # a ban is kept apart from a rate limit: the one is waited for, the other is not

    def _remember_block(self, limited: RateLimited) -> None:
        is_ban = isinstance(limited, Banned)
        if is_ban or limited.retry_after_s > self._limited_s():
            name = self._ban_name if is_ban else self._limits
            self._memory.save_blocked_until(name, self._clock() + round(limited.retry_after_s * 1000))

    def _blocked_error(self) -> ExchangeError | None:
        until = self._memory.blocked_until_ms(self._ban_name) or 0
        if until <= self._clock():
            return None
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(until / 1000))
        return ExchangeError(
            f"{self.name} has locked this address out until {moment} UTC; nothing is asked before then"
        )

    def _wait_until_allowed(self, caller: Caller) -> None:
        if error := self._blocked_error():
            raise error
        while True:
            left_s = self._limited_s()
            if left_s <= 0:
                return
            caller.log("warning", f"rate limited, resuming in {math.ceil(left_s)} s")
            caller.cancel.sleep(min(left_s, 5))

    def _limited_s(self) -> float:
        """How many seconds a rate limit still lasts; none lasts for hours: then the local clock was put back since."""
        until = self._memory.blocked_until_ms(self._limits) or 0
        left_s = (until - self._clock()) / 1000
        return left_s if 0 < left_s <= _LONGEST_LIMIT_S else 0

    def _mind_limits(self, answer: Answer) -> None:
        """All processes rest when an answer tells that little is left of what is allowed."""
        rest_s = self._dialect.rest_s(answer, self._clock())
        if 0 < rest_s <= _LONGEST_LIMIT_S and rest_s > self._limited_s():
            self._memory.save_blocked_until(self._limits, self._clock() + round(rest_s * 1000))

    # -- connections

    def _take_client(self) -> Client:
        with self._lock:
            if self._resting:
                return self._resting.pop()
        return Client(self._dialect, self._base_url, self.patience.timeout_s)

    def _rest_client(self, client: Client) -> None:
        with self._lock:
            if not self._closed:
                self._resting.append(client)
                return
        client.close()
