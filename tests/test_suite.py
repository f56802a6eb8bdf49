"""What the suite promises of itself: the real home is left alone, and a database is as good as new after any test."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from engine.database.store import Store
from engine.model.market import HOUR_MS, Market, Period, Timeframe
from tests.support.builders import random_candles
from tests.support.database import KeptDatabase, execute
from tests.support.examples import examples
from tests.support.own_home import REAL_HOME

ROOT = Path(__file__).parents[1]
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")


def session_of(
    folder: Path, body: str, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A session of its own over one test with this body; its real home is `folder`/real."""
    (folder / "real" / ".cache").mkdir(parents=True)
    (folder / "test_one.py").write_text(
        f"import os, sys\nfrom pathlib import Path\ndef test_one():\n    {body}\n"
    )
    plugins = [
        option
        for name in ("own_home", "order", "lanes", "collecting")
        for option in ("-p", f"tests.support.{name}")
    ]
    plain = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", REAL_HOME))}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *plugins,
            "-q",
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            *options,
            folder,
        ],
        env=plain | {"HOME": str(folder / "real"), "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.mark.long_except("cache")
@pytest.mark.parametrize("name", ["cache", ".cache/backtest-desktop", ".local/share/backtest-desktop/logs"])
def test_a_session_that_writes_into_the_real_home_fails_and_names_what(tmp_path: Path, name: str) -> None:
    ended = session_of(tmp_path, f"(Path(os.environ['{REAL_HOME}']) / '{name}').mkdir(parents=True)")
    assert ended.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert f"the real home changed while the tests ran: {tmp_path / 'real'}" in ended.stdout
    assert "1 passed" in ended.stdout


@pytest.mark.long
def test_a_session_that_writes_into_its_own_home_passes_and_leaves_nothing(tmp_path: Path) -> None:
    told = tmp_path / "home"
    body = f"(Path.home() / 'cache').mkdir(); Path({str(told)!r}).write_text(str(Path.home()))"
    ended = session_of(tmp_path, body)
    assert ended.returncode == 0, ended.stdout
    assert not Path(told.read_text()).exists()
    assert list((tmp_path / "real").rglob("*")) == [tmp_path / "real" / ".cache"]


@pytest.mark.long
def test_no_setting_of_whoever_runs_the_tests_reaches_them(tmp_path: Path) -> None:
    names = {"DATABASE_URL": "x", "BACKTEST_HOME": "x", "XDG_DATA_HOME": "x", "PGPORT": "1"}
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://them@localhost/theirs\n")
    body = f"assert not {set(names)} & set(os.environ) and not Path('.env').exists()"
    assert session_of(tmp_path, body, **names).returncode == 0


@pytest.mark.long
def test_the_order_is_said_and_comes_again(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(30))\ndef test_many(n): pass\n"
    )
    first = session_of(tmp_path, "pass")
    (seed,) = re.findall(r"SEED=(\d+)", first.stdout)
    diary = tmp_path / ".pytest_cache" / "order" / "main"
    order = diary.read_text().splitlines()
    assert len(order) == 31
    assert order != sorted(order)
    for name in ("test_one.py", "real/.cache", "real"):
        (tmp_path / name).unlink() if name.endswith(".py") else (tmp_path / name).rmdir()
    session_of(tmp_path, "pass", f"--randomly-seed={seed}")
    assert diary.read_text().splitlines() == order


@pytest.mark.long
def test_the_longest_begins_first_where_processes_share_the_tests(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_many(n): pass\n"
        "@pytest.mark.longest\ndef test_long(): pass\n"
    )
    ended = session_of(tmp_path, "pass", "-n", "2", "--dist", "worksteal")
    assert ended.returncode == 0, ended.stdout
    diaries = (tmp_path / ".pytest_cache" / "order").glob("gw*")
    assert any(diary.read_text().partition("\n")[0].endswith("::test_long") for diary in diaries)


