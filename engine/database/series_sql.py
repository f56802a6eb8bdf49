"""The statements of series_store.py. Parameters: `:exchange :name :kind :timeframe` name a series, times are timestamptz.

Intervals are half-open; `range_agg` merges those that overlap or touch, `-` on multiranges leaves what is uncovered.
"""

# ruff: noqa: S608 - the statements are put together from constants of this file only

from typing import Final

from sqlalchemy import text

_SYMBOL: Final = "(SELECT id FROM symbols WHERE exchange = :exchange AND name = :name AND kind = :kind)"
_SERIES: Final = f"symbol_id = {_SYMBOL} AND timeframe = :timeframe"
_WITHIN: Final = "timestamp >= :start AND timestamp < :end"
_FIRST: Final = "CAST('1970-01-01 00:00+00' AS timestamptz)"
_LAST: Final = "CAST('2200-01-01 00:00+00' AS timestamptz)"
# the last Monday before: rounded up to the grid it stays within the calendar, whatever the timeframe
_LATEST: Final = "CAST('2199-12-30 00:00+00' AS timestamptz)"
# a row that somebody turned round stands for nothing, infinity for the end of all calendars
_RANGE: Final = f"""CASE WHEN greatest(start_time, {_FIRST}) < least(end_time, {_LATEST})
    THEN tstzrange(greatest(start_time, {_FIRST}), least(end_time, {_LATEST})) ELSE 'empty' END"""
_IN_TIME: Final = f"timestamp >= {_FIRST} AND timestamp < {_LAST}"
# Rows that no check of the schema vouches for, because somebody dropped it, are looked at one by one.
_CHECKED: Final = """(SELECT count(*) = 2 FROM pg_constraint WHERE conrelid = CAST('ohlcv_data' AS regclass)
    AND conname IN ('ohlcv_data_possible', 'ohlcv_data_on_grid') AND convalidated)"""
_POSSIBLE: Final = f"""(low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 'Infinity'
    AND volume >= 0 AND volume < 'Infinity' AND {_IN_TIME}
    AND opens_candle(ohlcv_data.timeframe, timestamp) IS DISTINCT FROM false)"""
_SOUND: Final = f"({_CHECKED} OR {_POSSIBLE})"
_WANTED: Final = "tstzrange(CAST(:start AS timestamptz), CAST(:end AS timestamptz))"
_CUT: Final = "CAST(:cut AS tstzmultirange)"


def _count(within: str) -> str:
    """How many candles of the series are in a stretch; of the index alone where the schema vouches for them."""
    count = f"SELECT count(*) FROM ohlcv_data WHERE {_SERIES} AND {within}"
    return f"CASE WHEN {_CHECKED} THEN ({count}) ELSE ({count} AND {_POSSIBLE}) END"


_IN_PART: Final = "timestamp >= lower(part) AND timestamp < upper(part)"
_ALL_RANGES: Final = f"""coalesce((SELECT range_agg({_RANGE}) FROM data_ranges WHERE {_SERIES}),
    CAST('{{}}' AS tstzmultirange))"""
_ALL_IMPORTED: Final = f"""coalesce((SELECT range_agg({_RANGE}) FROM imported_ranges WHERE {_SERIES}),
    CAST('{{}}' AS tstzmultirange))"""

# -- the series and its state

