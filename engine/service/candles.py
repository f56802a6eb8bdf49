"""Candles: looked at, fetched, compared, several series at once, files, symbols that are kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from engine.errors import BacktestError, DatabaseError, InputError
from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.candle_files import FileFormat, ImportPreview, ImportReport
from engine.model.coverage import Coverage, FetchReport, Holding, SyncedSeries, VerifyReport
from engine.model.funding import FundingRates, with_intervals
from engine.model.kinds import Kind
from engine.model.market import DEFAULT_EXCHANGE, Market, Period, Timeframe, check_exchange, short_time
from engine.model.market import Candles as CandleColumns
from engine.service.holdings import holdings
from engine.service.removals import Removals
from engine.service.resources import Resources
from engine.service.series_jobs import series_job

if TYPE_CHECKING:
    from engine.data.fetcher import DataFetcher
    from engine.data.sync import Sync
    from engine.database.store import Store


class Candles:
    """`Engine.candles`."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.removals = Removals(resources)

    def markets(
        self, exchange: str = DEFAULT_EXCHANGE, *, refresh: bool = False, cancel: CancelToken | None = None
    ) -> list[tuple[Market, bool]]:
        """Every market of the exchange, and whether it is active: in our tables and kept up to date."""
        check_exchange(exchange)
        self._resources.opened(cancel)
        found = self._fetcher.markets(exchange, refresh=refresh, cancel=cancel)
        active = self._store.symbols.active(exchange)
        return [(market, market.name in active) for market in found]

    def market(
        self,
        symbol: str,
        exchange: str = DEFAULT_EXCHANGE,
        *,
        kind: Kind = Kind.TRADED,
        cancel: CancelToken | None = None,
    ) -> Market:
        """The market that a spelling of its name means, for a kind of series. Raises InputError with the nearest names."""
        return self._resources.market(symbol, exchange, cancel=cancel).of(kind)

    def status(
        self,
        symbol: str,
        timeframe: Timeframe,
        period: Period,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        cancel: CancelToken | None = None,
    ) -> Coverage:
        """What is held of the period; the exchange is asked for its markets alone, where `symbol` is not known."""
        return self._fetcher.status(
            self.market(symbol, exchange, kind=kind, cancel=cancel), timeframe, period
        )

    def load(
        self,
        symbol: str,
        timeframe: Timeframe,
        period: Period,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
    ) -> CandleColumns:
        """The held candles of the period, traded or of the mark price; never fetches."""
        market, aligned = self.market(symbol, exchange, kind=kind), timeframe.align(period)
        return self._resources.cache.load(market, timeframe, aligned).candles

    def export(
        self,
        symbol: str,
        timeframe: Timeframe,
        period: Period,
        path: Path,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        cancel: CancelToken | None = None,
    ) -> int:
        """Write the held rows of the period as .csv or .parquet, whole or not at all; returns how many. Never fetches.

        Raises InputError for a name of another kind, before anything is looked up, and for a place that cannot be written.
        """
        from engine.reports.files import check_candle_path, write_candles

        check_candle_path(path)
        if kind is Kind.FUNDING:
            market = self.market(symbol, exchange, kind=kind)
            held: CandleColumns | FundingRates = with_intervals(*self._store.funding.known(market, period))
        else:
            held = self.load(symbol, timeframe, period, exchange=exchange, kind=kind)
        if cancel is not None:
            cancel.raise_if_cancelled()
        write_candles(held, path)
        return len(held)

    def fetch(
        self,
        symbol: str,
        timeframe: Timeframe,
        period: Period,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> FetchReport:
        """Fetch what is not held yet. Raises BacktestError; finished pages are kept whatever happens."""
        market = self.market(symbol, exchange, kind=kind, cancel=cancel)

        def fetch(job: str) -> FetchReport:
            return self._fetcher.fetch(market, timeframe, period, job=job, on_event=on_event, cancel=cancel)

        return series_job("fetch", market, timeframe, f"fetching {kind.rows}", on_event, fetch)

    def verify(
        self,
        symbol: str,
        timeframe: Timeframe,
        period: Period | None = None,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        dry_run: bool = False,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> VerifyReport:
        """Compare what is held (of the period, or all of it) with the exchange and mend the database.

        `dry_run` only reports. Raises BacktestError; then nothing was changed.
        """
        market = self.market(symbol, exchange, kind=kind, cancel=cancel)

        def verify(job: str) -> VerifyReport:
            return self._fetcher.verify(
                market, timeframe, period, job=job, dry_run=dry_run, on_event=on_event, cancel=cancel
            )

        return series_job("verify", market, timeframe, "comparing with the exchange", on_event, verify)

    def holdings(self) -> list[Holding]:
        """Every series of which anything is held, with what is held and missing over time; asks no exchange."""
        return holdings(self._store, self._fetcher)

    def fetch_all(
        self,
        wanted: Iterable[tuple[str, Timeframe]],
        period: Period,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> dict[tuple[str, Timeframe], FetchReport | BacktestError]:
        """Fetch several series side by side; one that fails leaves the others alone. A report or error for each.

        A symbol wanted under two spellings is fetched once, under the first.
        """
        from engine.data.sync import side_by_side

        known = self._resources.opened(cancel).exchanges.markets(check_exchange(exchange))
        known = known or self._fetcher.markets(exchange, on_event=on_event, cancel=cancel)
        names = {
            name: market.name for market in known for name in (market.unified, market.unified.split(":")[0])
        }
        distinct: dict[tuple[str, Timeframe], tuple[str, Timeframe]] = {}
        for symbol, timeframe in wanted:
            typed = symbol.strip().upper()
            distinct.setdefault((names.get(typed, typed), timeframe), (symbol, timeframe))

        def fetch(one: tuple[str, Timeframe]) -> FetchReport:
            return self.fetch(*one, period, exchange=exchange, kind=kind, on_event=on_event, cancel=cancel)

        tasks = list(distinct.values())
        return dict(zip(tasks, side_by_side(tasks, fetch), strict=True))

    # -- files

    def preview_import(
        self,
        path: Path,
        symbol: str,
        timeframe: Timeframe,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        form: FileFormat | None = None,
    ) -> ImportPreview:
        """How a file of candles is understood and what `import_candles` would store; writes nothing.

        A file with a broken row is a preview with `error`. Raises InputError when it cannot be opened, or its columns
        are not found: then `form` must say.
        """
        from engine.data.files import importing

        market = self.market(symbol, exchange)
        now = self._fetcher.known_now_ms(market)
        return importing.preview_import(self._store, path, market, timeframe, form or FileFormat(), now)

    def file_head(self, path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """How a candle file begins: its columns by name (by number from 1 where it names none), and its first rows.

        Raises InputError.
        """
        from engine.data.files.opening import file_head

        return file_head(path)

    def import_candles(
        self,
        path: Path,
        symbol: str,
        timeframe: Timeframe,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        form: FileFormat | None = None,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> ImportReport:
        """Store the candles of a CSV or Parquet file that are not held. Held ones are never changed.

        Raises InputError naming the line of the first row that cannot be a candle; then nothing is stored. Events have
        kind "import".
        """
        from engine.data.files import importing

        market = self.market(symbol, exchange, cancel=cancel)

        def store(job: str) -> ImportReport:
            now = self._fetcher.known_now_ms(market)
            return importing.import_candles(
                self._store,
                path,
                market,
                timeframe,
                form or FileFormat(),
                now,
                job=job,
                on_event=on_event,
                cancel=cancel,
            )

        return series_job("import", market, timeframe, f"reading {path.name}", on_event, store)

    # -- symbols

    def add_symbol(
        self,
        symbol: str,
        timeframes: Iterable[Timeframe] = (),
        *,
        exchange: str = DEFAULT_EXCHANGE,
        start_ms: int = 0,
    ) -> Market:
        """Make a symbol active: `sync` keeps its held series, and those of `timeframes` from `start_ms` (or listing) on.

        Raises InputError for a start in the future.
        """
        market = self.market(symbol, exchange)
        now_ms = self._fetcher.known_now_ms(market)
        if start_ms >= now_ms:
            raise InputError(
                f"the start {short_time(start_ms)} lies in the future: {exchange}'s clock shows {short_time(now_ms)}; "
                "nothing was changed"
            )
        self._store.symbols.activate(market, dict.fromkeys(timeframes, start_ms))
        return market

    def deactivate_symbol(self, symbol: str, *, exchange: str = DEFAULT_EXCHANGE) -> Market:
        """Keep a symbol no longer up to date; its candles stay, and `add_symbol` resumes what was kept."""
        market = self.market(symbol, exchange)
        if not self._store.symbols.deactivate(market):
            raise InputError(f"{market} was never added or fetched; nothing was changed")
        return market

    def remove_symbol(
        self,
        symbol: str,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        delete_data: bool = False,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> tuple[Market, int, int]:
        """Keep a symbol no longer and forget which timeframes were asked for; with `delete_data` delete all that is held.

        Returns how many candles and how many settlements of funding were deleted. Stored runs stay.
        """
        from engine.data.sync import delete_series

        market = self.market(symbol, exchange, cancel=cancel)
        if not self._store.symbols.deactivate(market):
            raise InputError(f"{market} was never added or fetched; nothing was changed")
        for kind in Kind:
            self._store.symbols.keep_no_more(market.of(kind))
        series = [(one, each) for one in map(market.of, Kind) for each in self._store.symbols.timeframes(one)]
        for one in series:
            self._store.candles.save_first_candle(*one, None)  # whoever adds it again asks again
        counts = {False: 0, True: 0}
        for one in series if delete_data else ():
            counts[one[0].kind is Kind.FUNDING] += delete_series(
                self._store, *one, on_event, cancel or CancelToken()
            )
        return market, counts[False], counts[True]

    def delete_series(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        kind: Kind = Kind.TRADED,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> int:
        """Delete all candles of one series; returns how many. `sync` does not fetch them again; stored runs stay."""
        from engine.data.sync import delete_series

        market = self.market(symbol, exchange, kind=kind, cancel=cancel)
        return delete_series(self._store, market, timeframe, on_event, cancel or CancelToken())

    def held(
        self,
        timeframe: Timeframe,
        period: Period,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        cancel: CancelToken | None = None,
    ) -> dict[str, Coverage]:
        """What is held of the period, as `status` says it, of all symbols of the timeframe that have closed ones."""
        held = self._resources.opened(cancel).candles.held_series()
        markets = [
            one.market
            for one in held
            if (one.market.exchange, one.market.kind, one.timeframe) == (exchange, Kind.TRADED, timeframe)
        ]
        found = {}
        for market in markets:
            if cancel is not None:
                cancel.raise_if_cancelled()
            # as of a day that has not ended; one symbol keeps nothing from the others
            with suppress(InputError):
                found[market.name] = self._fetcher.status(market, timeframe, period)
        return found

    # -- keeping up to date

    def sync(
        self,
        exchange: str | None = None,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> list[SyncedSeries]:
        """Bring every kept series (of one exchange) up to its last closed candle. A series that fails has an `error`."""
        return self._sync(exchange, on_event, cancel).round()

    def watch(
        self,
        interval_s: float,
        tell: Callable[[Sequence[SyncedSeries] | DatabaseError], None],
        exchange: str | None = None,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> NoReturn:
        """`sync` every `interval_s` seconds until cancelled (Interrupted), whatever becomes of network and database."""
        self._sync(exchange, on_event, cancel).watch(interval_s, tell)

    def _sync(self, exchange: str | None, on_event: OnEvent, cancel: CancelToken | None) -> Sync:
        from engine.data.sync import Sync

        if exchange is not None:
            check_exchange(exchange)
        store = self._resources.opened(cancel)
        return Sync(store, self._fetcher, on_event, cancel or CancelToken(), exchange)

    @property
    def _store(self) -> Store:
        return self._resources.store

    @property
    def _fetcher(self) -> DataFetcher:
        return self._resources.fetcher
