"""The contract of the command line, on the bundled sample market: shapes, exit codes, one line per failure."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.model.metric_definitions import OF_TRIALS
from tests.support.command_line import CommandLine
from tests.support.own_time import within

SERIES = ("SAMPLEUSDT", "-t", "1h", "--exchange", "sample")
MONTH = ("--start", "2023-03-01", "--end", "2023-03-31")
RUN = ("run", "-s", "SAMPLEUSDT", "-t", "1h", "--exchange", "sample", *MONTH)


def test_fetch_says_what_it_did_and_a_repeat_sends_nothing(cli: CommandLine):
    first = cli("fetch", *SERIES, *MONTH, "--json").json
    assert first["symbol"] == "SAMPLEUSDT"
    assert first["unified"] == "SAMPLE/USDT:USDT"
    assert (first["start"], first["end"]) == ("2023-03-01T00:00:00Z", "2023-04-01T00:00:00Z")
    assert first["candles"] == first["fetched"] == 744
    assert first["filled"] == [{"start": "2023-03-01T00:00:00Z", "end": "2023-04-01T00:00:00Z"}]
    again = cli("fetch", *SERIES, *MONTH, "--json").json
    assert (again["fetched"], again["requests"], again["filled"]) == (0, 0, [])


def test_status_tells_gaps_and_missing_candles_apart(cli: CommandLine):
    cli("fetch", *SERIES, "--start", "2023-08-10", "--end", "2023-08-20")
    state = cli("status", *SERIES, "--start", "2023-08-01", "--end", "2023-08-31", "--json").json
    assert state["expected"] == 744
    assert state["candles"] == 11 * 24 - 5
    assert not state["complete"]
    assert state["gaps"] == [
        {"start": "2023-08-01T00:00:00Z", "end": "2023-08-10T00:00:00Z"},
        {"start": "2023-08-21T00:00:00Z", "end": "2023-09-01T00:00:00Z"},
    ]
    assert state["missing"] == [
        {"start": "2023-08-16T02:00:00Z", "end": "2023-08-16T07:00:00Z", "reason": "maintenance"}
    ]


def test_a_run_is_stored_and_shows_again_exactly_as_it_was(cli: CommandLine, tmp_path: Path):
    answer = cli(*RUN, "-S", "ema_cross", "-S", "buy_and_hold", "--param", "fast=10", "--json")
    assert answer.code == 0
    first, second = answer.json["runs"]
    assert [first["strategy"], second["strategy"]] == ["ema_cross", "buy_and_hold"]
    assert first["params"] == {"fast": 10, "slow": 50}
    assert first["status"] == "finished"
    assert first["engine"] == "compiled"
    assert first["metrics"]["trades"] == len(first["trades"]) > 0
    assert set(first["checks"]) == {"data", "lookahead", "warmup", "crosscheck", "funding"}
    shown = cli("show", first["id"][:8], "--json").json
    assert len(shown["equity"]) == 744
    assert shown["equity"][0][0] == "2023-03-01T00:00:00Z"
    assert shown["equity"][-1][1] == first["metrics"]["final_equity"]
    assert {key: shown[key] for key in first} == first
    analysed = cli("show", first["id"][:8], "--analysis", "--json").json
    found = analysed.pop("analysis")
    assert analysed == shown
    net = first["metrics"]["net_profit"]
    assert {round(sum(one["pnl"] for one in groups) - net, 6) for groups in found["groups"].values()} == {0}
    assert found["calendar"]["years"][0]["months_pct"]["Mar"] == first["metrics"]["return_pct"]
    assert found["calendar"]["years"][0]["months_pct"]["Apr"] is None
    assert found["drawdowns"][0]["depth_pct"] == first["metrics"]["max_drawdown_pct"]
    assert found["market"]["beta"] == pytest.approx(first["metrics"]["beta"])
    assert found["bitcoin"] == {"symbol": None, "relation": None}
    told = cli("show", first["id"][:8], "--analysis").out
    assert all(
        title in told
        for title in ("returns in %", "by exit reason", "deepest drawdowns", "beside the market")
    )
    listed = cli("runs", "--json").json["runs"]
    assert {run["id"]: len(run["trades"]) for run in listed} == {
        run["id"]: len(run["trades"]) for run in (first, second)
    }

    files = cli("export", first["id"], "--out", tmp_path / "out", "--json").json["files"]
    trades = next(Path(name) for name in files if name.endswith("trades.csv"))
    rows = list(csv.DictReader(trades.read_text().splitlines()))
    assert [float(row["pnl"]) for row in rows] == [trade["pnl"] for trade in first["trades"]]
    whole = json.loads(next(Path(name) for name in files if name.endswith("run.json")).read_text())
    assert whole["fingerprint"] == first["fingerprint"]

    both = cli("export", first["id"], second["id"], "--out", tmp_path / "both", "--json").json["files"]
    table = list(csv.DictReader(Path(both[-1]).read_text().splitlines()))
    assert [(row["id"], float(row["return_pct"])) for row in table] == [
        (run["id"], run["metrics"]["return_pct"]) for run in (first, second)
    ]
    assert [row["params.fast"] for row in table] == ["10", ""]
    check_report(cli, first, second, tmp_path / "report.html")

    assert cli("runs", "delete", first["id"]).code == 0
    assert "unknown" in cli("show", first["id"]).error or "no run" in cli("show", first["id"]).error


def check_report(cli: CommandLine, first: dict[str, Any], second: dict[str, Any], path: Path) -> None:
    """The report's figures are those of `show --json`, to the last bit; the file is replaced whole."""
    path.write_text("old")
    assert cli("report", first["id"][:8], "--out", path, "--json").json == {"files": [str(path)]}
    page = path.read_text()
    told = [json.loads(value or "null") for value in re.findall(r'<data value="([^"]*)"', page)]
    metrics = cli("show", first["id"], "--json").json["metrics"]
    shown = told[-len(metrics) :]
    assert sorted(shown, key=repr) == sorted(metrics.values(), key=repr)
    assert told[0] == metrics["return_pct"]
    assert len(re.findall(r"<tr><td>\d+<td>(?:long|short)<td>", page)) == len(first["trades"])
    assert "class EmaCross(Strategy)" in page
    assert cli("report", first["id"], "--out", "-").out == page
    assert cli("report", first["id"], second["id"], first["id"], "--out", "-").out.count("<article") == 2
    assert "both write to standard output" in cli("report", first["id"], "--out", "-", "--json").error
    assert "no run 'ffff'" in cli("report", first["id"], "ffff", "--out", path).error
    assert path.read_text() == page


