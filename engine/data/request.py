"""What a request for a period really asks for: cells on the grid, closed by the exchange's clock, not proven for good."""

from engine.errors import InputError
from engine.model.coverage import AFTER_DELISTING, Coverage
from engine.model.exchanges import describe
from engine.model.funding import SNAP_MS
from engine.model.kinds import Kind
from engine.model.market import DAY_MS, HOUR_MS, Market, Period, Timeframe, short_time


def align(timeframe: Timeframe, period: Period) -> Period:
    """The cells that open in the period; raises InputError when there are none."""
    wanted = timeframe.align(period)
    if wanted.start >= wanted.end:
        raise InputError(f"no {timeframe} candle opens in {period}")
    return wanted


def check_kind(market: Market) -> None:
    """Raise InputError for a kind of series that the market's exchange is not asked for."""
    if market.kind not in describe(market.exchange).kinds:
        what = "funding" if market.kind is Kind.FUNDING else f"{market.kind} candles"
        raise InputError(f"{market.exchange} lists no {what} here")


def clip_to_closed(market: Market, timeframe: Timeframe, wanted: Period, now_ms: int) -> Period:
    """The cells that have closed; raises InputError when there are none. Of funding, the hours that began a minute ago."""
    if market.kind is Kind.FUNDING:
        now_ms += HOUR_MS - SNAP_MS
    closed_end = timeframe.floor(now_ms)
    if wanted.start >= closed_end and market.kind is Kind.FUNDING:
        raise InputError(f"{market} has no settlement of funding yet in {wanted}")
    if wanted.start >= closed_end:
        last = timeframe.shift(closed_end, -1)
        raise InputError(
            f"{market} has no closed {timeframe} candle in {wanted}: the last closed one opened at {short_time(last)}"
        )
    return wanted.clip(Period(0, closed_end))


def stale_tails(coverage: Coverage, now_ms: int) -> list[Period]:
    """Cells once found empty after a delisting, whose confirmation is older than a day."""
    return [
        gone.period
        for gone in coverage.missing
        if gone.reason == AFTER_DELISTING and (gone.confirmed_ms or 0) < now_ms - DAY_MS
    ]
