"""No row may hold what no candle, no range and no calendar can be; what does is mended first."""

from alembic import op

revision = "0006"
down_revision = "0005"

_FUNCTIONS = """
    -- Whether a candle of the timeframe opens at the moment; null for a timeframe that is not known here.
    CREATE FUNCTION opens_candle(timeframe text, moment timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE timeframe
            WHEN '1M' THEN date_trunc('month', moment AT TIME ZONE 'UTC') = moment AT TIME ZONE 'UTC'
            WHEN '1w' THEN date_bin(interval '7 days', moment, timestamptz '1970-01-05 00:00+00') = moment
            ELSE date_bin(CASE timeframe
                WHEN '1m' THEN interval '1 minute' WHEN '1h' THEN interval '1 hour' WHEN '1d' THEN interval '1 day'
                WHEN '5m' THEN interval '5 minutes' WHEN '15m' THEN interval '15 minutes'
                WHEN '4h' THEN interval '4 hours' WHEN '30m' THEN interval '30 minutes' WHEN '1s' THEN interval '1 second'
                WHEN '3m' THEN interval '3 minutes' WHEN '2h' THEN interval '2 hours' WHEN '6h' THEN interval '6 hours'
                WHEN '8h' THEN interval '8 hours' WHEN '12h' THEN interval '12 hours' WHEN '3d' THEN interval '3 days'
            END, moment, timestamptz '1970-01-01 00:00+00') = moment
        END
    $$;
    -- The first moment from 1970 on at or after this one at which a candle opens; of late ones the last that opens a week,
    -- after which every timeframe has another before 2200. Dropped below.
    CREATE FUNCTION mended_bound(timeframe text, moment timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
    DECLARE
        bound timestamptz := greatest(timestamptz '1970-01-01 00:00+00', least(timestamptz '2199-12-30 00:00+00', moment));
        whole timestamptz := date_trunc('second', bound, 'UTC');
    BEGIN
        IF opens_candle(timeframe, bound) IS DISTINCT FROM false THEN
            RETURN bound;
        END IF;
        bound := CASE WHEN timeframe IN ('1M', '1w', '3d', '1d') THEN date_trunc('day', bound, 'UTC')
            WHEN timeframe = '1s' THEN whole ELSE date_trunc('minute', bound, 'UTC') END;
        LOOP
            bound := bound + CASE WHEN timeframe IN ('1M', '1w', '3d', '1d') THEN interval '24 hours'
                WHEN timeframe = '1s' THEN interval '1 second' ELSE interval '1 minute' END;
            EXIT WHEN opens_candle(timeframe, bound);
        END LOOP;
        RETURN bound;
    END
    $$;
"""

# Impossible candles go: their cells become gaps. Odd ranges are cut to what a range can be: what they claim without a
# candle is noticed as ever. Where anything changed, cached columns of all series are stale.
_MEND_CANDLES = """
    SELECT set_config('backtest.versioned', 'yes', true);
    DO $$
    DECLARE
        changed bigint := 0;
        more bigint;
        name text;
    BEGIN
        DELETE FROM ohlcv_data WHERE NOT (
            low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 'Infinity'
            AND volume >= 0 AND volume < 'Infinity' AND timestamp >= '1970-01-01 00:00+00'
            AND timestamp < '2200-01-01 00:00+00' AND opens_candle(timeframe, timestamp) IS DISTINCT FROM false);
        GET DIAGNOSTICS changed = ROW_COUNT;

        CREATE TEMPORARY TABLE odd_range ON COMMIT DROP AS
            SELECT id, symbol_id, timeframe, mended_bound(timeframe, start_time) AS first,
                mended_bound(timeframe, end_time) AS last
            FROM data_ranges
            WHERE start_time < '1970-01-01 00:00+00' OR end_time > '2200-01-01 00:00+00' OR start_time >= end_time
                OR NOT opens_candle(timeframe, start_time) OR NOT opens_candle(timeframe, end_time)
                OR candle_count < 0;
        DELETE FROM data_ranges WHERE id IN (SELECT id FROM odd_range);
        GET DIAGNOSTICS more = ROW_COUNT;
        changed := changed + more;
        INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count)
            SELECT symbol_id, timeframe, first, max(last), (
                SELECT count(*) FROM ohlcv_data AS o WHERE o.symbol_id = odd.symbol_id AND o.timeframe = odd.timeframe
                    AND o.timestamp >= first AND o.timestamp < max(last))
            FROM odd_range AS odd WHERE first < last GROUP BY symbol_id, timeframe, first
            ON CONFLICT (symbol_id, timeframe, start_time)
                DO UPDATE SET end_time = greatest(data_ranges.end_time, excluded.end_time);

        FOREACH name IN ARRAY ARRAY['missing_candles', 'imported_ranges'] LOOP
            EXECUTE format('DELETE FROM %I WHERE mended_bound(timeframe, start_time) >= mended_bound(timeframe, end_time)',
                name);
            GET DIAGNOSTICS more = ROW_COUNT;
            changed := changed + more;
            EXECUTE format('UPDATE %I SET start_time = mended_bound(timeframe, start_time),
                end_time = mended_bound(timeframe, end_time)
                WHERE start_time <> mended_bound(timeframe, start_time) OR end_time <> mended_bound(timeframe, end_time)',
                name);
            GET DIAGNOSTICS more = ROW_COUNT;
            changed := changed + more;
        END LOOP;
        IF changed > 0 THEN
            UPDATE data_ranges AS held SET candle_count = (
                SELECT count(*) FROM ohlcv_data AS o WHERE o.symbol_id = held.symbol_id AND o.timeframe = held.timeframe
                    AND o.timestamp >= held.start_time AND o.timestamp < held.end_time);
            UPDATE series_state SET version = next_series_version(version);
        END IF;
    END
    $$;
    DROP FUNCTION mended_bound(text, timestamptz);

    -- Older versions called a tail delisted without asking whether the market trades: it is asked again.
    UPDATE missing_candles SET confirmed_at = '1970-01-01 00:00+00'
        WHERE reason = 'after_delisting' OR confirmed_at > '2300-01-01 00:00+00';
    UPDATE series_state SET first_candle = NULL WHERE first_candle < '1970-01-01 00:00+00'
        OR first_candle >= '2200-01-01 00:00+00' OR NOT opens_candle(timeframe, first_candle);
    UPDATE series_state SET unproven_tail = NULL WHERE unproven_tail < '1970-01-01 00:00+00'
        OR unproven_tail >= '2200-01-01 00:00+00' OR NOT opens_candle(timeframe, unproven_tail);
"""

