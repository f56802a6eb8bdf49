"""Binance's bulk archive over HTTP: one zip per market, series and UTC day or month, with its checksum beside it.

Daily files where there are any: the monthly ones come late, lack days and differ from the REST interface where daily ones do
not. Funding rates and candles of more than a day come by months only.
Nothing is believed that is not proven; a day that is doubtful in any way is reported as such, and REST is asked for it.
"""

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from engine.data.exchanges.answers import Answer, host_of, no_answer
from engine.data.exchanges.archive_file import DayFile, DoubtfulFile, read_day, read_funding, zip_limit
from engine.data.exchanges.ccxt_client import LOOPBACK
from engine.data.exchanges.pages import find_holes
from engine.errors import ExchangeError
from engine.model.funding import FundingRates
from engine.model.kinds import Kind
from engine.model.market import DAY_MS, FUNDING_GRID, Candles, Market, Period, Timeframe, format_time

if TYPE_CHECKING:
    import requests

_FOLDERS: Final = {"binance": "/data/spot", "binanceusdm": "/data/futures/um"}
_CONTENTS: Final = {Kind.TRADED: "klines", Kind.MARK: "markPriceKlines", Kind.FUNDING: "fundingRate"}
_MONTH: Final = Timeframe("1M")
_CHECKSUM_BYTES: Final = 1024  # 64 hex digits and a file name
_CHUNK_BYTES: Final = 65_536
_HEADERS: Final = {"Accept-Encoding": "identity"}  # a zip is packed already; nothing may unpack on the way
_log = logging.getLogger(__name__)


class Trouble(Exception):
    """The archive did not answer, or not for this file; its text goes on from the day."""


class Archive:
    """The archive at one address. Thread-safe; each call takes a connection of its own."""

    def __init__(self, base_url: str, timeout_s: float = 10, longest_s: float = 60) -> None:
        """`timeout_s`: silence that is borne; `longest_s`: time that one file may take altogether."""
        self._base_url, self._timeout_s, self._longest_s = base_url, timeout_s, longest_s
        self._lock = threading.Lock()
        self._resting: list[requests.Session] = []
        self._closed = False

    @property
    def host(self) -> str:
        """Host and port of the archive."""
        return host_of(self._base_url)

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        with self._lock:
            self._closed = True
            resting, self._resting = self._resting, []
        for session in resting:
            session.close()

    def day(self, market: Market, timeframe: Timeframe, day: Period, stop: threading.Event) -> DayFile:
        """The candles that the archive proves of one UTC day; a file that is not believed gives none and says why.

        `stop` ends it between two chunks, as trouble. Cells without a candle are not known to be missing.
        """
        try:
            candles = self._candles(market, timeframe, day, stop)
        except DoubtfulFile as doubt:
            return DayFile(day, Candles.empty(), (day,), str(doubt))
        except Trouble as trouble:
            return DayFile(day, Candles.empty(), (day,), str(trouble), trouble=True)
        holes = find_holes(timeframe, day, candles.timestamp.tolist())
        lacking = timeframe.count(day) - len(candles)
        return DayFile(day, candles, tuple(holes), f"lacks {lacking:,} candles" if holes else "")

    def _candles(self, market: Market, timeframe: Timeframe, day: Period, stop: threading.Event) -> Candles:
        data = self._checked(file_path(market, timeframe, day), zip_limit(timeframe, day), stop)
        return read_day(data, timeframe, day)

    def funding(self, market: Market, month: Period, stop: threading.Event) -> FundingRates:
        """The settlements of one UTC month, with intervals and without mark prices; raises DoubtfulFile, Trouble."""
        data = self._checked(file_path(market, FUNDING_GRID, month), zip_limit(FUNDING_GRID, month), stop)
        return read_funding(data, month, market.title(FUNDING_GRID))

    def now_ms(self) -> int:
        """The archive's clock, of whatever it answers; whole seconds. Raises ExchangeError."""
        import requests

        session = self._take_session()
        try:
            with session.head(self._base_url, timeout=self._timeout_s, allow_redirects=False) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                now = Answer(self._base_url, response.status_code, headers, "").date_ms
        except (requests.RequestException, OSError) as error:
            raise no_answer(self._base_url, error) from None
        finally:
            self._rest_session(session)
        if now is None:
            raise ExchangeError(f"{self.host} does not say what time it is")
        return now

    def _checked(self, path: str, limit: int, stop: threading.Event) -> bytes:
        """A file that matches its checksum."""
        # first the checksum: where it is missing the file would be of no use
        announced = (
            self._get(f"{path}.CHECKSUM", _CHECKSUM_BYTES, stop)[:64].decode("ascii", "replace").lower()
        )
        data = self._get(path, limit, stop)
        digest = hashlib.sha256(data).hexdigest()
        if digest != announced:
            raise DoubtfulFile("does not match its checksum")
        _log.info("%s sha256 %s", path, digest)  # files are replaced at times
        return data

    # -- HTTP

    def _get(self, path: str, limit: int, stop: threading.Event) -> bytes:
        """The body of an answer with status 200, at most `limit` bytes."""
        import requests
        import urllib3

        session = self._take_session()
        try:
            with session.get(
                self._base_url + path,
                headers=_HEADERS,
                timeout=self._timeout_s,
                stream=True,
                allow_redirects=False,
            ) as response:
                if response.status_code != 200:
                    response.raw.read(_CHUNK_BYTES)  # a connection is kept only when its answer was read
                    raise _refusal(response.status_code)
                return self._read(response, limit, stop)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Trouble(f"did not arrive ({no_answer(self._base_url, error)})") from None
        finally:
            self._rest_session(session)

    def _read(self, response: "requests.Response", limit: int, stop: threading.Event) -> bytes:
        body = bytearray()
        deadline = time.monotonic() + self._longest_s
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):  # whatever is there by now
            body += chunk
            if len(body) > limit:
                raise DoubtfulFile(f"is larger than {limit:,} bytes")
            if stop.is_set() or time.monotonic() > deadline:
                raise Trouble("did not arrive in time")
        return bytes(body)

    def _take_session(self) -> "requests.Session":
        import requests

        with self._lock:
            if self._resting:
                return self._resting.pop()
        session = requests.Session()
        # proxies of the environment are honoured, as for REST, but never asked for this very machine
        session.trust_env = urlsplit(self._base_url).hostname not in LOOPBACK
        return session

    def _rest_session(self, session: "requests.Session") -> None:
        with self._lock:
            if not self._closed:
                self._resting.append(session)
                return
        session.close()


