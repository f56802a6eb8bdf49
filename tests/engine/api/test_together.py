"""Many clients, several servers, and the end of a server: right answers, no work twice, nothing left behind."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
import requests

from engine.model.market import Period
from tests.engine.api.test_jobs import LONG_SWEEP
from tests.engine.database.homes import eventually
from tests.support.fake_exchange import FakeExchange, Fault, grid_candles
from tests.support.figures import own_figures
from tests.support.http_server import SAMPLE, HttpServer, StartServer
from tests.support.own_time import stopwatch, within

MONTHS = Period.parse("2024-01-01", "2024-04-30")
FETCH = {"symbols": ["SOLUSDT"], "timeframe": "1h", "start": "2024-01-01", "end": "2024-04-30"}


@pytest.fixture
def listed(fake_exchange: FakeExchange) -> FakeExchange:
    """An exchange that takes a moment for each answer."""
    for base in ("SOL", "BTC", "ETH"):
        fake_exchange.add(base, "1h", grid_candles("1h", MONTHS), listed_ms=MONTHS.start)
    fake_exchange.clock_ms = MONTHS.end + 1
    fake_exchange.always = Fault(delay_s=0.1)
    return fake_exchange


@pytest.mark.long
def test_sixteen_clients_at_once_get_their_own_right_answers(http_server: HttpServer):
    def ask(number: int) -> tuple[int, Any]:
        body = {
            **SAMPLE,
            "symbols": ["SAMPLEUSDT"],
            "strategies": ["ema_cross"],
            "params": {"fast": 5 + number},
        }
        return number, http_server.post("/api/backtest/run?wait=60", **body)["runs"][0]

    with ThreadPoolExecutor(16) as clients:
        found = dict(clients.map(ask, range(16)))
    assert [found[number]["params"]["fast"] for number in range(16)] == list(range(5, 21))
    assert len({run["fingerprint"] for run in found.values()}) == 16
    again = ask(7)[1]
    assert again["trades"] == found[7]["trades"]
    assert own_figures(again["metrics"]) == own_figures(found[7]["metrics"])
    with ThreadPoolExecutor(16) as clients:
        shown = list(clients.map(lambda run: http_server.get(f"/api/backtest/{run['id']}"), found.values()))
    assert [run["trades"] for run in shown] == [run["trades"] for run in found.values()]


@pytest.mark.long
def test_clients_that_fetch_one_gap_at_one_server_and_another_fetch_it_once(
    start_server: StartServer, listed: FakeExchange
):
    servers = [start_server(BACKTEST_FUTURES_URL=listed.url) for _ in range(2)]
    symbols = ["SOLUSDT", "BTCUSDT", "ETHUSDT"]

    def ask(number: int) -> Any:
        body = FETCH | {"symbols": symbols[number % 3 :] + symbols[: number % 3]}
        return servers[number % 2].post("/api/data/fetch?wait=60", **body)["series"]

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, range(16)))
    hours = (MONTHS.end - MONTHS.start) // 3_600_000
    assert {series["candles"] for answer in answers for series in answer} == {hours}
    for symbol in symbols:
        mine = [series["fetched"] for answer in answers for series in answer if series["symbol"] == symbol]
        assert sorted(mine) == [0] * 15 + [hours]
    pages = [(one.params["symbol"], one.params["startTime"]) for one in listed.pages]
    assert len(pages) == len(set(pages))


@pytest.mark.long
def test_health_is_answered_at_once_while_a_sweep_of_a_thousand_runs(http_server: HttpServer):
    http_server.post(
        "/api/data/fetch?wait=60",
        **SAMPLE | {"symbols": ["SAMPLEUSDT"], "start": "2023-01-01", "end": "2024-12-31"},
    )
    job = http_server.begin("/api/optimize", **LONG_SWEEP | {"sampler": "random", "trials": 1000})
    took = []
    while http_server.get(f"/api/jobs/{job}")["ended"] is None:
        for _ in range(20):
            own_s = stopwatch()
            assert http_server("GET", "/healthz").status == 200
            took.append(own_s())
    result = http_server.ended(job)["result"]
    assert (result["status"], result["trials"]) == ("finished", 1000)
    assert len(took) >= 100
    assert sorted(took)[int(len(took) * 0.9)] < 0.05
    assert sorted(took)[int(len(took) * 0.99)] < 0.5, "a busy machine may take longer for some"


def family_of(server: HttpServer) -> list[psutil.Process]:
    """The server's worker processes and theirs."""
    return psutil.Process(server.process.pid).children(recursive=True)


