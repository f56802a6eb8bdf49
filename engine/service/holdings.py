"""Every series that the database holds, as the Data page lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.coverage import Holding
from engine.model.kinds import Kind
from engine.model.market import Period

if TYPE_CHECKING:
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store


def holdings(store: Store, fetcher: DataFetcher) -> list[Holding]:
    """Every series of which anything is held, with what is held and missing over time; asks no exchange."""
    held = store.candles.held_series()
    each = store.bytes_per_candle()
    since = min((series.first_ms for series in held), default=0)
    found = []
    for series in held:
        market, timeframe = series.market, series.timeframe
        end = max(fetcher.known_now_ms(market), timeframe.next(series.last_ms))
        period = Period(timeframe.floor(since), timeframe.floor(end))
        parts = store.verification.imported(market, timeframe, period)
        is_funding = market.kind is Kind.FUNDING
        imported = (
            len(store.funding.read(market, part)) if is_funding else timeframe.count(part) for part in parts
        )
        found.append(
            Holding(
                fetcher.coverage(market, timeframe, period),
                series.first_ms,
                series.last_ms,
                round(series.candles * each),
                sum(imported),
            )
        )
    return found
