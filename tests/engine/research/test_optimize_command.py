"""`backtest optimize` and `backtest sweeps` as programs and people use them, on the bundled market."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.research.sweeping import STUMBLING
from tests.support.command_line import CommandLine
from tests.support.database import execute

SERIES = (
    "-s",
    "SAMPLEUSDT",
    "--exchange",
    "sample",
    "-t",
    "1h",
    "--start",
    "2024-10-01",
    "--end",
    "2024-12-15",
)
EMA = ("optimize", *SERIES, "-S", "ema_cross")
GRID = ("--grid", "fast=5:20:5", "--grid", "slow=10:40:10")


def test_a_sweep_prints_one_document_and_its_best_trial_can_be_run_again(cli: CommandLine):
    answer = cli(*EMA, *GRID, "--constraint", "fast < slow", "--top", "3", "--json")
    assert answer.code == 0
    found = answer.json
    assert {
        "id",
        "strategy",
        "symbol",
        "objective",
        "trials",
        "failed",
        "elapsed_s",
        "best",
        "top",
    } <= found.keys()
    assert (found["trials"], found["failed"], found["status"]) == (12, 0, "finished")
    assert found["best"] == {name: found["top"][0][name] for name in ("params", "value", "metrics")}
    assert len(found["top"]) == 3
    assert found["best"]["value"] == found["best"]["metrics"]["sharpe"]
    params = [f"--param={name}={value}" for name, value in found["best"]["params"].items()]
    run = cli("run", *SERIES, "-S", "ema_cross", *params, "--warmup", found["warmup"], "--json").json["runs"][
        0
    ]
    same = {name: run["metrics"][name] for name in found["best"]["metrics"]}
    assert found["best"]["metrics"] == pytest.approx(same, rel=1e-9)

    listed = cli("sweeps", "--json").json["sweeps"]
    assert [sweep["id"] for sweep in listed] == [found["id"]]
    assert cli("sweeps", "show", found["id"][:8], "--top", "3", "--json").json["top"] == found["top"]
    shown = cli("sweeps", "show", found["id"][:8])
    assert "the best of 12 trials looks better than it is; 12 trials of ema_cross have been made" in shown.err
    assert cli("sweeps", "resume", found["id"]).error.endswith("is finished: there is nothing to go on with")
    assert cli("sweeps", "delete", found["id"][:8]).code == 0
    assert cli("sweeps", "--json").json == {"sweeps": []}


def test_a_sweep_whose_program_was_killed_is_listed_as_stopped_and_gone_on_with(
    cli: CommandLine, database_url: str
):
    whole = cli(*EMA, *GRID, "--constraint", "fast < slow", "--json").json
    execute(
        database_url,
        "UPDATE sweeps SET status = 'running', done = 5",
        "DELETE FROM trials WHERE number >= 5",
        "DELETE FROM sweep_returns",
    )
    shown = cli("sweeps", "show", whole["id"])
    short = whole["id"][:8]
    assert (
        f"stopped: 5 of 12 trials are stored as sweep {short}, `backtest sweeps resume {short}` goes on"
        in (shown.err)
    )
    assert "stopped" in cli("sweeps").out
    ended = cli("sweeps", "resume", short, "--json").json
    assert {**ended, "elapsed_s": 0, "statistics": 0} == {**whole, "elapsed_s": 0, "statistics": 0}
    assert cli("sweeps", "show", short, "--json").json == ended


def test_what_cannot_be_swept_is_exit_code_2_and_names_the_fault(cli: CommandLine):
    for arguments, part in (
        (("--grid", "fast"), "must read name=low:high:step"),
        (("--grid", "fast=1:5:1", "--grid", "fast=6"), "fast is given twice"),
        (("--grid", "fast=5:1:1"), "low is above high"),
        (("--grid", "fats=1:5:1"), "did you mean fast?"),
        (("--grid", "fast=1:500:1", "--grid", "slow=2:1000:1", "--constraint", "fast = slow"), "syntax"),
        (("--grid", "fast=1:5:1", "--sampler", "random"), "needs a number of trials"),
        (("--grid", "fast=1:5:1", "--sampler", "tpe"), "the tpe sampler needs a number of trials"),
        (("--grid", "fast=1:5:1", "--sampler", "nsga2", "--trials", "9"), "give a second one"),
        (("--grid", "fast=1:5:1", "--sampler", "cmaes", "--trials", "9"), "at least two ranges"),
        (("--grid", "fast=1:5:1", "--second-objective", "sharpe"), "another than sharpe"),
        (("--grid", "fast=1:5:1", "--second-objective", "profit"), "unknown objective"),
        (("--grid", "fast=1:5:1", "--sampler", "random", "--trials", "9", "--seed", "-1"), "--seed"),
        (("--grid", "fast=1:5:1", "--param", "slwo=5"), "did you mean slow?"),
        (("--grid", "fast=1:5:1", "--objective", "profit"), "unknown objective"),
        (("--grid", "fast=1:5:1", "-s", "OTHERUSDT"), "sample has no market 'OTHERUSDT'"),
        (
            ("--grid", "fast=1:5:1", "--across", "mean"),
            "mean is taken across several symbols; give more than one",
        ),
        (("--grid", "fast=1:5:1", "-S", "macd_trend"), "one strategy, not 2: ema_cross, macd_trend"),
    ):
        answer = cli(*EMA, *arguments)
        assert answer.code == 2
        assert part in answer.error


@pytest.mark.long
def test_a_sweep_of_failures_says_the_first_and_is_exit_code_1(cli: CommandLine, home: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "stumbling.py").write_text(STUMBLING)
    answer = cli("optimize", *SERIES, "-S", "stumbling", "--grid", "number=3,3")
    assert answer.code == 1
    assert "every trial failed; the first: stumbling.py:14: ValueError: three is too many" in answer.err
    assert "no trial has a value; 0 trials of stumbling have been made in all" in answer.err

    found = cli("optimize", *SERIES, "-S", "stumbling", "--grid", "number=2:4:1", "--json").json
    assert (found["trials"], found["failed"]) == (3, 1)
    assert [failure["params"] for failure in found["failures"]] == [{"number": 3}]
    assert found["failures"][0]["error"].endswith("ValueError: three is too many")
    assert found["notes"][0].startswith("the best of 2 trials looks better than it is; 2 trials")


@pytest.mark.long
def test_ctrl_c_stores_what_is_finished_and_is_exit_code_130(cli: CommandLine, home: Path, tmp_path: Path):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "slow.py").write_text(
        STUMBLING.replace("self.number == 7", "True").replace("60", "0.02")
    )
    command = [
        sys.executable,
        "-m",
        "engine",
        "optimize",
        *SERIES,
        "-S",
        "slow",
        "--grid",
        "number=10:1000:1",
        "--json",
    ]
    with (
        (tmp_path / "err").open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=dict(os.environ), text=True
        ) as program,
    ):
        deadline = time.monotonic() + 120
        while not any(sweep["trials"] for sweep in cli("sweeps", "--json").json["sweeps"]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        assert program.stdout is not None
        out = program.stdout.read()
        assert program.wait(60) == 130
    assert out == ""
    sweep = cli("sweeps", "--json").json["sweeps"][0]
    words = (
        f"trials are stored as sweep {sweep['id'][:8]}, `backtest sweeps resume {sweep['id'][:8]}` goes on"
    )
    assert words in " ".join((tmp_path / "err").read_text().split())
    assert sweep["status"] == "cancelled"
    assert 0 < sweep["trials"] < sweep["planned"]
