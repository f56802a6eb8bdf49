"""Who may ask, under which name, from which page, how much may be sent; a server open to others refuses to start."""

import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from engine.api.admission import check_binding, is_loopback
from engine.errors import InputError
from tests.support.command_line import CommandLine
from tests.support.database import fresh_database
from tests.support.http_server import JSON, SAMPLE, HttpServer, StartServer
from tests.support.plain_process import PlainProcess, error_line

TOKEN = "correct-horse-battery"
BEARER: dict[str, Any] = {"Authorization": f"Bearer {TOKEN}"}
FETCH = {**SAMPLE, "symbols": ["SAMPLEUSDT"]}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, embedded_url: str) -> Iterator[HttpServer]:
    """A server that knows a token, another name and another page."""
    urls = fresh_database(embedded_url)
    more = {"BACKTEST_API_HOSTS": "app", "BACKTEST_API_ORIGINS": "https://example.org"}
    with HttpServer(tmp_path_factory.mktemp("s"), next(urls), BACKTEST_API_TOKEN=TOKEN, **more) as server:
        yield server
    urls.close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "localhost:1", "LOCALHOST:80"])
def test_it_is_asked_under_the_names_of_this_machine(http_server: HttpServer, name: str):
    assert http_server("GET", "/healthz", Host=name).status == 200


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:8000", "localhost.evil.example", "localhost:x", "127.0.0.2", ""]
)
def test_another_name_for_this_machine_is_refused(http_server: HttpServer, name: str):
    reply = http_server("GET", "/api/strategies", Host=name)
    assert reply.status == 400
    if name:
        assert "BACKTEST_API_HOSTS" in reply.problem


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost:1", "http://["])
def test_pages_of_other_sites_may_not_ask(http_server: HttpServer, origin: str):
    for method, path in (("GET", "/api/jobs"), ("POST", "/api/data/fetch"), ("OPTIONS", "/api/data/fetch")):
        reply = http_server(method, path, FETCH if method == "POST" else None, Origin=origin)
        assert (reply.status, "BACKTEST_API_ORIGINS" in reply.problem) == (403, True)
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_its_own_page_may_ask(http_server: HttpServer):
    assert http_server("GET", "/api/jobs", Origin=http_server.url).status == 200


@pytest.mark.long
def test_without_the_token_nothing_but_the_health_is_told(guarded: HttpServer):
    wrong: list[dict[str, Any]] = [{}]
    wrong += [
        {"Authorization": given}
        for given in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ü", "Bearer")
    ]
    for path in ("/healthz", "/readyz"):
        assert guarded("GET", path).status == 200
    for path in ("/api/jobs", "/docs", "/openapi.json", "/api/nothing", "/"):
        for headers in wrong:
            reply = guarded("GET", path, **headers)
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer"), path
            assert TOKEN not in reply.problem
    assert guarded("GET", "/api/jobs", **BEARER).status == 200
    assert guarded("GET", "/api/jobs", Authorization=f"bearer {TOKEN}").status == 200


@pytest.mark.long
def test_a_named_page_may_ask_across_sites_with_the_token(guarded: HttpServer):
    asks: dict[str, Any] = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    allowed = guarded("OPTIONS", "/api/data/fetch", Origin="https://example.org", **asks)
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://example.org")
    reply = guarded("GET", "/api/jobs", Origin="https://example.org", **BEARER)
    assert reply.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert guarded("GET", "/api/jobs", Origin="https://example.org").status == 401
    assert guarded("GET", "/api/jobs", Origin="https://evil.example", **BEARER).status == 403
    assert guarded("GET", "/healthz", Host="app:8000").status == 200


