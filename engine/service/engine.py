"""Engine: the one door for the command line, the desktop and whoever writes a program on top."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from engine.service.brackets import LeverageBrackets
from engine.service.candles import Candles
from engine.service.choices import Choices
from engine.service.databases import Databases
from engine.service.doctor import Doctor
from engine.service.funding import Funding
from engine.service.portfolios import Portfolios
from engine.service.research import Research
from engine.service.resources import Resources
from engine.service.runs import Runs
from engine.service.strategies import Strategies
from engine.service.walk_forwards import WalkForwards
from engine.settings import Settings, read_settings


class Engine:
    """Everything the program can do, by what it is about. Blocking and thread-safe.

    Use it as a context manager, or call `close` when done. Nothing is opened before it is needed. Without `settings` it
    reads them; `overrides` (by field) win then.
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        self.settings = settings or read_settings(**overrides)
        self._resources = resources = Resources(self.settings)
        self.candles = Candles(resources)
        self.funding = Funding(resources)
        self.brackets = LeverageBrackets(resources)
        self.strategies = Strategies(resources)
        self.runs = Runs(resources, self.strategies)
        self.research = Research(resources, self.strategies)
        self.portfolios = Portfolios(resources, self.strategies)
        self.walk_forwards = WalkForwards(resources, self.strategies, self.portfolios)
        self.doctor = Doctor(resources, self.strategies)
        self.databases = Databases(resources)
        self.choices = Choices(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def purge(self, older_than_s: float) -> int:
        """Delete for good whatever was removed so long ago, series among it. Returns how many."""
        store = self._resources.store
        stores = (store.runs, store.sweeps, store.walk_forwards, store.portfolios)
        gone = sum(kept.purge(older_than_s) for kept in stores)
        return gone + self.candles.removals.purge(older_than_s)

    def close(self) -> None:
        """Stop the workers, close the database and the loopback market. Safe to call twice."""
        self._resources.close()

    def release_database(self) -> None:
        """Stop using the embedded server, if it is used: for a process that will be ended without a word. Safe to call
        twice.
        """
        self._resources.release_database()
