"""The main job on real candles: the command line, real ccxt over HTTP against a fake exchange, real workers, PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.model.market import HOUR_MS, Period, parse_time
from tests.support.builders import real_candles
from tests.support.command_line import CommandLine
from tests.support.fake_bybit import SPOT, FakeBybit
from tests.support.fake_exchange import FakeExchange, Fault, grid_candles, html

SERIES = ("SOLUSDT", "-t", "1h", "--start", "2024-01-01", "--end", "2024-06-30")
RUN = ("run", "-s", *SERIES, "-S", "ema_cross", "--json")


@pytest.fixture
def solana(fake_exchange: FakeExchange, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """SOLUSDT's real hours on the fake exchange, to which the command line is pointed."""
    candles = real_candles("usdm-SOLUSDT-1h")
    fake_exchange.add("SOL", "1h", candles, listed_ms=int(candles.timestamp[0]))
    fake_exchange.clock_ms = int(candles.timestamp[-1]) + HOUR_MS
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
    return fake_exchange


def test_the_briefs_half_year_is_fetched_once_and_read_back_exactly(
    cli: CommandLine, solana: FakeExchange, tmp_path: Path
):
    report = cli("fetch", *SERIES, "--json").json
    assert (report["candles"], report["fetched"], report["requests"]) == (4368, 4368, 9)
    sent = len(solana.requests)
    again = cli("fetch", *SERIES, "--json").json
    assert (again["candles"], again["fetched"], again["requests"]) == (4368, 0, 0)
    assert len(solana.requests) == sent  # not even the time was asked
    state = cli("status", *SERIES, "--json").json
    assert (state["candles"], state["expected"], state["complete"], state["gaps"]) == (4368, 4368, True, [])
    path = tmp_path / "sol.csv"
    cli("candles", *SERIES, "--out", path)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    truth = real_candles("usdm-SOLUSDT-1h").slice(744, 744 + 4368)
    assert [int(row[0]) for row in rows] == truth.timestamp.tolist()
    for position, column in enumerate(truth.columns().values(), start=1):
        assert [float(row[position]) for row in rows] == column.tolist()


@pytest.mark.long
def test_a_run_fetches_its_warm_up_and_works_offline_afterwards(cli: CommandLine, solana: FakeExchange):
    first = cli(*RUN).json["runs"][0]
    assert first["status"] == "finished"
    assert first["checks"]["data"]["status"] == first["checks"]["warmup"]["status"] == "passed"
    assert first["metrics"]["funding"] is None
    assert first["notes"][0].startswith("funding not included: ")
    solana.close()
    second = cli(*RUN).json["runs"][0]
    assert (second["metrics"], second["trades"]) == (first["metrics"], first["trades"])
    assert second["fingerprint"] == first["fingerprint"]


@pytest.mark.usefixtures("impatient")
def test_without_network_and_without_candles_nothing_runs(cli: CommandLine, solana: FakeExchange):
    cli("symbols", "--json")
    solana.close()
    answer = cli(*RUN)
    assert answer.code == 3
    assert "network" in answer.error
    (kept,) = cli("runs", "--json").json["runs"]  # like every run that failed, with its reason
    assert (kept["status"], kept["metrics"]) == ("failed", {})
    assert "network" in kept["error"]


@pytest.mark.usefixtures("impatient")
def test_a_page_that_is_not_an_answer_is_never_counted_as_covered(cli: CommandLine, solana: FakeExchange):
    solana.fail(html(), Fault(cut=True), html(), html(), Fault(body="{}"), Fault(body="null"), Fault(body=""))
    solana.always = html()
    answer = cli("fetch", *SERIES)
    assert answer.code == 3
    assert "unexpected answer" in answer.error
    solana.always = None
    state = cli("status", *SERIES, "--json").json
    assert (state["candles"], state["gaps"]) == (
        0,
        [{"start": "2024-01-01T00:00:00Z", "end": "2024-07-01T00:00:00Z"}],
    )


def test_the_end_is_clipped_to_the_last_closed_candle_by_the_exchanges_clock(
    cli: CommandLine, solana: FakeExchange
):
    solana.clock_ms = parse_time("2024-03-01T10:30")
    report = cli("fetch", *SERIES, "--json").json
    assert report["end"] == "2024-03-01T10:00:00Z"
    assert report["candles"] == 60 * 24 + 10
    assert cli("status", *SERIES, "--json").json["expected"] == 60 * 24 + 10


