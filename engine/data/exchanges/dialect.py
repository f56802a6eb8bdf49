"""What an exchange says its own way. All that is common to exchanges lies in `exchange` and `connection`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from engine.data.exchanges.answers import Answer
from engine.data.exchanges.pages import RowFormat
from engine.errors import ExchangeError, InputError
from engine.model.exchanges import EXCHANGES
from engine.model.funding import FundingRow
from engine.model.market import Market, Period, Timeframe

LAST_MS = 2**43 - 1  # year 2248: later times are mistakes, microseconds for milliseconds


@dataclass(frozen=True, slots=True)
class Request:
    """One GET without a signature: ccxt's method for the endpoint, and the parameters as they go over the wire."""

    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer about markets: its entries as they came, and the request for the next of them."""

    entries: Sequence[Any]
    more: Request | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(ABC):
    """One interface of one exchange. Methods build requests and read answers; none asks, waits or remembers.

    A reader returns None for a value that is not what was asked for: nothing of it is believed.
    """

    ccxt_class: str
    section: str  # of ccxt's table of addresses
    page_limit: int  # rows that one request is asked for
    rows: RowFormat
    timeframes: Mapping[str, str]  # ours to the exchange's word, the shortest first
    # Which rows of a window come when there are more than fit: the oldest. Where it is not so, or not known, windows are cut
    # so that all rows fit, and the first candle is searched for.
    is_oldest_first: bool
    limits: str | None = None  # whose limits count: exchanges of one address share a name; None: its own
    ccxt_options: Mapping[str, Any] = field(default_factory=dict)

    # -- the clock

    @abstractmethod
    def time(self) -> Request:
        """The request for the exchange's clock."""

    @abstractmethod
    def read_time(self, value: Any) -> int | None:
        """The clock in ms."""

    # -- markets

    @abstractmethod
    def listings(self) -> Sequence[Request]:
        """The requests whose answers together list all markets. The first one's answer is never empty."""

    @abstractmethod
    def read_listing(self, request: Request, value: Any) -> Listing | None:
        """The entries of one answer."""

    @abstractmethod
    def market(self, exchange: str, entry: Any, ccxt: Any) -> Market | None:
        """One entry as a market of `exchange`, spelt by ccxt; None for kinds that we do not trade and for what nobody can
        read.
        """

    # -- candles

    @abstractmethod
    def candles(self, market: Market, timeframe: Timeframe, window: Period, limit: int) -> Request:
        """The request for at most `limit` candles of the market's kind that open inside `window`, whose bounds are on the
        grid.
        """

    def first_candle(self, market: Market, timeframe: Timeframe, start_ms: int) -> Request | None:  # noqa: ARG002
        """The request for the first candle at or after a moment; None where there is no such question."""
        return None

    @abstractmethod
    def read_rows(self, symbol: str, value: Any) -> list[Any] | None:
        """The rows of an answer, in any order; `rows` says how each is written."""

    # -- funding, of exchanges whose `kinds` say so

    def funding(self, symbol: str, start_ms: int, end_ms: int | None, limit: int) -> Request:
        """The request for the first settlements from `start_ms` to before `end_ms` (None: whenever they are)."""
        raise NotImplementedError

    def read_funding(self, symbol: str, value: Any) -> list[FundingRow] | None:  # noqa: ARG002
        """The settlements of an answer, in its order; None where any of them is not one of this symbol's."""
        return None

    # -- faults and limits

    @abstractmethod
    def fault(self, answer: Answer) -> ExchangeError | InputError | None:
        """What is wrong with an answer by its status and error code; None for one worth reading."""

    @abstractmethod
    def rest_s(self, answer: Answer, now_ms: int) -> float:
        """How long all programs rest after this answer because little is left of what is allowed; `now_ms`: the local
        clock, for answers that tell no time.
        """


def dialect_of(exchange: str) -> Dialect:
    """The dialect of an exchange by our name. Loaded when it is asked for: nobody needs all of them."""
    module = import_module(f"engine.data.exchanges.{EXCHANGES[exchange].dialect}")
    found = module.DIALECTS[exchange]
    assert isinstance(found, Dialect)
    return found
