"""The command `lookahead`, and the same checks on every run, through the command line on the sample market."""

from pathlib import Path

import pytest

from engine.errors import Interrupted
from engine.events import CancelToken, Event, Finished, Progress, Started
from engine.model.market import Period, Timeframe
from engine.model.run import RunSpec
from engine.service import Engine
from tests.support.command_line import CommandLine

MONTH = ("--start", "2023-03-01", "--end", "2023-03-31")
SERIES = ("-s", "SAMPLEUSDT", "--exchange", "sample", *MONTH)

PEEPING = '''"""Peeping."""
import pandas as pd
from engine.strategy import Param, Strategy

class Peeping(Strategy):
    """Peeping"""
    ahead = Param(3, low=0, high=50)
    def warmup(self): return 24
    def indicators(self, candles):
        return {"honest": candles["close"].shift(1), "future": candles["close"].shift(-self.ahead)}
    def signals(self, candles, indicators):
        return {"signal_a_buy": indicators["future"] > indicators["honest"], "exit_long": candles["close"] < 0}
'''


@pytest.fixture
def peeping(home: Path) -> str:
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "peeping.py").write_text(PEEPING)
    return "peeping"


@pytest.mark.long
def test_a_strategy_that_peeps_is_named_with_its_columns_and_exit_code_1(cli: CommandLine, peeping: str):
    answer = cli("lookahead", peeping, *SERIES, "--json")
    assert answer.code == 1
    found = answer.json
    assert (found["status"], found["columns"]) == ("failed", ["future", "signal_a_buy"])
    assert found["cuts"] == found["candles"] == 743
    assert {
        key: found[key] for key in ("strategy", "symbol", "exchange", "timeframe", "start", "end", "params")
    } == {
        "strategy": "peeping",
        "symbol": "SAMPLEUSDT",
        "exchange": "sample",
        "timeframe": "1h",
        "start": "2023-03-01T00:00:00Z",
        "end": "2023-04-01T00:00:00Z",
        "params": {"ahead": 3},
    }
    assert [one["column"] for one in found["first"]] == ["future", "signal_a_buy"]
    assert all(one["candle"] <= one["cut"] for one in found["first"])
    assert found["warmup"]["status"] == "passed"


@pytest.mark.long
def test_with_the_parameter_that_does_not_peep_it_passes_on_as_many_cuts_as_asked(
    cli: CommandLine, peeping: str
):
    answer = cli("lookahead", peeping, *SERIES, "--param", "ahead=0", "--cuts", "50", "--json")
    assert answer.code == 0
    assert (answer.json["status"], answer.json["note"], answer.json["first"]) == (
        "passed",
        "passed on 50 cuts",
        [],
    )


@pytest.mark.long
def test_without_a_symbol_it_searches_on_the_sample_market(cli: CommandLine):
    found = cli("lookahead", "ema_cross", "--start", "2024-12-20", "--json").json
    assert (found["symbol"], found["exchange"], found["status"]) == ("SAMPLEUSDT", "sample", "passed")
    assert found["end"] == "2025-01-01T00:00:00Z"
    assert found["warmup"]["wanted"] == 500


@pytest.mark.long
def test_for_people_it_says_the_same_in_words(cli: CommandLine, peeping: str):
    answer = cli("lookahead", peeping, *SERIES, "--cuts", "20")
    assert answer.code == 1
    assert "look-ahead: failed, future, signal_a_buy: another value at" in answer.out
    assert "first candle that changes" in answer.out


def test_what_is_wrong_is_said_in_one_line(cli: CommandLine):
    for arguments, code, words in (
        (("nowhere",), 2, "unknown strategy 'nowhere'"),
        (("ema_cross", "-s", "SAMPLEUSDT"), 2, "name --start and --end"),
        (
            ("ema_cross", *SERIES, "--cuts", "0"),
            2,
            "0 is not a whole number of at least 1 and at most 20,000",
        ),
        (("ema_cross", *SERIES, "--no-fetch"), 3, "0 of 744 candles held"),
    ):
        answer = cli("lookahead", *arguments)
        assert (answer.code, words in answer.error) == (code, True), answer


