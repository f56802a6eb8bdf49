"""Finds the first candle at or after a moment, where an exchange cannot be asked for it.

Every request is for a window whose candles all fit into one answer, so that it does not matter which of them the exchange
would leave out. From far away the search goes by months, then days: a longer candle is there where a shorter one is.
"""

from collections.abc import Callable, Iterator
from typing import Final

from engine.data.exchanges.pages import Page
from engine.model.market import TIMEFRAMES, Candles, Period, Timeframe

Ask = Callable[[Timeframe, Period], Page]  # what opens inside a window
_MONTH, _DAY = Timeframe("1M"), Timeframe("1d")
_NESTED: Final = TIMEFRAMES[: TIMEFRAMES.index("1d") + 1]  # whole ones of them fill a month; weeks do not
_LONGEST_MONTH: Final = Period(0, _MONTH.next(0))


def find_first(ask: Ask, timeframe: Timeframe, window: Period, limit: int) -> Page:
    """The first cell with anything that opens inside `window`, alone on its page; an empty page: none.

    `limit`: candles that fit into one answer. Nearby, a hole inside a series, it is one request; far away, the beginning of
    a series, about six: what is found first at one length is believed when a second answer has nothing before it.
    """
    start = timeframe.ceil(window.start)
    nothing = Page(Candles.empty(), (), 0, window)
    if start > 0:
        near = Period(start, timeframe.shift(start, limit)).clip(window)
        if near.start < near.end and (page := ask(timeframe, near)).cells:
            return page.first()
        start = near.end
    if start >= window.end:
        return nothing
    return _search(ask, [*_longer(timeframe, limit), timeframe], Period(start, window.end), limit) or nothing


def _longer(timeframe: Timeframe, limit: int) -> list[Timeframe]:
    """The lengths by which to come near, the longest first."""
    if timeframe.name not in _NESTED:
        return []
    return [_MONTH] if timeframe.count(_LONGEST_MONTH) <= limit else [_MONTH, _DAY]


def _search(ask: Ask, lengths: list[Timeframe], window: Period, limit: int) -> Page | None:
    """The first cell of the last of `lengths`; those before it are the way there."""
    length, *shorter = lengths
    for part in _parts(length, window, limit):
        page = ask(length, part)
        if page.cells and page.cells[0] > part.start:  # a short answer must not move the beginning
            before = ask(length, Period(part.start, page.cells[0]))
            pages = [one for one in (before, page) if one.cells]
        else:
            pages = [page] if page.cells else []
        if pages and not shorter:
            return pages[0].first()
        for cell in (cell for one in pages for cell in one.cells):
            inside = Period(cell, length.next(cell)).clip(window)
            if inside.start < inside.end and (found := _search(ask, shorter, inside, limit)) is not None:
                return found
    return None


def _parts(length: Timeframe, window: Period, limit: int) -> Iterator[Period]:
    """Windows of at most `limit` cells, the first begins with the cell that holds the window's start."""
    start = length.floor(window.start)
    while start < window.end:
        end = min(length.shift(start, limit), length.ceil(window.end))
        yield Period(start, end)
        start = end
