"""The only module that knows ccxt: Binance's two interfaces, one HTTP client each.

Exactly three endpoints are called: exchangeInfo, time and klines, unsigned. ccxt gives us the addresses, the parsing of
markets and the HTTP session. Its `fetch_ohlcv` is never used: it turns broken answers into empty ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from engine.data.exchanges.answers import Answer, host_of, no_answer
from engine.model.market import TIMEFRAMES, Market

_LAST_MS: Final = 2**43  # year 2248: a later listing is a mistake
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Api:
    """One of Binance's interfaces: ccxt's class and endpoint prefix, page size, request weight allowed per minute.

    499 rows weigh 2 on futures where 500 weigh 5, so 499 is the fastest page there.
    """

    ccxt_class: str
    prefix: str
    page_limit: int
    weight_per_minute: int
    timeframes: tuple[str, ...]


FUTURES: Final = Api(
    "binanceusdm", "fapiPublic", 499, 2400, tuple(name for name in TIMEFRAMES if name != "1s")
)
SPOT: Final = Api("binance", "public", 1000, 6000, TIMEFRAMES)


class Client:
    """One ccxt instance with its HTTP session; used by one thread at a time."""

    def __init__(self, api: Api, base_url: str | None, timeout_s: float) -> None:
        import ccxt  # costs two seconds: only who really asks an exchange pays

        self._ccxt: Any = getattr(
            ccxt, api.ccxt_class
        )(
            {
                "enableRateLimit": False,  # its limiter knows one instance only; we read the weight that the exchange counts
                "timeout": round(timeout_s * 1000),
                "options": {"crossMarginPairsData": [], "isolatedMarginPairsData": []},
            }
        )
        urls = self._ccxt.urls["api"]
        if base_url is not None:
            self._ccxt.urls["api"] = {name: base_url + urlsplit(url).path for name, url in urls.items()}
        self._base = self._ccxt.urls["api"][api.prefix]
        # proxies of the environment are honoured, but never asked for this very machine
        self._ccxt.session.trust_env = urlsplit(self._base).hostname not in LOOPBACK
        self._ccxt.session.max_redirects = 0
        self._ccxt.on_rest_response = self._record
        self._answers: list[Answer] = []  # at most the one of the request under way
        self._wants_futures = api is FUTURES

    @property
    def host(self) -> str:
        """Host and port of the addresses asked."""
        return host_of(self._base)

    def close(self) -> None:
        """Close the HTTP session."""
        self._ccxt.close()

    def send(self, endpoint: str, params: Mapping[str, Any]) -> tuple[Answer, Any]:
        """The answer as it came, whatever its status, and its JSON value (or its text where it is none)."""
        import ccxt

        self._answers.clear()
        value: Any = None
        try:
            value = getattr(self._ccxt, endpoint)(dict(params))
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

    def market(self, exchange: str, raw: Any) -> Market | None:
        """One entry of exchangeInfo; None for kinds we do not trade (dated futures), and for what nobody can read."""
        if not isinstance(raw, dict) or not isinstance(raw.get("symbol"), str):
            return None
        try:
            parsed = self._ccxt.parse_market(raw)
        except Exception:  # noqa: BLE001 - whatever ccxt stumbles over: the other entries are good
            return None
        if parsed is None or not (
            parsed["swap"] and parsed["linear"] if self._wants_futures else parsed["spot"]
        ):
            return None
        listed = parsed["created"]
        return Market(
            exchange,
            parsed["id"],
            parsed["symbol"],
            bool(parsed["active"]),
            listed if listed and 0 < listed < _LAST_MS else None,
        )