@pytest.mark.long
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_server_that_is_asked_to_end_stops_its_jobs_says_so_and_leaves_nothing(
    start_server: StartServer, listed: FakeExchange, name: str
):
    server = start_server(BACKTEST_FUTURES_URL=listed.url)
    sweep = server.begin("/api/optimize", **LONG_SWEEP)
    for _, event, data in server.events(sweep):
        if event == "progress" and data["unit"] == "trials":
            break
    listed.always = Fault(delay_s=90)  # an answer that does not come, not even to which markets there are
    with ThreadPoolExecutor(2) as clients:
        heard = clients.submit(lambda: list(server.events(sweep)))
        waits = clients.submit(server, "POST", "/api/data/fetch?wait=60", FETCH)
        while len(server.get("/api/jobs")["jobs"]) < 2:
            time.sleep(0.02)
        time.sleep(0.3)
        left = family_of(server)
        with within(10):
            os.kill(server.process.pid, getattr(signal, name))
            assert server.process.wait(60) == 0
        end = heard.result(60)[-1]
        reply = waits.result(60)
    assert (end[1], end[2]["job"]["status"]) == ("end", "cancelled")
    assert "the server was stopped; stopped; " in end[2]["job"]["error"]
    assert (reply.status, "the server was stopped" in reply.problem) == (503, True)
    assert left
    assert psutil.wait_procs(left, 20)[1] == []
    again = start_server()
    stored = again.get("/api/sweeps")["sweeps"]
    assert [one["status"] for one in stored] == ["cancelled"]


@pytest.mark.long
def test_whoever_waits_for_a_silent_exchange_keeps_nobody_else_waiting(start_server: StartServer):
    with silence() as address:
        server = start_server(BACKTEST_FUTURES_URL=f"http://{address}")
        server.get("/readyz")
        job = server.begin("/api/data/fetch", **FETCH)
        with ThreadPoolExecutor(60) as clients:
            waiting = [clients.submit(asked, server, "/api/symbols") for _ in range(60)]
            wait_for_clients(server, 60)
            with within(6):
                with within(3):
                    assert server.get("/healthz") == {"status": "ok"}
                assert server("POST", "/api/data/fetch", {}).status == 400
                assert server("DELETE", f"/api/jobs/{job}").json["status"] == "cancelled"
            assert next(as_completed(waiting, 60)).result()[0] == 429
            assert server.stop() == 0


@pytest.mark.long
def test_a_server_that_is_asked_to_end_while_requests_wait_answers_them_and_ends_in_order(
    start_server: StartServer,
):
    with silence() as address:
        server = start_server(BACKTEST_FUTURES_URL=f"http://{address}")
        with ThreadPoolExecutor(40) as clients:
            waiting = [clients.submit(asked, server, "/api/symbols") for _ in range(40)]
            wait_for_clients(server, 40)
            with within(5):
                assert server.stop() == 0
            assert {one.result(60)[:2] for one in waiting} == {(503, "application/problem+json")}
            assert all("the server is being stopped" in one.result()[2] for one in waiting)


@pytest.mark.long
def test_a_database_that_accepts_and_stays_silent_keeps_no_job_from_being_cancelled_and_no_server_from_ending(
    start_server: StartServer,
):
    with silence() as address, ThreadPoolExecutor(1) as clients:
        server = start_server(DATABASE_URL=f"postgresql://nobody@{address}/none?connect_timeout=9")
        jobs = [server.begin("/api/data/fetch", **FETCH), server.begin("/api/optimize", **LONG_SWEEP)]
        time.sleep(0.5)
        for job in jobs:
            with within(2, anyhow=8):  # the database is given up after 9
                reply = server("DELETE", f"/api/jobs/{job}")
            assert (reply.status, reply.json["status"]) == (200, "cancelled")
        waiting = clients.submit(asked, server, "/api/backtests")
        wait_for_clients(server, 1)
        with within(6):
            assert server.stop() == 0
        assert waiting.result(60)[:2] == (503, "application/problem+json")


def wait_for_clients(server: HttpServer, count: int) -> None:
    """Until so many connections to the server stand, and a moment for what they ask."""
    port, process = int(server.url.rpartition(":")[2]), psutil.Process(server.process.pid)

    def there() -> bool:
        found = [one for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
        return sum(one.laddr.port == port for one in found) >= count

    eventually(there)
    time.sleep(1)


@contextmanager
def silence() -> Iterator[str]:
    """Where somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as bound:
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def asked(server: HttpServer, path: str) -> tuple[int, str, str]:
    """Status, kind and text of an answer, over a connection of its own."""
    reply = requests.get(server.url + path, timeout=90)
    return reply.status_code, reply.headers["Content-Type"], reply.text


@pytest.mark.long
def test_a_server_without_work_ends_at_once(start_server: StartServer):
    server = start_server()
    server.get("/readyz")
    with within(10):
        assert server.stop() == 0
