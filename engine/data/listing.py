"""Where a series begins: the exchange's own first candle, which no candle served or held may contradict."""

from dataclasses import dataclass

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.locked_series import LockedSeries
from engine.model.market import short_time


def ask_first_candle(work: LockedSeries, seen: int | None = None) -> int:
    """Open time of the first candle, by one probe from the beginning of time; not stored here.

    `seen`: an open time that was served already. An answer that is later than it, or than a candle held of the exchange,
    comes from a node that lacks old candles: it is asked again a few times, then UnexpectedAnswer. Candles that a file
    brought contradict nobody, but a series begins no later than with them.
    """
    held, held_of_exchange = work.store.candles.first_held(work.market, work.timeframe)
    served = min((ms for ms in (seen, held_of_exchange) if ms is not None), default=None)
    patience, answer = work.exchange.patience, None
    for attempt in range(patience.attempts):
        if attempt:
            work.caller.cancel.sleep(patience.wait_s(attempt))
        cells = work.probe(0).cells
        answer = cells[0] if cells else answer
        if cells and (served is None or cells[0] <= served):
            return cells[0] if held is None else min(cells[0], held)
    if answer is None or served is None:
        raise UnexpectedAnswer(f"{work.exchange.name} lists {work.market.name} but serves no candle of it")
    raise UnexpectedAnswer(
        f"{work.market.name} {work.timeframe}: the exchange's answers contradict each other: its first candle is at "
        f"{short_time(answer)}, but it served one of {short_time(served)}"
    )


@dataclass(frozen=True, slots=True)
class WrongListing:
    """A recorded first candle that is none. `first`: the right one, None where nobody knows it; `words` say so."""

    first: int | None
    words: str


def check_listing(work: LockedSeries) -> WrongListing | None:
    """Ask again where the series begins, where that was recorded; None where the record is right.

    A candle that was once served is a proof for ever: only an earlier beginning is believed. A record later than held
    candles is wrong even when the exchange has no better answer.
    """
    market, timeframe, store = work.market, work.timeframe, work.store
    recorded, first = (
        store.candles.recorded_listing(market, timeframe),
        store.candles.first_candle(market, timeframe),
    )
    if recorded is None:
        return None
    try:
        answer: int | None = ask_first_candle(work)
    except UnexpectedAnswer as error:
        work.caller.log("warning", str(error))
        answer = None
    if first is not None and (answer is None or answer >= first):
        return None
    true = "is not known" if answer is None else f"is at {short_time(answer)}"
    return WrongListing(
        answer, f"the first {timeframe} candle of {market.name} {true}, not at {recorded} as was recorded"
    )
