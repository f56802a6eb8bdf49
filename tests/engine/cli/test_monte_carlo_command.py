"""The command `monte-carlo` on the sample market: what people read, what programs get, and what it refuses."""

import pytest

from engine.model.monte_carlo import METHODS
from tests.support.command_line import CommandLine

RUN = (
    "run", "-s", "SAMPLEUSDT", "--exchange", "sample", "-S", "ema_cross", "-t", "1h",
    "--start", "2023-03-01", "--end", "2023-05-31", "--param", "fast=5", "--param", "slow=12",
)  # fmt: skip


@pytest.fixture
def run(cli: CommandLine) -> str:
    return str(cli(*RUN, "--json").json["runs"][0]["id"])


def test_it_prints_what_it_says_and_cannot_say_then_figures_and_losses(cli: CommandLine, run: str):
    answer = cli("monte-carlo", run[:8], "--paths", "200")
    assert answer.code == 0
    first, says, cannot, *_ = answer.out.splitlines()
    assert first.startswith(f"run {run[:8]}: stationary bootstrap of daily returns, 200 paths of 92 days, ")
    method = METHODS["stationary"]
    assert (says, cannot) == (f"says: {method.says}", f"cannot say: {method.cannot_say}")
    for words in ("this run", "Sharpe ratio", "Max drawdown %", "of a peak", "end with less than they began"):
        assert words in answer.out
    assert "drawdowns are those at the end of each day" in answer.err


def test_the_document_is_the_contracts_and_the_seed_draws_it_again(cli: CommandLine, run: str):
    typed = ("monte-carlo", run, "--method", "bootstrap", "--paths", "50", "--seed", "3", "--json")
    found, again = cli(*typed).json, cli(*typed).json
    assert (found["run"], found["method"], found["paths"], found["seed"]) == (run, "bootstrap", 50, 3)
    assert found["bands"].keys() == {"unit", "kind", "at", "original", "p5", "p25", "p50", "p75", "p95"}
    assert found["original"]["final_equity"] == found["bands"]["original"][-1]
    assert found | {"elapsed_s": 0} == again | {"elapsed_s": 0}


def test_what_is_too_little_is_said_and_no_failure(cli: CommandLine):
    few = cli(*RUN[:-8], "--start", "2023-03-01", "--end", "2023-03-05", "--json").json["runs"][0]["id"]
    answer = cli("monte-carlo", few)
    assert (answer.code, answer.out.splitlines()[-1]) == (
        0,
        "5 days are too few to resample: at least 30 are needed",
    )
    assert cli("monte-carlo", few, "--json").json["bands"] is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--method", "magic"), "unknown method 'magic'"),
        (("--paths", "0"), "0 is not a whole number of at least 1 and at most 100,000"),
        (("--paths", "1e9"), "is not a whole number"),
        (("--seed", "-1"), "-1 is not a whole number of at least 0"),
        (("--noise", "0.1"), "noise is for the method noise"),
        (("--method", "shuffle", "--block", "3"), "a block length is for the methods stationary and blocks"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(
    cli: CommandLine, typed: tuple[str, ...], said: str
):
    answer = cli("monte-carlo", "3f2a", *typed)
    assert answer.code == 2
    assert said in answer.error


def test_an_unknown_run_is_refused(cli: CommandLine):
    answer = cli("monte-carlo", "3f2a")
    assert answer.code == 2
    assert "3f2a" in answer.error