@pytest.mark.long
def test_the_same_run_twice_gives_the_same_bytes_whatever_ran_beside_it(cli: CommandLine):
    def essence(answer_json):
        found = {}
        for run in answer_json["runs"]:
            own = {name: value for name, value in run["metrics"].items() if name not in OF_TRIALS}
            found[run["strategy"]] = {k: run[k] for k in ("trades", "signals", "fingerprint")} | {
                "metrics": own
            }
        return found

    alone = essence(cli(*RUN, "-S", "ema_cross", "--json").json)
    crowd = essence(
        cli(*RUN, "-S", "vwap_supertrend_ema", "-S", "macd_trend", "-S", "ema_cross", "--json").json
    )
    assert json.dumps(crowd["ema_cross"]) == json.dumps(alone["ema_cross"])


def test_one_broken_run_fails_alone_and_says_why(cli: CommandLine, home: Path):
    folder = home / "strategies"
    folder.mkdir(parents=True)
    (folder / "explodes.py").write_text(
        "import os\nfrom engine.strategy import Strategy\n\n\nclass Explodes(Strategy):\n    '''Explodes.'''\n\n"
        "    def signals(self, candles, indicators):\n"
        "        if len(candles) == 744:\n            os._exit(3)\n"
        "        return indicators.assign(signal_x_buy=candles['close'] > 0)[['signal_x_buy']]\n"
    )
    answer = cli(*RUN, "-S", "explodes", "-S", "buy_and_hold", "--json")
    assert answer.code == 1
    broken, fine = answer.json["runs"]
    assert (broken["status"], fine["status"]) == ("failed", "finished")
    assert "exit code 3" in broken["error"]
    assert cli("show", broken["id"], "--json").json["error"] == broken["error"]


def test_candles_are_written_exactly_and_never_fetched(cli: CommandLine, tmp_path: Path):
    path = tmp_path / "c.csv"
    nothing = cli("candles", *SERIES, *MONTH, "--out", path, "--json")
    assert (nothing.code, nothing.json["candles"]) == (0, 0)
    assert "nothing of SAMPLEUSDT 1h, 2023-03-01" in nothing.err
    assert "is held" in nothing.err
    cli("fetch", *SERIES, *MONTH)
    assert cli("candles", *SERIES, *MONTH, "--out", path, "--json").json["candles"] == 744
    rows = path.read_text().splitlines()
    assert rows[0] == "timestamp,open,high,low,close,volume"
    assert rows[1].startswith("1677628800000,")