@pytest.mark.long
def test_ctrl_c_ends_a_fetch_with_130_and_keeps_its_pages(
    cli: CommandLine, solana: FakeExchange, home: Path, tmp_path: Path
):
    solana.always = Fault(delay_s=0.3)
    command = [sys.executable, "-m", "engine", "fetch", *SERIES, "--json"]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONWARNINGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(solana.pages) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    solana.always = None
    held = cli("status", *SERIES, "--json").json["candles"]
    assert held >= 2 * 499
    report = cli("fetch", *SERIES, "--json").json
    assert report["candles"] == 4368
    assert report["fetched"] == 4368 - held


@pytest.mark.long
def test_a_run_that_loops_for_ever_is_ended_at_its_limit(
    cli: CommandLine, solana: FakeExchange, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BACKTEST_RUN_TIMEOUT_S", "3")
    folder = home / "strategies"
    folder.mkdir(parents=True)
    (folder / "loops.py").write_text(
        "from engine.strategy import Strategy\n\n\nclass Loops(Strategy):\n    '''Loops.'''\n\n"
        "    def signals(self, candles, indicators):\n"
        "        while len(candles) == 4368:\n            pass\n"
        "        return indicators.assign(signal_x_buy=candles['close'] > 0)\n"
    )
    answer = cli("run", "-s", *SERIES, "-S", "loops", "-S", "buy_and_hold", "--json")
    assert answer.code == 1
    loops, fine = answer.json["runs"]
    assert "3 s" in loops["error"]
    assert fine["status"] == "finished"


def test_a_wrong_database_url_is_one_line_with_exit_code_4_and_no_password(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", "postgresql://backtest:hunter2@127.0.0.1:1/backtest_db")
    answer = cli("status", *SERIES)
    assert answer.code == 4
    assert "hunter2" not in answer.err
    assert answer.error


def test_the_log_file_has_the_details_and_no_secret(
    cli: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", "postgresql://backtest:hunter2@127.0.0.1:1/backtest_db")
    cli("status", *SERIES)
    text = (home / "logs" / "backtest.log").read_text()
    assert "Traceback" in text
    assert "hunter2" not in text


def test_a_home_that_cannot_be_written_is_one_line_with_exit_code_2(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BACKTEST_HOME", str(tmp_path / "file" / "home"))
    answer = cli("runs")
    assert answer.code == 2
    assert "BACKTEST_HOME" in answer.error


def test_python_gets_a_frame_from_one_coroutine(solana: FakeExchange, cli: CommandLine):
    code = (
        "import asyncio; from engine.data.fetcher import DataFetcher\n"
        "frame = asyncio.run(DataFetcher().get_data('SOL/USDT', '1h', '2024-01-01', '2024-06-30'))\n"
        "print(len(frame), frame.index.tz, *frame.columns)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["4368", "UTC", "open", "high", "low", "close", "volume"], done.stderr


def test_doctor_sees_the_fake_exchange_and_finds_no_fault(cli: CommandLine, solana: FakeExchange):
    answer = cli("doctor", "--json")
    findings = {finding["name"]: finding for finding in answer.json["findings"]}
    assert solana.url.split("//")[1] in findings["exchange"]["text"]
    assert findings["database"]["ok"]
    assert findings["archive"]["text"].startswith("off: a REST address is set")
    assert json.dumps(answer.json).count("hunter2") == 0
    assert findings["exchange binance"]["ok"]  # its address is set, too
    assert "exchange bybit" not in json.dumps(answer.json)


def test_doctor_asks_every_exchange_that_is_set_up_or_kept_each_host_once(
    cli: CommandLine, solana: FakeExchange, fake_bybit: FakeBybit, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BACKTEST_BYBIT_URL", fake_bybit.url)
    answer = cli("doctor", "--json")
    findings = {finding["name"]: finding for finding in answer.json["findings"]}
    assert [name for name in findings if name.startswith("exchange ")] == [
        "exchange binance",
        "exchange bybitlinear",
    ]
    assert findings["exchange bybitlinear"]["ok"]
    assert fake_bybit.url.split("//")[1] in findings["exchange bybitlinear"]["text"]

    fake_bybit.add("SOL", "1h", grid_candles("1h", Period.parse("2024-01-01", "2024-01-31")), path=SPOT)
    cli("symbols", "add", "SOLUSDT", "--exchange", "bybit")
    monkeypatch.delenv("BACKTEST_BYBIT_URL")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # whatever it asks now, nobody answers
    answer = cli("doctor", "--json")
    found = {finding["name"]: finding for finding in answer.json["findings"]}["exchange bybit"]
    assert (answer.code, found["ok"]) == (1, False)
    assert found["advice"]
