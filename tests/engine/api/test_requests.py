"""What is asked wrongly: the command line's lines, with a status by kind; never a traceback, never 422."""

from typing import Any

import pytest

from tests.support.fake_exchange import FakeExchange, html
from tests.support.http_server import SAMPLE, HttpServer, StartServer

FETCH = {**SAMPLE, "symbols": ["SAMPLEUSDT"]}
RUN = {**FETCH, "strategies": ["ema_cross"]}
SWEEP = {**SAMPLE, "symbol": "SAMPLEUSDT", "strategy": "ema_cross", "ranges": {"fast": "5:15:5"}}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("data/fetch", {**FETCH, "symbols": []}, "symbols"),
    ("data/fetch", {**FETCH, "symbols": "SAMPLEUSDT"}, "symbols"),
    ("data/fetch", {**FETCH, "symbols": ["NOPE"]}, "sample has no market 'NOPE'"),
    ("data/fetch", {**FETCH, "symbols": ["NOPE", "\ud800\0"]}, "2 of 2 series failed"),
    ("data/fetch", {**FETCH, "timeframe": "7m"}, "unknown timeframe '7m'; known: "),
    ("data/fetch", {**FETCH, "exchange": "moon"}, "unknown exchange 'moon'; known: "),
    ("data/fetch", {**FETCH, "start": "soon"}, "'soon' is not a date or time"),
    ("data/fetch", {**FETCH, "start": 20230301}, "start: "),
    ("data/fetch", {**FETCH, "start": "2023-04-01"}, "must be before end"),
    ("data/fetch", {**FETCH, "end": "99999-01-01"}, "is not a date or time"),
    ("data/fetch", {**FETCH, "start": "2024-12-31T23:30", "end": "2024-12-31T23:40"}, ""),
    ("data/fetch", {**FETCH, "symbol": "A"}, "symbol: unknown; it may be misspelt"),
    ("data/fetch", {k: v for k, v in FETCH.items() if k != "end"}, "end: is required"),
    ("backtest/run", {**RUN, "strategies": ["ema_cros"]}, "unknown strategy 'ema_cros'; did you mean ema_cross?"),
    ("backtest/run", {**RUN, "params": {"fst": 1}}, "params: 'fst': no selected strategy has a parameter 'fst'"),
    ("backtest/run", {**RUN, "params": {"x.fast": 1}}, "params: 'x.fast': the strategy 'x' is not selected"),
    ("backtest/run", {**RUN, "params": {"": 1}}, "params: '' must read name=value or STRATEGY.name"),
    ("backtest/run", {**RUN, "params": {"fast": 1.5}}, "fast must be a whole number"),
    ("backtest/run", {**RUN, "params": {"fast": 10**400}}, "fast must be"),
    ("backtest/run", {**RUN, "params": {"fast": True}}, "fast must be"),
    ("backtest/run", {**RUN, "params": {"fast": None}}, "params.fast"),
    ("backtest/run", {**RUN, "params": {"fast": float("nan")}}, "fast must be"),
    ("backtest/run", {**RUN, "costs": {"cash": 0}}, "cash must be above 0"),
    ("backtest/run", {**RUN, "costs": {"cash": float("inf")}}, "costs.cash"),
    ("backtest/run", {**RUN, "costs": {"fee": 0}}, "costs.fee: unknown"),
    ("backtest/run", {**RUN, "engine": "fast"}, "unknown engine 'fast'; known: auto, compiled, reference"),
    ("backtest/run", {**RUN, "warmup": 10**30}, "the warm-up must be from 0"),
    ("backtest/run", {**RUN, "fetch": "no"}, "fetch: "),
    ("optimize", {**SWEEP, "ranges": {}}, "nothing to sweep"),
    ("optimize", {**SWEEP, "ranges": {"fast": "5:1"}}, "low is above high"),
    ("optimize", {**SWEEP, "ranges": {"fast": []}}, "a list names no values"),
    ("optimize", {**SWEEP, "ranges": {"fast": [float("nan")]}}, "fast"),
    ("optimize", {**SWEEP, "ranges": {"fast": [10**30, 10**400]}}, "fast"),
    ("optimize", {**SWEEP, "ranges": {"nope": [1]}}, "nope"),
    ("optimize", {**SWEEP, "params": {"fast": 3}}, "either a range or a fixed value"),
    ("optimize", {**SWEEP, "constraint": "__import__('os')"}, "constraint"),
    ("optimize", {**SWEEP, "constraint": "(" * 100_000}, "longer than"),
    ("optimize", {**SWEEP, "objective": "luck"}, "unknown objective 'luck'"),
    ("optimize", {**SWEEP, "sampler": "random"}, "the random sampler needs a number of trials"),
    ("optimize", {**SWEEP, "trials": 0}, "trials must be at least 1"),
    ("optimize", {**SWEEP, "symbols": ["BTCUSDT"], "across": "best"}, "unknown way across markets 'best'"),
    ("optimize", {**SWEEP, "across": "mean"}, "mean is taken across several symbols"),
    ("optimize", {**SWEEP, "ranges": {"fast": "1:100000:0.001"}}, ""),
    ("optimize", {**SWEEP, "top": 0}, "top: "),
    ("backtest/3f2a/monte-carlo", {"method": "magic"}, "unknown method 'magic'"),
    ("backtest/3f2a/monte-carlo", {"paths": 10**400}, "paths"),
    ("backtest/3f2a/surface", {"commission": "0:1:0.5"}, "commission must be at least 0 and below 0.1, not 0.5"),
    ("backtest/3f2a/compare-trades", {"text": "a", "within": -1}, "within"),
    ("backtest/3f2a/compare-trades", {"text": "a", "tolerance": 2}, "tolerance"),
    ("backtest/3f2a/surface", {"slippage": [True]}, "slippage must be numbers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "said"), WRONG, ids=[f"{path}-{said[:30]}" for path, _, said in WRONG]
)
def test_what_cannot_be_used_is_refused_in_the_command_lines_words(
    http_server: HttpServer, path: str, body: dict[str, Any], said: str
):
    reply = http_server("POST", f"/api/{path}?wait=60", body)
    assert (reply.status, said in reply.problem) == (400, True), reply


