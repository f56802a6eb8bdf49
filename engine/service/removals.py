"""Series that are deleted and can be brought back for a while."""

from __future__ import annotations

from pathlib import Path

from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.coverage import RemovedSeries
from engine.model.kinds import Kind
from engine.model.market import DEFAULT_EXCHANGE, Timeframe
from engine.service.resources import Resources
from engine.service.series_jobs import series_job


class Removals:
    """`Engine.candles.removals`."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def remove(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> RemovedSeries:
        """Delete all candles of one series; `restore` brings them back until `Engine.purge`. Stored runs stay.

        Raises InputError where there is no room for the copy; then nothing is deleted.
        """
        from engine.data.removal import remove_series

        market = self._resources.market(symbol, exchange, cancel=cancel).of(kind)
        return remove_series(
            self._resources.store, self._folder, market, timeframe, on_event, cancel or CancelToken()
        )

    def keep(self, removed: RemovedSeries, for_s: float) -> None:
        """Have `purge` leave it alone for so long; 0: from now on as it does with what was removed now."""
        from engine.data.removal import keep_removed

        keep_removed(removed, for_s)

    def restore(
        self,
        removed: RemovedSeries,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> int:
        """Bring a removed series back, beside what was fetched of it since; returns how many candles came back.

        Raises InputError when it is too late. Events have kind "restore".
        """
        from engine.data.removal import restore_series

        market, timeframe = removed.market, removed.timeframe

        def restore(job: str) -> int:
            store = self._resources.opened(cancel)
            return restore_series(store, removed, job, on_event, cancel or CancelToken())

        return series_job("restore", market, timeframe, "bringing back", on_event, restore)

    def purge(self, older_than_s: float) -> int:
        """Delete for good the series that were removed so long ago. Returns how many."""
        from engine.data.removal import purge_removed

        return purge_removed(self._folder, older_than_s)

    @property
    def _folder(self) -> Path:
        return self._resources.settings.cache_folder / "removed"
