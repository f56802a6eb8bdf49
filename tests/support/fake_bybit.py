"""FakeBybit: Bybit's v5 interface on this machine, with the faults that FakeExchange knows.

Fixtures: `fake_bybit`, and `bybit_bench`, which makes a fetcher in front of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from engine.data.exchanges.connection import Patience
from engine.data.exchanges.loopback import Listing, Reply, candle_texts
from engine.data.exchanges.sample import aggregate
from engine.database.store import Store
from engine.model.market import Candles, Timeframe
from tests.support.fake_exchange import EAGER, Bench, FakeExchange, Fault, MakeBench

SPOT, LINEAR = "spot", "linear"  # categories take the place of Binance's paths
INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h", "360": "6h",
    "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip


def error(code: int, text: str = "", status: int = 200, **headers: str) -> Fault:
    """Bybit's error object, which comes with status 200."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status, json.dumps({"retCode": code, "retMsg": text, "result": {}, "time": 0}), named)


class FakeBybit(FakeExchange):
    """Serves both categories. `keeps`: which rows of a window come when they are more than the limit; `part`: instruments on
    one page of the list; `more`: instruments that are no series of a test.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults = {"kline": self.faults["klines"], "time": self.faults["time"]}
        self.faults["instruments-info"] = type(self.faults["kline"])()
        self.keeps = "newest"
        self.part = 1000
        self.more: list[dict[str, Any]] = []

    def add(self, base: str, timeframe: str, candles: Candles, *, path: str = LINEAR, **more: Any) -> None:
        super().add(base, timeframe, candles, path=path, **more)

    def delist(self, base: str, *, path: str = LINEAR) -> None:
        """The symbol is on the list no more; its candles stay."""
        super().delist(base, path=path)

    def fail(self, *faults: Fault, on: str = "kline", times: int = 1) -> None:
        super().fail(*faults, on=on, times=times)

    def truth(self, path: str, params: Mapping[str, str]) -> Reply:
        answers: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "/v5/market/time": self._time,
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/kline": self._kline,
        }
        if path not in answers:
            return Reply(404, body=b"<html>404</html>", headers={"Content-Type": "text/html"})
        result = answers[path](params)
        if isinstance(result, Reply):
            return result
        return Reply(
            200, {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self.now_ms()}
        )

    def opens(self, reply: Reply) -> list[int]:
        return [int(row[0]) for row in reply.value["result"]["list"]] if reply.value["retCode"] == 0 else []

    def change_rows(self, reply: Reply, change: Callable[[list[Any]], list[Any]]) -> None:
        reply.value["result"]["list"] = change(reply.value["result"]["list"])

    def _time(self, _: Mapping[str, str]) -> dict[str, Any]:
        return {"timeSecond": str(self.now_ms() // 1000), "timeNano": str(self.now_ms() * 1_000_000)}

    def _instruments(self, params: Mapping[str, str]) -> dict[str, Any]:
        category, status = params["category"], params.get("status", "Trading")
        known = [self._instrument(one) for one in self._listings.values() if one.path == category]
        known += [one for one in self.more if one.get("category", category) == category]
        shown = [one for one in known if one["status"] == status]
        if category == SPOT:
            return {"category": category, "list": shown}
        first = int(params.get("cursor", "at=0").removeprefix("at="))
        size = min(self.part, int(params.get("limit", "500")))
        after = first + size
        cursor = f"at%3D{after}" if after < len(shown) else ""
        return {"category": category, "list": shown[first:after], "nextPageCursor": cursor}

    def _instrument(self, listing: Listing) -> dict[str, Any]:
        trades = "Trading" if listing.is_trading else "Closed"
        found = {
            "symbol": listing.name,
            "baseCoin": listing.base,
            "quoteCoin": listing.quote,
            "status": self.statuses.get(listing.name, trades),
        }
        if listing.path == SPOT:
            return found
        launched = {"launchTime": str(listing.listed_ms or 0), "deliveryTime": "0"}
        return found | launched | {"contractType": "LinearPerpetual", "settleCoin": listing.quote}

    def _kline(self, params: Mapping[str, str]) -> Any:
        category, symbol = params.get("category", LINEAR), params.get("symbol", "")
        listing = self._listings.get((category, symbol))
        if listing is None:
            return Reply(200, {"retCode": 10001, "retMsg": "Not supported symbols", "result": {}})
        if params.get("interval") not in INTERVALS:
            return Reply(200, {"retCode": 10001, "retMsg": "Invalid period!", "result": {}})
        timeframe = Timeframe(INTERVALS[params["interval"]])
        rows = self._newest_first(self._series(listing, timeframe), timeframe, params)
        return {"category": category, "symbol": symbol, "list": rows}

    @staticmethod
    def _series(listing: Listing, timeframe: Timeframe) -> Candles:
        """The candles of a length, made of the shortest ones where they are not given."""
        known = listing.series.get(timeframe.name)
        if known is not None:
            return known
        shortest = min(
            listing.series, key=lambda name: Timeframe(name).open_ms(1) - Timeframe(name).open_ms(0)
        )
        candles = listing.series[shortest]
        return aggregate(candles, timeframe) if len(candles) else candles

    def _newest_first(
        self, candles: Candles, timeframe: Timeframe, params: Mapping[str, str]
    ) -> list[list[str]]:
        now, limit = self.now_ms(), max(1, min(int(params.get("limit", "200")), 1000))
        start = timeframe.floor(int(params.get("start", "0")))  # the candle that holds the start
        end = min(int(params.get("end", now)), now)
        first, last = (int(place) for place in np.searchsorted(candles.timestamp, [start, end + 1]))
        if self.keeps == "newest":
            first = max(first, last - limit)
        last = min(last, first + limit)
        found = candles.slice(first, last)
        rows = [
            [str(opened), *candle_texts(opened, numbers, timeframe, now), "0"]
            for opened, *numbers in zip(
                found.timestamp.tolist(),
                *(column.tolist() for column in found.columns().values()),
                strict=True,
            )
        ]
        return rows[::-1]


@pytest.fixture
def fake_bybit() -> Iterator[FakeBybit]:
    """A Bybit on this machine that lists nothing yet."""
    with FakeBybit() as exchange:
        yield exchange


@pytest.fixture
def bybit_bench(fake_bybit: FakeBybit, store: Store) -> Iterator[MakeBench]:
    """Makes benches: `bybit_bench(page_limit=5, patience=...)`."""
    made: list[Bench] = []

    def make(
        page_limit: int | None = None, patience: Patience = EAGER, archive_url: str | None = None
    ) -> Bench:
        names = ("bybitlinear", "bybit")
        made.append(Bench(fake_bybit, store, page_limit, patience, archive_url, names))
        return made[-1]

    yield make
    for one in made:
        one.close()