def test_symbols_and_strategies_have_the_contracts_shape(cli: CommandLine):
    assert cli("symbols", "--exchange", "sample", "--json").json == [
        {"name": "SAMPLEUSDT", "unified": "SAMPLE/USDT:USDT", "exchange": "sample", "is_active": False}
    ]
    found = {info["name"]: info for info in cli("strategies", "--json").json}
    assert len(found) == 11
    fast = found["ema_cross"]["params"][0]
    assert (fast["name"], fast["type"], fast["default"]) == ("fast", "int", 21)
    assert {"name", "type", "default", "low", "high", "choices"} <= set(fast)
    assert all(info["error"] is None for info in found.values())


def test_a_new_strategy_loads_and_is_never_overwritten(cli: CommandLine):
    path = Path(cli("new-strategy", "mine", "--json").json["path"])
    assert path.exists()
    assert [i["error"] for i in cli("strategies", "--json").json if i["name"] == "mine"] == [None]
    path.write_text(path.read_text() + "# my work\n")
    assert "already" in cli("new-strategy", "mine").error
    assert path.read_text().endswith("# my work\n")


@pytest.mark.parametrize("name", ["ema_cross", "../../x", "1st", "a b", "", "_hidden", "naïve"])
def test_a_name_that_cannot_be_a_new_strategy_is_refused(cli: CommandLine, name: str):
    assert cli("new-strategy", name).error
    assert cli("new-strategy", name).code == 2


REFUSED = {
    "start after end": (*SERIES, "--start", "2023-05-02", "--end", "2023-05-01"),
    "start is end": (*SERIES, "--start", "2023-05-01T00:00", "--end", "2023-05-01T00:00"),
    "not a date": (*SERIES, "--start", "yesterday", "--end", "2023-05-01"),
    "unknown timeframe": ("SAMPLEUSDT", "-t", "7m", "--exchange", "sample", *MONTH),
    "upper-case hour": ("SAMPLEUSDT", "-t", "1H", "--exchange", "sample", *MONTH),
    "unknown symbol": ("SAMPLUSDT", "-t", "1h", "--exchange", "sample", *MONTH),
    "hostile symbol": ("x'; DROP TABLE symbols; --", "-t", "1h", "--exchange", "sample", *MONTH),
    "path as symbol": ("../../x", "-t", "1h", "--exchange", "sample", *MONTH),
    "unknown exchange": ("SAMPLEUSDT", "-t", "1h", "--exchange", "ftx", *MONTH),
    "wholly in the future": (*SERIES, "--start", "2190-01-01", "--end", "2190-02-01"),
    "wholly before listing": (*SERIES, "--start", "2015-01-01", "--end", "2015-02-01"),
    "no option": ("SAMPLEUSDT", "-t", "1h"),
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED.keys())
def test_fetch_refuses_in_one_line_with_exit_code_2(cli: CommandLine, arguments: tuple[str, ...]):
    answer = cli("fetch", *arguments, "--json")
    assert answer.code == 2
    assert len(answer.error) < 300


def test_an_unknown_symbol_leaves_no_trace(cli: CommandLine):
    assert "did you mean SAMPLEUSDT" in cli("fetch", "SAMPLUSDT", *SERIES[1:], *MONTH).error
    assert cli("symbols", "--exchange", "sample", "--json").json[0]["is_active"] is False


BAD_RUNS = {
    "negative cash": ("--cash", "-5"),
    "cash not a number": ("--cash", "nan"),
    "commission of 10 %": ("--commission", "0.1"),
    "size above 1": ("--size", "1.01"),
    "unknown engine": ("--engine", "warp"),
    "unknown parameter": ("--param", "fats=10"),
    "ill-typed parameter": ("--param", "fast=ten"),
    "parameter out of bounds": ("--param", "fast=-1"),
    "parameter without value": ("--param", "fast"),
    "parameter given twice": ("--param", "fast=5", "--param", "fast=6"),
    "more cash than there is": ("--cash", "1e302"),
    "parameter of a strategy not selected": ("--param", "macd_trend.fast=3"),
}


@pytest.mark.parametrize("arguments", BAD_RUNS.values(), ids=BAD_RUNS.keys())
def test_run_refuses_in_one_line_with_exit_code_2(cli: CommandLine, arguments: tuple[str, ...]):
    answer = cli(*RUN, "-S", "ema_cross", *arguments)
    assert answer.code == 2
    assert answer.error
    assert cli("runs", "--json").json == {"runs": [], "portfolios": []}


