"""The private server through everything that happens to it, with real processes and real kills."""

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.database import embedded, server_account
from engine.database.embedded import release_embedded, start_embedded
from engine.database.store import Store
from engine.errors import DatabaseError
from engine.model.market import Candles, Market, Period, Timeframe
from tests.engine.database.homes import (
    PROJECT,
    Program,
    cluster_of,
    discard,
    eventually,
    recall,
    remember,
    running,
    server_of,
)
from tests.support.killable import held_up
from tests.support.own_time import stopwatch

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
DAY = Period(0, 86_400_000)


def test_data_survives_an_orderly_end_and_the_server_stops_with_its_last_user(empty_home: Path) -> None:
    remember(start_embedded(empty_home), 7)
    running(empty_home)
    release_embedded(empty_home)
    assert server_of(empty_home) is None
    assert recall(start_embedded(empty_home)) == 7


@pytest.mark.long
def test_starting_when_it_already_runs_is_quick(home: Path) -> None:
    url = start_embedded(home)
    took = []
    for _ in range(3):  # a busy machine may take longer for one of them
        own_s = stopwatch()
        assert start_embedded(home) == url
        took.append(own_s())
    assert min(took) < 0.3


@pytest.mark.long
def test_nothing_listens_on_the_network_and_only_the_owner_reaches_the_socket(home: Path) -> None:
    start_embedded(home)
    listening = [c for c in running(home).net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
    assert listening == []
    assert cluster_of(home).stat().st_mode & 0o077 == 0


@pytest.mark.long
def test_a_killed_server_is_recovered_with_all_that_was_committed(home: Path) -> None:
    remember(start_embedded(home), 11)
    running(home).kill()
    eventually(lambda: server_of(home) is None)
    assert recall(start_embedded(home)) == 11


@pytest.mark.long
def test_a_server_killed_inside_a_page_leaves_nothing_of_it(home: Path) -> None:
    """The page has its candles and ranges in and waits for nothing but its end; the server dies; the store says so."""
    url = start_embedded(home)
    opens = HOUR.opens(DAY)
    page = Candles(opens, *(np.full(len(opens), value) for value in (2.0, 3.0, 1.0, 2.5, 10.0)))
    with contextlib.closing(Store(url)) as store:
        store.migrate()
        store.candles.add_page(SOL, HOUR, page.slice(0, 12), [Period(DAY.start, int(opens[12]))])
        told: list[DatabaseError] = []

        def add() -> None:
            try:
                store.candles.add_page(SOL, HOUR, page, [DAY])
            except DatabaseError as error:
                told.append(error)

        thread = threading.Thread(target=add)
        with held_up(url, "the ranges") as wait:
            thread.start()
            wait()
            running(home).kill()
            thread.join()
        (error,) = told
        assert "cannot reach the database" in str(error)
        assert "\n" not in str(error)
        start_embedded(home)
        coverage = store.candles.coverage(SOL, HOUR, DAY)
        assert (coverage.candles, coverage.gaps) == (12, (Period(int(opens[12]), DAY.end),))
        assert store.candles.add_page(SOL, HOUR, page, [DAY]) == 12


@pytest.mark.long
def test_a_killed_program_leaves_a_server_that_the_next_one_uses_and_stops(home: Path) -> None:
    first = Program(home)
    assert first.line() == "ready"
    server = running(home).pid
    first.kill()
    second = Program(home)
    assert second.line() == "ready"
    assert running(home).pid == server
    second.end()
    assert server_of(home) is None


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_program_does_not_take_the_server_from_another(home: Path, how: int) -> None:
    first, second = Program(home), Program(home)
    assert [first.line(), second.line()] == ["ready", "ready"]
    first.process.send_signal(how)
    first.process.communicate()
    assert second.writes(5)
    second.end()
    assert server_of(home) is None


@pytest.mark.long
def test_two_programs_start_at_once_on_an_empty_home_and_the_first_end_does_not_disturb(
    empty_home: Path,
) -> None:
    programs = [Program(empty_home), Program(empty_home)]
    assert [program.line() for program in programs] == ["ready", "ready"]
    server = running(empty_home).pid
    programs[0].end()
    assert programs[1].writes(3)
    assert running(empty_home).pid == server
    programs[1].end()
    assert server_of(empty_home) is None


@pytest.mark.long
def test_a_stale_pid_file_whose_number_another_process_has_now(home: Path) -> None:
    """After a power cut the number in postmaster.pid belongs to something else of the same account."""
    remember(start_embedded(home), 13)
    cluster = cluster_of(home)
    stale = (cluster / "postmaster.pid").read_text()
    running(home).kill()
    eventually(lambda: server_of(home) is None)
    account = server_account.server_account(cluster)
    stranger = subprocess.Popen(["sleep", "60"], **server_account.as_account(account))
    (cluster / "postmaster.pid").write_text(str(stranger.pid) + stale[stale.index("\n") :])
    try:
        assert recall(start_embedded(home)) == 13
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.long
@pytest.mark.parametrize("text", ["", "\n", "not a number\n", "999999999\n", "-5\n", "0\n", "1\n"])
def test_a_spoilt_pid_file_does_not_keep_the_server_from_starting(home: Path, text: str) -> None:
    start_embedded(home)
    release_embedded(home)
    (cluster_of(home) / "postmaster.pid").write_text(text)
    start_embedded(home)
    running(home)


@pytest.mark.long
def test_a_server_that_hangs_is_named_and_not_started_twice(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "HANGING_S", 1)
    start_embedded(home)
    server = running(home)
    server.suspend()
    try:
        with pytest.raises(DatabaseError, match=f"runs but does not answer; end its process {server.pid}"):
            start_embedded(home)
    finally:
        server.resume()
    start_embedded(home)
    assert running(home).pid == server.pid


@pytest.mark.long
def test_a_start_that_was_killed_while_creating_the_data_is_done_anew(empty_home: Path) -> None:
    left = empty_home / "postgres.new-killed"
    left.mkdir()
    (left / "PG_VERSION").write_text("18\n")
    start_embedded(empty_home)
    assert not left.exists()
    assert running(empty_home)


@pytest.mark.long
def test_damaged_data_is_explained_in_one_line_with_the_log(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "START_RETRIES", 1)
    start_embedded(home)
    release_embedded(home)
    (cluster_of(home) / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseError) as caught:
        start_embedded(home)
    assert "does not start" in str(caught.value)
    assert str(cluster_of(home) / "log") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.long
def test_data_of_another_major_version_is_left_alone(home: Path) -> None:
    start_embedded(home)
    release_embedded(home)
    version = cluster_of(home) / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(DatabaseError, match="was made by PostgreSQL 16, this program brings 18"):
        start_embedded(home)
    assert version.read_text() == "16\n"


def test_a_home_that_cannot_be_written_is_explained(empty_home: Path) -> None:
    (empty_home / "file").write_text("in the way")
    for impossible in (empty_home / "file", empty_home / "file" / "deeper", Path("/proc/nowhere")):
        with pytest.raises(DatabaseError) as caught:
            start_embedded(impossible)
        assert f"cannot be started under {impossible} (" in str(caught.value)
        assert "set BACKTEST_HOME to a folder that can be written" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["with space", "qu'ote\"s", "$(touch x);`y`", "ünï,cödé%41", "back\\slash", "x" * 200]
)
def test_any_folder_name_will_do(empty_home: Path, name: str) -> None:
    odd = empty_home / name
    remember(start_embedded(odd), 17)
    release_embedded(odd)
    assert server_of(odd) is None
    assert recall(start_embedded(odd)) == 17
    discard(odd)