# (table, column, may be null): null = not known; else the nearest moment that every program can read
_MOMENTS = (
    ("data_ranges", "fetched_at", False),
    ("missing_candles", "confirmed_at", False),
    ("imported_ranges", "imported_at", False),
    ("series_state", "kept_from", True),
    ("markets", "listed_at", True),
    ("exchange_state", "blocked_until", True),
    ("exchange_state", "markets_saved_at", True),
    ("backtest_runs", "start_time", False),
    ("backtest_runs", "end_time", False),
    ("backtest_runs", "candles_start", True),
    ("backtest_runs", "created_at", False),
    ("sweeps", "start_time", False),
    ("sweeps", "end_time", False),
    ("sweeps", "created_at", False),
)

_CONSTRAINTS = """
    ALTER TABLE ohlcv_data
        ADD CONSTRAINT ohlcv_data_possible CHECK (
            low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 'Infinity'
            AND volume >= 0 AND volume < 'Infinity'),
        ADD CONSTRAINT ohlcv_data_on_grid CHECK (
            timestamp >= '1970-01-01 00:00+00' AND timestamp < '2200-01-01 00:00+00'
            AND opens_candle(timeframe, timestamp));
    ALTER TABLE data_ranges
        ADD CONSTRAINT data_ranges_on_grid CHECK (
            start_time >= '1970-01-01 00:00+00' AND end_time <= '2200-01-01 00:00+00'
            AND opens_candle(timeframe, start_time) AND opens_candle(timeframe, end_time)),
        ADD CONSTRAINT data_ranges_count CHECK (candle_count >= 0);
    ALTER TABLE missing_candles
        ADD CONSTRAINT missing_candles_on_grid CHECK (
            start_time >= '1970-01-01 00:00+00' AND end_time <= '2200-01-01 00:00+00'
            AND opens_candle(timeframe, start_time) AND opens_candle(timeframe, end_time));
    ALTER TABLE imported_ranges
        ADD CONSTRAINT imported_ranges_on_grid CHECK (
            start_time >= '1970-01-01 00:00+00' AND end_time <= '2200-01-01 00:00+00'
            AND opens_candle(timeframe, start_time) AND opens_candle(timeframe, end_time));
    ALTER TABLE series_state
        ADD CONSTRAINT series_state_on_grid CHECK (
            first_candle >= '1970-01-01 00:00+00' AND first_candle < '2200-01-01 00:00+00'
            AND opens_candle(timeframe, first_candle)),
        ADD CONSTRAINT series_state_tail_on_grid CHECK (
            unproven_tail >= '1970-01-01 00:00+00' AND unproven_tail < '2200-01-01 00:00+00'
            AND opens_candle(timeframe, unproven_tail));

    -- also in sessions that call themselves replicas, where other triggers are silent
    ALTER TABLE ohlcv_data ENABLE ALWAYS TRIGGER ohlcv_data_version;
    ALTER TABLE data_ranges ENABLE ALWAYS TRIGGER data_ranges_version;
    ALTER TABLE missing_candles ENABLE ALWAYS TRIGGER missing_candles_version;
"""


def upgrade() -> None:
    """Plain SQL. Candles are read twice, once to mend and once to check them: a minute for a hundred million."""
    op.execute(_FUNCTIONS)
    op.execute(_MEND_CANDLES)
    for table, column, may_be_null in _MOMENTS:
        bounds = f"{column} < '1970-01-01 00:00+00' OR {column} > '2300-01-01 00:00+00'"
        value = (
            "NULL"
            if may_be_null
            else f"greatest('1970-01-01 00:00+00', least('2300-01-01 00:00+00', {column}))"
        )
        op.execute(f"UPDATE {table} SET {column} = {value} WHERE {bounds}")  # noqa: S608 - our own names
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_moment CHECK ("
            f"{column} >= '1970-01-01 00:00+00' AND {column} <= '2300-01-01 00:00+00')"
        )
    op.execute(_CONSTRAINTS)
