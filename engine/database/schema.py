"""The tables, as SQLAlchemy sees them. Migrations create them; a test compares the two."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

HEAD: Final = "0018"  # the newest migration; a constant, so that an up-to-date start need not import Alembic

metadata = MetaData()
_TIME = DateTime(timezone=True)
_NOW = text("now()")


def _series_key(*, primary: bool = False, nullable: bool = False) -> tuple[Column[int], Column[str]]:
    """The two columns that name a series."""
    return (
        Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=primary, nullable=nullable),
        Column("timeframe", String(5), primary_key=primary, nullable=False),
    )


def _moments(table: str, *columns: str) -> list[CheckConstraint]:
    """Columns whose times every program can read: no infinity, no year 48113."""
    condition = "{0} >= '1970-01-01 00:00+00' AND {0} <= '2300-01-01 00:00+00'"
    return [CheckConstraint(condition.format(name), name=f"{table}_{name}_moment") for name in columns]


def _on_grid(name: str, first: str, last: str, *, open_end: bool) -> CheckConstraint:
    """Times at which candles of the row's timeframe open, from 1970 to 2200; `opens_candle` is a function of migration 6."""
    ends = "<" if open_end else "<="
    condition = f"{first} >= '1970-01-01 00:00+00' AND {last} {ends} '2200-01-01 00:00+00'"
    condition += "".join(f" AND opens_candle(timeframe, {column})" for column in dict.fromkeys((first, last)))
    return CheckConstraint(condition, name=name)


def _period(table: str) -> list[CheckConstraint]:
    """A half-open period of whole cells."""
    return [
        CheckConstraint("start_time < end_time", name=f"{table}_forward"),
        _on_grid(f"{table}_on_grid", "start_time", "end_time", open_end=False),
    ]


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
    *_series_key(primary=True),
    Column("timestamp", _TIME, primary_key=True),
    *(Column(name, Double, nullable=False) for name in ("open", "high", "low", "close", "volume")),
    # NaN is above Infinity in PostgreSQL, so it is none of this either
    CheckConstraint(
        "low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 'Infinity' "
        "AND volume >= 0 AND volume < 'Infinity'",
        name="ohlcv_data_possible",
    ),
    _on_grid("ohlcv_data_on_grid", "timestamp", "timestamp", open_end=True),
)

# Settlements of the kind "funding". `timestamp`: the full hour within a minute of `served_at`, else that itself. What is
# proven of them lies in data_ranges, by cells of 1h; `interval_hours` is what the archive tells.
funding_rates = Table(
    "funding_rates",
    metadata,
    Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=True, nullable=False),
    Column("timestamp", _TIME, primary_key=True),
    Column("rate_type", String(20), primary_key=True),
    Column("served_at", _TIME, nullable=False),
    Column("rate", Double, nullable=False),
    Column("mark_price", Double),
    Column("interval_hours", Integer),
    CheckConstraint(
        "rate >= -0.05 AND rate <= 0.05 AND mark_price > 0 AND mark_price < 'Infinity' "
        "AND interval_hours >= 1 AND interval_hours <= 8",
        name="funding_rates_possible",
    ),
    *_moments("funding_rates", "timestamp", "served_at"),
)

# Covered: asked of the exchange and answered. Half-open, merged on write; cells known missing are covered too.
data_ranges = Table(
    "data_ranges",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    *_series_key(),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("candle_count", BigInteger, nullable=False),
    Column("fetched_at", _TIME, nullable=False, server_default=_NOW),
    *_period("data_ranges"),
    CheckConstraint("candle_count >= 0", name="data_ranges_count"),
    *_moments("data_ranges", "fetched_at"),
    UniqueConstraint("symbol_id", "timeframe", "start_time", name="data_ranges_start_key"),
)

# Cells that the exchange has no candle for, confirmed by two answers. Never overlapping, always inside data_ranges.
missing_candles = Table(
    "missing_candles",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    *_series_key(),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("confirmed_at", _TIME, nullable=False, server_default=_NOW),
    *_period("missing_candles"),
    *_moments("missing_candles", "confirmed_at"),
    Index("missing_candles_series_idx", "symbol_id", "timeframe", "start_time"),
)

# Held candles that came from a file and were not compared with the exchange yet. Never overlapping.
imported_ranges = Table(
    "imported_ranges",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    *_series_key(),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("imported_at", _TIME, nullable=False, server_default=_NOW),
    *_period("imported_ranges"),
    *_moments("imported_ranges", "imported_at"),
    Index("imported_ranges_series_idx", "symbol_id", "timeframe", "start_time"),
)

