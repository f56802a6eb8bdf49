"""Speaks to an exchange: checked answers, patience with faults, limits shared by all processes, the exchange's clock."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from engine.data.exchanges.answers import (
    Answer,
    Banned,
    RateLimited,
    UnexpectedAnswer,
    Unreachable,
    fault,
    unexpected,
)
from engine.data.exchanges.ccxt_client import Api, Client
from engine.data.exchanges.pages import Page, check_page
from engine.errors import ExchangeError, InputError
from engine.events import CancelToken, Log, OnEvent, ignore_event
from engine.model.market import MINUTE_MS, SAMPLE_EXCHANGE, Market, Period, Timeframe

_LAST_MS: Final = 2**43 - 1  # year 2248: a probe's window ends here, so that microseconds are refused
_CANCEL_POLL_S: Final = 0.1
_CLOCK_WARNING_MS: Final = MINUTE_MS
_LONGEST_LIMIT_S: Final = 3600  # weights are counted per minute, a rate limit is a matter of minutes
T = TypeVar("T")


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


class Errand:
    """One caller's work at an exchange: who hears of it, when to stop, how many candle requests it took."""

    def __init__(
        self, job: str = "", on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> None:
        self.job, self.on_event, self.cancel = job, on_event, cancel or CancelToken()
        self.candle_requests = 0

    def log(self, level: str, text: str) -> None:
        """Tell the caller one line."""
        self.on_event(Log(self.job, level, text))


def local_ms() -> int:
    """The local clock, which may be wrong: candles are judged by the exchange's."""
    return time.time_ns() // 1_000_000


class Exchange:
    """One exchange. Thread-safe; every call blocks, tells its errand what it waits for, and stops within a moment."""

    def __init__(
        self,
        name: str,
        api: Api,
        memory: ExchangeMemory,
        base_url: str | None = None,
        patience: Patience | None = None,
        page_limit: int | None = None,
        clock: Callable[[], int] = local_ms,
    ) -> None:
        """`base_url` replaces scheme and host of every address, paths are kept. For tests: `page_limit`, rows per page,
        and `clock`, the local clock in ms.
        """
        self.name, self.api, self.patience = name, api, patience or Patience()
        self.page_limit = page_limit or api.page_limit
        self._memory, self._base_url, self._clock = memory, base_url, clock
        self._said_offset_ms = 0  # the exchange's clock minus the local one
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
        client = self._take_client()
        self._rest_client(client)
        return client.host

    # -- the three endpoints

    def markets(self, errand: Errand, patience: Patience | None = None) -> list[Market]:
        """Everything the exchange trades or traded of its kind: spot pairs, or perpetuals on USD-M."""

        def read(answer: Answer, value: Any, client: Client) -> list[Market]:
            symbols = value.get("symbols") if isinstance(value, dict) else None
            if not isinstance(symbols, list) or not symbols:
                raise unexpected(answer)
            found = [market for raw in symbols if (market := client.market(self.name, raw)) is not None]
            if not found:
                raise unexpected(answer)
            return found

        return self._ask("ExchangeInfo", {}, read, errand, patience)

    def now_ms(self, errand: Errand, patience: Patience | None = None) -> int:
        """The exchange's clock. Its difference to the local one is remembered for all processes."""

        def read(answer: Answer, value: Any, _: Client) -> int:
            now = value.get("serverTime") if isinstance(value, dict) else None
            if type(now) is not int or now <= 0:
                raise unexpected(answer)
            return now

        now = self._ask("Time", {}, read, errand, patience, on_fault=lambda answer: answer.date_ms)
        offset = now - self._clock()
        if self._is_news(offset):
            errand.log(
                "warning",
                f"the local clock differs from {self.name}'s by {abs(offset) // 1000:,} s; theirs counts",
            )
        self._memory.save_clock_offset(self.name, offset)
        return now

    def _is_news(self, offset_ms: int) -> bool:
        """Whether the clocks differ, and not as was said before: a command asks for the time more than once."""
        with self._lock:
            said, is_far = self._said_offset_ms, abs(offset_ms) > _CLOCK_WARNING_MS
            if self.name == SAMPLE_EXCHANGE or not is_far or abs(offset_ms - said) <= _CLOCK_WARNING_MS:
                return False
            self._said_offset_ms = offset_ms
            return True

    def page(self, market: Market, timeframe: Timeframe, window: Period, errand: Errand) -> Page:
        """The first candles that open inside `window`, at most `page_limit`, checked."""
        limit = min(self.page_limit, timeframe.count(window))
        bounds = {"startTime": window.start, "endTime": window.end - 1, "limit": limit}
        return self._candles(market, timeframe, window, bounds, errand)

    def probe(self, market: Market, timeframe: Timeframe, start_ms: int, errand: Errand) -> Page:
        """The first candle that opens at or after `start_ms`, the one still open included. An empty page: none."""
        window = Period(start_ms, _LAST_MS)
        return self._candles(market, timeframe, window, {"startTime": start_ms, "limit": 1}, errand)

    def _candles(
        self, market: Market, timeframe: Timeframe, window: Period, bounds: Mapping[str, int], errand: Errand
    ) -> Page:
        title = f"{market.name} {timeframe}"

        def read(answer: Answer, value: Any, _: Client) -> Page:
            if not isinstance(value, list):
                raise unexpected(answer)
            return check_page(value, timeframe, window, title)

        request = {"symbol": market.name, "interval": timeframe.name, **bounds}
        page = self._ask("Klines", request, read, errand)
        for note in page.notes:
            errand.log("warning", note)
        return page

    def check_timeframe(self, timeframe: Timeframe) -> None:
        """Raise InputError for a candle length that this exchange does not have."""
        if timeframe.name not in self.api.timeframes:
            raise InputError(
                f"{self.name} has no {timeframe} candles; it has: {', '.join(self.api.timeframes)}"
            )

    # -- patience

    def _ask(
        self,
        endpoint: str,
        params: Mapping[str, Any],
        read: Callable[[Answer, Any, Client], T],
        errand: Errand,
        patience: Patience | None = None,
        on_fault: Callable[[Answer], T | None] = lambda _: None,
    ) -> T:
        """A checked answer. Passing faults are asked again with growing waits, a rate limit is waited for as told,
        a refusal ends it at once. `on_fault` may still read something from an answer that stays faulty.
        """
        patience = patience or self.patience
        failures = limits = 0
        while True:
            self._wait_until_allowed(errand)
            errand.candle_requests += endpoint == "Klines"
            try:
                return self._send(endpoint, params, read, errand.cancel, on_fault if failures else None)
            except RateLimited as limited:
                self._remember_block(limited)
                limits += 1
                if isinstance(limited, Banned) or limits > patience.rate_limits:
                    raise self._blocked_error() or limited from limited
            except (Unreachable, UnexpectedAnswer) as error:
                failures += 1
                if failures >= patience.attempts:
                    raise
                wait_s = patience.wait_s(failures)
                errand.log("warning", f"{error}; asking again in {wait_s:g} s")
                errand.cancel.sleep(wait_s)

    def _send(
        self,
        endpoint: str,
        params: Mapping[str, Any],
        read: Callable[[Answer, Any, Client], T],
        cancel: CancelToken,
        on_fault: Callable[[Answer], T | None] | None,
    ) -> T:
        """One request, in a thread of its own: an answer that does not come must not keep the user from stopping."""
        outcome: Future[T] = Future()

        def work() -> None:
            client = None
            try:
                client = self._take_client()
                answer, value = client.send(self.api.prefix + "Get" + endpoint, params)
                self._mind_weight(answer)
                outcome.set_result(_judge(answer, value, client, read, on_fault))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                outcome.set_exception(error)
            finally:
                if client is not None:
                    self._rest_client(client)

        cancel.raise_if_cancelled()
        threading.Thread(target=work, name=f"{self.name}-{endpoint}", daemon=True).start()
        while True:
            try:
                return outcome.result(timeout=_CANCEL_POLL_S)
            except TimeoutError:
                cancel.raise_if_cancelled()

    # -- limits, shared by all processes through the memory

    @property
    def _ban_name(self) -> str:
        return f"{self.name} ban"  # a ban is kept apart from a rate limit: the one is waited for, the other is not

    def _remember_block(self, limited: RateLimited) -> None:
        is_ban = isinstance(limited, Banned)
        if is_ban or limited.retry_after_s > self._limited_s():
            name = self._ban_name if is_ban else self.name
            self._memory.save_blocked_until(name, self._clock() + round(limited.retry_after_s * 1000))

    def _blocked_error(self) -> ExchangeError | None:
        until = self._memory.blocked_until_ms(self._ban_name) or 0
        if until <= self._clock():
            return None
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(until / 1000))
        return ExchangeError(
            f"{self.name} has locked this address out until {moment} UTC (HTTP 418); nothing is asked before then"
        )

    def _wait_until_allowed(self, errand: Errand) -> None:
        if error := self._blocked_error():
            raise error
        while True:
            left_s = self._limited_s()
            if left_s <= 0:
                return
            errand.log("warning", f"rate limited, resuming in {math.ceil(left_s)} s")
            errand.cancel.sleep(min(left_s, 5))

    def _limited_s(self) -> float:
        """How many seconds a rate limit still lasts; none lasts for hours: then the local clock was put back since."""
        until = self._memory.blocked_until_ms(self.name) or 0
        left_s = (until - self._clock()) / 1000
        return left_s if 0 < left_s <= _LONGEST_LIMIT_S else 0

    def _mind_weight(self, answer: Answer) -> None:
        """All processes rest until the next minute when this address has used 90 % of its weight."""
        used = answer.used_weight
        if used is not None and used > 0.9 * self.api.weight_per_minute:
            now = answer.date_ms or self._clock()
            rest_s = (MINUTE_MS - now % MINUTE_MS) / 1000
            if rest_s > self._limited_s():
                self._memory.save_blocked_until(self.name, self._clock() + round(rest_s * 1000))

    # -- connections

    def _take_client(self) -> Client:
        with self._lock:
            if self._resting:
                return self._resting.pop()
        return Client(self.api, self._base_url, self.patience.timeout_s)

    def _rest_client(self, client: Client) -> None:
        with self._lock:
            if not self._closed:
                self._resting.append(client)
                return
        client.close()


def _judge(
    answer: Answer,
    value: Any,
    client: Client,
    read: Callable[[Answer, Any, Client], T],
    on_fault: Callable[[Answer], T | None] | None,
) -> T:
    try:
        if (error := fault(answer)) is not None:
            raise error
        return read(answer, value, client)
    except (Unreachable, UnexpectedAnswer):
        rescued = on_fault(answer) if on_fault else None
        if rescued is None:
            raise
        return rescued
