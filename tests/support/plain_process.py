"""The program as a user starts it: a process of its own, with nothing in its environment but what a shell needs."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Ended = subprocess.CompletedProcess[str]
PlainProcess = Callable[..., Ended]


@pytest.fixture
def user_home(tmp_path: Path) -> Path:
    """An empty HOME; the data folder of the platform lies below it."""
    home = tmp_path / "user"
    home.mkdir()
    return home


@pytest.fixture
def plain_process(user_home: Path) -> PlainProcess:
    """`plain_process("runs", "--json", DATABASE_URL=...)`: how the command ended and what it printed, as text."""

    def call(*arguments: str | Path, cwd: Path | None = None, shell: str = "", **environment: str) -> Ended:
        return run_plain(
            [str(one) for one in arguments],
            {"HOME": str(user_home), "PATH": "/usr/bin:/bin"} | environment,
            cwd or user_home,
            shell,
        )

    return call


def run_plain(arguments: Sequence[str], environment: dict[str, str], cwd: Path, shell: str = "") -> Ended:
    """Run one command; `shell`: what follows it in a shell, such as `>&-` or `| head -1`, or all of a line with `"$@"`."""
    command = [sys.executable, "-m", "engine", *arguments]
    if shell:
        line = shell if '"$@"' in shell else f'"$@" {shell}'
        command = ["/bin/bash", "-c", line, "bash", *command]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


def error_line(ended: Ended) -> str:
    """The one line of a failure; nothing else was said that looks like a fault of the program."""
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "Logging error" not in ended.stderr, ended.stderr
    assert "Exception ignored" not in ended.stderr, ended.stderr
    assert "fault of this program" not in ended.stderr, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ended
    return lines[0]
