"""Tables are created once, by whoever comes first, and never from a version that this program does not know."""

import contextlib
import subprocess
import sys
import threading
import time
import uuid

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from engine.database import schema
from engine.database.connection import parse_url
from engine.database.migrate import LOCK_KEY, MIGRATIONS
from engine.database.store import Store
from engine.errors import DatabaseError
from engine.model.kinds import Kind
from engine.model.market import Market, Period, Timeframe
from engine.model.run import RunResult
from tests.engine.database.test_run_store import a_run
from tests.support.database import at_revision, execute


def test_the_constant_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_the_migrations_make_the_tables_that_the_program_uses(database_url: str) -> None:
    engine = create_engine(parse_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_migrating_twice_is_quick_and_does_not_import_alembic(database_url: str) -> None:
    code = (
        "import sys, time; from engine.database.store import Store; store = Store(sys.argv[1]); store.migrate(); "
        "times = [time.perf_counter() for _ in range(6) if store.migrate() is None]; "
        "print(min(later - one for one, later in zip(times, times[1:])), 'alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, database_url], capture_output=True, text=True, check=True
    )
    seconds, imported = done.stdout.split()
    assert imported == "False"
    assert float(seconds) < 0.1


@pytest.mark.long
def test_two_programs_migrating_at_once_both_succeed(empty_database_url: str) -> None:
    code = (
        "import sys; from engine.database import migrate; from engine.database.store import Store; "
        "store = Store(sys.argv[1]); print('ready', flush=True); sys.stdin.readline(); store.migrate(); "
        "print(store.runs.newest())"
    )
    command = [sys.executable, "-c", code, empty_database_url]
    programs = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    said: list[tuple[str, str]] = []
    threads = [
        threading.Thread(target=lambda p=program: said.append(p.communicate("go\n"))) for program in programs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [("[]\n", "")] * 2
    assert execute(empty_database_url, "SELECT version_num FROM alembic_version") == [(schema.HEAD,)]


def test_a_program_waits_while_another_one_migrates(empty_database_url: str) -> None:
    first, second, done = Store(empty_database_url), Store(empty_database_url), threading.Event()

    def migrate() -> None:
        second.migrate()
        done.set()

    with contextlib.closing(first), contextlib.closing(second):
        with first.database.transaction() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
            thread = threading.Thread(target=migrate)
            thread.start()
            time.sleep(0.2)
            assert not done.is_set()
        assert done.wait(60)
        thread.join()


def test_a_newer_schema_is_refused_and_left_alone(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with contextlib.closing(Store(database_url)) as store, pytest.raises(DatabaseError) as caught:
        store.migrate()
    assert "made by a newer version of this program (its schema is 9999)" in str(caught.value)
    assert execute(database_url, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_returns_that_a_sweep_kept_before_it_was_stored_in_parts_are_one_part(
    empty_database_url: str,
) -> None:
    at_revision(empty_database_url, "0014")
    made, numbers, returns = (
        uuid.uuid4(),
        np.array([0, 3], "<i8"),
        np.array([[0.5, -1.0], [2.0, 1e-300]], "<f8"),
    )
    packed = f"'\\x{numbers.tobytes().hex()}', '\\x{returns.tobytes().hex()}'"
    execute(empty_database_url, f"INSERT INTO sweep_returns VALUES ('{made}', {packed})")
    with contextlib.closing(Store(empty_database_url)) as store:
        store.migrate()
        kept = store.sweeps.returns(str(made))
    assert kept is not None
    assert kept.numbers.tolist() == [0, 3]
    assert kept.returns.tolist() == returns.tolist()


STORED_BEFORE_8 = """
    INSERT INTO symbols (name, exchange, unified) VALUES ('SOLUSDT', 'binanceusdm', 'SOL/USDT:USDT');
    INSERT INTO backtest_runs (strategy_name, symbol_id, timeframe, start_time, end_time, status, engine, params, costs,
            metrics, signals, checks, trades, elapsed_s, fingerprint, inputs)
        SELECT 'mine', 1, '1h', '2024-01-01', '2024-02-01', 'finished', 'compiled', '{}', '{}', '{}', '{}', '{}', '[]', 0,
            repeat(digits, 32), inputs::jsonb
        FROM (VALUES ('01', '{"source": {"mine.py": "ab"}, "params": {"fast": 1, "slow": 0.5}}'),
            ('02', '{"source": {"mine.py": "ab"}, "params": {"fast": 1, "slow": 0.5}, "versions": {"python": "2"}}'),
            ('03', NULL)) AS runs (digits, inputs);
    INSERT INTO sweeps (id, strategy_name, symbol_id, timeframe, start_time, end_time, status, engine, asked, costs, fixed,
            kinds, metric_names, warmup, inputs, planned, done, failed, elapsed_s)
        SELECT gen_random_uuid(), 'mine', 1, '1h', '2024-01-01', '2024-02-01', 'finished', 'compiled', '{}', '{}',
            '{"slow": 0.5}', '{}', '{}', 0, '{"source": {"mine.py": "ab"}}', 3, 3, 1, 0;
    INSERT INTO trials (sweep_id, number, strategy_name, fingerprint, params)
        SELECT id, number, 'mine', decode(repeat(digits, 32), 'hex'), params::jsonb
        FROM sweeps, (VALUES (0, '11', '{"fast": 1}'), (1, '12', '{"fast": 2}'), (2, NULL, '{"fast": 3}'))
            AS made (number, digits, params);
    -- of deleted ones: a run that was made again and is stored, a trial that nobody can tell any more
    INSERT INTO trials (strategy_name, fingerprint) VALUES ('mine', decode(repeat('01', 32), 'hex')),
        ('mine', decode(repeat('99', 32), 'hex'))
"""


def test_what_was_tried_before_trials_had_an_identity_counts_once_and_not_again(
    empty_database_url: str,
) -> None:
    at_revision(empty_database_url, "0007")
    execute(empty_database_url, *STORED_BEFORE_8.split(";\n"))
    with contextlib.closing(Store(empty_database_url)) as store:
        store.migrate()
        # fast 1 by runs and a sweep, fast 2, the run of an old version and the deleted trial of which only prints are left
        assert store.sweeps.trial_count("mine") == 4
        for params in ({"fast": 1, "slow": 0.5}, {"slow": 0.5, "fast": 2}):
            store.runs.save(tried(params))
        assert store.sweeps.trial_count("mine") == 4
        store.runs.save(tried({"fast": 3, "slow": 0.5}))  # it failed in the sweep
        assert store.sweeps.trial_count("mine") == 5


def tried(params: dict[str, float]) -> RunResult:
    """A run of the source and period of the rows above."""
    period = Period(1_704_067_200_000, 1_706_745_600_000)
    return a_run(strategy="mine", period=period, inputs={"source": {"mine.py": "ab"}, "params": params})


def test_a_migration_that_fails_leaves_nothing_and_may_be_run_again(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE TABLE backtest_runs (somebody_elses integer)")
    with contextlib.closing(Store(empty_database_url)) as store:
        with pytest.raises(DatabaseError, match=r"backtest_runs.*already exists"):
            store.migrate()
        assert execute(
            empty_database_url, "SELECT to_regclass('symbols'), to_regclass('alembic_version')"
        ) == [(None, None)]
        execute(empty_database_url, "DROP TABLE backtest_runs")
        store.migrate()
        assert store.runs.newest() == []


def test_what_was_stored_before_there_were_kinds_is_traded_candles(empty_database_url: str) -> None:
    at_revision(empty_database_url, "0010")
    execute(
        empty_database_url,
        "INSERT INTO symbols (name, exchange, unified) VALUES ('SOLUSDT', 'binanceusdm', 'SOL/USDT:USDT')",
        "INSERT INTO ohlcv_data SELECT id, '1h', '2024-01-01 00:00+00', 1, 2, 1, 2, 5 FROM symbols",
        "INSERT INTO data_ranges (symbol_id, timeframe, start_time, end_time, candle_count) "
        "SELECT id, '1h', '2024-01-01 00:00+00', '2024-01-01 01:00+00', 1 FROM symbols",
    )
    with contextlib.closing(Store(empty_database_url)) as store:
        store.migrate()
        market = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
        day = Period.parse("2024-01-01", "2024-01-01")

        assert len(store.candles.read(market, Timeframe("1h"), day)) == 1
        assert len(store.candles.read(market.of(Kind.MARK), Timeframe("1h"), day)) == 0
        assert [held.market.kind for held in store.candles.held_series()] == [Kind.TRADED]
