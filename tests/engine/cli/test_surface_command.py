"""The command `surface` on the sample market: what people read and what it refuses."""

import pytest

from tests.support.command_line import CommandLine


@pytest.mark.long
def test_it_prints_the_run_at_every_pair_of_costs_and_where_its_profit_ends(cli: CommandLine):
    run = cli(
        "run", "-s", "SAMPLEUSDT", "--exchange", "sample", "-S", "ema_cross", "-t", "1h", "--start", "2023-03-01",
        "--end", "2023-05-31", "--param", "fast=5", "--param", "slow=12", "--commission", "0.0005", "--json",
    ).json["runs"][0]  # fmt: skip
    answer = cli("surface", run["id"], "--commission", "0,0.0005", "--slippage", "0:0.0004:0.0002")
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    assert " ".join(lines[0]).endswith("both in basis points per side; * its own, 5 and 0")
    own = next(line for line in lines if line and line[0] == "5")
    assert own[1] == f"{run['metrics']['return_pct']:,.2f}*"
    assert "slippage at which nothing is left" in answer.out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--commission", "0.2"), "commission must be at least 0 and below 0.1, not 0.2"),
        (("--slippage", "low"), "slippage must be numbers, as 0:0.002:0.0005, not 'low'"),
        (("--slippage", "0:0.09:0.00001"), "pairs of costs are too many"),
        ((), "no run '3f2a' is stored"),
    ],
)
def test_what_cannot_be_is_refused(cli: CommandLine, typed: tuple[str, ...], said: str):
    answer = cli("surface", "3f2a", *typed)
    assert answer.code == 2
    assert said in answer.error
