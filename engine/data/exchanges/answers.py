"""What an exchange answered, and what is wrong with it: pure functions from one HTTP answer to an error in words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from engine.errors import ExchangeError, InputError

_LOCATION = (
    "refuses this location (HTTP 451). Spot candles are also served at https://data-api.binance.vision "
    "(set BACKTEST_SPOT_URL); futures have no public mirror"
)
_FIREWALL = "its firewall refuses our requests (HTTP 403); wait some minutes, or try another network"
_UNKNOWN_SYMBOL: Final = -1121
_BAD_INTERVAL: Final = -1120
_TOO_MANY: Final = -1003
_BUSY: Final = frozenset(
    {-1000, -1001, -1006, -1007, -1008, -1016}
)  # of passing nature, by Binance's error list
DEFAULT_RETRY_AFTER_S: Final = 60  # weights are counted per minute
_LONGEST_WAIT_DIGITS: Final = 6  # seconds: eleven days; Binance's longest ban is three
DEFAULT_BAN_S: Final = 120  # the shortest ban Binance names


class Unreachable(ExchangeError):
    """No answer, or one that says "later": worth asking again."""


class UnexpectedAnswer(ExchangeError):
    """An answer that is not what was asked for: nothing of it is believed. Worth asking again."""


class RateLimited(ExchangeError):
    """Too many requests: nothing may be asked for `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Banned(RateLimited):
    """The exchange has locked this address out for `retry_after_s` seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `headers` have lower-case names."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def date_ms(self) -> int | None:
        """The exchange's clock as its Date header tells it, whole seconds."""
        try:
            return int(parsedate_to_datetime(self.headers["date"]).timestamp() * 1000)
        except (KeyError, ValueError):
            return None

    @property
    def used_weight(self) -> int | None:
        """Request weight that this address has used in the current minute, all its processes together."""
        text = self.headers.get("x-mbx-used-weight-1m", "")
        return int(text) if text.isdecimal() else None


def unexpected(answer: Answer) -> UnexpectedAnswer:
    """Describes an answer that is not what was asked for."""
    kind = answer.headers.get("content-type", "no content type").split(";")[0]
    start = " ".join(answer.body[:40].split())
    return UnexpectedAnswer(
        f"unexpected answer from {_place(answer.url)} ({kind}, {len(answer.body.encode())} bytes, starts {start!r})"
    )


def fault(answer: Answer) -> ExchangeError | InputError | None:
    """What is wrong with an answer by its status and error code; None for an answer worth reading."""
    code, text = _error_code(answer.body)
    host = host_of(answer.url)
    if answer.status == 418:
        return Banned(
            f"{host} has locked this address out (HTTP 418)", _retry_after(answer, _ban_s(answer, text))
        )
    if answer.status == 429 or code == _TOO_MANY:
        return RateLimited(f"{host} is rate limiting", _retry_after(answer, DEFAULT_RETRY_AFTER_S))
    if answer.status == 451:
        return ExchangeError(f"{host} {_LOCATION}")
    if answer.status == 403:
        return ExchangeError(f"{host}: {_FIREWALL}")
    if answer.status >= 500 or code in _BUSY:
        return Unreachable(
            f"network: {host} is in trouble (HTTP {answer.status}{f', {text}' if text else ''})"
        )
    if code == _UNKNOWN_SYMBOL:
        return InputError(f"{host} does not know this symbol")
    if code == _BAD_INTERVAL:
        return InputError(f"{host} does not serve this timeframe")
    if answer.status == 200 and code is None:
        return None
    if code is None or code == 0:
        return unexpected(answer)
    return ExchangeError(f"{host} refused: {text or 'no reason given'} (HTTP {answer.status}, code {code})")


def no_answer(url: str, error: BaseException) -> ExchangeError:
    """Why nothing came back, in words, from the exception that the HTTP client raised."""
    host = host_of(url)
    causes = " ".join(_chain(error))
    for needle, words in _REASONS:
        if needle in causes:
            return Unreachable(f"network: {host}: {words}")
    if "TooManyRedirects" in causes:
        return ExchangeError(f"{host} redirects elsewhere; redirects are not followed")
    return Unreachable(f"network: {host}: the connection broke off")


# looked for in the whole chain of exceptions, first match wins
_REASONS: Final = (
    ("ProxyError", "the proxy does not answer"),
    ("NameResolutionError", "the host name is not known (is there a network?)"),
    ("Connection refused", "connection refused"),
    ("ConnectTimeout", "no connection in time"),
    ("timed out", "no answer in time"),
    ("SSL", "no secure connection (certificate refused)"),
    ("IncompleteRead", "the answer broke off"),
)


def _chain(error: BaseException | None) -> list[str]:
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__} {error}")
        error = error.__cause__ or error.__context__
    return texts


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{host_of(url)}{parts.path}"


def host_of(url: str) -> str:
    """Host and port of an address, without the name and password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _error_code(body: str) -> tuple[int | None, str]:
    """Code and message of Binance's error objects `{"code": -1121, "msg": "..."}`."""
    if not body.startswith("{") or len(body) > 10_000:
        return None, ""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return None, ""
    code = value.get("code")
    return (code, str(value.get("msg", ""))[:200]) if isinstance(code, int) else (None, "")


def _retry_after(answer: Answer, default_s: float) -> float:
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isdecimal() and len(text) <= _LONGEST_WAIT_DIGITS else default_s


def _ban_s(answer: Answer, text: str) -> float:
    """Seconds of "IP banned until 1659146400000", by the exchange's own clock."""
    until = re.search(r"until (\d{13})", text)
    if until is None or answer.date_ms is None:
        return DEFAULT_BAN_S
    return max(0.0, (int(until[1]) - answer.date_ms) / 1000)
