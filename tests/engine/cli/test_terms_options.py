"""Options that say what trading costs and on which terms, and the command that shows leverage brackets."""

from pathlib import Path

import pytest

from engine.data.brackets import STORED
from tests.engine.api.test_documents import check
from tests.support import command_documents as c
from tests.support.command_line import CommandLine
from tests.support.fake_brackets import BracketServer

RUN = ("-s", "SAMPLEUSDT", "-t", "1h", "--exchange", "sample", "--start", "2023-03-01", "--end", "2023-03-31")
MADE = ("run", *RUN, "-S", "ema_cross")
SWEPT = ("optimize", *RUN, "-S", "ema_cross", "--grid", "fast=5,10")
ALL = (
    "--costs", "binanceusdm-vip3-bnb", "--limit-fee", "maker", "--leverage", "2.5", "--side", "long", "--funding", "off",
    "--protect", "daily-loss=3%", "--protect", "hours=8-20", "--slippage", "square-root:0.5", "--filters", "current",
)  # fmt: skip
TERMS = {
    "commission": 0.000288, "maker": 0.000108, "leverage": 2.5, "side": "long",
    "protect": {"daily_loss": 0.03, "hours": [8, 20]}, "slippage": "square-root:0.5", "filters": "current",
}  # fmt: skip


def test_a_run_and_a_sweep_take_the_same_terms_and_a_stored_run_keeps_them(cli: CommandLine):
    (run,) = cli(*MADE, *ALL, "--json").json["runs"]
    assert run["costs"] == {"cash": 10_000, "size": 0.95} | TERMS
    assert run["metrics"]["slippage"] > 0
    assert run["checks"]["filters"]["note"].startswith("ticks of 0.01, steps of 0.001")
    assert {round(trade["size"] * 1000, 6) % 1 for trade in run["trades"]} == {0}
    assert cli("show", run["id"], "--json").json["costs"] == run["costs"]
    assert cli(*SWEPT, *ALL, "--json").json["costs"] == run["costs"]


@pytest.mark.long
def test_without_options_the_briefs_commission_holds_and_funding_is_auto(cli: CommandLine):
    (run,) = cli(*MADE, "--json").json["runs"]
    assert run["costs"] == {
        "cash": 10_000,
        "commission": 0.001,
        "size": 0.95,
        "slippage": 0,
        "funding": "auto",
    }


BAD = [
    (
        ("--costs", "binanceusdm-regular", "--commission", "0.001"),
        "either a commission or a preset of costs, not both",
    ),
    (("--costs", "binanceusdm-vip2"), "unknown costs 'binanceusdm-vip2'; known: binanceusdm-regular"),
    (("--limit-fee", "maker"), "what a maker pays is not known"),
    (("--limit-fee", "cheap"), "must be taker, maker or a rate"),
    (("--leverage", "0"), "leverage must be at least 1"),
    (("--leverage", "-3"), "leverage must be at least 1"),
    (("--leverage", "nan"), "is not a number"),
    (("--side", "up"), "side must be one of both, long, short"),
    (("--funding", "yes"), "funding must be auto, on, off, zero or constant:RATE"),
    (("--funding", "constant:5"), "a funding rate of 5 is 500% at every settlement"),
    (("--funding", "constant:x"), "the rate of funding must be a number"),
    (("--protect", "daily-loss=3"), "daily-loss must be above 0 and below 1"),
    (("--protect", "stop"), "a protection must read daily-loss=3%"),
    (
        ("--slippage", "some"),
        "slippage must be a fraction, half-spread[:FRACTION], volume-share[:IMPACT] or square-root[:Y]",
    ),
    (("--slippage", "square-root:0"), "the number of square-root must be above 0"),
    (("--slippage", "0.5"), "slippage must be at least 0 and below 0.1"),
    (("--filters", "then"), "filters must be off or current, not 'then'"),
]


@pytest.mark.parametrize(("options", "words"), BAD)
@pytest.mark.parametrize("command", [MADE, SWEPT], ids=["run", "optimize"])
def test_bad_terms_are_refused_in_one_line_with_exit_code_2(
    cli: CommandLine, command: tuple[str, ...], options: tuple[str, ...], words: str
):
    answer = cli(*command, *options)
    assert answer.code == 2
    assert words in answer.error


@pytest.mark.long_except("run")
@pytest.mark.parametrize("command", [MADE, SWEPT], ids=["run", "optimize"])
def test_leverage_above_the_brackets_is_refused_before_anything_runs(
    cli: CommandLine, command: tuple[str, ...]
):
    answer = cli(*command, "--leverage", "51")
    assert answer.code == 2
    assert "51 is above the most that SAMPLEUSDT on sample allows, 50" in answer.error
    assert cli("runs", "--json").json == {"runs": [], "portfolios": []}


# -- brackets


def test_brackets_are_shown_of_one_symbol_and_of_all(cli: CommandLine):
    document = check(c.BracketsShown, cli("brackets", "btc/usdt", "--json").json)
    (bitcoin,) = document["symbols"]
    assert (bitcoin["symbol"], bitcoin["max_leverage"], document["day"]) == ("BTCUSDT", 150, "2026-09-29")
    assert bitcoin["brackets"][1]["cum"] == 300
    assert len(check(c.BracketsShown, cli("brackets", "--json").json)["symbols"]) == 903
    shown = cli("brackets", "BTCUSDT")
    assert "300,000.00" in shown.out
    assert "BTCUSDT, 2026-09-29, from Binance's" in shown.err
    assert "903 symbols" in cli("brackets").err
    assert (
        check(c.BracketsShown, cli("brackets", "--exchange", "sample", "--json").json)["exchange"] == "sample"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("SOLUSD",), "has no market 'SOLUSD'; did you mean SOLUSDT"),
        (("--exchange", "bybitlinear"), "no leverage brackets of bybitlinear are known"),
        (("--exchange", "sample", "--update"), "only the brackets of binanceusdm can be fetched"),
    ],
)
def test_brackets_that_nobody_knows_are_refused(cli: CommandLine, arguments: tuple[str, ...], words: str):
    answer = cli("brackets", *arguments)
    assert answer.code == 2
    assert words in answer.error


def test_an_update_is_kept_and_a_broken_one_is_not(
    cli: CommandLine, home: Path, bracket_server: BracketServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BACKTEST_BRACKETS_URL", bracket_server.url)
    bracket_server.answer = (200, b"<html>")
    answer = cli("brackets", "--update")
    assert answer.code == 3
    assert "no list of leverage brackets (it is not JSON); those known before are kept" in answer.error
    assert not (home / STORED).exists()
    rows = [(0.0, 0.01, 20.0), (1000.0, 0.02, 10.0)]
    bracket_server.list({f"C{number}USDT": rows for number in range(500)})
    document = check(c.BracketsShown, cli("brackets", "C7USDT", "--update", "--json").json)
    assert document["symbols"][0]["max_leverage"] == 20
    assert document["day"] > "2026-09-29"
    assert cli("brackets", "c7/usdt:usdt", "--json").json == document
