"""The kinds of series that a market has."""

from enum import StrEnum


class Kind(StrEnum):
    """What the rows of a series are: candles of traded prices, candles of the mark price, or funding rates."""

    TRADED = "traded"
    MARK = "mark"
    FUNDING = "funding"

    @property
    def one(self) -> str:
        """What one of its rows is called."""
        return "settlement" if self is Kind.FUNDING else "candle"

    @property
    def rows(self) -> str:
        """What a person calls its rows."""
        return "funding rates" if self is Kind.FUNDING else "candles"
