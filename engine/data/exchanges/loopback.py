"""A small exchange on this machine: real HTTP on 127.0.0.1 that answers exchangeInfo, time, klines, markPriceKlines and
fundingRate as Binance does.

Serves the bundled sample market in the product; tests add faults, holes and a settable clock on top.
"""

import contextlib
import json
import math
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from engine.model.filters import Filters
from engine.model.funding import FundingRates
from engine.model.market import Candles, Timeframe

SPOT_PATH: Final = "/api/v3"
FUTURES_PATH: Final = "/fapi/v1"
_PERPETUAL_DELIVERY_MS: Final = 4_133_404_800_000  # Binance's "never"
_MAX_LIMIT: Final = {SPOT_PATH: 1000, FUTURES_PATH: 1500}
_DEFAULT_LIMIT: Final = 500
_DEFAULT_SETTLEMENTS: Final = 100
_MAX_SETTLEMENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol that the loopback exchange has: its candles by timeframe ("1h"), those of the mark price, its funding,
    what it takes of orders.
    """

    path: str  # SPOT_PATH or FUTURES_PATH
    base: str
    quote: str
    series: Mapping[str, Candles]
    listed_ms: int | None = None
    is_trading: bool = True
    marks: Mapping[str, Candles] = field(default_factory=dict)
    funding: FundingRates = field(default_factory=FundingRates.empty)
    filters: Filters | None = None

    @property
    def name(self) -> str:
        """The exchange's name of it, "SOLUSDT"."""
        return self.base + self.quote


@dataclass(slots=True)
class Reply:
    """What goes back over the wire."""

    status: int
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None  # in place of `value` as JSON


def refusal(code: int, text: str, status: int = 400) -> Reply:
    """Binance's error object."""
    return Reply(status, {"code": code, "msg": text})


class LoopbackExchange:
    """Binance's rules: both bounds inclusive on the open time, oldest first, the candle still open comes last."""

    def __init__(self, listings: Sequence[Listing], now_ms: Callable[[], int]) -> None:
        self._listings = {(listing.path, listing.name): listing for listing in listings}
        self.now_ms = now_ms
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> str:
        """Serve on a free port; returns the base address."""
        self._server = _Server(self)
        soon = 0.01  # seconds until it notices that it is closed
        threading.Thread(
            target=self._server.serve_forever, args=(soon,), name="loopback", daemon=True
        ).start()
        return self.url

    @property
    def url(self) -> str:
        """The base address while it serves."""
        if self._server is None:
            raise RuntimeError("the loopback exchange is not started")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving. Safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        """Answer one GET request."""
        api, _, endpoint = path.rpartition("/")
        if api not in _MAX_LIMIT:
            return Reply(404, body=b"<html>not found</html>", headers={"Content-Type": "text/html"})
        if endpoint == "time":
            return Reply(200, {"serverTime": self.now_ms()})
        if endpoint == "exchangeInfo":
            return Reply(200, self._info(api))
        if endpoint in ("klines", "markPriceKlines", "fundingRate"):
            return self._rows(api, endpoint, params)
        return Reply(404, body=b"<html>not found</html>", headers={"Content-Type": "text/html"})

    def _info(self, api: str) -> dict[str, Any]:
        symbols = [_symbol_info(listing) for listing in self._listings.values() if listing.path == api]
        return {"timezone": "UTC", "serverTime": self.now_ms(), "rateLimits": [], "symbols": symbols}

    def _rows(self, api: str, endpoint: str, params: Mapping[str, str]) -> Reply:
        listing = self._listings.get((api, params.get("symbol", "")))
        if listing is None:
            return refusal(-1121, "Invalid symbol.")
        try:
            bounds = {name: int(params[name]) for name in ("startTime", "endTime", "limit") if name in params}
        except ValueError:
            return refusal(-1100, "Illegal characters found in a parameter.")
        if endpoint == "fundingRate":
            return Reply(200, self.settlements(listing, bounds))
        interval = params.get("interval", "")
        series = listing.series if endpoint == "klines" else listing.marks
        if interval not in series:
            return refusal(-1120, "Invalid interval.")
        return Reply(200, self.rows(series[interval], Timeframe(interval), bounds, _MAX_LIMIT[api]))

    def settlements(self, listing: Listing, bounds: Mapping[str, int]) -> list[dict[str, Any]]:
        """The rows of fundingRate that Binance would answer."""
        now = self.now_ms()
        start, end = bounds.get("startTime", 0), min(bounds.get("endTime", now), now)
        limit = max(1, min(bounds.get("limit", _DEFAULT_SETTLEMENTS), _MAX_SETTLEMENTS))
        within = [row for row in listing.funding.rows() if start <= row[0] <= end]
        return [
            {
                "symbol": listing.name,
                "fundingTime": served,
                "fundingRate": _decimal(rate),
                "markPrice": "" if math.isnan(mark) else _decimal(mark),
                "rateType": kind,
            }
            for served, rate, mark, kind, _ in within[:limit]
        ]

    def rows(
        self, candles: Candles, timeframe: Timeframe, bounds: Mapping[str, int], max_limit: int
    ) -> list[list[Any]]:
        """The kline rows that Binance would answer."""
        now = self.now_ms()
        start, end = bounds.get("startTime"), min(bounds.get("endTime", now), now)
        limit = max(1, min(bounds.get("limit", _DEFAULT_LIMIT), max_limit))
        first, last = np.searchsorted(candles.timestamp, [start or 0, end + 1])
        # with a start: the oldest rows from there; without: the newest up to the end
        first, last = (
            (first, min(last, first + limit)) if start is not None else (max(first, last - limit), last)
        )
        return [_row(row, timeframe, now) for row in _tuples(candles.slice(int(first), int(last)))]


