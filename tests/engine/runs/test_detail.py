"""Runs that look inside their candles: what is fetched for it, what it settles, and what stays open."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.model.market import HOUR_MS, Candles, Period, Timeframe, parse_time
from engine.runs.compare import changes
from tests.support.builders import random_candles, real_candles
from tests.support.command_line import CommandLine
from tests.support.fake_exchange import FakeExchange, without

START = parse_time("2024-01-05")
DAYS = 5
PERIOD = ("--start", "2024-01-05", "--end", "2024-01-09")
# a stop and a target so near that many an hour touches both
NARROW = """
from engine.strategy import Param, Strategy
import numpy as np

class Narrow(Strategy):
    away = Param(0.004, low=0.0001, high=0.1)

    def signals(self, candles, indicators):
        close = candles["close"]
        return {
            "signal_up_buy": np.arange(len(close)) % 2 == 0,
            "stop_loss": close * (1 - self.away),
            "take_profit": close * (1 + self.away),
        }
"""


def coarser(fine: Candles, timeframe: str) -> Candles:
    """The candles of a longer timeframe that these make."""
    longer = Timeframe(timeframe)
    opens = np.array([longer.floor(time) for time in fine.timestamp.tolist()])
    first = np.flatnonzero(np.diff(opens, prepend=-1))
    last = np.append(first[1:], len(opens)) - 1
    return Candles(
        opens[first],
        fine.open[first],
        np.maximum.reduceat(fine.high, first),
        np.minimum.reduceat(fine.low, first),
        fine.close[last],
        np.add.reduceat(fine.volume, first),
    )


FINE = random_candles(DAYS * 24 * 12, seed=5, step_ms=HOUR_MS // 12, start_ms=START, volatility=0.002)


@pytest.fixture
def pointed(
    fake_exchange: FakeExchange, cli: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line, pointed at an exchange with five days of SOLUSDT, and a strategy to run on them."""
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "narrow.py").write_text(NARROW)
    serve(fake_exchange, FINE)
    return cli


def serve(exchange: FakeExchange, fine: Candles, **marks: Candles) -> None:
    exchange.add("SOL", "1h", coarser(FINE, "1h"), listed_ms=START)
    exchange.add("SOL", "5m", fine, listed_ms=START)
    if marks:
        exchange.add_more("SOL", marks=marks)


def ran(cli: CommandLine, *options: str) -> Mapping[str, Any]:
    answer = cli(
        "run",
        "-s",
        "SOLUSDT",
        "-S",
        "narrow",
        "-t",
        "1h",
        *PERIOD,
        "--funding",
        "off",
        "--no-checks",
        *options,
        "--json",
    )
    assert answer.code == 0, answer.err
    (run,) = answer.json["runs"]
    found: Mapping[str, Any] = run
    return found


def test_finer_candles_settle_what_the_candles_left_open_and_are_fetched_for_nothing_else(
    pointed: CommandLine, fake_exchange: FakeExchange
) -> None:
    plain, run = ran(pointed), ran(pointed, "--detail", "5m")
    metrics, check = run["metrics"], run["checks"]["detail"]

    assert plain["metrics"]["ambiguous_trades"] > 5
    assert plain["metrics"]["settled_trades"] is None
    assert "detail" not in plain["costs"]
    assert metrics["settled_trades"] > 5
    assert metrics["ambiguous_trades"] == check["left"] == 0
    assert metrics["final_equity"] > plain["metrics"]["final_equity"]  # some targets came first
    assert metrics["equity_low"] <= metrics["final_equity"] <= metrics["equity_high"]
    assert (run["costs"]["detail"], check["status"], run["notes"]) == (
        "5m",
        "passed",
        ["funding not included"],
    )
    assert run["fingerprint"] != plain["fingerprint"]

    held = pointed("status", "SOLUSDT", "-t", "5m", *PERIOD, "--json").json
    assert held["candles"] == 12 * check["walked"]

    shown = pointed("show", run["id"], "--check", "--json").json
    assert shown["checks"]["crosscheck"]["status"] == "passed"
    assert shown["checks"]["crosscheck"]["referee"] == "plain"
    assert len(shown["inputs"]["detail"]) == check["walked"]
    before = len(fake_exchange.requests)
    again = pointed("rerun", run["id"], "--json")
    assert (again.code, again.json["equal"]) == (0, True)
    assert not [request for request in fake_exchange.requests[before:] if request.is_page]