@pytest.mark.long
def test_the_token_is_in_no_log_and_reaches_no_strategy(guarded: HttpServer):
    folder = guarded.home / "data" / "strategies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spy.py").write_text(
        "import os\nfrom engine.strategy import Strategy\n\nclass Spy(Strategy):\n"
        "    def signals(self, candles, indicators):\n"
        "        raise ValueError([name for name in os.environ if name.startswith('BACKTEST_API')])\n"
    )
    body = {**FETCH, "strategies": ["spy"]}
    reply = guarded("POST", "/api/backtest/run?wait=60", body, **BEARER)
    (run,) = reply.json["runs"]
    assert ("BACKTEST_API_HOSTS" in run["error"], "BACKTEST_API_TOKEN" in run["error"]) == (True, False)
    guarded("GET", "/api/nothing", **BEARER)
    logs = "".join(file.read_text() for file in (guarded.home / "data" / "logs").iterdir())
    assert (TOKEN in logs, TOKEN in "".join(guarded.said)) == (False, False)


@pytest.mark.parametrize(
    ("host", "settings", "starts"),
    [
        ("127.0.0.1", (None, None), True),
        ("::1", (None, None), True),
        ("localhost", (None, None), True),
        ("0.0.0.0", (None, None), False),
        ("192.168.1.5", (None, None), False),
        ("myhost", (None, None), False),
        ("0.0.0.0", ("x", None), True),
        ("0.0.0.0", (None, "loopback"), True),
    ],
)
def test_only_this_machine_is_served_without_a_token(
    host: str, settings: tuple[str | None, str | None], starts: bool
):
    if starts:
        check_binding(host, *settings)
        return
    with pytest.raises(InputError, match="set BACKTEST_API_TOKEN"):
        check_binding(host, *settings)


def test_a_name_that_only_looks_like_loopback_is_none():
    assert [is_loopback(name) for name in ("127.0.0.1.evil.example", "127.1.2.3", "::ffff:8.8.8.8")] == [
        False,
        True,
        False,
    ]


@pytest.mark.long
def test_the_command_refuses_in_one_line_what_it_cannot_serve(
    plain_process: PlainProcess, start_server: StartServer
):
    refused = plain_process("serve", "--host", "0.0.0.0", "--port", "0")
    assert (refused.returncode, "BACKTEST_API_TOKEN" in error_line(refused)) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = plain_process("serve", "--port", port)
    assert (refused.returncode, "in use" in error_line(refused)) == (2, True)
    refused = plain_process("serve", "--host", "no.such.host.invalid", BACKTEST_API_TOKEN=TOKEN)
    assert (refused.returncode, "cannot listen on" in error_line(refused)) == (2, True)
    refused = plain_process("serve", BACKTEST_API_ORIGINS="*")
    assert (refused.returncode, "BACKTEST_API_ORIGINS" in error_line(refused)) == (2, True)
    published = start_server("--host", "0.0.0.0", BACKTEST_API_PUBLISHED="loopback")
    assert published.get("/healthz") == {"status": "ok"}


def test_without_its_packages_serve_says_what_to_install(cli: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)  # as Python sees a package that is not installed
    answer = cli("serve")
    assert answer.code == 2
    assert "not installed (fastapi)" in answer.error
    assert 'pip install "backtest-desktop[api]"' in answer.error


# -- bodies


def test_what_is_no_json_is_refused(http_server: HttpServer):
    for sent in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        reply = http_server("POST", "/api/data/fetch", raw=b'{"symbols": []}', **sent)
        assert (reply.status, "application/json" in reply.problem) == (415, True), sent
    for broken in (b"", b"{", b"[" * 200_000, b"\xff", b'{"symbols": ' + b"9" * 5_000 + b"}", b"null", b"7"):
        reply = http_server("POST", "/api/data/fetch", raw=broken, **JSON)
        assert (reply.status, bool(reply.problem)) == (400, True), broken[:20]


@pytest.mark.parametrize("size", [1_000_001, 5_000_000])
def test_a_body_above_a_megabyte_is_refused(http_server: HttpServer, size: int):
    reply = http_server("POST", "/api/data/fetch", raw=b" " * size, **JSON)
    assert (reply.status, "1,000,000 bytes" in reply.problem) == (413, True)
    assert http_server("POST", "/api/data/fetch", raw=b" " * 1_000_000, **JSON).status == 400
