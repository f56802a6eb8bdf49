"""Binance's dialect: spot and USD-M perpetuals, klines of twelve columns, weights counted per minute."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.data.exchanges.answers import (
    DEFAULT_RETRY_AFTER_S,
    Answer,
    Banned,
    RateLimited,
    Refused,
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
from engine.model.funding import REGULAR, FundingRow
from engine.model.kinds import Kind
from engine.model.market import MINUTE_MS, SAMPLE_EXCHANGE, Market, Period, Timeframe, timeframes_of

# open time, open, high, low, close, volume, close time and five more
ROWS: Final = RowFormat(columns=12)
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
_SHORTEST_BAN_S: Final = 120
_LONGEST_TYPE: Final = 20
_MOST_USED: Final = 0.9  # of the weight of a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Binance(Dialect):
    """One of Binance's interfaces. `kind`: ccxt's word for its markets. `weight_per_minute`: what an address is allowed."""

    kind: str
    weight_per_minute: int

    def time(self) -> Request:
        """`GET time`."""
        return self._get("Time")

    def read_time(self, value: Any) -> int | None:
        """`serverTime`."""
        now = value.get("serverTime") if isinstance(value, dict) else None
        return now if type(now) is int and now > 0 else None

    def listings(self) -> Sequence[Request]:
        """`GET exchangeInfo`: everything in one answer."""
        return (self._get("ExchangeInfo"),)

    def read_listing(self, request: Request, value: Any) -> Listing | None:  # noqa: ARG002
        """`symbols`."""
        symbols = value.get("symbols") if isinstance(value, dict) else None
        return Listing(symbols) if isinstance(symbols, list) else None

    def market(self, exchange: str, entry: Any, ccxt: Any) -> Market | None:
        """An entry of exchangeInfo; dated futures are not traded."""
        if not isinstance(entry, dict) or not isinstance(entry.get("symbol"), str):
            return None
        try:
            parsed = ccxt.parse_market(entry)
        except Exception:  # noqa: BLE001 - whatever ccxt stumbles over: the other entries are good
            return None
        if parsed is None or not parsed[self.kind] or parsed["linear"] is False:
            return None
        listed = parsed["created"]
        return Market(
            exchange,
            parsed["id"],
            parsed["symbol"],
            bool(parsed["active"]),
            listed if listed and 0 < listed <= LAST_MS else None,
            filters=_filters(entry.get("filters")),
        )

    def candles(self, market: Market, timeframe: Timeframe, window: Period, limit: int) -> Request:
        """`GET klines` or `markPriceKlines`: both bounds are inclusive and count for open times; the oldest come first."""
        bounds = {"startTime": window.start, "endTime": window.end - 1, "limit": limit}
        return self._klines(market, timeframe, bounds)

    def first_candle(self, market: Market, timeframe: Timeframe, start_ms: int) -> Request:
        """The same without an end, also from long before the listing; a candle still open counts."""
        return self._klines(market, timeframe, {"startTime": start_ms, "limit": 1})

    def _klines(self, market: Market, timeframe: Timeframe, bounds: Mapping[str, int]) -> Request:
        endpoint = "MarkPriceKlines" if market.kind is Kind.MARK else "Klines"
        return self._get(endpoint, symbol=market.name, interval=self.timeframes[timeframe.name], **bounds)

    def read_rows(self, symbol: str, value: Any) -> list[Any] | None:  # noqa: ARG002
        """The answer is the list."""
        return value if isinstance(value, list) else None

    def funding(self, symbol: str, start_ms: int, end_ms: int | None, limit: int) -> Request:
        """`GET fundingRate`: both bounds are inclusive; the oldest rows come first."""
        until = {} if end_ms is None else {"endTime": end_ms - 1}
        return self._get("FundingRate", symbol=symbol, startTime=start_ms, **until, limit=limit)

    def read_funding(self, symbol: str, value: Any) -> list[FundingRow] | None:
        """The answer is the list of objects `{symbol, fundingTime, fundingRate, markPrice, rateType}`."""
        rows = [_settlement(symbol, row) for row in value] if isinstance(value, list) else [None]
        return None if None in rows else [row for row in rows if row is not None]

    def fault(self, answer: Answer) -> ExchangeError | InputError | None:
        """Statuses 418, 429, 451, 403, and error objects `{"code": -1121, "msg": "..."}`."""
        return fault(answer)

    def rest_s(self, answer: Answer, now_ms: int) -> float:
        """Until the next minute when this address, all its programs together, has used 90 % of its weight."""
        used = used_weight(answer)
        if used is None or used <= _MOST_USED * self.weight_per_minute:
            return 0
        return (MINUTE_MS - (answer.date_ms or now_ms) % MINUTE_MS) / 1000

    def _get(self, endpoint: str, **params: Any) -> Request:
        return Request(f"{self.section}Get{endpoint}", params)


def _filters(told: Any) -> Filters | None:
    """Of an entry's list of objects `{"filterType": "PRICE_FILTER", "tickSize": "0.10", ...}`."""
    values: dict[tuple[str, str], Any] = {}
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict):
            values |= {(str(one.get("filterType")), name): value for name, value in one.items()}
    most = values.get(("MARKET_LOT_SIZE", "maxQty"))
    return Filters.read(
        {
            "tick": values.get(("PRICE_FILTER", "tickSize")),
            "step": values.get(("LOT_SIZE", "stepSize")),
            "least": values.get(("LOT_SIZE", "minQty")),
            "most": values.get(("LOT_SIZE", "maxQty")) if most is None else most,
            # of futures, and of spot by its newer and its older name
            "notional": values.get(
                ("MIN_NOTIONAL", "notional"),
                values.get(("NOTIONAL", "minNotional"), values.get(("MIN_NOTIONAL", "minNotional"))),
            ),
        }
    )


