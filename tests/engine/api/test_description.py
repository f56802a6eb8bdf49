"""The OpenAPI document and the page made of it: an example for every endpoint that works, and no answer otherwise."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.api.page import curl, example_of
from engine.data.exchanges.loopback import FUTURES_PATH, SPOT_PATH
from engine.model.market import Period
from tests.support.fake_bybit import LINEAR, SPOT, FakeBybit
from tests.support.fake_exchange import FakeExchange, grid_candles
from tests.support.http_server import SAMPLE, HttpServer, StartServer

RUN = {**SAMPLE, "symbols": ["SAMPLEUSDT"], "strategies": ["ema_cross"]}
WALK = {
    **SAMPLE, "symbol": "SAMPLEUSDT", "strategy": "ema_cross", "ranges": {"fast": "5:15:5"}, "objective": "return_pct",
    "train": "10d", "test": "5d",
}  # fmt: skip
PORTFOLIO = {**SAMPLE, "legs": [{"strategy": "ema_cross", "symbol": "SAMPLEUSDT"}]}
SWEEP = {**SAMPLE, "symbol": "SAMPLEUSDT", "strategy": "ema_cross", "ranges": {"fast": "5:15:5"}}


def operations(description: dict[str, Any]) -> list[tuple[str, str]]:
    """Every path and method, what only looks before what takes away."""
    found = [(path, method) for path, methods in description["paths"].items() for method in methods]
    return sorted(found, key=lambda one: one[1] == "delete")


@pytest.mark.long
def test_the_example_of_every_endpoint_does_what_it_says(http_server: HttpServer):
    description = http_server.get("/openapi.json")
    stored = {
        "run_id": http_server.post("/api/backtest/run?wait=60", **RUN)["runs"][0]["id"],
        "sweep_id": http_server.post("/api/optimize?wait=60", **SWEEP)["id"],
        "walk_id": http_server.post("/api/walk-forward?wait=60", **WALK)["id"],
        "portfolio_id": http_server.post("/api/portfolios?wait=60", **PORTFOLIO)["id"],
        "job_id": http_server.get("/api/jobs")["jobs"][0]["id"],
    }
    for path, method in operations(description):
        address, body = example_of(description, path, method)
        reply = http_server(method.upper(), address.format(**stored), body)
        if path.endswith("/resume"):
            assert reply.status == 400
            assert "is finished: there is nothing to go on with" in reply.json["detail"]
            continue
        assert reply.status == 200, (path, method, reply)
        said = description["paths"][path][method]["responses"]["200"]["content"]
        assert reply.headers["Content-Type"].partition(";")[0] in said, (path, method)


def test_every_endpoint_has_words_an_example_and_its_errors(http_server: HttpServer):
    description = http_server.get("/openapi.json")
    assert len(operations(description)) == 33
    for path, method in operations(description):
        operation = description["paths"][path][method]
        assert operation["description"]
        assert all(answer["description"][-1] == "." for answer in operation["responses"].values())
        assert not [one for one in operation["responses"].values() if "sequence" in one["description"]]
        assert "422" not in operation["responses"]
        assert {"400", "401", "500", "503"} <= operation["responses"].keys()
        for status, answer in operation["responses"].items():
            assert status < "400" or answer["content"].keys() == {"application/problem+json"}
        _, body = example_of(description, path, method)
        assert (body is not None) == (method == "post" and not path.endswith("/resume"))


def test_the_page_shows_every_endpoint_and_asks_no_other_host(http_server: HttpServer):
    assert http_server("GET", "/").headers["Location"] == "/docs"
    reply = http_server("GET", "/docs")
    page, description = reply.body.decode(), http_server.get("/openapi.json")
    for path, method in operations(description):
        assert f"<code>{method.upper()} {path}</code>" in page
    assert page.count("<pre>curl -s") == len(operations(description))
    assert set(re.findall(r"https?://[\w.:]+", page)) == {"http://127.0.0.1:8000"}
    assert "<script" not in page
    assert "script-src" not in reply.headers["Content-Security-Policy"]
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_a_line_to_type_is_quoted_for_a_shell():
    line = curl("/api/x?a=1&b=2", "post", {"c": "it's"})
    assert line.endswith("'http://127.0.0.1:8000/api/x?a=1&b=2'")
    assert """'{"c": "it'"'"'s"}'""" in line


@pytest.mark.long
def test_whatever_is_sent_no_answer_is_a_fault_or_otherwise_than_described(
    start_server: StartServer, fake_exchange: FakeExchange, fake_bybit: FakeBybit, tmp_path: Path
):
    held = Period.parse("2024-01-01", "2024-01-31")
    for path in (FUTURES_PATH, SPOT_PATH):
        fake_exchange.add("SOL", "1h", grid_candles("1h", held), path=path, listed_ms=held.start)
    for category in (LINEAR, SPOT):
        fake_bybit.add("SOL", "1h", grid_candles("1h", held), path=category, listed_ms=held.start)
    urls = {"FUTURES": fake_exchange.url, "SPOT": fake_exchange.url, "BYBIT": fake_bybit.url}
    server = start_server(**{f"BACKTEST_{name}_URL": url for name, url in urls.items()})
    server.post("/api/backtest/run?wait=60", **RUN)
    server.post("/api/optimize?wait=60", **SWEEP)
    checks = (
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
        "response_headers_conformance", "negative_data_rejection", "unsupported_method",
    )  # fmt: skip
    ended = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--checks", ",".join(checks),
            "--phases", "examples,coverage,fuzzing", "--max-examples", "30", "--request-timeout", "90", "--seed", "1",
            "--generation-database", "none", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
