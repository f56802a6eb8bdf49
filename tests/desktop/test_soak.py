"""The soak in a process of its own: one that ran a thousand tests before holds many times what a window does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).with_name("soak.py")


@pytest.mark.long
@pytest.mark.longest
def test_a_user_who_tries_everything_breaks_and_leaks_nothing() -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:randomly", str(SOAK)]
    ended = subprocess.run(
        command, env=environment, cwd=SOAK.parents[2], capture_output=True, text=True, timeout=900
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert "longest turns" in ended.stdout, "it was run"
