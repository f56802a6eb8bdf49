"""A sweep says what a run of any of its trials would say of the candles: too short a warm-up, holes; stored as said."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.command_line import CommandLine
from tests.support.database import execute

SERIES = ("-s", "SAMPLEUSDT", "--exchange", "sample", "-t", "1h", "-S", "ema_cross")
GRID = ("--grid", "fast=5,10", "--grid", "slow=40:1000:480")
HOLE = ("--start", "2023-08-10", "--end", "2023-08-31")  # five hours of 2023-08-16 are missing
FIRST_DAYS = ("--start", "2023-01-11", "--end", "2023-02-20")  # the market begins ten days before
Sweep = Mapping[str, Any]


@pytest.mark.long
def test_too_short_a_warm_up_is_told_on_the_screen_in_the_document_and_by_the_stored_sweep(
    cli: CommandLine,
) -> None:
    found = cli("optimize", *SERIES, *FIRST_DAYS, *GRID, "--json").json
    assert found["checks"]["warmup"] == {
        "status": "failed",
        "columns": [],
        "wanted": found["warmup"],
        "held": 240,
        "note": f"240 of {found['warmup']:,}",
    }
    told = f"only 240 of {found['warmup']:,} candles of warm-up are held"
    assert told in found["notes"][0]
    shown = cli("sweeps", "show", found["id"], "--json").json
    assert (shown["checks"], shown["notes"]) == (found["checks"], found["notes"])
    for screen in (
        cli("sweeps", "show", found["id"]),
        cli("optimize", *SERIES, *FIRST_DAYS, *GRID),
    ):
        assert told in screen.err
        assert f"check warmup: failed (240 of {found['warmup']:,})" in screen.err


@pytest.mark.long
def test_the_warm_up_is_counted_as_a_run_of_a_trial_counts_it(cli: CommandLine) -> None:
    found = cli("optimize", *SERIES, *FIRST_DAYS, *GRID, "--json").json
    again = ("--param", "fast=5", "--param", "slow=40", "--warmup", str(found["warmup"]))
    run = cli("run", *SERIES, *FIRST_DAYS, *again, "--json").json["runs"][0]
    same = ("status", "wanted", "held", "note")
    assert {name: run["checks"]["warmup"][name] for name in same} == {
        name: found["checks"]["warmup"][name] for name in same
    }


def test_missing_candles_are_told_and_not_called_harmless(cli: CommandLine) -> None:
    found = cli("optimize", *SERIES, *HOLE, *GRID, "--json").json
    data = found["checks"]["data"]
    assert (data["status"], data["missing_candles"], data["trades_beside_holes"]) == ("skipped", 5, None)
    assert [gone["start"] for gone in data["missing"]] == ["2023-08-16T02:00:00Z"]
    assert "5 candles missing; a run of a trial says whether it trades beside them" in found["notes"]
    assert "5 candles missing" in cli("sweeps", "show", found["id"]).err


@pytest.mark.long
def test_funding_that_is_left_out_or_assumed_is_told_on_the_screen_and_in_the_document(
    cli: CommandLine,
) -> None:
    days = ("--start", "2024-10-01", "--end", "2024-10-10")
    cli(
        "fetch",
        "SAMPLEUSDT",
        "--exchange",
        "sample",
        "-t",
        "1h",
        "--start",
        "2024-07-01",
        "--end",
        "2024-10-10",
    )
    held = (*SERIES, *days, "--grid", "fast=5,10", "--no-fetch")
    left_out = cli("optimize", *held, "--json").json
    assert left_out["checks"]["funding"]["status"] == "skipped"
    first = "not included: the settlement expected at 2024-10-01 00:00 UTC is not known"
    assert f"funding {first}" in left_out["notes"]
    assert {one["metrics"]["funding"] for one in left_out["top"]} == {None}
    screen = cli("optimize", *held, "--funding", "zero").err
    assert "check funding: failed (30 settlements, 30 of them assumed" in screen
    assert "funding 30 settlements, 30 of them assumed" in screen


@pytest.mark.long
def test_whole_candles_and_a_whole_warm_up_pass_without_a_warning(cli: CommandLine) -> None:
    answer = cli("optimize", *SERIES, "--start", "2024-10-01", "--end", "2024-12-15", *GRID, "--json")
    checks = answer.json["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "data": "passed",
        "funding": "passed",
        "lookahead": "skipped",
        "warmup": "passed",
    }
    assert checks["lookahead"]["note"] == "not searched in a sweep; a run of a trial is"
    assert not [note for note in answer.json["notes"] if "warm-up" in note or "missing" in note]


@pytest.mark.long
@pytest.mark.usefixtures("home")
def test_a_sweep_of_a_version_without_checks_says_so(cli: CommandLine, database_url: str) -> None:
    found = cli("optimize", *SERIES, *FIRST_DAYS, *GRID, "--json").json
    execute(database_url, "UPDATE sweeps SET checks = NULL")
    shown = cli("sweeps", "show", found["id"], "--json").json
    assert {check["status"] for check in shown["checks"].values()} == {"skipped"}
    assert "not made by the version that made this sweep" in cli("sweeps", "show", found["id"]).err
