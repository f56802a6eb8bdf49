"""Names and passwords in addresses reach no log, screen, event or answer, whatever exception quotes them."""

import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import requests

from engine.cli.terminal import print_error, print_json, print_line, print_note, table
from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.database.store import Store
from engine.errors import BacktestError, InputError, RunError, redacted
from engine.events import Failed, Log
from engine.service.doctor import Finding
from engine.service.logs import LIBRARIES, LOGGERS, log_to_file
from tests.support.fake_exchange import EAGER
from tests.support.plain_process import PlainProcess, error_line

USER, PASSWORD = "trader", "hunter2"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://trader:hunter2@host/path", "http://***@host/path"),
        ("GET https://trader:hunter2@host:8080/a?b=c 401", "GET https://***@host:8080/a?b=c 401"),
        ("('http://trader:hunter2@host/', 'socks5h://trader:hunter2@[::1]:9')", "('http://***@host/', 'socks5h://***@[::1]:9')"),
        ("postgresql+psycopg://trader:hunter2@h/d", "postgresql+psycopg://***@h/d"),
        ("http://trader@host", "http://***@host"),
        ("GET http://trader:hun'ter\"2`<@host/x", "GET http://***@host/x"),
        ("Failed to parse: http://trader:hun/ter2?x#y@host", "Failed to parse: http://***@host"),
        ("http://trader:hun@ter2@host", "http://***@host"),
        ("http://trader:hun%40ter2@host", "http://***@host"),
        ("?proxy=http%3A%2F%2Ftrader%3Ahunter2%40host%3A80", "?proxy=%3A%2F%2F***%40host%3A80".replace("=%3A", "=http%3A")),
        ("?x=http%253a%252f%252ftrader%253ahunter2%2540host", "?x=http%3A%2F%2F***%40host"),
        ("no such host: 'trader:hunter2@host'", "no such host: '***@host'"),
        ("postgresql://trader@h/d?password=hunter2&sslmode=off", "postgresql://***@h/d?password=***&sslmode=off"),
        ("host=h password='hunter 2' dbname=d", "host=h password=*** dbname=d"),
        ("{'Authorization': 'Basic dHJhZGVyOmh1bnRlcjI='}", "{'Authorization': 'Basic ***'}"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ],
)  # fmt: skip
def test_logins_are_hidden(text: str, shown: str):
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://data.binance.vision/data/spot/daily",
        "connection to server at 127.0.0.1, port 5432 failed",
        "SOL/USDT:USDT on binanceusdm, 2024-01-01 12:30 UTC",
        "ema_cross.py:12: ValueError: fast=5, slow=20",
        "write postgresql://***@host:5432/database",
        "say @ / : in the password as %40 %2F %3A",
        "mail to somebody@example.com",
    ],
)
def test_what_holds_no_login_stays_as_it_is(text: str):
    assert redacted(text) == text


def test_a_json_document_is_hidden_in_and_stays_one(capsys: pytest.CaptureFixture[str]):
    document = {
        "a": 'said "password=abc"',
        "b": ["http://trader:hunter2@host", 1],
        "c": "it's",
        "d": "password='x",
    }
    print_json(document)
    read = json.loads(capsys.readouterr().out)
    assert read.keys() == document.keys()
    assert read["b"] == ["http://***@host", 1]
    assert "abc" not in read["a"]


ADDRESS = f"http://{USER}:{PASSWORD}@host"


def test_errors_events_and_whatever_is_printed_hide_it(capsys: pytest.CaptureFixture[str]):
    for error in (InputError(f"no {ADDRESS}"), RunError(ADDRESS, 3), BacktestError("a", ADDRESS)):
        assert PASSWORD not in f"{error} {error!r} {error.args}"
    assert PASSWORD not in f"{Log('job', 'info', ADDRESS)} {Failed('job', ADDRESS)}"
    print_error(ADDRESS)
    print_note(ADDRESS)
    print_line(ADDRESS)
    print_json({"text": ADDRESS, ADDRESS: Finding("exchange", ok=False, text=ADDRESS).to_json()})
    table("", ("a", "b"), [(ADDRESS, ADDRESS)], left=2)
    printed = "".join(capsys.readouterr())
    assert PASSWORD not in printed
    assert printed.count("***@host") == 8


class Mirror(BaseHTTPRequestHandler):
    """A server that says back what it was sent, as debug pages and some proxies do."""

    def do_GET(self) -> None:
        body = f"Authorization: {self.headers['Authorization']} {self.path}".encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def mirror() -> Iterator[str]:
    """Host and port of the mirror."""
    with HTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """The log of this test alone."""
    before = {name: list(logging.getLogger(name).handlers) for name in (*LOGGERS, *LIBRARIES)}
    log_to_file(tmp_path / "backtest.log")
    yield tmp_path / "backtest.log"
    for name, handlers in before.items():
        for handler in logging.getLogger(name).handlers:
            if handler not in handlers:
                handler.close()
        logging.getLogger(name).handlers = handlers


@pytest.mark.long_except("mirror-hunter2", "broken proxy-hun%40%3A%2Fter2", "nobody listens-hunter2")
@pytest.mark.parametrize("password", [PASSWORD, "hun%40%3A%2Fter2"])
@pytest.mark.parametrize("where", ["mirror", "nobody listens", "no TLS there", "dead proxy", "broken proxy"])
def test_a_real_http_failure_leaves_no_login_in_log_and_error(
    mirror: str, store: Store, log_file: Path, monkeypatch: pytest.MonkeyPatch, where: str, password: str
):
    login = f"{USER}:{password}@"
    address = {
        "mirror": f"http://{login}{mirror}",
        "nobody listens": f"http://{login}127.0.0.1:9",
        "no TLS there": f"https://{login}{mirror}",
    }.get(where, "http://exchange.example")
    proxies = {"dead proxy": f"http://{login}127.0.0.1:9", "broken proxy": f"http://{login}[bad"}
    monkeypatch.setenv("HTTP_PROXY", proxies.get(where, ""))
    with closing(Exchange("binanceusdm", FUTURES, store.exchanges, address, EAGER)) as exchange:
        try:
            exchange.markets(Caller())
        except BacktestError as error:
            logging.getLogger("engine").exception("command failed: %s", address)
            said = str(error)
        else:
            raise AssertionError("there is no exchange there")
    with pytest.raises(requests.RequestException) as plain:  # what the library itself says
        requests.get(address, timeout=60).raise_for_status()
    logging.getLogger("desktop").warning("%s failed", address, exc_info=plain.value)
    logging.getLogger("urllib3").warning("%r %s", plain.value, quote(address, safe=""))
    found = said + log_file.read_text()
    assert "Traceback" in found
    basic = base64.b64encode(f"{USER}:{unquote(password)}".encode()).decode()
    for secret in (password, unquote(password), "ter2", USER, basic):
        assert secret not in found, secret


@pytest.mark.long
def test_a_real_command_writes_no_login_anywhere(
    plain_process: PlainProcess, user_home: Path, mirror: str, database_url: str
):
    ended = plain_process(
        "symbols", "--refresh", "--json",
        BACKTEST_FUTURES_URL=f"http://{USER}:{PASSWORD}@{mirror}", DATABASE_URL=database_url,
    )  # fmt: skip
    assert ended.returncode == 3
    written = error_line(ended) + ended.stdout + ended.stderr
    for file in user_home.rglob("*"):
        if file.is_file():
            written += file.read_bytes().decode(errors="replace")
    assert "command failed" in written
    for secret in (PASSWORD, USER, BASIC):
        assert secret not in written, secret
