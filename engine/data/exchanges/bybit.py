"""Bybit's dialect: spot and linear perpetuals of its v5 interface. Errors come in the body, klines newest first.

docs/decisions/exchange-dialects.md says where these facts come from. Where the pages say nothing (which rows come when a
window holds more than the limit), nothing here depends on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.data.exchanges.answers import (
    DEFAULT_RETRY_AFTER_S,
    Answer,
    Banned,
    RateLimited,
    error_code,
    host_of,
    in_trouble,
    refused,
    retry_after,
    unexpected,
)
from engine.data.exchanges.dialect import LAST_MS, Dialect, Listing, Request
from engine.data.exchanges.pages import RowFormat
from engine.errors import ExchangeError, InputError
from engine.model.filters import Filters
from engine.model.market import Market, Period, Timeframe

_INTERVALS: Final = {
    "1m": "1",
    "3m": "3",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "4h": "240",
    "6h": "360",
    "12h": "720",
    "1d": "D",
    "1w": "W",
    "1M": "M",
}
_BAD_PARAMETER: Final = 10001
_UNKNOWN_SYMBOL: Final = 10029
_TOO_MANY: Final = frozenset({10006, 10429})  # of one endpoint, counted by the second
_LOCKED_OUT: Final = frozenset({10009, 10018})  # too many of one address
_BUSY: Final = frozenset({429, 10000, 10016})
_LOCATION: Final = 10024
_BAN_S: Final = 600  # "wait for at least 10 minutes"
_LIMIT_S: Final = 5  # without a time: the windows are of one and of five seconds
_LEAST_LEFT: Final = 0.1  # of what one endpoint allows
_GONE: Final = frozenset({"Delivering", "Closed"})  # in Settling and PreLaunch a market trades, or will
_SETTLED_IN: Final = frozenset({"USDT", "USDC"})
_LONGEST_NUMBER: Final = 15  # digits of a time in ms, and of a count


@dataclass(frozen=True, slots=True, kw_only=True)
class Bybit(Dialect):
    """One category of Bybit's markets: "spot" or "linear"."""

    category: str

    def time(self) -> Request:
        """`GET v5/market/time`."""
        return Request("publicGetV5MarketTime", {})

    def read_time(self, value: Any) -> int | None:
        """`result.timeNano`: the answer's own `time` may be a gateway's."""
        return _number(_result(value).get("timeNano"), digits=19, least=1_000_000, per=1_000_000)

    def listings(self) -> Sequence[Request]:
        """`GET v5/market/instruments-info`: what trades, and contracts that do not yet. Spot comes in one answer."""
        if self.category == "spot":
            return (self._listing(),)
        return (self._listing(limit=1000), self._listing(limit=1000, status="PreLaunch"))

    def _listing(self, **params: Any) -> Request:
        return Request("publicGetV5MarketInstrumentsInfo", {"category": self.category, **params})

    def read_listing(self, request: Request, value: Any) -> Listing | None:
        """`result.list`, and the cursor of the next part."""
        result = _result(value)
        entries, cursor = result.get("list"), result.get("nextPageCursor") or ""
        if not isinstance(entries, list) or not isinstance(cursor, str):
            return None
        more = Request(request.method, {**request.params, "cursor": cursor}) if cursor else None
        return Listing(entries, more)

    def market(self, exchange: str, entry: Any, ccxt: Any) -> Market | None:
        """An instrument; of contracts only the perpetual ones that are settled in USDT or USDC."""
        if not isinstance(entry, dict):
            return None
        names = [entry.get(name) for name in ("symbol", "baseCoin", "quoteCoin")]
        symbol, base, quote = (name if isinstance(name, str) else "" for name in names)
        if not (symbol and base and quote):
            return None
        unified = f"{ccxt.safe_currency_code(base)}/{ccxt.safe_currency_code(quote)}"
        if self.category != "spot":
            settled = entry.get("settleCoin")
            if entry.get("contractType") != "LinearPerpetual" or settled not in _SETTLED_IN:
                return None
            unified += f":{settled}"
        listed = _number(entry.get("launchTime"), least=1)
        is_trading = entry.get("status") not in _GONE
        listed = listed if listed and listed <= LAST_MS else None
        return Market(exchange, symbol, unified, is_trading, listed, filters=_filters(entry))

    def candles(self, market: Market, timeframe: Timeframe, window: Period, limit: int) -> Request:
        """`GET v5/market/kline`: both bounds are inclusive; a start between two candles would bring the earlier one."""
        params = {
            "category": self.category,
            "symbol": market.name,
            "interval": self.timeframes[timeframe.name],
            "start": window.start,
            "end": window.end - 1,
            "limit": limit,
        }
        return Request("publicGetV5MarketKline", params)

    def read_rows(self, symbol: str, value: Any) -> list[Any] | None:
        """`result.list`, of the symbol that was asked for."""
        result = _result(value)
        rows = result.get("list")
        return rows if isinstance(rows, list) and result.get("symbol", symbol) == symbol else None

    def fault(self, answer: Answer) -> ExchangeError | InputError | None:
        """Statuses, and error objects `{"retCode": 10001, "retMsg": "..."}`, which come with status 200."""
        return fault(answer)

    def rest_s(self, answer: Answer, now_ms: int) -> float:
        """Until the endpoint's limit is reset, when a tenth of it is left; most answers to strangers tell no limit."""
        left, most = (_header(answer, name) for name in ("x-bapi-limit-status", "x-bapi-limit"))
        if left is None or most is None or left > _LEAST_LEFT * most:
            return 0
        return _until_reset_s(answer, answer.date_ms or now_ms) or 0


