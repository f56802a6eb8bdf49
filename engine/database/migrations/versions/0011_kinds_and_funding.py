"""Kinds of series beside the traded candles: those of the mark price, and funding rates."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """What is there is traded candles. A kind is a symbol of its own, so that no large table gets a column or an index."""
    op.execute("""
        ALTER TABLE symbols
            ADD COLUMN kind varchar(10) NOT NULL DEFAULT 'traded',
            ADD CONSTRAINT symbols_kind CHECK (kind IN ('traded', 'mark', 'funding')),
            DROP CONSTRAINT symbols_exchange_name_key,
            ADD CONSTRAINT symbols_exchange_name_kind_key UNIQUE (exchange, name, kind);
        CREATE TABLE funding_rates (
            symbol_id integer NOT NULL REFERENCES symbols (id),
            timestamp timestamptz NOT NULL,
            rate_type varchar(20) NOT NULL,
            served_at timestamptz NOT NULL,
            rate double precision NOT NULL,
            mark_price double precision,
            interval_hours integer,
            PRIMARY KEY (symbol_id, timestamp, rate_type),
            CONSTRAINT funding_rates_possible CHECK (
                rate >= -0.05 AND rate <= 0.05 AND mark_price > 0 AND mark_price < 'Infinity'
                AND interval_hours >= 1 AND interval_hours <= 8),
            CONSTRAINT funding_rates_timestamp_moment CHECK (
                timestamp >= '1970-01-01 00:00+00' AND timestamp <= '2300-01-01 00:00+00'),
            CONSTRAINT funding_rates_served_at_moment CHECK (
                served_at >= '1970-01-01 00:00+00' AND served_at <= '2300-01-01 00:00+00')
        );
        CREATE TRIGGER funding_rates_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON funding_rates
            FOR EACH STATEMENT EXECUTE FUNCTION change_series_versions();
    """)
