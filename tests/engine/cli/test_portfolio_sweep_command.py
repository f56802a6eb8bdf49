"""`optimize --portfolio`: from the file to the sweep and back to a file, over real workers and a real database."""

import json
from pathlib import Path

import pytest

from engine.api.sweep_documents import Sweep, Sweeps
from tests.support.command_line import CommandLine

pytestmark = pytest.mark.long
SAMPLE = Path(__file__).parents[3] / "resources" / "four_legs.toml"
RANGES = ("--grid", "trend.fast=5:15:5", "--param", "trend.weight=0.2,0.4,0.9")


def test_from_the_file_to_the_sweep_and_back_to_a_file(cli: CommandLine, tmp_path: Path):
    made = cli("optimize", "--portfolio", SAMPLE, *RANGES, "--param", "dips.length=12", "--json").json
    Sweep.model_validate_json(json.dumps(made))
    assert (made["status"], made["trials"], made["failed"]) == (
        "finished",
        6,
        0,
    )  # 0.9 is above 1 with the others
    assert (made["strategy"], made["symbol"], made["costs"]) == ("portfolio four legs", None, None)
    assert [leg["name"] for leg in made["portfolio"]["legs"]] == ["trend", "dips", "breakouts", "hold"]
    assert made["best"]["params"]["dips.length"] == 12
    shown = cli("sweeps", "show", made["id"][:8], "--json").json
    for document in (shown, made):
        document.pop("elapsed_s")
    assert shown == made
    Sweeps.model_validate_json(json.dumps(cli("sweeps", "--json").json))
    assert "portfolio four legs" in cli("sweeps").out
    people = cli("sweeps", "show", made["id"])
    assert "portfolio four legs on SAMPLEUSDT 1h" in people.out
    assert "writes the best as a file for `backtest portfolio`" in people.err
    files = cli("sweeps", "export", made["id"], "--out", tmp_path / "out", "--json").json["files"]
    best = next(Path(one) for one in files if one.endswith("-best.toml"))
    result = cli("portfolio", best, "--json").json
    for name in ("return_pct", "max_drawdown_pct", "trades"):
        assert result["metrics"][name] == made["best"]["metrics"][name]
    assert result["metrics"]["sharpe"] == pytest.approx(made["best"]["metrics"]["sharpe"], rel=1e-9)
    assert cli("sweeps", "delete", made["id"], "--json").json == {"deleted": made["id"]}
    assert cli("sweeps", "--json").json == {"sweeps": []}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-s", "SAMPLEUSDT"), "says what is traded and at what costs; leave --symbol out"),
        (("-S", "ema_cross", "--cash", "5"), "leave --strategy, options of costs out"),
        (("--exchange", "binanceusdm"), "leave --exchange out"),  # the default too
        (("--grid", "nobody.fast=1,2"), "the portfolio has no leg 'nobody'"),
        (("--constraint", "trend.fast < "), "constraint 'trend.fast < '"),
        (("--constraint", "trend.quick < 3"), "constraint 'trend.quick < 3'"),
        (("--objective", "luck"), "unknown objective 'luck'"),
    ],
)
def test_what_does_not_go_with_a_file_is_one_line(cli: CommandLine, options: tuple[str, ...], words: str):
    answer = cli("optimize", "--portfolio", SAMPLE, *RANGES, *options)
    assert answer.code == 2
    assert words in answer.error


def test_without_a_file_it_says_what_lacks(cli: CommandLine):
    answer = cli("optimize", "-s", "SAMPLEUSDT", "--grid", "fast=1,2")
    assert answer.code == 2
    assert "a sweep needs --strategy, --timeframe, --start, --end; or --portfolio FILE" in answer.error


def test_a_native_leg_is_refused_with_its_place_in_the_file(cli: CommandLine, home: Path, tmp_path: Path):
    (home / "strategies").mkdir(parents=True, exist_ok=True)
    (home / "strategies" / "own.py").write_text(
        "from backtesting import Strategy\n\n\nclass Own(Strategy):\n    n = 3\n\n    def init(self):\n        pass\n\n"
        "    def next(self):\n        pass\n"
    )
    file = tmp_path / "native.toml"
    file.write_text(SAMPLE.read_text().replace('strategy = "rsi_reversion"', 'strategy = "own"'))
    answer = cli("optimize", "--portfolio", file, *RANGES)
    assert answer.code == 2
    assert "native.toml, line 21, column 1: leg 'dips': own is a backtesting.Strategy" in answer.error
