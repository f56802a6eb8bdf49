"""`walk-forward --portfolio`: from the file to the stitched portfolio, over real workers, a real database and real HTTP."""

import json
from pathlib import Path

import pytest

from engine.api.portfolio_documents import ShownPortfolio
from engine.api.walk_documents import WalkForward, WalkForwards
from engine.model.portfolio_file import read_portfolio
from tests.support.command_line import CommandLine

pytestmark = pytest.mark.long
SAMPLE = Path(__file__).parents[3] / "resources" / "four_legs.toml"
RANGES = ("--grid", "trend.fast=5:15:5", "--param", "trend.weight=0.1,0.4")
LENGTHS = ("--train", "10d", "--test", "5d", "--objective", "return_pct")


def test_from_the_file_to_the_stitched_portfolio(cli: CommandLine, tmp_path: Path):
    made = cli("walk-forward", "--portfolio", SAMPLE, *RANGES, *LENGTHS, "--json").json
    WalkForward.model_validate_json(json.dumps(made))
    assert (made["status"], made["planned"], made["failed"], made["run"]) == ("finished", 6, 0, None)
    stitched = made["stitched"]
    assert [one["start"] for one in stitched["windows"]] == [one["test_start"] for one in made["windows"]]
    assert all(one["params"]["dips.weight"] == 0.3 for one in stitched["windows"])
    shown = cli("walk-forwards", "show", made["id"][:8], "--json").json
    assert shown == made
    people = cli("walk-forwards", "show", made["id"])
    assert "portfolio four legs on SAMPLEUSDT 1h" in people.out
    assert "stitched portfolio" in people.out
    assert f"backtest show {stitched['id'][:8]}" in people.err
    listed = cli("walk-forwards", "--json").json
    WalkForwards.model_validate_json(json.dumps(listed))
    assert "portfolio four legs" in cli("walk-forwards").out
    portfolio = cli("show", stitched["id"], "--json").json
    ShownPortfolio.model_validate_json(json.dumps(portfolio))
    assert "what rules from when on" in cli("show", stitched["id"]).out
    assert cli("rerun", stitched["id"], "--json").json["equal"]
    files = cli("export", stitched["id"], "--out", tmp_path, "--json").json["files"]
    (toml,) = (Path(one) for one in files if one.endswith(".toml"))
    assert len(read_portfolio(toml).spec.windows) == len(made["windows"])
    assert cli("portfolio", toml, "--json").json["fingerprint"] == stitched["fingerprint"]
    exported = cli("walk-forwards", "export", made["id"], "--out", tmp_path / "walk", "--json").json["files"]
    assert [Path(one).suffix for one in exported] == [".json", ".csv"]
    assert cli("walk-forwards", "delete", made["id"], "--json").json == {"deleted": made["id"]}
    assert cli("show", stitched["id"]).code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-s", "SAMPLEUSDT"), "says what is traded and at what costs; leave --symbol out"),
        (("--grid", "wallet.max_open=1,2"), "the rules of the wallet cannot change from window to window"),
        (("--grid", "nobody.fast=1,2"), "the portfolio has no leg 'nobody'"),
        (("--train", "100d"), "31 days of data have no room for a test"),
    ],
)
def test_what_does_not_go_with_a_file_is_one_line(cli: CommandLine, options: tuple[str, ...], words: str):
    answer = cli("walk-forward", "--portfolio", SAMPLE, *RANGES, *LENGTHS, *options)
    assert answer.code == 2
    assert words in answer.error


def test_without_a_file_it_says_what_lacks(cli: CommandLine):
    answer = cli("walk-forward", "-s", "SAMPLEUSDT", "--grid", "fast=1,2")
    assert answer.code == 2
    assert "a walk-forward needs --strategy, --timeframe, --start, --end" in answer.error