def fault(answer: Answer) -> ExchangeError | InputError | None:
    """What is wrong with an answer of Bybit's."""
    code, text = error_code(answer.body, "retCode", "retMsg")
    host = host_of(answer.url)
    if code in _LOCKED_OUT or (answer.status == 403 and "too frequent" in answer.body[:1000].lower()):
        return Banned(f"{host} has locked this address out", retry_after(answer, _BAN_S))
    if answer.status == 429 or code in _TOO_MANY:
        return RateLimited(f"{host} is rate limiting", _limit_s(answer))
    if answer.status == 451 or code == _LOCATION:
        return ExchangeError(
            f"{host} refuses this location; another of its hosts may serve it (BACKTEST_BYBIT_URL)"
        )
    if answer.status == 403:
        return ExchangeError(
            f"{host} refuses our requests (HTTP 403): it had too many of them, then wait ten minutes, or it does not serve "
            "this country, then another of its hosts may (BACKTEST_BYBIT_URL)"
        )
    if answer.status >= 500 or code in _BUSY:
        return in_trouble(answer, text)
    if code == _UNKNOWN_SYMBOL or (code == _BAD_PARAMETER and "symbol" in text.lower()):
        return InputError(f"{host} does not know this symbol")
    if code == _BAD_PARAMETER and any(word in text.lower() for word in ("interval", "period")):
        return InputError(f"{host} does not serve this timeframe")
    if answer.status == 200 and not code:
        return None  # code 0, or none that is short enough to be an error: the reader looks for the result
    return refused(answer, code, text) if code else unexpected(answer)


def _filters(entry: Mapping[str, Any]) -> Filters | None:
    """Of an instrument's `priceFilter` and `lotSizeFilter`, whose words for spot are others than for contracts."""
    price, lot = (
        value if isinstance(value, dict) else {}
        for value in (entry.get("priceFilter"), entry.get("lotSizeFilter"))
    )
    return Filters.read(
        {
            "tick": price.get("tickSize"),
            "step": lot.get("qtyStep", lot.get("basePrecision")),
            "least": lot.get("minOrderQty"),
            "most": lot.get("maxMktOrderQty", lot.get("maxMarketOrderQty")),
            "notional": lot.get("minNotionalValue", lot.get("minOrderAmt")),
        }
    )


def _limit_s(answer: Answer) -> float:
    now = answer.date_ms
    told = _until_reset_s(answer, now) if now is not None else None
    default = DEFAULT_RETRY_AFTER_S if answer.status == 429 else _LIMIT_S
    return retry_after(answer, told or default)


def _until_reset_s(answer: Answer, now_ms: int) -> float | None:
    """Seconds until the reset that a header tells; an hour ahead is a mistake."""
    reset = _header(answer, "x-bapi-limit-reset-timestamp")
    left_s = (reset - now_ms) / 1000 if reset is not None else 0
    return left_s if 0 < left_s <= 3600 else None


def _header(answer: Answer, name: str) -> int | None:
    return _number(answer.headers.get(name))


def _number(value: Any, *, digits: int = _LONGEST_NUMBER, least: int = 0, per: int = 1) -> int | None:
    """A whole number that is written as text; None for anything else, and below `least`."""
    if not isinstance(value, str) or not (value.isascii() and value.isdecimal()) or len(value) > digits:
        return None
    return int(value) // per if int(value) >= least else None


def _result(value: Any) -> Mapping[str, Any]:
    """The result of an answer without an error; an empty one for anything else."""
    is_good = isinstance(value, dict) and str(value.get("retCode")) == "0"
    result = value.get("result") if is_good else None
    return result if isinstance(result, dict) else {}


def _bybit(category: str) -> Bybit:
    return Bybit(
        ccxt_class="bybit",
        section="public",
        category=category,
        page_limit=1000,
        rows=RowFormat(columns=7, time_is_text=True),  # start, open, high, low, close, volume, turnover
        timeframes=_INTERVALS,
        is_oldest_first=False,
        limits="bybit",  # one host, one address
    )


SPOT: Final = _bybit("spot")
LINEAR: Final = _bybit("linear")
DIALECTS: Final[Mapping[str, Dialect]] = {"bybit": SPOT, "bybitlinear": LINEAR}
