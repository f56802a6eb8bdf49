"""FakeArchive: Binance's bulk archive on this machine, made from candles, with what goes wrong with the real one.

Fixture: `fake_archive`. Files are made when they are asked for, so a year of candles costs no memory.
"""

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from engine.data.exchanges.loopback import FUTURES_PATH, SPOT_PATH, LoopbackExchange, Reply
from engine.model.funding import FundingRates
from engine.model.market import DAY_MS, Candles, Period, Timeframe, parse_time

FOLDERS = {SPOT_PATH: "/data/spot", FUTURES_PATH: "/data/futures/um"}
FUNDING_HEADER = "calc_time,funding_interval_hours,last_funding_rate"
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
_SPOT_MICROSECONDS_MS = parse_time("2025-01-01")


@dataclass
class Spoil:
    """What is wrong with one day. `candles`, `text` and `packed` change what the file is made from, before the checksum is
    taken; `sent` changes what goes over the wire after it.
    """

    candles: Callable[[Candles], Candles] | None = None
    text: Callable[[str], str] | None = None
    pack: Callable[[str, bytes], bytes] | None = None  # member name and content to a zip
    sent: Callable[[bytes], bytes] | None = None
    checksum: Callable[[str], str | None] = lambda digest: digest  # None: there is none
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    drop: bool = False  # hang up without an answer
    cut: bool = False  # announce the whole body, send half of it


MISSING = Spoil(status=404)


class FakeArchive(LoopbackExchange):
    """Serves the days of what tests list. `header` and `microseconds`: None means as Binance does it."""

    def __init__(self) -> None:
        super().__init__([], lambda: time.time_ns() // 1_000_000)
        self.series: dict[tuple[str, str, str], Candles] = {}
        self.marks: dict[tuple[str, str], Candles] = {}  # by symbol and timeframe
        self.funding: dict[str, FundingRates] = {}  # by symbol
        self.spoilt: dict[
            str, Spoil
        ] = {}  # by day, "2024-05-03"; or month, "2024-05", of what comes by months
        self.always: Spoil | None = None
        self.header: bool | None = None
        self.microseconds: bool | None = None
        self.requests: list[str] = []
        self.at_once = 0  # the most requests that were under way together
        self._under_way = 0
        self._count = threading.Lock()

    def add(self, name: str, timeframe: str, candles: Candles, *, path: str = FUTURES_PATH) -> None:
        """List the days of a symbol."""
        self.series[path, name, timeframe] = candles

    @property
    def days_sent(self) -> list[str]:
        """The days whose zip was asked for, sorted."""
        return sorted(path[-14:-4] for path in self.requests if path.endswith(".zip"))

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        with self._count:
            self.requests.append(path)
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        try:
            return self._answer(path)
        finally:
            with self._count:
                self._under_way -= 1

    def _answer(self, path: str) -> Reply:
        wants_checksum = path.endswith(".CHECKSUM")
        file = path.removesuffix(".CHECKSUM").rpartition("/")[2]
        day = file.removesuffix(".zip")[-7 if "/monthly/" in path else -10 :]
        spoil = self.spoilt.get(day) or self.always or Spoil()
        time.sleep(spoil.delay_s)
        if spoil.drop:
            raise ConnectionAbortedError
        data = self._file(path.removesuffix(".CHECKSUM"), day, spoil)
        if data is None or spoil.status is not None:
            return Reply(
                spoil.status or 404, body=b"<Error><Code>NoSuchKey</Code></Error>", headers=spoil.headers
            )
        if wants_checksum:
            digest = spoil.checksum(hashlib.sha256(data).hexdigest())
            return Reply(404, body=b"") if digest is None else Reply(200, body=f"{digest}  {file}\n".encode())
        data = spoil.sent(data) if spoil.sent else data
        if spoil.cut:
            headers = {"Content-Length": str(len(data)), "Connection": "close"}
            return Reply(200, body=data[: len(data) // 2], headers=headers)
        return Reply(200, body=data, headers={"Content-Type": "binary/octet-stream"})

    def _file(self, path: str, day: str, spoil: Spoil) -> bytes | None:
        span = "monthly" if len(day) == 7 else "daily"
        start = parse_time(f"{day}-01" if len(day) == 7 else day)
        within = Period(start, Timeframe("1M" if len(day) == 7 else "1d").next(start))
        for name, rates in self.funding.items():
            if path == f"/data/futures/um/monthly/fundingRate/{name}/{name}-fundingRate-{day}.zip":
                return self._settlements(name, day, rates.within(within), spoil)
        known = {(FOLDERS[api], "klines", name, of): held for (api, name, of), held in self.series.items()}
        for (name, of), held in self.marks.items():
            known[FOLDERS[FUTURES_PATH], "markPriceKlines", name, of] = held
        for (folder, content, name, timeframe), candles in known.items():
            called = Timeframe(timeframe).file_name
            if path != f"{folder}/{span}/{content}/{name}/{called}/{name}-{called}-{day}.zip":
                continue
            of_day = candles.within(within)
            if not len(of_day):
                return None
            of_day = spoil.candles(of_day) if spoil.candles else of_day
            text = self._text(of_day, Timeframe(timeframe), is_spot=folder == FOLDERS[SPOT_PATH])
            text = spoil.text(text) if spoil.text else text
            return (spoil.pack or make_zip)(f"{name}-{timeframe}-{day}.csv", text.encode())
        return None

    def _settlements(self, name: str, month: str, rates: FundingRates, spoil: Spoil) -> bytes | None:
        if not len(rates):
            return None
        lines = [f"{served},{hours:.0f},{rate!r}" for served, rate, _, _, hours in rates.rows()]
        text = "\n".join([FUNDING_HEADER, *lines]) + "\n"
        text = spoil.text(text) if spoil.text else text
        return (spoil.pack or make_zip)(f"{name}-fundingRate-{month}.csv", text.encode())

    def _text(self, candles: Candles, timeframe: Timeframe, *, is_spot: bool) -> str:
        has_header = (not is_spot) if self.header is None else self.header
        as_binance = is_spot and bool(len(candles)) and candles.timestamp[0] >= _SPOT_MICROSECONDS_MS
        micro = as_binance if self.microseconds is None else self.microseconds
        factor, last = (1000, 999) if micro else (1, 0)
        lines = [HEADER] if has_header else []
        bounds = {"startTime": 0, "endTime": self.now_ms()}
        for row in self.rows(candles, timeframe, {**bounds, "limit": DAY_MS}, DAY_MS):
            row[0], row[6] = row[0] * factor, row[6] * factor + last
            lines.append(",".join(map(str, row)))
        return "\n".join(lines) + "\n"


def make_zip(
    name: str, content: bytes, *others: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip with one member, and `others`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file:
        for member, text in ((name, content), *others):
            file.writestr(
                zipfile.ZipInfo(member), text, method
            )  # with a fixed date: made twice, the same bytes
    return packed.getvalue()


@pytest.fixture
def fake_archive() -> Iterator[FakeArchive]:
    """An archive on this machine that holds nothing yet."""
    with FakeArchive() as archive:
        yield archive
