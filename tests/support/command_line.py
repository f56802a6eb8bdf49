"""The command line called as a program would call it, against a real database of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from engine.cli import exit_code


@dataclass(frozen=True)
class Answer:
    """How one command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of a failure."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert self.err.strip().splitlines()[-1] == lines[0], self.err
        assert self.out == ""
        return lines[0]


CommandLine = Callable[..., Answer]
_built = cache(
    get_command
)  # as in a program, where one command is all; building it takes longer than many a command


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty BACKTEST_HOME."""
    return tmp_path / "home"


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    home: Path,
    lent_workers: None,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    """`cli("status", "SOLUSDT", ...)` runs the command in this process, on workers that are warm."""
    monkeypatch.setattr("typer.main.get_command", _built)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("BACKTEST_HOME", str(home))
    monkeypatch.setenv("BACKTEST_WORKERS", "2")
    for name in ("BACKTEST_STRATEGIES", "BACKTEST_SPOT_URL", "BACKTEST_FUTURES_URL", "BACKTEST_BYBIT_URL"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = exit_code([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call
