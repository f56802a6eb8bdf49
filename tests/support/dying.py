"""Programs that die at named steps: an exception that nothing catches, raised where kill -9 would strike."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.pages import Page
from engine.database.store import Store
from engine.model.market import Market, Period, Timeframe

# in the order in which a page goes through them
STEPS = (
    "request",
    "answer",
    "probe",
    "probe answer",
    "transaction",
    "insert",
    "missing",
    "state",
    "commit",
    "committed",
)
_STATEMENTS = {
    "INSERT INTO data_ranges": "insert",
    "INSERT INTO missing_candles": "missing",
    "UPDATE series_state": "state",
}


class Crash(BaseException):
    """The program dies here."""


class Fate:
    """When to die: the n-th time that a step is reached from now on."""

    def __init__(self) -> None:
        self._step, self._left = "", 0

    def set(self, step: str, count: int) -> None:
        """Die at the count-th time of a step; no step: live."""
        self._step, self._left = step, count

    def reach(self, step: str) -> None:
        """Raise Crash when the time has come."""
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                raise Crash(step)


class DyingStore(Store):
    """A store whose program may die inside a transaction, before its commit and after it."""

    def __init__(self, url: str, fate: Fate) -> None:
        super().__init__(url)
        self._fate = fate
        self._write = self.database.write
        self.database.write = self._dying_write  # type: ignore[method-assign]
        event.listen(self.database.engine, "after_cursor_execute", self._after_statement)

    def _after_statement(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        for part, step in _STATEMENTS.items():
            if part in statement:
                self._fate.reach(step)

    def _dying_write(self, work: Callable[[Connection], Any]) -> Any:
        def dying(connection: Connection) -> Any:
            self._fate.reach("transaction")
            result = work(connection)
            self._fate.reach("commit")
            return result

        result = self._write(dying)
        self._fate.reach("committed")
        return result


class DyingExchange(Exchange):
    """An exchange whose client may die before it asks and after it was answered."""

    fate = Fate()

    def page(self, market: Market, timeframe: Timeframe, window: Period, caller: Caller) -> Page:
        self.fate.reach("request")
        page = super().page(market, timeframe, window, caller)
        self.fate.reach("answer")
        return page

    def probe(self, market: Market, timeframe: Timeframe, start_ms: int, caller: Caller) -> Page:
        self.fate.reach("probe")
        page = super().probe(market, timeframe, start_ms, caller)
        self.fate.reach("probe answer")
        return page
