"""The models of documents describe what the command line prints, field by field, and what the server answers."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.api import documents as d
from engine.api import portfolio_documents as p
from engine.api import sweep_documents as s
from engine.api import walk_documents as w
from engine.api.study_documents import CostSurface, MonteCarlo
from engine.api.trade_list_documents import TradeListComparison
from engine.model.market import HOUR_MS, parse_time
from engine.model.monte_carlo import METHODS
from engine.model.trade import Trade
from tests.engine.trade_lists.samples import as_jesse
from tests.support import command_documents as c
from tests.support.command_line import CommandLine
from tests.support.http_server import SAMPLE, HttpServer

SERIES = ("SAMPLEUSDT", "-t", "1h", "--exchange", "sample")
MARCH = ("--start", "2023-03-01", "--end", "2023-03-31")
RUN = ("run", "-s", *SERIES, *MARCH)
MIDDLE = parse_time("2023-03-15")
SAMPLE_TRADES = [
    Trade(
        "long", 1.0, MIDDLE, 150.0, MIDDLE + HOUR_MS, 151.0, 1.0, 0.7, 0.0, None, "", "exit_long", 1, 0.0, 0.0
    )
]
NATIVE = """
from backtesting import Strategy

class Orders(Strategy):
    def init(self):
        self.price = self.I(lambda: self.data.Close, name="price")

    def next(self):
        if not self.position:
            self.buy()
"""
FAILS = """
from engine.strategy import Strategy

class Fails(Strategy):
    def signals(self, candles, indicators):
        1 / 0
