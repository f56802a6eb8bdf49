"""The only module that starts ccxt: one HTTP client for one interface of an exchange.

Exactly three endpoints of each are called, unsigned: its list of markets, its clock and its candles. ccxt gives us the
addresses, the spelling of markets and the HTTP session. Its `fetch_ohlcv` is never used: it turns broken answers into empty
ones.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from engine.data.exchanges.answers import Answer, host_of, no_answer
from engine.data.exchanges.dialect import Dialect, Request

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Client:
    """One ccxt instance with its HTTP session; used by one thread at a time."""

    def __init__(self, dialect: Dialect, base_url: str | None, timeout_s: float) -> None:
        import ccxt  # costs two seconds: only who really asks an exchange pays

        self._ccxt: Any = getattr(
            ccxt, dialect.ccxt_class
        )(
            {
                "enableRateLimit": False,  # its limiter knows one instance only; we read what the exchange counts
                "timeout": round(timeout_s * 1000),
                "options": dict(dialect.ccxt_options),
            }
        )
        urls = self._ccxt.urls["api"]
        if base_url is not None:
            self._ccxt.urls["api"] = {name: base_url + urlsplit(url).path for name, url in urls.items()}
        self._base = self._ccxt.implode_hostname(self._ccxt.urls["api"][dialect.section])
        # proxies of the environment are honoured, but never asked for this very machine
        self._ccxt.session.trust_env = urlsplit(self._base).hostname not in LOOPBACK
        self._ccxt.session.max_redirects = 0
        self._ccxt.on_rest_response = self._record
        self._answers: list[Answer] = []  # at most the one of the request under way

    @property
    def ccxt(self) -> Any:
        """ccxt's instance, for its spelling of markets."""
        return self._ccxt

    @property
    def host(self) -> str:
        """Host and port of the addresses asked."""
        return host_of(self._base)

    def close(self) -> None:
        """Close the HTTP session."""
        self._ccxt.close()

    def send(self, request: Request) -> tuple[Answer, Any]:
        """The answer as it came, whatever its status, and its JSON value (or its text where it is none)."""
        import ccxt

        self._answers.clear()
        value: Any = None
        try:
            value = getattr(self._ccxt, request.method)(dict(request.params))
        except ccxt.BaseError as error:
            if not self._answers:
                raise no_answer(self._base, error) from error
            # an answer did come: its status and body say more than ccxt's class of error
        return self._answers[-1], value

    def _record(
        self,
        status: int,
        reason: str,  # noqa: ARG002 - ccxt's signature
        url: str,
        method: str,  # noqa: ARG002
        headers: Mapping[str, str],
        body: str,
        *_: Any,
    ) -> str:
        text = body.strip()
        lower = {key.lower(): value for key, value in headers.items()}
        self._answers.append(Answer(url, status, lower, text))
        return text