@pytest.mark.long
def test_variables_of_libpq_do_not_lead_astray(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGHOST": "nowhere",
        "PGUSER": "x",
        "PGDATABASE": "y",
        "PGDATA": "/z",
    }.items():
        monkeypatch.setenv(name, value)
    remember(start_embedded(home), 19)


@pytest.mark.long
def test_a_forked_child_neither_releases_nor_stops_the_server(home: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom engine.database.embedded import start_embedded, _uses\n"
        "start_embedded(Path(sys.argv[1]))\nchild = os.fork()\n"
        "if child == 0: sys.exit(0)\nos.waitpid(child, 0)\n"
        "import psutil\nprint((Path(sys.argv[1]) / 'postgres' / 'postmaster.pid').exists())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(home)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert done.stdout == "True\n"
    assert server_of(home) is None


INITDB_SAYS = {
    'bootstrap script ... 2026-11-27 14:44:43.723 UTC [8] FATAL:  could not write to file "pg_wal/x": File too large\n'
    'child process exited with exit code 1\ninitdb: removing data directory "/x"': (
        'could not write to file "pg_wal/x": File too large'
    ),
    "running bootstrap script ... 2026-11-27 14:44:43 UTC [8] PANIC:  could not write to file: No space left on device\n"
    'child process was terminated by signal 6: Aborted\ninitdb: removing contents of data directory "/x"': (
        "could not write to file: No space left on device"
    ),
    'creating directory /x ... initdb: error: could not create directory "/x": Permission denied\n': (
        'could not create directory "/x": Permission denied'
    ),
    'running bootstrap script ... child process was terminated by signal 9: Killed\ninitdb: removing data directory "/x"': (
        "running bootstrap script ... child process was terminated by signal 9: Killed"
    ),
    'creating subdirectories ... \ninitdb: removing data directory "/x"': "creating subdirectories ... ",
    "": "no reason given",
}


@pytest.mark.parametrize(("output", "words"), INITDB_SAYS.items())
def test_why_initdb_gave_up_is_said_and_not_that_it_cleans_up(output: str, words: str) -> None:
    assert embedded._first_words(output) == words