def file_span(market: Market, timeframe: Timeframe) -> Timeframe:
    """How much of a series one file holds: a UTC day, where there are such files, else a month."""
    is_long = timeframe.count(Period(0, DAY_MS)) < 1 or timeframe.next(0) > DAY_MS
    return _MONTH if is_long or market.kind is Kind.FUNDING else Timeframe("1d")


def file_path(market: Market, timeframe: Timeframe, span: Period) -> str:
    """Where the archive keeps a day: /data/spot/daily/klines/SOLUSDT/1m/SOLUSDT-1m-2024-05-03.zip; or a month, as
    /data/futures/um/monthly/fundingRate/SOLUSDT/SOLUSDT-fundingRate-2024-05.zip.
    """
    name, content = quote(market.name, safe=""), _CONTENTS[market.kind]
    is_month = file_span(market, timeframe) == _MONTH
    folder = f"{_FOLDERS[market.exchange]}/{'monthly' if is_month else 'daily'}/{content}/{name}"
    when = format_time(span.start)[: 7 if is_month else 10]
    if market.kind is Kind.FUNDING:
        return f"{folder}/{name}-{content}-{when}.zip"
    return f"{folder}/{timeframe.file_name}/{name}-{timeframe.file_name}-{when}.zip"


def has_archive(exchange: str) -> bool:
    """Whether the archive has files of this exchange."""
    return exchange in _FOLDERS


def _refusal(status: int) -> Exception:
    if status == 404:
        return DoubtfulFile("is not there, or has no checksum")
    if 300 <= status < 400:
        return Trouble("is said to be elsewhere (redirects are not followed)")
    return Trouble(f"was refused (HTTP {status})")
