"""What tests of filling share."""

from collections.abc import Callable

import pytest

from engine.model.market import Candles, Period, parse_time
from tests.support.fake_exchange import FakeExchange, grid_candles, without


@pytest.fixture
def list_sol(fake_exchange: FakeExchange) -> Callable[..., Candles]:
    """Lists SOLUSDT with every hour but those of the holes; returns its candles."""

    def make(*holes: Period, until: str = "2025-01-31", listed: bool = True) -> Candles:
        candles = without(grid_candles("1h", Period.parse("2023-12-01", until)), *holes)
        fake_exchange.add("SOL", "1h", candles, listed_ms=parse_time("2023-12-01") if listed else None)
        return candles

    return make
