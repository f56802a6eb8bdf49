"""Funding rates: what is held of a period, and what nobody knows; files. `candles.fetch(kind=Kind.FUNDING)` brings them."""

from __future__ import annotations

from pathlib import Path

from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.candle_files import FileFormat, ImportPreview, ImportReport
from engine.model.funding import FundingRates
from engine.model.kinds import Kind
from engine.model.market import DEFAULT_EXCHANGE, FUNDING_GRID, Market, Period
from engine.service.resources import Resources
from engine.service.series_jobs import series_job


class Funding:
    """`Engine.funding`."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def held(
        self,
        symbol: str,
        period: Period,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        cancel: CancelToken | None = None,
    ) -> tuple[FundingRates, tuple[Period, ...]]:
        """The settlements held of a period, ascending, and the hours of which nobody knows whether they had one, merged: not
        fetched yet, or a hole at the exchange (`model.funding.expected_times` says when those are to be expected).

        Never fetches. `period` should end where the run does: hours to come are unknown too. Raises InputError for a symbol
        that is not known.
        """
        return self._resources.store.funding.known(self._market(symbol, exchange, cancel), period)

    def preview_import(
        self, path: Path, symbol: str, *, exchange: str = DEFAULT_EXCHANGE, form: FileFormat | None = None
    ) -> ImportPreview:
        """How a file of funding rates is understood and what `import_rates` would store; writes nothing.

        A file with a broken row is a preview with `error`. Raises InputError when it cannot be opened, or its columns are
        not found: then `form` must say.
        """
        from engine.data.files import funding_import

        market = self._market(symbol, exchange)
        now = self._resources.fetcher.known_now_ms(market)
        return funding_import.preview_funding(self._resources.store, path, market, form or FileFormat(), now)

    def import_rates(
        self,
        path: Path,
        symbol: str,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        form: FileFormat | None = None,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> ImportReport:
        """Store the settlements of a CSV or Parquet file that are not held, with the hours that the file proves. Held ones
        are never changed.

        Raises InputError naming the line of the first row that cannot be a settlement; then nothing is stored. Events have
        kind "import".
        """
        from engine.data.files import funding_import

        market = self._market(symbol, exchange, cancel)

        def store(job: str) -> ImportReport:
            return funding_import.import_funding(
                self._resources.store,
                path,
                market,
                form or FileFormat(),
                self._resources.fetcher.known_now_ms(market),
                job=job,
                on_event=on_event,
                cancel=cancel,
            )

        return series_job("import", market, FUNDING_GRID, f"reading {path.name}", on_event, store)

    def _market(self, symbol: str, exchange: str, cancel: CancelToken | None = None) -> Market:
        return self._resources.market(symbol, exchange, cancel=cancel).of(Kind.FUNDING)
