"""SQL of the symbols that are kept up to date, and of their series."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select, text, update

from engine.database.codec import optional_ms, to_time
from engine.database.connection import Database
from engine.database.schema.series import symbols
from engine.database.series_rows import add_symbol, series_key, symbol_key
from engine.model.kinds import Kind
from engine.model.market import Market, Timeframe

# A series is kept when its symbol is active, and candles of it are held or it was asked for.
_KEPT = text("""
    SELECT s.exchange, s.name, coalesce(nullif(s.unified, ''), s.name) AS unified, m.is_trading, m.listed_at, s.kind,
        state.timeframe,
        CASE WHEN state.kept_from >= '1970-01-01 00:00+00' AND state.kept_from < '2200-01-01 00:00+00'
            THEN state.kept_from END AS kept_from,
        coalesce((SELECT max(timestamp) FROM ohlcv_data AS o
         WHERE o.symbol_id = s.id AND o.timeframe = state.timeframe
            AND o.timestamp >= '1970-01-01 00:00+00' AND o.timestamp < '2200-01-01 00:00+00'
            AND o.timestamp < (SELECT max(end_time) FROM data_ranges AS r
                               WHERE r.symbol_id = s.id AND r.timeframe = state.timeframe)),
            (SELECT max(date_trunc('hour', timestamp, 'UTC')) FROM funding_rates AS f WHERE f.symbol_id = s.id)) AS last
    FROM symbols AS s JOIN series_state AS state ON state.symbol_id = s.id
    LEFT JOIN markets AS m ON m.exchange = s.exchange AND m.name = s.name
    WHERE s.is_active AND (CAST(:exchange AS text) IS NULL OR s.exchange = :exchange)
    ORDER BY s.exchange, s.name, s.kind DESC, state.timeframe
""")
_KEEP_FROM = text("""
    INSERT INTO series_state (symbol_id, timeframe, kept_from) VALUES (:id, :timeframe, :kept_from)
    ON CONFLICT (symbol_id, timeframe) DO UPDATE SET kept_from = excluded.kept_from
""")
_START_KEEPING = text("""
    UPDATE series_state SET kept_from = :kept_from WHERE kept_from IS NULL AND timeframe = :timeframe
        AND symbol_id = (SELECT id FROM symbols WHERE exchange = :exchange AND name = :name AND kind = :kind)
""")
_KEEP_NO_MORE = text("""
    UPDATE series_state SET kept_from = NULL
    WHERE symbol_id = (SELECT id FROM symbols WHERE exchange = :exchange AND name = :name AND kind = :kind)
        AND (CAST(:timeframe AS text) IS NULL OR timeframe = :timeframe)
""")
_TIMEFRAMES = text("""
    SELECT timeframe FROM series_state WHERE symbol_id =
        (SELECT id FROM symbols WHERE exchange = :exchange AND name = :name AND kind = :kind) ORDER BY timeframe
""")


@dataclass(frozen=True, slots=True)
class KeptSeries:
    """A series to keep up to date. `last_ms`: open time of the last held candle; `kept_from_ms`: everything from there on
    is wanted, though it may not be held yet. One of them at least is known.
    """

    market: Market
    timeframe: Timeframe
    last_ms: int | None
    kept_from_ms: int | None


def _all_kinds(market: Market) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The rows of a market: being kept up to date is a matter of all its series."""
    return symbols.c.exchange == market.exchange, symbols.c.name == market.name


class SymbolStore:
    """Which symbols are active, and which series of them are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self, exchange: str) -> set[str]:
        """Names of the symbols we hold and keep up to date."""
        query = select(symbols.c.name).where(symbols.c.exchange == exchange, symbols.c.is_active)
        with self._database.transaction() as connection:
            return set(connection.scalars(query))

    def kept_series(self, exchange: str | None = None) -> list[KeptSeries]:
        """The series of active symbols (of one exchange) that are held or were asked for, by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(_KEPT, {"exchange": exchange}).all()
        return [
            KeptSeries(
                Market(
                    row.exchange,
                    row.name,
                    row.unified,
                    row.is_trading is not False,
                    optional_ms(row.listed_at),
                    Kind(row.kind),
                ),
                Timeframe(row.timeframe),
                optional_ms(row.last),
                optional_ms(row.kept_from),
            )
            for row in rows
            if row.last is not None or row.kept_from is not None
        ]

    def start_keeping(self, market: Market, timeframe: Timeframe, start_ms: int) -> None:
        """Remember from when on a series is kept, where that is not known yet: a stopped `sync` goes on there."""
        values = series_key(market, timeframe) | {"kept_from": to_time(start_ms)}
        self._database.write(lambda connection: connection.execute(_START_KEEPING, values))

    def activate(self, market: Market, keep: dict[Timeframe, int]) -> None:
        """Make a symbol active; `keep`: timeframes to keep from that open time on, whatever is held."""

        def activate(connection: Connection) -> None:
            symbol_id = add_symbol(connection, market)
            connection.execute(update(symbols).where(*_all_kinds(market)).values(is_active=True))
            for timeframe, start_ms in keep.items():
                values = {"id": symbol_id, "timeframe": timeframe.name, "kept_from": to_time(start_ms)}
                connection.execute(_KEEP_FROM, values)

        self._database.write(activate)

    def deactivate(self, market: Market) -> bool:
        """Keep a symbol up to date no longer; its candles stay. False where the symbol is not in our table."""
        change = update(symbols).where(*_all_kinds(market)).values(is_active=False).returning(symbols.c.id)
        return self._database.write(lambda connection: connection.scalars(change).first()) is not None

    def keep_no_more(self, market: Market, timeframe: Timeframe | None = None) -> None:
        """Forget from when on a series (None: every one of the symbol) is kept."""
        values = symbol_key(market) | {"timeframe": timeframe and timeframe.name}
        self._database.write(lambda connection: connection.execute(_KEEP_NO_MORE, values))

    def timeframes(self, market: Market) -> list[Timeframe]:
        """Every timeframe of which anything was ever stored or asked for."""
        with self._database.transaction() as connection:
            names = connection.scalars(_TIMEFRAMES, symbol_key(market))
            return [Timeframe(name) for name in names]