@pytest.mark.long
def test_each_process_begins_to_read_the_tests_elsewhere_and_they_run_as_ever(tmp_path: Path) -> None:
    """Four files of which one cannot be imported, which is told once for all: and the garbage of tests is collected."""
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(
            "import gc, os\nfrom pathlib import Path\n"
            f"with open(os.environ['READ'] + os.environ.get('PYTEST_XDIST_WORKER', ''), 'a') as f: f.write('{name}')\n"
            f"def test_{name}():\n    assert gc.isenabled() and gc.get_freeze_count() > 1000\n    assert len('x') == 1\n"
        )
    places = {"READ": str(tmp_path / "read-"), "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    ended = session_of(tmp_path, "pass", "-n", "2", "--dist", "worksteal", **places)
    assert "5 passed" in ended.stdout, ended.stdout
    read = [(tmp_path / f"read-gw{number}").read_text() for number in (0, 1)]
    assert read == ["abcd", "cdab"]
    (tmp_path / "test_b.py").write_text("1 / 0\n")
    shutil.rmtree(tmp_path / "real")
    broken = session_of(tmp_path, "pass", "-n", "2", **places)
    assert broken.returncode != 0
    assert "ZeroDivisionError" in broken.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("case", "told"), [("b", "2 passed, 2 deselected"), ("z", "long_except names cases that are not there")]
)
def test_the_first_lane_has_the_case_that_stands_for_the_others(tmp_path: Path, case: str, told: str) -> None:
    (tmp_path / "test_many.py").write_text(
        f"import pytest\n@pytest.mark.long_except({case!r})\n@pytest.mark.parametrize('n', 'abc')\ndef test_many(n): pass\n"
    )
    ended = session_of(tmp_path, "pass", "-m", "not long")
    assert told in ended.stdout + ended.stderr


def test_a_law_that_names_a_number_of_examples_gets_the_share_of_its_lane() -> None:
    usual = settings().max_examples
    assert examples(300) == 3 * usual
    assert [examples(count) for count in (2, 10)] == [max(count, count * usual // 100) for count in (2, 10)]
    assert examples(20) >= 10


@pytest.fixture
def kept(embedded_url: str) -> Iterator[KeptDatabase]:
    database = KeptDatabase(embedded_url)
    yield database
    database.drop()


def hold(url: str, candles: int) -> int:
    """Store hours of a symbol; its number."""
    page = random_candles(candles)
    with contextlib.closing(Store(url)) as opened:
        period = Period(int(page.timestamp[0]), int(page.timestamp[-1]) + HOUR_MS)
        assert opened.candles.add_page(SOL, Timeframe("1h"), page, [period]) == candles
    return int(str(execute(url, "SELECT id FROM symbols")[0][0]))


def state(url: str) -> list[object]:
    """What a test can see of its database: the rows of every table, and whatever else is not as a migration made it."""
    tables = [
        str(name)
        for (name,) in execute(url, "SELECT relname FROM pg_class WHERE relkind = 'r' AND oid > 16384")
    ]
    rows = [execute(url, f"SELECT '{name}', count(*) FROM {name}")[0] for name in sorted(tables)]
    constraints = execute(url, "SELECT conname FROM pg_constraint WHERE oid > 16384 ORDER BY 1")
    settings = execute(url, "SELECT setconfig FROM pg_db_role_setting")
    return [rows, constraints, settings, execute(url, "SELECT rolname FROM pg_roles WHERE oid > 16384")]


@pytest.mark.parametrize("candles", [10, 20_000])
def test_rows_are_gone_numbers_begin_anew_and_connections_are_closed(
    kept: KeptDatabase, candles: int
) -> None:
    before = state(kept.url)
    with psycopg.connect(kept.url) as forgotten:
        forgotten.execute("SELECT 1")
        first = hold(kept.url, candles)
        kept.clean()
        assert state(kept.url) == before
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")
    assert hold(kept.url, candles) == first


@pytest.mark.long_except(
    "DROP TABLE trials",
    "CREATE ROLE visitor LOGIN",
    "ALTER DATABASE {name} SET default_transaction_read_only = on",
)
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE data_ranges DROP CONSTRAINT data_ranges_forward",
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        "ALTER DATABASE {name} CONNECTION LIMIT 1",
        "CREATE ROLE visitor LOGIN",
        "GRANT SELECT ON symbols TO public",
        "CREATE TABLE theirs (number integer)",
        "DROP TABLE trials",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = '0001'",
        "ALTER TABLE symbols DISABLE TRIGGER ALL",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()",
    ],
)
def test_whatever_a_test_changes_beside_rows_is_undone(kept: KeptDatabase, change: str) -> None:
    before, name = state(kept.url), kept.url.rpartition("/")[2].partition("?")[0]
    version = execute(kept.url, "SELECT * FROM alembic_version")
    execute(kept.url, change.format(name=name))
    kept.clean()
    assert state(kept.url) == before
    assert execute(kept.url, "SELECT * FROM alembic_version") == version
    rights = "SELECT datconnlimit, (SELECT count(*) FROM pg_class WHERE relacl IS NOT NULL AND oid > 16384) FROM pg_database"
    assert execute(kept.url, f"{rights} WHERE datname = current_database()") == [(-1, 0)]
    hold(kept.url, 10)
