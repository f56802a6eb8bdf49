"""Binance's bulk archive over HTTP: one zip per market, timeframe and UTC day, with its checksum beside it.

Daily files only: the monthly ones come late, lack days and differ from the REST interface where daily ones do not.
Nothing is believed that is not proven; a day that is doubtful in any way is reported as such, and REST is asked for it.
"""

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from engine.data.exchanges.answers import host_of, no_answer
from engine.data.exchanges.archive_file import DayFile, DoubtfulFile, read_day, zip_limit
from engine.data.exchanges.ccxt_client import LOOPBACK
from engine.data.exchanges.pages import find_holes
from engine.model.market import Candles, Market, Period, Timeframe, format_time

if TYPE_CHECKING:
    import requests

_FOLDERS: Final = {"binance": "/data/spot/daily/klines", "binanceusdm": "/data/futures/um/daily/klines"}
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
        path = file_path(market, timeframe, day)
        # first the checksum: where it is missing the file would be of no use
        announced = (
            self._get(f"{path}.CHECKSUM", _CHECKSUM_BYTES, stop)[:64].decode("ascii", "replace").lower()
        )
        data = self._get(path, zip_limit(timeframe, day), stop)
        digest = hashlib.sha256(data).hexdigest()
        if digest != announced:
            raise DoubtfulFile("does not match its checksum")
        candles = read_day(data, timeframe, day)
        _log.info("%s sha256 %s, %d candles", path, digest, len(candles))  # files are replaced at times
        return candles

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


def file_path(market: Market, timeframe: Timeframe, day: Period) -> str:
    """Where the archive keeps a day: /data/spot/daily/klines/SOLUSDT/1m/SOLUSDT-1m-2024-05-03.zip."""
    name = quote(market.name, safe="")
    return (
        f"{_FOLDERS[market.exchange]}/{name}/{timeframe}/{name}-{timeframe}-{format_time(day.start)[:10]}.zip"
    )


def has_archive(exchange: str) -> bool:
    """Whether the archive has files of this exchange."""
    return exchange in _FOLDERS


def _refusal(status: int) -> Exception:
    if status == 404:
        return DoubtfulFile("is not there, or has no checksum")
    if 300 <= status < 400:
        return Trouble("is said to be elsewhere (redirects are not followed)")
    return Trouble(f"was refused (HTTP {status})")