ADD_SYMBOL: Final = text("""
    INSERT INTO symbols (exchange, name, kind, unified, is_active)
    VALUES (:exchange, :name, :kind, :unified, coalesce((
        SELECT bool_or(is_active) FROM symbols
        WHERE exchange = CAST(:exchange AS varchar) AND name = CAST(:name AS varchar)
    ), true))
    ON CONFLICT DO NOTHING
""")
SYMBOL_ID: Final = text("SELECT id FROM symbols WHERE exchange = :exchange AND name = :name AND kind = :kind")
ADD_STATE: Final = text(f"""
    INSERT INTO series_state (symbol_id, timeframe) VALUES ({_SYMBOL}, :timeframe) ON CONFLICT DO NOTHING
""")
LOCK_STATE: Final = text(f"SELECT 1 FROM series_state WHERE {_SERIES} FOR UPDATE")
# Locks the series like LOCK_STATE, and tells the triggers that nothing else changes in this transaction
CHANGE_VERSION: Final = text(
    f"UPDATE series_state SET version = next_series_version(version) WHERE {_SERIES}"
)
SAY_VERSIONED: Final = text("SELECT set_config('backtest.versioned', 'yes', true)")
# PostgreSQL keeps the two halves of a 64-bit key apart
LOCK_HOLDER: Final = text("""
    SELECT a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.classid = CAST(:high AS bigint) AND l.objid = CAST(:low AS bigint)
""")
VERSION: Final = text(f"SELECT version FROM series_state WHERE {_SERIES}")
# First candle, unproven tail, and in words what is recorded as the first candle: only where held ones refute it; always.
_WORDS: Final = """CASE WHEN isfinite(first_candle) THEN to_char(first_candle, 'FMYYYY-MM-DD HH24:MI "UTC"')
        ELSE CAST(first_candle AS text) END"""
STATE: Final = text(f"""
    SELECT CASE WHEN is_first THEN first_candle END,
        CASE WHEN unproven_tail >= {_FIRST} AND unproven_tail < {_LAST} THEN unproven_tail END,
        CASE WHEN NOT is_first THEN {_WORDS} END, {_WORDS}
    FROM (
        SELECT first_candle, unproven_tail, first_candle >= {_FIRST} AND first_candle < {_LAST} AND NOT EXISTS (
            SELECT 1 FROM unnest({_ALL_RANGES}) AS part
            WHERE lower(part) < first_candle AND EXISTS (
                SELECT 1 FROM ohlcv_data WHERE {_SERIES} AND {_IN_PART} AND timestamp < first_candle AND {_SOUND})
            ) AS is_first
        FROM series_state WHERE {_SERIES}) AS state
""")
# Earliest candle that is held, and that is held and did not come from a file.
FIRST_HELD: Final = text(f"""
    SELECT (SELECT min(first) FROM unnest({_ALL_RANGES}) AS part, LATERAL (
                SELECT min(timestamp) AS first FROM ohlcv_data WHERE {_SERIES} AND {_IN_PART} AND {_SOUND}) AS held),
        (SELECT min(first) FROM unnest({_ALL_RANGES} - {_ALL_IMPORTED}) AS part, LATERAL (
                SELECT min(timestamp) AS first FROM ohlcv_data WHERE {_SERIES} AND {_IN_PART} AND {_SOUND}) AS held)
""")
SAVE_FIRST_CANDLE: Final = text(f"UPDATE series_state SET first_candle = :time WHERE {_SERIES}")
SAVE_UNPROVEN_TAIL: Final = text(f"UPDATE series_state SET unproven_tail = :time WHERE {_SERIES}")

# -- what is held

_RANGES: Final = f"""coalesce(
        (SELECT range_agg({_RANGE}) FROM data_ranges
         WHERE {_SERIES} AND start_time < end_time AND start_time < :end AND end_time > :start),
        CAST('{{}}' AS tstzmultirange))"""

# The covered parts of a period, and how many candles each really holds: a row of data_ranges alone proves nothing.
COVERED: Final = text(f"""
    SELECT lower(part), upper(part), {_count(_IN_PART)}
    FROM unnest({_RANGES} * tstzmultirange({_WANTED})) AS part
""")

RANGES_WITHIN: Final = text(f"""
    SELECT lower(part), upper(part) FROM unnest({_RANGES} * tstzmultirange({_WANTED})) AS part
""")

HELD_CELLS: Final = text(
    f"SELECT timestamp FROM ohlcv_data WHERE {_SERIES} AND {_WITHIN} AND {_SOUND} ORDER BY timestamp"
)

GAPS: Final = text(f"""
    SELECT lower(gap), upper(gap)
    FROM unnest(tstzmultirange({_WANTED}) - ({_RANGES} - CAST(:claimed AS tstzmultirange))) AS gap
""")