# What is known of a series beside its candles. The row is also the lock of its writers. Any change of its candles,
# ranges or missing cells changes `version`, by triggers; 0: never written through this row.
series_state = Table(
    "series_state",
    metadata,
    *_series_key(primary=True),
    Column("first_candle", _TIME),
    Column("unproven_tail", _TIME),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("kept_from", _TIME),  # `symbols add -t`: `sync` keeps everything from here on
    _on_grid("series_state_on_grid", "first_candle", "first_candle", open_end=True),
    _on_grid("series_state_tail_on_grid", "unproven_tail", "unproven_tail", open_end=True),
    *_moments("series_state", "kept_from"),
)

markets = Table(
    "markets",
    metadata,
    Column("exchange", String(20), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("unified", Text, nullable=False),
    Column("is_trading", Boolean, nullable=False),
    Column("listed_at", _TIME),
    Column("filters", JSONB(none_as_null=True)),  # as the exchange told them last; null: it told none
    *_moments("markets", "listed_at"),
)

# What processes tell each other about an exchange. clock_offset_ms = its clock - this machine's.
exchange_state = Table(
    "exchange_state",
    metadata,
    Column("exchange", String(20), primary_key=True),
    Column("clock_offset_ms", BigInteger),
    Column("blocked_until", _TIME),
    Column("markets_saved_at", _TIME),
    *_moments("exchange_state", "blocked_until", "markets_saved_at"),
)

backtest_runs = Table(
    "backtest_runs",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("strategy_name", String(100), nullable=False),
    *_series_key(),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("status", String(20), nullable=False),
    Column("error", Text),
    Column("traceback", Text),
    Column("engine", String(20), nullable=False),
    Column("params", JSONB, nullable=False),
    Column("costs", JSONB, nullable=False),
    Column("metrics", JSONB, nullable=False),
    Column("signals", JSONB, nullable=False),
    Column("checks", JSONB, nullable=False),
    Column("trades", JSONB, nullable=False),
    Column("equity", LargeBinary),
    Column("indicators", LargeBinary),
    Column("fingerprint", Text),
    # what the fingerprint covers, by name; null in runs of older versions
    Column("inputs", JSONB(none_as_null=True)),
    # which candles the run saw: their hash, from when on, the version of the series
    Column("candles_sha256", Text),
    Column("candles_start", _TIME),
    Column("candles_version", BigInteger),
    Column("elapsed_s", Double, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("removed_at", _TIME),  # hidden since then, until it is brought back or deleted for good
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    # what the user calls it; `symbols` has a name
    Column("title", Text, nullable=False, server_default=text("''")),
    *_moments("backtest_runs", "start_time", "end_time", "candles_start", "created_at", "removed_at"),
    Index("backtest_runs_created_idx", "created_at"),
    Index(
        "backtest_runs_pending_idx",
        "created_at",
        postgresql_where=text("checks -> 'crosscheck' ->> 'status' = 'pending'"),
    ),
)

# The bytes of strategy files and of the modules they imported, each once, by their hash; `inputs` names them.
strategy_sources = Table(
    "strategy_sources",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("source", LargeBinary, nullable=False),
)

# A sweep as it was asked for (`asked`: ranges, fixed parameters, constraint, ...) and how it ended. `kinds`: numpy's kind of
# each ranged parameter; `metric_names`: of the numbers in trials.metrics; `best`: the number of the best trial so far.
# `status` "running" of one whose lock nobody holds: its program was killed. One over several markets has a row that keeps
# its best trial alone, and rows for each of them, `part_of` it, in their `place`: those have the trials.
sweeps = Table(
    "sweeps",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("strategy_name", String(100), nullable=False),
    *_series_key(nullable=True),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("status", String(20), nullable=False),
    Column("error", Text),
    Column("engine", String(20), nullable=False),
    Column("asked", JSONB, nullable=False),
    Column("costs", JSONB, nullable=False),
    Column("fixed", JSONB, nullable=False),
    Column("kinds", JSONB, nullable=False),
    Column("metric_names", ARRAY(Text), nullable=False),
    Column("warmup", Integer, nullable=False),
    Column("inputs", JSONB(none_as_null=True)),
    Column("planned", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("best", Integer),
    Column("trials_of_strategy", BigInteger),
    Column("elapsed_s", Double, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("checks", JSONB(none_as_null=True)),
    Column("removed_at", _TIME),
    Column("part_of", Uuid),
    Column("place", Integer),
    Column("portfolio", JSONB(none_as_null=True)),
    CheckConstraint("(part_of IS NULL) = (place IS NULL)", name="sweeps_part_check"),
    CheckConstraint("(portfolio IS NULL) = (symbol_id IS NOT NULL)", name="sweeps_subject_check"),
    Index("sweeps_part_idx", "part_of", "place", unique=True, postgresql_where=text("part_of IS NOT NULL")),
    *_moments("sweeps", "start_time", "end_time", "created_at", "removed_at"),
    Index("sweeps_created_idx", "created_at"),
)
# What trials were made on: a period of a series.
trial_candles = Table(
    "trial_candles",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    *_series_key(),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    UniqueConstraint("symbol_id", "timeframe", "start_time", "end_time", name="trial_candles_key"),
    *_moments("trial_candles", "start_time", "end_time"),
)

# Every trial of a strategy. `identity`: what was tried (`model.trial.trial_identity`), null of one that failed;
# `candles_id`: on what. Of a single run and of a deleted sweep nothing else is kept here; trials deleted before migration 8
# have their fingerprint as identity and no candles.
trials = Table(
    "trials",
    metadata,
    Column("sweep_id", Uuid),
    Column("number", Integer),
    Column("strategy_name", String(100), nullable=False),
    Column("identity", LargeBinary),
    Column("params", JSONB(none_as_null=True)),
    Column("metrics", ARRAY(Double)),
    Column("error", Text),
    Column("candles_id", Integer),
    Index("trials_sweep_idx", "sweep_id", "number"),
    Index("trials_tried_idx", "strategy_name", "identity", "candles_id"),
    Index("trials_candles_idx", "candles_id", "identity"),
)

# Daily returns of a sweep's trials, in parts: `numbers` int64 (k,), little-endian, of which; `returns` float64 (k, days).
sweep_returns = Table(
    "sweep_returns",
    metadata,
    Column("sweep_id", Uuid, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    Column("returns", LargeBinary, nullable=False),
    Index("sweep_returns_owner_idx", "sweep_id"),
)

# A walk-forward as it was asked for and how it ended. `asked`: as in `sweeps`, and the lengths of its windows; `columns`:
# the ranged parameters of all its combinations; `windows`, `measures`: once finished; `run_id`: of the stitched run, apart.
# `status`: as in `sweeps`.
walk_forwards = Table(
    "walk_forwards",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("strategy_name", String(100), nullable=False),
    *_series_key(),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("status", String(20), nullable=False),
    Column("error", Text),
    Column("asked", JSONB, nullable=False),
    Column("costs", JSONB, nullable=False),
    Column("fixed", JSONB, nullable=False),
    Column("columns", LargeBinary, nullable=False),
    Column("warmup", Integer, nullable=False),
    Column("inputs", JSONB(none_as_null=True)),
    Column("planned", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("windows", JSONB, nullable=False),
    Column("measures", JSONB, nullable=False),
    Column("run_id", Uuid),
    Column("trials_of_strategy", BigInteger),
    Column("elapsed_s", Double, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("removed_at", _TIME),
    *_moments("walk_forwards", "start_time", "end_time", "created_at", "removed_at"),
    Index("walk_forwards_created_idx", "created_at"),
)

# What was tried of one between two moments: the numbers of combinations, their figures in every window, and what failed.
walk_forward_parts = Table(
    "walk_forward_parts",
    metadata,
    Column("walk_forward_id", Uuid, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    Column("figures", LargeBinary, nullable=False),
    Column("errors", JSONB, nullable=False),
    Index("walk_forward_parts_owner_idx", "walk_forward_id"),
)

# A portfolio as it was asked for (`spec`, as its file) and how it ended. `legs`: each one's market and end, trades too;
# `figures`: correlation, what a leg adds, use of money; `contended`: requests cut; `series`: of the wallet, `pnl`: of legs.
portfolios = Table(
    "portfolios",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("status", String(20), nullable=False),
    Column("error", Text),
    Column("traceback", Text),
    Column("spec", JSONB, nullable=False),
    Column("legs", JSONB, nullable=False),
    Column("metrics", JSONB, nullable=False),
    Column("checks", JSONB, nullable=False),
    Column("figures", JSONB, nullable=False),
    Column("contended", JSONB, nullable=False),
    Column("series", LargeBinary),
    Column("pnl", LargeBinary),
    Column("fingerprint", Text),
    Column("inputs", JSONB(none_as_null=True)),
    Column("elapsed_s", Double, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("removed_at", _TIME),
    *_moments("portfolios", "start_time", "end_time", "created_at", "removed_at"),
    Index("portfolios_created_idx", "created_at"),
)
