"""What an exchange answered, and the errors that an answer may mean. Which of them it means, each dialect says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from engine.errors import ExchangeError

DEFAULT_RETRY_AFTER_S: Final = 60  # weights are counted per minute
_LONGEST_WAIT_DIGITS: Final = 6  # seconds: eleven days; Binance's longest ban is three
_LONGEST_ERROR: Final = 10_000  # characters: what is longer is data


class Unreachable(ExchangeError):
    """No answer, or one that says "later": worth asking again."""


class Refused(ExchangeError):
    """The exchange itself is not to be had from here: it refuses this place, or it is not to be asked."""


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


def unexpected(answer: Answer) -> UnexpectedAnswer:
    """Describes an answer that is not what was asked for."""
    kind = answer.headers.get("content-type", "no content type").split(";")[0]
    start = " ".join(answer.body[:40].split())
    return UnexpectedAnswer(
        f"unexpected answer from {_place(answer.url)} ({kind}, {len(answer.body.encode())} bytes, starts {start!r})"
    )


def in_trouble(answer: Answer, text: str) -> Unreachable:
    """A fault of passing nature on the exchange's side; `text`: its own words, "" for none."""
    return Unreachable(
        f"network: {host_of(answer.url)} is in trouble (HTTP {answer.status}{f', {text}' if text else ''})"
    )


def refused(answer: Answer, code: int, text: str) -> ExchangeError:
    """A request that the exchange will not answer however often it is asked."""
    return ExchangeError(
        f"{host_of(answer.url)} refused: {text or 'no reason given'} (HTTP {answer.status}, code {code})"
    )


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


def error_code(body: str, code_name: str, text_name: str) -> tuple[int | None, str]:
    """Code and message of an error object such as `{"code": -1121, "msg": "..."}`; no code: None."""
    if not body.startswith("{") or len(body) > _LONGEST_ERROR:
        return None, ""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return None, ""
    code = value.get(code_name)
    return (code, str(value.get(text_name, ""))[:200]) if isinstance(code, int) else (None, "")


def retry_after(answer: Answer, default_s: float) -> float:
    """Seconds that the Retry-After header tells."""
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isdecimal() and len(text) <= _LONGEST_WAIT_DIGITS else default_s