def test_a_parameter_given_to_one_strategy_wins_over_one_given_to_all(cli: CommandLine):
    answer = cli(*RUN, "-S", "ema_cross", "--param", "ema_cross.fast=5", "--param", "fast=10", "--json")
    assert answer.json["runs"][0]["params"]["fast"] == 5


@pytest.mark.long
def test_a_symbol_written_twice_runs_once(cli: CommandLine):
    answer = cli(*RUN, "-s", "SAMPLE/USDT", "-S", "buy_and_hold", "--json")
    assert len(answer.json["runs"]) == 1


def test_a_file_with_a_bundled_name_does_not_take_the_bundled_one_away(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "buy_and_hold.py").write_text("x = 1\n")
    assert cli(*RUN, "-S", "buy_and_hold").code == 0


def test_a_looping_file_that_was_not_chosen_delays_nothing(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "looper.py").write_text(
        "from engine.strategy import Strategy\nwhile True:\n    pass\nclass A(Strategy):\n    pass\n"
    )
    with within(15, anyhow=60):  # describing it would take 20 s
        assert cli(*RUN, "-S", "buy_and_hold").code == 0


@pytest.mark.long
def test_a_warm_up_that_crashes_fails_that_run_alone(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "evil.py").write_text(
        "import os\nfrom engine.strategy import Param, Strategy\n\n\nclass Evil(Strategy):\n    mode = Param(0)\n\n"
        "    def warmup(self):\n        if self.mode:\n            os._exit(3)\n        return 0\n\n"
        "    def signals(self, candles, indicators):\n"
        "        return indicators.assign(signal_x_buy=candles['close'] > 0)\n"
    )
    answer = cli(*RUN, "-S", "evil", "-S", "buy_and_hold", "--param", "mode=1", "--json")
    assert answer.code == 1
    assert [run["status"] for run in answer.json["runs"]] == ["failed", "finished"]
    assert "exit code 3" in answer.json["runs"][0]["error"]


def test_a_run_partly_before_the_listing_says_so(cli: CommandLine):
    period = ("--start", "2022-12-01", "--end", "2023-01-31")
    answer = cli("run", "-s", "SAMPLEUSDT", "-S", "buy_and_hold", "-t", "4h", "--exchange", "sample", *period)
    assert answer.code == 0
    assert "2023-01-01" in answer.err


def test_an_unknown_strategy_gets_a_suggestion(cli: CommandLine):
    answer = cli(*RUN, "-S", "ema_cros")
    assert answer.code == 2
    assert "did you mean ema_cross" in answer.error


def test_a_strategy_that_does_not_load_is_refused_before_anything_runs(cli: CommandLine, home: Path):
    folder = home / "strategies"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text(
        "import no_such_module\nfrom engine.strategy import Strategy\n\nclass Broken(Strategy):\n    pass\n"
    )
    answer = cli(*RUN, "-S", "broken", "-S", "ema_cross")
    assert answer.code == 5
    assert "broken.py:1" in answer.error
    assert cli("runs", "--json").json == {"runs": [], "portfolios": []}


def test_no_fetch_with_gaps_is_refused_with_exit_code_3(cli: CommandLine):
    cli("fetch", *SERIES, "--start", "2023-03-01", "--end", "2023-03-15")
    answer = cli(*RUN, "-S", "ema_cross", "--no-fetch")
    assert answer.code == 3
    assert "360 of 744 candles held" in answer.error
    (run,) = cli("runs", "--json").json["runs"]
    assert (run["status"], run["symbol"], run["metrics"], run["trades"]) == ("failed", "SAMPLEUSDT", {}, [])
    assert "360 of 744 candles held" in run["error"]
    assert cli("show", run["id"], "--json").json["checks"]["data"]["status"] == "skipped"


def test_no_fetch_runs_on_what_is_held_and_says_what_the_warm_up_lacks(cli: CommandLine):
    cli("fetch", *SERIES, *MONTH)
    run = cli(*RUN, "-S", "vwap_supertrend_ema", "--no-fetch", "--json").json["runs"][0]
    assert run["status"] == "finished"
    assert run["checks"]["warmup"]["status"] == "failed"
    assert run["checks"]["warmup"]["note"] == "0 of 500"


def test_a_run_says_which_trades_lie_beside_missing_candles(cli: CommandLine):
    period = ("--start", "2023-08-15", "--end", "2023-08-17")
    run = cli(
        *("run", "-s", "SAMPLEUSDT", "-S", "rsi_reversion", "-t", "1h", "--exchange", "sample", "--json"),
        *period,
    ).json["runs"][0]
    assert run["checks"]["data"]["missing_candles"] == 5