@pytest.mark.long
def test_candles_whose_finer_ones_are_missing_or_make_another_stay_in_doubt_and_are_counted(
    pointed: CommandLine, fake_exchange: FakeExchange
) -> None:
    trades = ran(pointed)["trades"]
    gone, other = [parse_time(trade["exit_time"]) for trade in trades if trade["ambiguous"]][:2]
    lacking = without(FINE, Period(gone, gone + HOUR_MS // 12))
    place = int(np.searchsorted(lacking.timestamp, other))
    high = lacking.high.copy()
    high[place : place + 12] += 1
    serve(
        fake_exchange,
        Candles(lacking.timestamp, lacking.open, high, lacking.low, lacking.close, lacking.volume),
    )

    run = ran(pointed, "--detail", "5m")
    check = run["checks"]["detail"]
    assert (check["status"], check["lacking"], check["differing"]) == ("failed", 1, 1)
    assert run["metrics"]["ambiguous_trades"] == 2
    assert "of 1 some are missing, first 2024-01-0" in run["notes"][-1]
    assert "of 1 they do not make the candle, first 2024-01-0" in run["notes"][-1]


@pytest.mark.long
def test_without_fetching_the_finer_candles_that_are_held_settle_what_they_can(pointed: CommandLine) -> None:
    ran(pointed)
    run = ran(pointed, "--detail", "5m", "--no-fetch")
    assert run["metrics"]["settled_trades"] == 0
    assert run["checks"]["detail"]["left"] == run["checks"]["detail"]["lacking"] > 5
    pointed("fetch", "SOLUSDT", "-t", "5m", *PERIOD)
    assert ran(pointed, "--detail", "5m", "--no-fetch")["checks"]["detail"]["left"] == 0


@pytest.mark.long
def test_with_leverage_the_finer_mark_prices_settle_liquidations(
    pointed: CommandLine, fake_exchange: FakeExchange
) -> None:
    serve(fake_exchange, FINE, **{"1h": coarser(FINE, "1h"), "5m": FINE})
    run = ran(pointed, "--detail", "5m", "--leverage", "40", "--param", "away=0.03")
    assert run["checks"]["detail"]["left"] == 0
    held = pointed("status", "SOLUSDT", "-t", "5m", "--mark", *PERIOD, "--json").json
    assert held["candles"] == 12 * run["checks"]["detail"]["walked"]
    shown = pointed("show", run["id"], "--check", "--json").json
    assert shown["checks"]["crosscheck"]["status"] == "passed"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--detail", "1h"), "detail 1h: 1h candles are not made of several of them; these are: 1s, 1m"),
        (("--detail", "4h"), "detail 4h: 1h candles are not made of several of them"),
        (("--detail", "7m"), "unknown timeframe '7m'"),
        (("--detail", "1s"), "SOLUSDT on binanceusdm: detail 1s cannot be had, there are candles of 1m"),
        (("--detail", "5m", "--engine", "reference"), "narrow: backtesting.py cannot look inside candles"),
    ],
)
def test_a_detail_that_cannot_be_is_refused_before_anything_runs(
    pointed: CommandLine, fake_exchange: FakeExchange, options: tuple[str, ...], words: str
) -> None:
    answer = pointed("run", "-s", "SOLUSDT", "-S", "narrow", "-t", "1h", *PERIOD, *options)
    assert answer.code == 2
    assert words in answer.error
    assert not [request for request in fake_exchange.requests if request.is_page]


def test_finer_candles_that_changed_are_named_as_an_input() -> None:
    before = {
        "candles": {"sha256": "", "months": {}}, "period": {"start": "", "end": ""}, "timeframe": "1h", "warmup": 0,
        "source": {}, "params": {}, "costs": {}, "engine": "compiled", "versions": {}, "seed": 0,
        "detail": {"2024-01-05T03:00:00Z": "12 00000001", "2024-01-05T04:00:00Z": "12 00000002"},
    }  # fmt: skip
    after = {
        **before,
        "detail": {"2024-01-05T03:00:00Z": "12 00000001", "2024-01-05T04:00:00Z": "12 00000003"},
    }
    assert changes(before, after) == ("finer candles inside 1 candles, first 2024-01-05T04:00:00Z",)


@pytest.mark.long
def test_real_minutes_settle_nearly_all_hours(
    fake_exchange: FakeExchange, cli: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = real_candles("usdm-SOLUSDT-1m-20250504")
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
    fake_exchange.clock_ms = parse_time("2025-06-10")
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "narrow.py").write_text(NARROW)
    first = int(minutes.timestamp[0])
    fake_exchange.add("SOL", "1h", coarser(minutes, "1h"), listed_ms=first)
    fake_exchange.add("SOL", "1m", minutes, listed_ms=first)
    (run,) = cli(
        "run", "-s", "SOLUSDT", "-S", "narrow", "-t", "1h", "--start", "2025-05-05", "--end", "2025-05-18",
        "--funding", "off", "--detail", "1m", "--json",
    ).json["runs"]  # fmt: skip
    metrics = run["metrics"]
    assert metrics["settled_trades"] > 25
    assert metrics["ambiguous_trades"] <= 0.05 * metrics["settled_trades"]
    shown = cli("show", run["id"], "--check", "--json").json
    assert shown["checks"]["crosscheck"]["status"] == "passed"
