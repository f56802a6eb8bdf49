"""Sweeps, and every trial that was ever made of a strategy."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """`trials` names no foreign key: checking it takes longer than storing the row. Deleting a sweep empties its rows and
    leaves their fingerprints: a trial that was made stays counted.
    """
    op.execute("""
        CREATE TABLE sweeps (
            id uuid PRIMARY KEY,
            strategy_name varchar(100) NOT NULL,
            symbol_id integer NOT NULL REFERENCES symbols (id),
            timeframe varchar(5) NOT NULL,
            start_time timestamptz NOT NULL,
            end_time timestamptz NOT NULL,
            status varchar(20) NOT NULL,
            error text,
            engine varchar(20) NOT NULL,
            asked jsonb NOT NULL,
            costs jsonb NOT NULL,
            fixed jsonb NOT NULL,
            kinds jsonb NOT NULL,
            metric_names text[] NOT NULL,
            warmup integer NOT NULL,
            inputs jsonb,
            planned integer NOT NULL,
            done integer NOT NULL,
            failed integer NOT NULL,
            best integer,
            trials_of_strategy bigint,
            elapsed_s double precision NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX sweeps_created_idx ON sweeps (created_at);
        CREATE TABLE trials (
            sweep_id uuid,
            number integer,
            strategy_name varchar(100) NOT NULL,
            fingerprint bytea,
            params jsonb,
            metrics double precision[],
            error text
        );
        CREATE INDEX trials_sweep_idx ON trials (sweep_id, number);
    """)