MISSING: Final = text(f"""
    WITH known AS (
        SELECT reason, {_RANGE} * {_WANTED} AS part,
            CASE WHEN confirmed_at >= {_FIRST} AND confirmed_at < {_LAST} THEN confirmed_at ELSE {_FIRST} END AS confirmed_at
        FROM missing_candles
        WHERE {_SERIES} AND start_time < :end AND end_time > :start),
    merged AS (SELECT reason, unnest(range_agg(part) * {_RANGES}) AS span FROM known GROUP BY reason)
    SELECT lower(span), upper(span), reason, min(confirmed_at)
    FROM merged JOIN known USING (reason) WHERE part && span GROUP BY span, reason ORDER BY span
""")

HELD_SERIES: Final = text(f"""
    SELECT s.exchange, s.name, coalesce(nullif(s.unified, ''), s.name), m.is_trading, m.listed_at, s.kind,
        held.timeframe, held.candles,
        coalesce((SELECT min(timestamp) FROM ohlcv_data AS o WHERE o.symbol_id = s.id AND o.timeframe = held.timeframe
            AND {_IN_TIME}), (SELECT min(timestamp) FROM funding_rates AS f WHERE f.symbol_id = s.id)),
        coalesce((SELECT max(timestamp) FROM ohlcv_data AS o WHERE o.symbol_id = s.id AND o.timeframe = held.timeframe
            AND {_IN_TIME}), (SELECT max(timestamp) FROM funding_rates AS f WHERE f.symbol_id = s.id))
    FROM (SELECT symbol_id, timeframe, CAST(sum(candle_count) AS bigint) AS candles FROM data_ranges
          GROUP BY symbol_id, timeframe) AS held
    JOIN symbols AS s ON s.id = held.symbol_id
    LEFT JOIN markets AS m ON m.exchange = s.exchange AND m.name = s.name
    ORDER BY s.exchange, s.name, s.kind DESC, held.timeframe
""")

# For psycopg itself: the arrays come binary and numpy takes them as they are
READ: Final = f"""
    SELECT array_agg(timestamp), array_agg(open), array_agg(high), array_agg(low), array_agg(close), array_agg(volume)
    FROM (SELECT timestamp, open, high, low, close, volume FROM ohlcv_data
          WHERE symbol_id = (SELECT id FROM symbols WHERE exchange = %(exchange)s AND name = %(name)s
                AND kind = %(kind)s)
            AND timeframe = %(timeframe)s AND timestamp >= %(start)s AND timestamp < %(end)s AND {_SOUND}
          ORDER BY timestamp) AS held
"""

# -- writing

PAGE_TABLE: Final = text("""
    CREATE TEMPORARY TABLE IF NOT EXISTS candle_page (
        timestamp timestamptz NOT NULL, open float8 NOT NULL, high float8 NOT NULL, low float8 NOT NULL,
        close float8 NOT NULL, volume float8 NOT NULL) ON COMMIT DELETE ROWS
""")
COPY_PAGE: Final = "COPY candle_page (timestamp, open, high, low, close, volume) FROM STDIN (FORMAT BINARY)"

COPY_CANDLES: Final = """
    COPY ohlcv_data (symbol_id, timeframe, timestamp, open, high, low, close, volume) FROM STDIN (FORMAT BINARY)
"""
HOLDS_ANY: Final = text(f"SELECT EXISTS (SELECT 1 FROM ohlcv_data WHERE {_SERIES} AND {_WITHIN})")