def _settlement(symbol: str, row: Any) -> FundingRow | None:
    """One row of fundingRate. Its mark price is "" or not there at all for all settlements before October 2023."""
    if not isinstance(row, dict) or row.get("symbol") != symbol:
        return None
    served, kind, mark = row.get("fundingTime"), row.get("rateType") or REGULAR, row.get("markPrice")
    if type(served) is not int or not isinstance(kind, str) or len(kind) > _LONGEST_TYPE:
        return None
    try:
        rate = float(row["fundingRate"])
        price = math.nan if mark in ("", None) else float(mark)
    except (KeyError, TypeError, ValueError):
        return None
    return served, rate, price, kind, math.nan


def used_weight(answer: Answer) -> int | None:
    """Request weight that this address has used in the current minute."""
    text = answer.headers.get("x-mbx-used-weight-1m", "")
    return int(text) if text.isdecimal() else None


def fault(answer: Answer) -> ExchangeError | InputError | None:
    """What is wrong with an answer of Binance's."""
    code, text = error_code(answer.body, "code", "msg")
    host = host_of(answer.url)
    if answer.status == 418:
        return Banned(
            f"{host} has locked this address out (HTTP 418)", retry_after(answer, _ban_s(answer, text))
        )
    if answer.status == 429 or code == _TOO_MANY:
        return RateLimited(f"{host} is rate limiting", retry_after(answer, DEFAULT_RETRY_AFTER_S))
    if answer.status == 451:
        return Refused(f"{host} {_LOCATION}")
    if answer.status == 403:
        return Refused(f"{host}: {_FIREWALL}")
    if answer.status >= 500 or code in _BUSY:
        return in_trouble(answer, text)
    if code == _UNKNOWN_SYMBOL:
        return InputError(f"{host} does not know this symbol")
    if code == _BAD_INTERVAL:
        return InputError(f"{host} does not serve this timeframe")
    if answer.status == 200 and code is None:
        return None
    if code is None or code == 0:
        return unexpected(answer)
    return refused(answer, code, text)


def _ban_s(answer: Answer, text: str) -> float:
    """Seconds of "IP banned until 1659146400000", by the exchange's own clock."""
    until = re.search(r"until (\d{13})", text)
    if until is None or answer.date_ms is None:
        return _SHORTEST_BAN_S
    return max(0.0, (int(until[1]) - answer.date_ms) / 1000)


# ccxt would ask which pairs have margin; nobody here wants to know
_OPTIONS: Final[Mapping[str, Any]] = {"crossMarginPairsData": [], "isolatedMarginPairsData": []}
FUTURES: Final = Binance(
    ccxt_class="binanceusdm",
    section="fapiPublic",
    kind="swap",
    page_limit=499,  # 499 rows weigh 2 where 500 weigh 5, so this is the fastest page there
    weight_per_minute=2400,
    rows=ROWS,
    timeframes={name: name for name in timeframes_of("binanceusdm")},
    is_oldest_first=True,
    ccxt_options=_OPTIONS,
)
SPOT: Final = Binance(
    ccxt_class="binance",
    section="public",
    kind="spot",
    page_limit=1000,
    weight_per_minute=6000,
    rows=ROWS,
    timeframes={name: name for name in timeframes_of("binance")},
    is_oldest_first=True,
    ccxt_options=_OPTIONS,
)
DIALECTS: Final[Mapping[str, Dialect]] = {
    "binanceusdm": FUTURES,
    "binance": SPOT,
    SAMPLE_EXCHANGE: FUTURES,  # served in this format
}