@pytest.mark.parametrize(
    "query", ["wait=61", "wait=-1", "wait=nan", "wait=1_0", "wait=x", "wait=", "wait=1&wait=2", "later=1"]
)
def test_how_long_to_wait_is_a_number_up_to_a_minute(http_server: HttpServer, query: str):
    reply = http_server("POST", f"/api/data/fetch?{query}", FETCH)
    assert (reply.status, query.partition("=")[0] in reply.problem) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/backtest/zz", 404),
        ("GET", "/api/backtest/00000000", 404),
        ("GET", "/api/backtest/%00", 404),
        ("DELETE", "/api/backtest/00000000", 404),
        ("GET", "/api/sweeps/00000000", 404),
        ("DELETE", "/api/sweeps/nothing", 404),
        ("GET", "/api/jobs/00000000", 404),
        ("DELETE", "/api/jobs/00000000", 404),
        ("GET", "/api/jobs/00000000/events", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/backtests?limit=0", 400),
        ("GET", "/api/backtests?limit=1_0", 400),
        ("GET", "/api/backtests?limt=1", 400),
        ("GET", "/api/backtests?limit=1&limit=2", 400),
        ("GET", "/api/symbols?exchange=moon", 400),
        ("GET", "/api/data/status?symbol=SAMPLEUSDT", 400),
        ("GET", "/healthz?x=1", 400),
        ("PUT", "/api/backtests", 405),
        ("POST", "/api/symbols", 405),
        ("DELETE", "/api/backtests", 405),
        ("TRACE", "/api/backtests", 405),
    ],
)  # fmt: skip
def test_what_is_not_there_and_what_is_not_possible_has_its_status(
    http_server: HttpServer, method: str, path: str, status: int
):
    reply = http_server(method, path)
    assert (reply.status, bool(reply.problem)) == (status, True)
    assert status != 405 or reply.headers["Allow"]