# {fresh} = new candles: when, and how many. :start, :end = hull of :covered. Ranges that touch it are taken out,
# merged with :covered and put back.
_MERGE_RANGES: Final = f"""
    WITH fresh AS ({{fresh}}),
    touched AS (
        DELETE FROM data_ranges WHERE {_SERIES}
            AND least(start_time, end_time) <= :end AND greatest(start_time, end_time) >= :start
        RETURNING {_RANGE} AS part, candle_count),
    merged AS (
        SELECT unnest(range_agg(part)) AS span FROM (
            SELECT part FROM touched UNION ALL SELECT unnest(CAST(:covered AS tstzmultirange))) AS parts),
    written AS (
        INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count)
        SELECT {_SYMBOL}, :timeframe, lower(span), upper(span),
            coalesce((SELECT sum(candle_count) FROM touched WHERE part <@ span), 0)
            + (SELECT coalesce(sum(candles), 0) FROM fresh WHERE timestamp <@ span)
        FROM merged)
    SELECT coalesce(sum(candles), 0) FROM fresh
"""
INSERT_PAGE: Final = text(
    _MERGE_RANGES.format(
        fresh=f"""
        INSERT INTO ohlcv_data (symbol_id, timeframe, timestamp, open, high, low, close, volume)
        SELECT {_SYMBOL}, :timeframe, timestamp, open, high, low, close, volume FROM candle_page ORDER BY timestamp
        ON CONFLICT DO NOTHING RETURNING timestamp, 1 AS candles"""
    )
)
COVER_PAGE: Final = text(
    _MERGE_RANGES.format(
        fresh="""
        SELECT * FROM unnest(CAST(:starts AS timestamptz[]), CAST(:counts AS bigint[])) AS new (timestamp, candles)"""
    )
)

# A candle outside every row of data_ranges is proven by nothing, and one that cannot be is none: what the exchange says
# takes its place.
DROP_UNPROVEN: Final = text(f"""
    DELETE FROM ohlcv_data WHERE {_SERIES} AND {_WITHIN}
        AND (timestamp <@ (CAST(:covered AS tstzmultirange) - {_RANGES}) OR NOT {_SOUND})
""")
_IMPOSSIBLE: Final = f"{_SERIES} AND NOT {_CHECKED} AND NOT {_POSSIBLE}"
DROP_IMPOSSIBLE: Final = text(f"DELETE FROM ohlcv_data WHERE {_IMPOSSIBLE}")
# Rows that are no candle, no period: how many, and the first in words.
IMPOSSIBLE: Final = text(f"""
    SELECT count(*), min(CAST(timestamp AS text) || format(' (open %s, high %s, low %s, close %s, volume %s)',
        open, high, low, close, volume)) FROM ohlcv_data WHERE {_IMPOSSIBLE}
""")

INSERT_MISSING: Final = text(f"""
    INSERT INTO missing_candles (symbol_id, timeframe, start_time, end_time, reason, confirmed_at)
    VALUES ({_SYMBOL}, :timeframe, :start, :end, :reason, coalesce(:confirmed_at, now()))
""")

HELD_CELLS_KNOWN_MISSING: Final = text(f"""
    SELECT timestamp FROM missing_candles AS m
    JOIN ohlcv_data ON ohlcv_data.symbol_id = m.symbol_id AND ohlcv_data.timeframe = m.timeframe
        AND timestamp >= m.start_time AND timestamp < m.end_time AND {_SOUND}
    WHERE m.symbol_id = (SELECT id FROM symbols WHERE exchange = :exchange AND name = :name AND kind = :kind)
        AND m.timeframe = :timeframe AND m.start_time < :end AND m.end_time > :start
""")

CUT_MISSING: Final = text(f"""
    WITH cut AS (DELETE FROM missing_candles WHERE {_SERIES} AND {_RANGE} && {_CUT} RETURNING *)
    INSERT INTO missing_candles (symbol_id, timeframe, start_time, end_time, reason, confirmed_at)
    SELECT symbol_id, timeframe, lower(part), upper(part), reason, confirmed_at
    FROM cut, unnest(tstzmultirange({_RANGE}) - {_CUT}) AS part
""")

CUT_RANGES: Final = text(f"""
    WITH cut AS (DELETE FROM data_ranges WHERE {_SERIES} AND {_RANGE} && {_CUT} RETURNING *)
    INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count, fetched_at)
    SELECT symbol_id, timeframe, lower(part), upper(part), {_count(_IN_PART)}, fetched_at
    FROM cut, unnest(tstzmultirange({_RANGE}) - {_CUT}) AS part
""")