def test_a_strategy_that_fails_on_the_whole_period_is_an_error_with_its_line(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "bad.py").write_text(
        PEEPING.replace('candles["close"] < 0', "candles['close'] < 0 if len(candles) == 600 else 1 / 0")
    )
    answer = cli("lookahead", "bad", *SERIES)
    assert answer.code == 1
    assert "bad.py:12: ZeroDivisionError" in answer.error


NATIVE = """
from backtesting import Strategy
class Native(Strategy):
    shift = -5
    def init(self):
        self.up = self.I(lambda c: c.s > c.s.shift(self.shift), self.data.Close)
    def next(self):
        if self.up[-1] and not self.position: self.buy(size=.9)
        elif not self.up[-1] and self.position: self.position.close()
"""


@pytest.mark.long
def test_a_native_strategy_is_searched_too(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "native.py").write_text(NATIVE)
    failed = cli("lookahead", "native", *SERIES, "--cuts", "20", "--json").json
    assert (failed["status"], failed["cuts"]) == ("failed", 20)
    assert {"up", "orders"} <= set(failed["columns"])
    assert failed["warmup"]["status"] == "skipped"
    passed = cli("lookahead", "native", *SERIES, "--cuts", "20", "--param", "shift=5", "--json").json
    assert (passed["status"], passed["note"]) == ("passed", "passed on 20 cuts")


@pytest.mark.long
def test_a_native_run_says_what_its_look_ahead_changed(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "native.py").write_text(NATIVE)
    checked = cli("run", "-t", "1h", *SERIES, "-S", "native", "--json").json["runs"][0]
    assert checked["checks"]["lookahead"]["status"] == "failed"
    assert checked["checks"]["lookahead"]["columns"][0] == "up"
    assert "given no candles before its period" in checked["checks"]["warmup"]["note"]
    stored = cli("show", checked["id"], "--json").json
    assert stored["checks"] == checked["checks"]
    free = cli("run", "-t", "1h", *SERIES, "-S", "native", "--no-checks", "--json").json["runs"][0]
    assert free["checks"]["lookahead"]["note"] == "switched off"


@pytest.mark.long
def test_every_run_is_checked_and_says_what_was_found_unless_told_not_to(cli: CommandLine, peeping: str):
    run = ("run", "-t", "1h", *SERIES, "-S", peeping, "--json")
    checked = cli(*run).json["runs"][0]
    assert checked["status"] == "finished"
    assert checked["checks"]["lookahead"]["status"] == "failed"
    assert checked["checks"]["lookahead"]["columns"] == ["future", "signal_a_buy"]
    stored = cli("show", checked["id"], "--json").json
    assert stored["checks"]["lookahead"] == checked["checks"]["lookahead"]
    free = cli(*run, "--no-checks").json["runs"][0]
    assert (free["checks"]["lookahead"]["status"], free["checks"]["lookahead"]["note"]) == (
        "skipped",
        "switched off",
    )
    assert free["trades"] == checked["trades"]


@pytest.mark.long
def test_the_search_tells_how_far_it_is_and_stops_at_once(cli: CommandLine):
    spec = RunSpec(
        "ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), Period.parse("2024-12-01", "2024-12-31")
    )
    events: list[Event] = []
    with Engine() as engine:
        report = engine.research.lookahead(spec, on_event=events.append)
        own = [event for event in events if event.job.startswith("lookahead:")]
        assert isinstance(own[0], Started)
        assert isinstance(own[-1], Finished)
        assert own[-1].result is report
        far = [event for event in own if isinstance(event, Progress)]
        assert (far[-1].total, far[-1].unit) == (743, "cuts")
        cancel = CancelToken()

        def stop(event: Event) -> None:
            if isinstance(event, Progress) and event.job.startswith("lookahead:"):
                cancel.cancel()

        with pytest.raises(Interrupted):
            engine.research.lookahead(spec, on_event=stop, cancel=cancel)
        assert engine.research.lookahead(spec, cuts=5).lookahead["cuts"] == 5
