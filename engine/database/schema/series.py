"""The tables of series: symbols, candles and settlements, what is proven of them, and the exchanges."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.schema.columns import NOW, TIME, metadata, moments, on_grid, period, series_key

# One name on two exchanges is two symbols, and so are the kinds of series of one: every table below names a series by symbol
# and timeframe alone. `unified` is ccxt's name.
symbols = Table(
    "symbols",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("name", String(20), nullable=False),
    Column("exchange", String(20), nullable=False, server_default=text("'binance'")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("unified", Text, nullable=False, server_default=text("''")),
    Column("kind", String(10), nullable=False, server_default=text("'traded'")),
    CheckConstraint("kind IN ('traded', 'mark', 'funding')", name="symbols_kind"),
    UniqueConstraint("exchange", "name", "kind", name="symbols_exchange_name_kind_key"),
)

# docs/decisions/ohlcv-primary-key.md: why the natural key, and not an id
ohlcv_data = Table(
    "ohlcv_data",
    metadata,
    *series_key(primary=True),
    Column("timestamp", TIME, primary_key=True),
    *(Column(name, Double, nullable=False) for name in ("open", "high", "low", "close", "volume")),
    # NaN is above Infinity in PostgreSQL, so it is none of this either
    CheckConstraint(
        "low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 'Infinity' "
        "AND volume >= 0 AND volume < 'Infinity'",
        name="ohlcv_data_possible",
    ),
    on_grid("ohlcv_data_on_grid", "timestamp", "timestamp", open_end=True),
)

# Settlements of a symbol of the kind "funding". `timestamp`: the full hour within a minute of `served_at`, else that itself.
# What is proven of them lies in data_ranges, by cells of 1h; `interval_hours` is what the archive tells.
funding_rates = Table(
    "funding_rates",
    metadata,
    Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=True, nullable=False),
    Column("timestamp", TIME, primary_key=True),
    Column("rate_type", String(20), primary_key=True),
    Column("served_at", TIME, nullable=False),
    Column("rate", Double, nullable=False),
    Column("mark_price", Double),
    Column("interval_hours", Integer),
    CheckConstraint(
        "rate >= -0.05 AND rate <= 0.05 AND mark_price > 0 AND mark_price < 'Infinity' "
        "AND interval_hours >= 1 AND interval_hours <= 8",
        name="funding_rates_possible",
    ),
    *moments("funding_rates", "timestamp", "served_at"),
)

# Covered: asked of the exchange and answered. Half-open, merged on write; cells known missing are covered too.
data_ranges = Table(
    "data_ranges",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    *series_key(),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
    Column("candle_count", BigInteger, nullable=False),
    Column("fetched_at", TIME, nullable=False, server_default=NOW),
    *period("data_ranges"),
    CheckConstraint("candle_count >= 0", name="data_ranges_count"),
    *moments("data_ranges", "fetched_at"),
    UniqueConstraint("symbol_id", "timeframe", "start_time", name="data_ranges_start_key"),
)

# Cells that the exchange has no candle for, confirmed by two answers. Never overlapping, always inside data_ranges.
missing_candles = Table(
    "missing_candles",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    *series_key(),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("confirmed_at", TIME, nullable=False, server_default=NOW),
    *period("missing_candles"),
    *moments("missing_candles", "confirmed_at"),
    Index("missing_candles_series_idx", "symbol_id", "timeframe", "start_time"),
)

# Held candles that came from a file and were not compared with the exchange yet. Never overlapping.
imported_ranges = Table(
    "imported_ranges",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    *series_key(),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("imported_at", TIME, nullable=False, server_default=NOW),
    *period("imported_ranges"),
    *moments("imported_ranges", "imported_at"),
    Index("imported_ranges_series_idx", "symbol_id", "timeframe", "start_time"),
)

# What is known of a series beside its candles. The row is also the lock of its writers. Any change of its candles,
# ranges or missing cells changes `version`, by triggers; 0: never written through this row.
series_state = Table(
    "series_state",
    metadata,
    *series_key(primary=True),
    Column("first_candle", TIME),
    Column("unproven_tail", TIME),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("kept_from", TIME),  # `symbols add -t`: `sync` keeps everything from here on
    on_grid("series_state_on_grid", "first_candle", "first_candle", open_end=True),
    on_grid("series_state_tail_on_grid", "unproven_tail", "unproven_tail", open_end=True),
    *moments("series_state", "kept_from"),
)

markets = Table(
    "markets",
    metadata,
    Column("exchange", String(20), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("unified", Text, nullable=False),
    Column("is_trading", Boolean, nullable=False),
    Column("listed_at", TIME),
    Column("filters", JSONB(none_as_null=True)),  # as the exchange told them last; null: it told none
    *moments("markets", "listed_at"),
)

# What processes tell each other about an exchange. clock_offset_ms = its clock - this machine's.
exchange_state = Table(
    "exchange_state",
    metadata,
    Column("exchange", String(20), primary_key=True),
    Column("clock_offset_ms", BigInteger),
    Column("blocked_until", TIME),
    Column("markets_saved_at", TIME),
    *moments("exchange_state", "blocked_until", "markets_saved_at"),
)
