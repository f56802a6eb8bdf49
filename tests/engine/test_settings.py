"""Settings come from the environment and `.env`; a wrong one is named, a secret never shown."""

import os
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.settings import read_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("BACKTEST_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_need_nothing_set():
    settings = read_settings()
    assert settings.database_url is None
    assert settings.workers == os.cpu_count()
    assert (settings.run_timeout_s, settings.run_memory_mb) == (300, 4096)
    assert settings.home.is_absolute()


def test_the_environment_wins_over_the_env_file(monkeypatch):
    Path(".env").write_text("BACKTEST_WORKERS=3\nBACKTEST_RUN_TIMEOUT_S=7\n")
    monkeypatch.setenv("BACKTEST_WORKERS", "5")
    settings = read_settings()
    assert (settings.workers, settings.run_timeout_s) == (5, 7)


def test_plug_in_folders_are_split_like_a_path(monkeypatch):
    monkeypatch.setenv("BACKTEST_STRATEGIES", os.pathsep.join(["/a", "/b c"]))
    assert read_settings().strategies == (Path("/a"), Path("/b c"))


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("BACKTEST_WORKERS", "")
    assert read_settings().database_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKTEST_WORKERS", "zero"),
        ("BACKTEST_WORKERS", "0"),
        ("BACKTEST_RUN_TIMEOUT_S", "-1"),
        ("BACKTEST_RUN_MEMORY_MB", "1"),
        ("BACKTEST_FUTURES_URL", "ftp://x"),
        ("BACKTEST_CROSSCHECK", "sometimes"),
        ("BACKTEST_CROSSCHECK", "-5"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=name):
        read_settings()


@pytest.mark.parametrize(
    ("value", "most"), [(None, 600_000), ("on", 600_000), ("OFF", 0), ("0", 0), ("5000", 5000), ("", 600_000)]
)
def test_the_cross_check_is_on_off_or_up_to_a_number_of_candles(monkeypatch, value, most):
    if value is not None:
        monkeypatch.setenv("BACKTEST_CROSSCHECK", value)
    assert read_settings().crosscheck == most


def test_the_password_is_not_in_the_text_of_the_settings(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(read_settings())
