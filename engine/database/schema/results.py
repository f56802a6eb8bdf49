"""The tables of what was made: runs, sweeps and their trials, walk-forwards, portfolios."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from engine.database.schema.columns import NOW, TIME, metadata, moments, series_key

backtest_runs = Table(
    "backtest_runs",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("strategy_name", String(100), nullable=False),
    *series_key(),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
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
    Column("candles_start", TIME),
    Column("candles_version", BigInteger),
    Column("elapsed_s", Double, nullable=False),
    Column("created_at", TIME, nullable=False, server_default=NOW),
    Column("removed_at", TIME),  # hidden since then, until it is brought back or deleted for good
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    # what the user calls it; `symbols` has a name
    Column("title", Text, nullable=False, server_default=text("''")),
    *moments("backtest_runs", "start_time", "end_time", "candles_start", "created_at", "removed_at"),
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
# its best trial alone, and rows for each of them, which are `part_of` it, in their `place`: those have the trials. One over
# a `portfolio` is on the markets that its legs name and on none of its own.
sweeps = Table(
    "sweeps",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("strategy_name", String(100), nullable=False),
    *series_key(nullable=True),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
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
    Column("created_at", TIME, nullable=False, server_default=NOW),
    Column("checks", JSONB(none_as_null=True)),
    Column("removed_at", TIME),
    Column("part_of", Uuid),
    Column("place", Integer),
    Column("portfolio", JSONB(none_as_null=True)),
    CheckConstraint("(part_of IS NULL) = (place IS NULL)", name="sweeps_part_check"),
    CheckConstraint("(portfolio IS NULL) = (symbol_id IS NOT NULL)", name="sweeps_subject_check"),
    Index("sweeps_part_idx", "part_of", "place", unique=True, postgresql_where=text("part_of IS NOT NULL")),
    *moments("sweeps", "start_time", "end_time", "created_at", "removed_at"),
    Index("sweeps_created_idx", "created_at"),
)
# What trials were made on: a period of a series.
trial_candles = Table(
    "trial_candles",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    *series_key(),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
    UniqueConstraint("symbol_id", "timeframe", "start_time", "end_time", name="trial_candles_key"),
    *moments("trial_candles", "start_time", "end_time"),
)

# Every trial of a strategy, by sweeps and single runs. `identity`: what was tried (`model.trial.trial_identity`),
# null of one that failed; `candles_id`: on what. Of a single run and of a deleted sweep nothing else is kept here; trials
# that were deleted before migration 8 have their fingerprint as identity and no candles.
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

# Daily returns of a sweep's trials, in parts as they came in: `numbers` int64 (k,), little-endian, of which; `returns`
# float64 (k, days).
sweep_returns = Table(
    "sweep_returns",
    metadata,
    Column("sweep_id", Uuid, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    Column("returns", LargeBinary, nullable=False),
    Index("sweep_returns_owner_idx", "sweep_id"),
)

# A walk-forward as it was asked for and how it ended. `asked`: as in `sweeps`, and the lengths of its windows; `columns`:
# the ranged parameters of all its combinations; `windows`, `measures`: once it is finished; `run_id`: of the stitched run,
# which lives by itself. `status` "running" of one whose lock nobody holds: its program was killed.
walk_forwards = Table(
    "walk_forwards",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("strategy_name", String(100), nullable=False),
    *series_key(),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
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
    Column("created_at", TIME, nullable=False, server_default=NOW),
    Column("removed_at", TIME),
    *moments("walk_forwards", "start_time", "end_time", "created_at", "removed_at"),
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
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
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
    Column("created_at", TIME, nullable=False, server_default=NOW),
    Column("removed_at", TIME),
    *moments("portfolios", "start_time", "end_time", "created_at", "removed_at"),
    Index("portfolios_created_idx", "created_at"),
)
