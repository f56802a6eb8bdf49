"""What filling the gaps of a series needs to know, whatever its rows are: what came of it, and whether its market trades."""

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.locked_series import LockedSeries
from engine.errors import ExchangeError
from engine.model.market import Period


@dataclass
class GapFill(LockedSeries):
    """One fetch of one series. All gaps are closed by the exchange's clock.

    `still_trades` asks the exchange's list whether the market trades; it may raise ExchangeError.
    """

    still_trades: Callable[[], bool]
    fetched: int = field(default=0, init=False)
    archive_days: int = field(default=0, init=False)
    filled: list[Period] = field(default_factory=list, init=False)
    unproven: list[Period] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.first_candle = self.store.candles.first_candle(self.market, self.timeframe)
        self._tail = self.store.candles.unproven_tail(self.market, self.timeframe)
        self._recheck: list[Period] = []
        self._trades: bool | None = None  # None: the list was not asked yet
        self._silence: list[Period] = []  # old cells of a market that trades, or may, without an answer
        self._doubt: ExchangeError | None = None  # why the list could not be asked

    def _is_delisted(self) -> bool:
        """Whether the exchange's list, asked now, no longer says that the market trades; asked once a fetch."""
        if self._trades is None:
            self._trades = True  # unless the list says otherwise
            try:
                self._trades = self.still_trades()
            except ExchangeError as error:
                self._doubt = error
        return not self._trades

    def _complain(self, what: str) -> None:
        """Raise ExchangeError for silence: `what` is not served, of a market that trades as far as anybody knows."""
        if self._doubt is not None:
            raise ExchangeError(f"{what}; whether it still trades could not be asked: {self._doubt}")
        raise UnexpectedAnswer(f"{what} although {self.exchange.name} says that it trades")