@pytest.mark.long
def test_a_unique_beginning_of_an_id_is_enough_however_it_is_written(http_server: HttpServer):
    run = http_server.post("/api/backtest/run?wait=60", **RUN)["runs"][0]["id"]
    assert http_server.get(f"/api/backtest/{run[:8]}")["id"] == run
    assert http_server.get(f"/api/backtest/{run.upper()}")["id"] == run


def test_a_run_that_fails_is_a_run_and_no_error(http_server: HttpServer):
    folder = http_server.home / "data" / "strategies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "divides.py").write_text(
        "from engine.strategy import Strategy\n\nclass Divides(Strategy):\n"
        "    def signals(self, candles, indicators):\n        1 / 0\n"
    )
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    body = RUN | {"strategies": ["divides", "buy_and_hold"]}
    divides, held = http_server.post("/api/backtest/run?wait=60", **body)["runs"]
    assert (divides["status"], "division by zero" in divides["error"], held["status"]) == (
        "failed",
        True,
        "finished",
    )
    reply = http_server("POST", "/api/backtest/run?wait=60", RUN | {"strategies": ["broken"]})
    assert (reply.status, "broken does not load" in reply.problem) == (400, True)


@pytest.mark.long
def test_parameters_go_to_every_strategy_that_has_them_and_those_with_a_name_to_one(http_server: HttpServer):
    body = RUN | {
        "strategies": ["ema_cross", "macd_trend", "ema_cross"],
        "symbols": ["SAMPLEUSDT", "SAMPLE/USDT"],
    }
    params = {"fast": 7, "macd_trend.fast": 9}
    one, other = http_server.post("/api/backtest/run?wait=60", **body, params=params)["runs"]
    assert [(run["strategy"], run["params"]["fast"]) for run in (one, other)] == [
        ("ema_cross", 7),
        ("macd_trend", 9),
    ]


@pytest.mark.long
def test_an_exchange_that_fails_is_a_502_and_so_are_candles_that_may_not_be_fetched(
    start_server: StartServer, fake_exchange: FakeExchange
):
    server = start_server(BACKTEST_FUTURES_URL=fake_exchange.url)
    body = FETCH | {"exchange": "binanceusdm", "symbols": ["SOLUSDT"]}
    fake_exchange.always = html()
    reply = server("POST", "/api/data/fetch?wait=60", body)
    assert (reply.status, "binanceusdm" in reply.problem) == (502, True)
    assert server("GET", "/api/symbols").status == 502
    reply = server("POST", "/api/backtest/run?wait=60", RUN | {"fetch": False})
    assert (reply.status, "`backtest fetch` fills it" in reply.problem) == (502, True)
    job = server.ended(server.begin("/api/backtest/run", **RUN, fetch=False))
    assert (job["status"], job["error_status"], job["result"]) == ("failed", 502, None)
    assert "`backtest fetch` fills it" in job["error"]


@pytest.mark.long
def test_without_a_database_the_server_starts_says_so_and_is_not_ready(start_server: StartServer):
    server = start_server(DATABASE_URL="postgresql://nobody:s3cret@127.0.0.1:9/none")
    assert any("serving nevertheless" in line for line in server.said)
    assert server.get("/healthz") == {"status": "ok"}
    for path in ("/readyz", "/api/backtests"):
        reply = server("GET", path)
        assert (
            reply.status,
            "cannot reach the database" in reply.problem or "does not answer" in reply.problem,
        ) == (503, True)
        assert "s3cret" not in reply.problem