"""


def check(model: Any, document: Any) -> Any:
    """The document, which is what the model says and nothing else."""
    TypeAdapter(model).validate_json(json.dumps(document))
    return document


def test_what_the_command_line_prints_about_candles_and_strategies_is_what_the_models_say(cli: CommandLine):
    check(list[d.Symbol], cli("symbols", "--exchange", "sample", "--json").json)
    assert len(check(list[d.Strategy], cli("strategies", "--json").json)) == 11
    check(d.Fetch, cli("fetch", *SERIES, "--start", "2023-08-10", "--end", "2023-08-20", "--json").json)
    check(d.Fetches, cli("fetch", *SERIES, "-t", "4h", *MARCH, "--json").json)
    held = check(
        d.Held, cli("status", *SERIES, "--start", "2023-08-01", "--end", "2023-08-31", "--json").json
    )
    assert held["gaps"]
    assert held["missing"]


def test_what_the_command_line_prints_about_runs_and_sweeps_is_what_the_models_say(
    cli: CommandLine, home: Path
):
    folder = home / "strategies"
    folder.mkdir(parents=True)
    (folder / "orders.py").write_text(NATIVE)
    (folder / "fails.py").write_text(FAILS)
    answer = cli(*RUN, "-S", "ema_cross", "-S", "orders", "-S", "fails", "--check", "--json")
    runs = check(d.Runs, answer.json)["runs"]
    assert [run["status"] for run in runs] == ["finished", "finished", "failed"]
    assert runs[0]["checks"]["crosscheck"]["status"] == "passed"
    assert "orders" in runs[1]["checks"]
    for run in runs:
        check(d.ShownRun, cli("show", run["id"], "--json").json)
    check(c.ListedRuns, cli("runs", "--json").json)
    grid = ("--grid", "fast=5:15:5", "--grid", "slow=30,50", "--param", "ema_cross.slow=9")
    sweep = check(s.Sweep, cli("optimize", *RUN[1:], "-S", "ema_cross", *grid[:4], "--json").json)
    check(s.Sweep, cli("sweeps", "show", sweep["id"], "--json").json)
    check(s.Sweeps, cli("sweeps", "--json").json)
    files = check(c.Files, cli("sweeps", "export", sweep["id"], "--out", home / "out", "--json").json)[
        "files"
    ]
    trials = list(csv.DictReader(Path(files[1]).read_text().splitlines()))
    assert len(trials) == sweep["trials"] > len(sweep["ranges"])
    assert float(trials[0]["sharpe"]) == sweep["best"]["value"]
    check(d.Deleted, cli("sweeps", "delete", sweep["id"], "--json").json)
    check(d.Deleted, cli("runs", "delete", runs[0]["id"], "--json").json)


@pytest.mark.long
def test_what_the_command_line_prints_about_walk_forwards_is_what_the_models_say(
    cli: CommandLine, home: Path
):
    grid = ("--grid", "fast=5:15:5", "--grid", "slow=30,50")
    lengths = ("--train", "10d", "--test", "5d", "--objective", "return_pct")
    walk = check(
        w.WalkForward, cli("walk-forward", *RUN[1:], "-S", "ema_cross", *grid, *lengths, "--json").json
    )
    assert walk["run"]["windows"][0]["params"] == walk["windows"][0]["params"]
    shown = check(w.WalkForward, cli("walk-forwards", "show", walk["id"], "--json").json)
    assert shown == walk
    check(d.ShownRun, cli("show", walk["run"]["id"], "--json").json)
    check(w.WalkForwards, cli("walk-forwards", "--json").json)
    files = check(c.Files, cli("walk-forwards", "export", walk["id"], "--out", home / "out", "--json").json)[
        "files"
    ]
    assert json.loads(Path(files[0]).read_text())["wfe"] == walk["wfe"]
    assert len(list(csv.DictReader(Path(files[1]).read_text().splitlines()))) == walk["trials"] * len(
        walk["windows"]
    )
    check(d.Deleted, cli("walk-forwards", "delete", walk["id"], "--json").json)


@pytest.mark.long
def test_every_other_command_prints_what_the_models_say(cli: CommandLine, tmp_path: Path):
    run = cli(*RUN, "-S", "ema_cross", "--json").json["runs"][0]["id"]
    check(c.Rerun, cli("rerun", run, "--json").json)
    for method in METHODS:
        check(MonteCarlo, cli("monte-carlo", run, "--method", method, "--paths", "3", "--json").json)
    check(CostSurface, cli("surface", run, "--commission", "0", "--slippage", "0", "--json").json)
    check(c.Files, cli("export", run, "--out", tmp_path / "out", "--json").json)
    file = tmp_path / "candles.csv"
    check(c.WrittenCandles, cli("candles", *SERIES, *MARCH, "--out", file, "--json").json)
    check(c.Preview, cli("import", file, "-s", *SERIES, "--preview", "--json").json)
    check(c.Imported, cli("import", file, "-s", *SERIES, "--json").json)
    check(c.Verified, cli("verify", *SERIES, "--json").json)
    check(c.Lookahead, cli("lookahead", "ema_cross", "-s", *SERIES, *MARCH, "--cuts", "20", "--json").json)
    check(c.NewStrategy, cli("new-strategy", "mine", "--json").json)
    check(c.FilledSymbol, cli("symbols", "add", *SERIES, "--json").json)
    check(c.SyncRound, cli("sync", "--exchange", "sample", "--json").json)
    check(d.Symbol, cli("symbols", "deactivate", *SERIES[:1], *SERIES[3:], "--json").json)
    check(c.RemovedSymbol, cli("symbols", "remove", *SERIES[:1], *SERIES[3:], "--json").json)
    check(c.Findings, cli("doctor", "--json").json)
    check(c.Demo, cli("demo", "--out", tmp_path / "demo", "--no-window", "--json").json)


def test_a_document_with_a_field_more_or_less_is_not_what_the_models_say():
    good = {"name": "A", "unified": "A/B", "exchange": "x", "is_active": True}
    for bad in (
        good | {"more": 1},
        {k: v for k, v in good.items() if k != "unified"},
        good | {"is_active": 1},
    ):
        with pytest.raises(ValueError, match="Symbol"):
            check(d.Symbol, bad)


@pytest.mark.long
def test_the_server_answers_with_the_same_documents(http_server: HttpServer):
    series = {**SAMPLE, "symbols": ["SAMPLEUSDT"]}
    check(list[d.Symbol], http_server.get("/api/symbols?exchange=sample"))
    check(list[d.Strategy], http_server.get("/api/strategies"))
    check(d.Fetch, http_server.post("/api/data/fetch?wait=60", **series))
    query = "&".join(f"{name}={value}" for name, value in SAMPLE.items())
    check(d.Held, http_server.get(f"/api/data/status?symbol=SAMPLE/USDT&{query}"))
    body = {**series, "strategies": ["ema_cross"]}
    (run,) = check(d.Runs, http_server.post("/api/backtest/run?wait=60", **body))["runs"]
    shown = check(d.ShownRun, http_server.get(f"/api/backtest/{run['id'][:10]}"))
    assert {name: shown[name] for name in run} == run
    reply = http_server("GET", f"/api/backtest/{run['id'][:10]}/report")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"run {run['id']}" in reply.body.decode()
    check(d.Runs, http_server.get("/api/backtests"))
    path = f"/api/backtest/{run['id']}/monte-carlo?wait=60"
    paths = check(MonteCarlo, http_server.post(path, method="shuffle", paths=20, seed=4))
    assert (paths["run"], paths["method"], paths["seed"]) == (run["id"], "shuffle", 4)
    path = f"/api/backtest/{run['id']}/surface?wait=60"
    surface = check(CostSurface, http_server.post(path, commission="0.001", slippage=[0, 0.0005]))
    assert surface["cells"][0]["return_pct"] == run["metrics"]["return_pct"]
    text = as_jesse(SAMPLE_TRADES)
    trades = check(
        TradeListComparison, http_server.post(f"/api/backtest/{run['id']}/compare-trades?wait=60", text=text)
    )
    assert (trades["trades"]["theirs"], trades["format"]) == (1, "jesse")
    asked = {
        **SAMPLE,
        "symbol": "SAMPLEUSDT",
        "strategy": "ema_cross",
        "ranges": {"fast": [5, 10], "slow": "30,50"},
    }
    sweep = check(s.Sweep, http_server.post("/api/optimize?wait=60", **asked))
    assert sweep["trials"] == 4
    check(s.Sweep, http_server.get(f"/api/sweeps/{sweep['id']}?top=2"))
    check(s.Sweeps, http_server.get("/api/sweeps"))
    check(d.Deleted, http_server("DELETE", f"/api/sweeps/{sweep['id']}").json)
    legs = [{"name": "a", "strategy": "ema_cross", "symbol": "SAMPLEUSDT", "params": {"fast": 9}}]
    wallet = check(p.Portfolio, http_server.post("/api/portfolios?wait=60", **SAMPLE, legs=legs))
    shown = check(p.ShownPortfolio, http_server.get(f"/api/portfolios/{wallet['id'][:10]}"))
    assert {name: shown[name] for name in wallet} == wallet
    check(p.Portfolios, http_server.get("/api/portfolios"))
    swept = {"portfolio": {**SAMPLE, "legs": legs}, "ranges": {"a.slow": [30, 50]}, "params": {"a.fast": 9}}
    of_legs = check(s.Sweep, http_server.post("/api/optimize?wait=60", **swept))
    assert (of_legs["trials"], of_legs["symbol"], of_legs["portfolio"]["legs"][0]["name"]) == (2, None, "a")
    assert check(s.Sweep, http_server.get(f"/api/sweeps/{of_legs['id']}"))["best"] == of_legs["best"]
    twin = {**swept, "ranges": {"b.slow": [30, 50]}}
    assert "no leg 'b'" in http_server("POST", "/api/optimize?wait=60", twin).json["detail"]
    assert "Source" in http_server("GET", f"/api/portfolios/{wallet['id']}/report").body.decode()
    twice = http_server("POST", "/api/portfolios", {**SAMPLE, "legs": [*legs, *legs]})
    assert (twice.status, twice.json["detail"]) == (
        400,
        "two legs are called 'a'; each needs a name of its own",
    )
    check(d.Deleted, http_server("DELETE", f"/api/portfolios/{wallet['id']}").json)
    assert http_server("GET", f"/api/portfolios/{wallet['id']}").status == 404
    lengths = {"train": "10d", "test": "5d", "objective": "return_pct"}
    walk = check(w.WalkForward, http_server.post("/api/walk-forward?wait=60", **asked, **lengths))
    check(w.WalkForward, http_server.get(f"/api/walk-forwards/{walk['id'][:10]}"))
    check(w.WalkForwards, http_server.get("/api/walk-forwards"))
    check(d.Deleted, http_server("DELETE", f"/api/walk-forwards/{walk['id']}").json)
    walked = check(w.WalkForward, http_server.post("/api/walk-forward?wait=60", **swept, **lengths))
    assert (walked["run"], walked["stitched"]["windows"][0]["params"]["a.fast"]) == (None, 9)
    assert check(w.WalkForward, http_server.get(f"/api/walk-forwards/{walked['id']}")) == walked
    windows = [{"start": "2023-03-11", "params": {"a.fast": 5}}]
    ruled = check(
        p.Portfolio, http_server.post("/api/portfolios?wait=60", **SAMPLE, legs=legs, windows=windows)
    )
    assert [one["params"]["fast"] for one in ruled["legs"][0]["windows"]] == [9, 5]
    early = {**SAMPLE, "legs": legs, "windows": [{"start": "2022-03-11", "params": {}}]}
    assert "window 1: it starts at" in http_server("POST", "/api/portfolios", early).json["detail"]
    check(d.Deleted, http_server("DELETE", f"/api/backtest/{run['id']}").json)
    assert http_server("GET", f"/api/backtest/{run['id']}").status == 404
