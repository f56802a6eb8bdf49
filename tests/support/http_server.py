"""`backtest serve` as a process of its own, and a client that sends it whatever a test wants."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from engine.jobs.kernels import VARIABLE
from tests.support.database import fresh_database

JSON = {"Content-Type": "application/json"}
SAMPLE = {"timeframe": "1h", "start": "2023-03-01", "end": "2023-03-31", "exchange": "sample"}


@dataclass(frozen=True)
class Reply:
    """What the server answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The one line of a failure, whose form is checked."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        found = self.json
        assert found.keys() == {"type", "title", "status", "detail"}
        assert found["status"] == self.status
        assert "\n" not in found["detail"]
        assert "Traceback" not in found["detail"]
        return str(found["detail"])


class HttpServer:
    """A server on a free port. `said` is what it printed on standard error so far."""

    def __init__(self, home: Path, database_url: str, *arguments: str, **environment: str) -> None:
        self.said: list[str] = []
        self.home = home
        plain = {"HOME": str(home), "PATH": "/usr/bin:/bin", VARIABLE: os.environ[VARIABLE]}
        ours = {"BACKTEST_HOME": str(home / "data"), "DATABASE_URL": database_url, "BACKTEST_WORKERS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine", "serve", "--port", "0", *arguments],
            cwd=home, env=plain | ours | environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._session = requests.Session()
        self._session.trust_env = False
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()
        self.url = self._wait_for_url()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in list(self.said):
                if found := re.search(r"http://\S+?:\d+", line):
                    # 0.0.0.0 is reached by every name of this machine
                    return found.group().replace("0.0.0.0", "127.0.0.1")
            time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self.said}")

    def __call__(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: Any
    ) -> Reply:
        """One request; header names are written with _ for -."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = requests.Request(
            method, self.url + path, data=data, headers=({} if body is None else JSON) | named
        )
        reply = self._session.send(self._session.prepare_request(sent), timeout=90, allow_redirects=False)
        return Reply(reply.status_code, reply.headers, reply.content)

    def get(self, path: str, **headers: Any) -> Any:
        """The document at a path, which is there."""
        reply = self("GET", path, **headers)
        assert reply.status == 200, reply
        return reply.json

    def post(self, path: str, **body: Any) -> Any:
        """The document or job that was made of it."""
        reply = self("POST", path, body)
        assert reply.status in (200, 202), reply
        return reply.json

    def begin(self, path: str, **body: Any) -> str:
        """The id of the job that was begun."""
        return str(self.post(path, **body)["job"]["id"])

    def ended(self, job: str, seconds: float = 180) -> Any:
        """The job, once it has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.get(f"/api/jobs/{job}")
            if found["ended"] is not None:
                return found
            time.sleep(0.05)
        raise AssertionError(f"job {job} has not ended: {found}")

    def events(self, job: str, last: int | None = None) -> Iterator[tuple[int, str, Any]]:
        """What a job tells, as (id, name, data), until its end."""
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        with requests.get(
            f"{self.url}/api/jobs/{job}/events", headers=headers, stream=True, timeout=90
        ) as reply:
            assert reply.headers["Content-Type"].startswith("text/event-stream")
            fields: dict[str, str] = {}
            for raw in reply.iter_lines(chunk_size=1):
                line = raw.decode()
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    yield int(fields["id"]), fields["event"], json.loads(fields["data"])
                    fields = {}

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM; how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self._ear.join(60)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        try:
            self.stop()
        finally:
            self.process.kill()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()


StartServer = Callable[..., HttpServer]


@pytest.fixture
def start_server(tmp_path: Path, database_url: str) -> Iterator[StartServer]:
    """`start_server("--host", "::1", BACKTEST_API_TOKEN="...")`: servers of this test on its database."""
    started: list[HttpServer] = []

    def start(*arguments: str, **environment: str) -> HttpServer:
        home = tmp_path / f"server{len(started)}"
        home.mkdir()
        server = HttpServer(home, environment.pop("DATABASE_URL", database_url), *arguments, **environment)
        started.append(server)
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory, embedded_url: str) -> Iterator[HttpServer]:
    """A server with a database of its own that all tests ask: what is in it is what they put there."""
    urls = fresh_database(embedded_url)
    with HttpServer(tmp_path_factory.mktemp("server"), next(urls)) as server:
        yield server
    urls.close()