def _tuples(candles: Candles) -> list[tuple[int, float, float, float, float, float]]:
    columns = (candles.timestamp.tolist(), *(column.tolist() for column in candles.columns().values()))
    return list(zip(*columns, strict=True))


def _row(row: tuple[int, float, float, float, float, float], timeframe: Timeframe, now: int) -> list[Any]:
    opened, *numbers = row
    texts = candle_texts(opened, numbers, timeframe, now)
    return [opened, *texts, timeframe.next(opened) - 1, "0", 0, "0", "0", "0"]


def candle_texts(opened: int, numbers: Sequence[float], timeframe: Timeframe, now: int) -> list[str]:
    """Prices and volume as an exchange writes them. Of a candle still open nobody knows what it will become."""
    if timeframe.next(opened) > now:
        numbers = [numbers[0], numbers[0], numbers[0], numbers[0], 0.0]
    return [_decimal(number) for number in numbers]


def _decimal(number: float) -> str:
    text = repr(number)
    return format(Decimal(text), "f") if "e" in text else text


def _filters(listing: Listing) -> list[dict[str, Any]]:
    """As Binance tells them: on futures the least value has another name than on spot."""
    told = listing.filters
    if told is None:
        return []
    is_spot = listing.path == SPOT_PATH
    notional = {"minNotional" if is_spot else "notional": _decimal(told.notional)}
    most = {} if math.isinf(told.most) else {"maxQty": _decimal(told.most)}
    return [
        {"filterType": "PRICE_FILTER", "tickSize": _decimal(told.tick)},
        {"filterType": "LOT_SIZE", "stepSize": _decimal(told.step), "minQty": _decimal(told.least)},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": _decimal(told.step), **most},
        {"filterType": "NOTIONAL" if is_spot else "MIN_NOTIONAL", **notional},
    ]


def _symbol_info(listing: Listing) -> dict[str, Any]:
    info: dict[str, Any] = {
        "symbol": listing.name,
        "status": "TRADING" if listing.is_trading else "BREAK",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "filters": _filters(listing),
    }
    if listing.path == SPOT_PATH:
        return {**info, "permissions": ["SPOT"], "isSpotTradingAllowed": True}
    return {
        **info,
        "pair": listing.name,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_DELIVERY_MS,
        "onboardDate": listing.listed_ms or 0,
        "marginAsset": listing.quote,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, exchange: LoopbackExchange) -> None:
        self.exchange = exchange
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Without the base class's look-up of the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Remember who is connected."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget who is not."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Hang up on everyone: closed means that nobody gets an answer any more."""
        super().server_close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer one request."""
        url = urlsplit(self.path)
        self.write(self.server.exchange.reply(url.path, dict(parse_qsl(url.query))))

    def do_HEAD(self) -> None:
        """Tell the time and nothing else."""
        self.write(Reply(200, body=b""))

    def write(self, reply: Reply) -> None:
        """Send the reply."""
        body = json.dumps(reply.value).encode() if reply.body is None else reply.body
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Date": formatdate(self.server.exchange.now_ms() / 1000, usegmt=True),
            **reply.headers,
        }
        self.send_response_only(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""
