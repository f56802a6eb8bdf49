"""The demo shows the program at its best: what it runs holds before every check."""

import pytest

from tests.support.command_line import CommandLine


@pytest.mark.long
def test_no_check_of_any_shipped_strategy_fails_in_the_demo(cli: CommandLine, tmp_path):
    runs = cli("demo", "--out", tmp_path / "demo", "--no-window", "--json").json["runs"]
    assert len(runs) >= 10
    failed = [
        (run["strategy"], name, check["note"])
        for run in runs
        for name, check in run["checks"].items()
        if check["status"] == "failed"
    ]
    assert failed == []
