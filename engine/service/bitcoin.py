"""A run's account beside Bitcoin, as far as candles of it are held."""

from __future__ import annotations

from typing import Final

from engine.analysis.account import Account
from engine.analysis.market import Bitcoin, beside_market
from engine.model.market import DAY_MS, Period, Timeframe
from engine.model.run import RunResult
from engine.service.resources import Resources

BITCOIN: Final = "BTC"
DAILY: Final = Timeframe("1d")


def bitcoin_period(run: RunResult) -> Period:
    """The days whose daily candles a comparison needs: those of the run and the one before them."""
    day = run.period.start // DAY_MS * DAY_MS
    return DAILY.align(Period(max(0, day - DAY_MS), run.period.end))


def beside_bitcoin(resources: Resources, run: RunResult) -> Bitcoin:
    """Bitcoin in the run's own quote currency, in candles of the run's timeframe or days, whichever know more of its days.

    Nothing is fetched, no exchange is asked.
    """
    unified = f"{BITCOIN}/{run.market.unified.partition('/')[2]}"
    listed = resources.store.exchanges.markets(run.exchange)
    market = next((one for one in listed if one.unified == unified), None)
    account = Account.of(run)
    if market is None or market == run.market or account is None:
        return Bitcoin(None if market is None else market.name)
    held = {series.timeframe for series in resources.store.candles.held_series() if series.market == market}
    found = []
    for timeframe in dict.fromkeys((run.timeframe, DAILY)):
        if timeframe in held:
            candles = resources.cache.load(market, timeframe, timeframe.align(bitcoin_period(run))).candles
            found.append(beside_market(f"{market.name} {timeframe}", account, candles))
    return Bitcoin(market.name, max(found, key=lambda one: one.days, default=None))
