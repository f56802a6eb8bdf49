"""A second real PostgreSQL, as docker compose starts one: by TCP on a port of this machine, with a user and a password."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.database import embedded
from engine.database.server_account import server_account

PASSWORD = "p@ss/w:ord 'x' $HOME"


@dataclass
class PasswordServer:
    """`user@host:port/database` of it, and its password."""

    port: int
    folder: Path
    password: str = PASSWORD

    @property
    def address(self) -> str:
        """As DATABASE_URL, without the password."""
        return f"postgresql://backtest@127.0.0.1:{self.port}/backtest_db"

    def start(self) -> None:
        """Listen."""
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c fsync=off"
        done = embedded._run(self.folder, "pg_ctl", "start", "-s", "-w", "-l", "log", "-o", options)
        assert done.returncode == 0, done.stdout

    def stop(self) -> None:
        """As `docker compose stop`."""
        embedded._run(self.folder, "pg_ctl", "stop", "-s", "-w", "-m", "immediate")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def password_server() -> Iterator[PasswordServer]:
    """The server, running, with an empty backtest_db."""
    folder = Path(tempfile.mkdtemp(prefix="backtest-password-", dir="/tmp"))
    word = folder.with_suffix(".word")
    word.write_text(PASSWORD + "\n")
    account = server_account(folder)
    if account is not None:
        for path in (folder, word):
            os.chown(path, account.uid, account.gid)
    options = ("--auth=scram-sha-256", "-U", "backtest", "--encoding=UTF8", "--no-locale", f"--pwfile={word}")
    done = embedded._run(folder, "initdb", *options, "--no-sync")
    assert done.returncode == 0, done.stdout
    server = PasswordServer(free_port(), folder)
    server.start()
    import psycopg

    with psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user="backtest",
        dbname="postgres",
        password=PASSWORD,
        autocommit=True,
    ) as connection:
        connection.execute("CREATE DATABASE backtest_db")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
    word.unlink()
