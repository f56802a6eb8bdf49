"""Work on one series as one job, so that whoever listens knows which series it is about."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from engine.events import OnEvent, as_job
from engine.model.market import Market, Timeframe, series_name

T = TypeVar("T")


def series_job(
    kind: str, market: Market, timeframe: Timeframe, doing: str, on_event: OnEvent, work: Callable[[str], T]
) -> T:
    """Do `work`, which is told the job's id; its subject is the exchange, the market's own name and the series' name."""
    name = series_name(market.kind, timeframe)
    job = f"{kind}:{market.exchange}:{market.name}:{name.replace('1M', '1mo')}"
    subject = (market.exchange, market.name, name)
    title = f"{market.title(timeframe)}: {doing}"
    return as_job(job, kind, title, on_event, partial(work, job), subject=subject)