RANGES_HULL: Final = text(
    f"SELECT lower(hull), upper(hull) FROM (SELECT range_merge({_ALL_RANGES}) AS hull) AS all_ranges"
)
_RIGHT_RANGES: Final = f"""
    SELECT lower(part) AS start_time, upper(part) AS end_time, {_count(_IN_PART)} AS candle_count
    FROM unnest(CAST(:covered AS tstzmultirange) - CAST(:claimed AS tstzmultirange)) AS part
"""
# How many rows are not among the right ones. Compared here: a driver cannot read every time that a row may hold.
WRONG_RANGES: Final = text(f"""
    SELECT count(*) FROM (
        SELECT start_time, end_time, candle_count FROM data_ranges WHERE {_SERIES} EXCEPT {_RIGHT_RANGES}) AS wrong
""")
MISSING_SPANS: Final = text(f"""
    SELECT lower(span), upper(span), reason FROM (
        SELECT reason, unnest(range_agg({_RANGE})) AS span FROM missing_candles WHERE {_SERIES} GROUP BY reason) AS known
    UNION ALL SELECT NULL, NULL, reason FROM missing_candles
    WHERE {_SERIES} AND (start_time >= end_time OR start_time < {_FIRST} OR end_time > {_LAST})
""")
_ODD_PERIOD: Final = f"""{_SERIES} AND (start_time >= end_time OR start_time < {_FIRST} OR end_time > {_LAST}
        OR NOT opens_candle(timeframe, start_time) OR NOT opens_candle(timeframe, end_time))"""
ODD_PERIODS: Final = text(
    " UNION ALL ".join(
        f"SELECT '{table}', count(*), min(format('from %s to %s', start_time, end_time)) FROM {table} WHERE {_ODD_PERIOD}"
        for table in ("data_ranges", "missing_candles", "imported_ranges")
    )
)
TAKE_ODD_IMPORTED: Final = text(f"""
    WITH odd AS (DELETE FROM imported_ranges WHERE {_ODD_PERIOD} RETURNING start_time, end_time, file_name)
    SELECT lower(part), upper(part), file_name FROM odd, unnest(tstzmultirange({_RANGE})) AS part
""")
MEND_STATE: Final = text(f"""
    UPDATE series_state SET
        first_candle = CASE WHEN first_candle >= {_FIRST} AND first_candle < {_LAST}
            AND opens_candle(timeframe, first_candle) THEN first_candle END,
        unproven_tail = CASE WHEN unproven_tail >= {_FIRST} AND unproven_tail < {_LAST}
            AND opens_candle(timeframe, unproven_tail) THEN unproven_tail END,
        kept_from = CASE WHEN kept_from >= {_FIRST} AND kept_from < {_LAST} THEN kept_from END
    WHERE {_SERIES}
""")
DROP_RANGES: Final = text(f"DELETE FROM data_ranges WHERE {_SERIES}")
DROP_MISSING: Final = text(f"DELETE FROM missing_candles WHERE {_SERIES}")
WRITE_RANGES: Final = text(f"""
    INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count)
    SELECT {_SYMBOL}, :timeframe, one.* FROM ({_RIGHT_RANGES}) AS one
""")

FORGET_CANDLES: Final = text(f"DELETE FROM ohlcv_data WHERE {_SERIES} AND {_WITHIN}")
FORGET_TAIL: Final = text(f"""
    UPDATE series_state SET unproven_tail = NULL WHERE {_SERIES} AND unproven_tail >= :start AND unproven_tail <= :end
""")

REPLACE: Final = text(f"""
    UPDATE ohlcv_data AS held SET open = page.open, high = page.high, low = page.low, close = page.close,
        volume = page.volume
    FROM candle_page AS page
    WHERE held.symbol_id = {_SYMBOL} AND held.timeframe = :timeframe AND held.timestamp = page.timestamp
""")

UNPROVEN: Final = text(f"""
    SELECT timestamp FROM ohlcv_data
    WHERE {_SERIES} AND {_WITHIN} AND {_SOUND} AND NOT timestamp <@ {_RANGES} ORDER BY timestamp
""")

EXTENT: Final = text(f"""
    SELECT least((SELECT min(timestamp) FROM ohlcv_data WHERE {_SERIES} AND {_IN_TIME}),
                 (SELECT lower(range_merge({_ALL_RANGES})))),
        greatest((SELECT max(timestamp) FROM ohlcv_data WHERE {_SERIES} AND {_IN_TIME}),
                 (SELECT upper(range_merge({_ALL_RANGES})) - interval '1 ms'))
""")

