"""The command `compare` on the sample market: a run's own trades as others write them, what is changed, what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.api.trade_list_documents import TradeListComparison
from engine.model.market import HOUR_MS, parse_time
from engine.model.trade import Trade
from tests.engine.trade_lists.samples import as_freqtrade, as_tradingview
from tests.support.command_line import CommandLine

RUN = (
    "run", "-s", "SAMPLEUSDT", "--exchange", "sample", "-S", "ema_cross", "-t", "1h", "--funding", "off",
    "--start", "2023-03-01", "--end", "2023-03-31", "--param", "fast=5", "--param", "slow=12",
)  # fmt: skip


FAILS = """
from engine.strategy import Strategy

class Fails(Strategy):
    def signals(self, candles, indicators):
        1 / 0
"""


@pytest.fixture
def run(cli: CommandLine) -> dict[str, Any]:
    found: dict[str, Any] = cli(*RUN, "--json").json["runs"][0]
    return found


def trades_of(run: dict[str, Any]) -> list[Trade]:
    """Its trades, from what the command printed."""
    times = ("entry_time", "exit_time")
    found: list[dict[str, Any]] = [
        {name: parse_time(value) if name in times else value for name, value in one.items()}
        for one in run["trades"]
    ]
    return [Trade(**one | {"fills": ()}) for one in found]


def written(folder: Path, text: str, name: str = "trades.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_its_own_trades_written_by_another_program_are_all_equal(
    cli: CommandLine, run: dict[str, Any], tmp_path: Path
):
    trades = trades_of(run)[:-1]  # the last one is still open, which this program does not write
    path = written(
        tmp_path,
        as_freqtrade(trades, backtest_start_ts=trades[0].entry_time, backtest_end_ts=trades[-1].entry_time),
    )
    answer = cli("compare", run["id"][:8], "--trades", path)
    assert answer.code == 0
    assert f"{len(trades)} pairs: all equal" in answer.out.splitlines()[0]
    assert "read as freqtrade" in answer.out


def test_what_was_changed_is_named_with_its_money_and_the_document_is_the_models(
    cli: CommandLine, run: dict[str, Any], tmp_path: Path
):
    trades = trades_of(run)
    late = replace(trades[1], entry_time=trades[1].entry_time + HOUR_MS)
    path = written(tmp_path, as_tradingview([trades[0], late, *trades[3:]]))
    found = cli("compare", run["id"], "--trades", path, "--json").json
    TypeAdapter(TradeListComparison).validate_python(found)
    kinds = {one["kind"]: one for one in found["kinds"]}
    assert (kinds["missing"]["count"], kinds["entry_later"]["count"]) == (1, 1)
    assert kinds["missing"]["money"] == pytest.approx(trades[2].pnl)
    assert sum(one["money"] for one in found["kinds"]) == pytest.approx(found["pnl"]["difference"], abs=1e-4)
    assert found["run"] == run["id"]
    lines = cli("compare", run["id"], "--trades", path).out
    assert "missing in theirs" in lines
    assert "entry later in theirs" in lines


def test_what_lies_within_the_tolerance_is_a_table_too(cli: CommandLine, run: dict[str, Any], tmp_path: Path):
    trades = [
        replace(
            one,
            pnl=one.pnl - cost,
            entry_price=one.entry_price + cost / one.size * (1 if one.side == "long" else -1),
        )
        for one in trades_of(run)
        for cost in [0.00005 * one.size * one.entry_price]
    ]
    answer = cli("compare", run["id"], "--trades", written(tmp_path, as_tradingview(trades)))
    assert "all equal within the tolerance, our profit less theirs +" in answer.out.splitlines()[0]
    assert "rounding, within the tolerance" in answer.out
    assert "has one sign in" in answer.err


def test_another_zone_moves_their_times(cli: CommandLine, run: dict[str, Any], tmp_path: Path):
    path = written(tmp_path, as_tradingview(trades_of(run)))
    answer = cli("compare", run["id"], "--trades", path, "--tz", "+03:00")
    assert "3 hours later, " in answer.err
    assert "is UTC+03:00 their time zone? (--tz)" in answer.err


@pytest.mark.long_except("typed0--1 is not a whole number of at least 0", "typed2-unknown time zone 'Mars'")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--within", "-1"), "-1 is not a whole number of at least 0"),
        (("--tolerance", "2"), "2 is not a number of at least 0 and at most 1"),
        (("--tz", "Mars"), "unknown time zone 'Mars'"),
        (("--tz", "+23:99"), "unknown time zone '+23:99'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cli: CommandLine, run: dict[str, Any], tmp_path: Path, typed: tuple[str, ...], said: str
):
    path = written(tmp_path, as_tradingview(trades_of(run)))
    answer = cli("compare", run["id"], "--trades", path, *typed)
    assert answer.code == 2
    assert said in answer.error


def test_an_unknown_run_a_failed_one_and_a_file_that_is_none_are_refused(
    cli: CommandLine, run: dict[str, Any], tmp_path: Path, home: Path
):
    path = written(tmp_path, as_tradingview(trades_of(run)))
    assert "no run '00000000' is stored" in cli("compare", "00000000", "--trades", path).error
    assert "No such file" in cli("compare", run["id"], "--trades", tmp_path / "gone.csv").error
    assert (
        "is no list of trades that is known"
        in cli("compare", run["id"], "--trades", written(tmp_path, "a,b\n1,2\n", "other.csv")).error
    )
    (home / "strategies").mkdir(parents=True, exist_ok=True)
    (home / "strategies" / "fails.py").write_text(FAILS)
    failed = cli(*RUN[:-4], "-S", "fails", "--json").json["runs"]
    (bad,) = [one["id"] for one in failed if one["status"] == "failed"]
    answer = cli("compare", bad, "--trades", path)
    assert (answer.code, "failed: it has no trades to compare with" in answer.error) == (2, True)