# -- what came from files

IMPORTED: Final = text(f"""
    SELECT lower(span), upper(span) FROM unnest((
        SELECT range_agg({_RANGE} * {_WANTED}) FROM imported_ranges
        WHERE {_SERIES} AND start_time < :end AND end_time > :start)) AS span ORDER BY span
""")

MARK_IMPORTED: Final = text(f"""
    INSERT INTO imported_ranges (symbol_id, timeframe, start_time, end_time, file_name)
    VALUES ({_SYMBOL}, :timeframe, :start, :end, :file_name)
""")

CUT_IMPORTED: Final = text(f"""
    WITH cut AS (DELETE FROM imported_ranges WHERE {_SERIES} AND {_RANGE} && {_CUT} RETURNING *)
    INSERT INTO imported_ranges (symbol_id, timeframe, start_time, end_time, file_name, imported_at)
    SELECT symbol_id, timeframe, lower(part), upper(part), file_name, imported_at
    FROM cut, unnest(tstzmultirange({_RANGE}) - {_CUT}) AS part
""")

# -- funding rates: rows of their own, covered by cells of 1h in data_ranges

_OF_SYMBOL: Final = f"symbol_id = {_SYMBOL}"
INSERT_FUNDING: Final = text(
    _MERGE_RANGES.format(
        fresh=f"""
        INSERT INTO funding_rates (symbol_id, timestamp, rate_type, served_at, rate, mark_price, interval_hours)
        SELECT {_SYMBOL}, page.* FROM unnest(CAST(:times AS timestamptz[]), CAST(:types AS text[]),
            CAST(:served AS timestamptz[]), CAST(:rates AS float8[]), CAST(:marks AS float8[]),
            CAST(:hours AS integer[])) AS page
        ON CONFLICT DO NOTHING RETURNING timestamp, 1 AS candles"""
    )
)
REPLACE_FUNDING: Final = text(f"""
    UPDATE funding_rates AS held SET served_at = page.served, rate = page.rate,
        mark_price = coalesce(page.mark, mark_price), interval_hours = coalesce(page.hours, interval_hours)
    FROM unnest(CAST(:times AS timestamptz[]), CAST(:types AS text[]), CAST(:served AS timestamptz[]),
        CAST(:rates AS float8[]), CAST(:marks AS float8[]), CAST(:hours AS integer[]))
        AS page (time, type, served, rate, mark, hours)
    WHERE held.{_OF_SYMBOL} AND held.timestamp = page.time AND held.rate_type = page.type
""")
# Rows that no range vouches for are proven by nothing: what the exchange says takes their place.
DROP_UNPROVEN_FUNDING: Final = text(f"""
    DELETE FROM funding_rates WHERE {_OF_SYMBOL} AND {_WITHIN}
        AND timestamp <@ (CAST(:covered AS tstzmultirange) - {_RANGES})
""")
READ_FUNDING: Final = text(f"""
    SELECT served_at, rate, mark_price, rate_type, interval_hours FROM funding_rates
    WHERE {_OF_SYMBOL} AND {_WITHIN} AND timestamp <@ {_RANGES} ORDER BY timestamp, rate_type
""")
FORGET_FUNDING: Final = text(f"DELETE FROM funding_rates WHERE {_OF_SYMBOL} AND {_WITHIN}")
COUNT_RANGES_OF_FUNDING: Final = text(f"""
    UPDATE data_ranges SET candle_count = (SELECT count(*) FROM funding_rates AS f
        WHERE f.symbol_id = data_ranges.symbol_id AND f.timestamp >= start_time AND f.timestamp < end_time)
    WHERE {_SERIES}
""")
# The whole covered ranges that reach into a period.
RANGES_TOUCHING: Final = text(f"""
    SELECT lower(part), upper(part) FROM unnest({_ALL_RANGES}) AS part WHERE part && {_WANTED} ORDER BY part
""")
