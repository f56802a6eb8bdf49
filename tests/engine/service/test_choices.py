"""What a user chooses in the window is kept in the data folder, counts from the next start, and the environment wins."""

import os
import stat
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.model.database_choice import ADDRESS, EMBEDDED, DatabaseChoice
from engine.model.setting import CHOSEN, DEFAULT, SettingSeen
from engine.service import Engine
from engine.settings import VARIABLES, Settings, read_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default data folder of a user without any setting; the working folder has no `.env`."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    return tmp_path / "share" / "backtest-desktop"


def seen(variable: str) -> SettingSeen:
    with Engine(read_settings()) as engine:
        return next(one for one in engine.choices.all() if one.variable == variable)


def choose(**texts: str) -> None:
    with Engine(read_settings()) as engine:
        engine.choices.choose(texts)


def test_a_chosen_value_counts_from_the_next_start_until_its_default_is_chosen(home: Path) -> None:
    with Engine(read_settings()) as engine:
        engine.choices.choose({"BACKTEST_RUN_TIMEOUT_S": " 60 ", "BACKTEST_CROSSCHECK": "OFF"})
        (timeout,) = (one for one in engine.choices.all() if one.variable == "BACKTEST_RUN_TIMEOUT_S")
    assert timeout == SettingSeen("BACKTEST_RUN_TIMEOUT_S", "300", "60", CHOSEN, "300")
    assert timeout.needs_restart
    assert not timeout.is_fixed
    file = home / "settings.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = read_settings()
    assert (settings.run_timeout_s, settings.crosscheck) == (60, 0)
    assert not seen("BACKTEST_RUN_TIMEOUT_S").needs_restart
    choose(BACKTEST_RUN_TIMEOUT_S="")
    assert seen("BACKTEST_RUN_TIMEOUT_S") == SettingSeen(
        "BACKTEST_RUN_TIMEOUT_S", "300", "300", DEFAULT, "300"
    )
    assert file.read_text() == "BACKTEST_CROSSCHECK=OFF\n"


def test_what_the_environment_or_env_sets_is_told_and_cannot_be_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(BACKTEST_WORKERS="3", BACKTEST_RUN_MEMORY_MB="512")
    monkeypatch.setenv("BACKTEST_WORKERS", "5")
    Path(".env").write_text("BACKTEST_RUN_MEMORY_MB=1024\n")
    workers, memory = seen("BACKTEST_WORKERS"), seen("BACKTEST_RUN_MEMORY_MB")
    assert (workers.in_use, workers.source, workers.is_fixed) == ("5", "the environment", True)
    assert (memory.in_use, memory.source, memory.is_fixed) == ("1024", ".env", True)
    with pytest.raises(InputError, match=r"BACKTEST_WORKERS is set in the environment and wins"):
        choose(BACKTEST_WORKERS="2")
    monkeypatch.delenv("BACKTEST_WORKERS")
    assert read_settings().workers == 3


def test_a_value_that_is_none_is_refused_and_one_in_the_file_names_the_file(home: Path) -> None:
    with Engine(read_settings()) as engine:
        assert engine.choices.problem("BACKTEST_WORKERS", "0") == (
            "BACKTEST_WORKERS: must be a whole number from 1 to 256, not '0'"
        )
        assert engine.choices.problem("BACKTEST_WORKERS", " ") == ""
        with pytest.raises(InputError, match="nothing was changed"):
            engine.choices.choose({"BACKTEST_RUN_TIMEOUT_S": "60", "BACKTEST_WORKERS": "many"})
        with pytest.raises(InputError, match="one line"):
            engine.choices.choose({"BACKTEST_STRATEGIES": "/a\nBACKTEST_WORKERS=1"})
    assert not (home / "settings.env").exists()
    home.mkdir(parents=True, exist_ok=True)
    (home / "settings.env").write_text("# mine\nBACKTEST_WORKERS=none\n")
    with pytest.raises(
        InputError, match=r"settings\.env holds a value that is none: BACKTEST_WORKERS: must be"
    ):
        read_settings()
    assert read_settings(workers=2).workers == 2, "what does not count is not judged"


def test_another_data_folder_is_used_from_the_next_start_with_settings_of_its_own(
    home: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    choose(BACKTEST_WORKERS="3", BACKTEST_HOME=str(other))
    assert read_settings().home == other
    assert seen("BACKTEST_HOME").source == CHOSEN
    choose(BACKTEST_WORKERS="4")
    assert (other / "settings.env").read_text() == "BACKTEST_WORKERS=4\n"
    assert (home / "settings.env").read_text() == f"BACKTEST_HOME={other}\n"
    choose(BACKTEST_HOME="")
    assert (read_settings().home, read_settings().workers) == (home, Settings().workers)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        choose(BACKTEST_HOME=str(tmp_path / "file" / "below"))


def test_folders_of_strategies_are_kept_as_they_are_typed(tmp_path: Path) -> None:
    text = os.pathsep.join([str(tmp_path / "a b"), str(tmp_path / "$HOME'x")])
    choose(BACKTEST_STRATEGIES=text)
    assert read_settings().strategies == (tmp_path / "a b", tmp_path / "$HOME'x")
    assert seen("BACKTEST_STRATEGIES").in_use == text


def test_the_database_chosen_by_an_older_version_still_counts_and_moves_into_the_new_file(home: Path) -> None:
    home.mkdir(parents=True)
    url = "postgresql://me:s3cret@db.example/mine"
    (home / "database.env").write_text(f"DATABASE_URL={url}\n")
    assert read_settings().database_url == url
    choose(BACKTEST_WORKERS="2")
    assert not (home / "database.env").exists()
    assert read_settings().database_url == url
    with Engine(read_settings()) as engine:
        assert engine.databases.current().choice == DatabaseChoice(ADDRESS, "postgresql://me@db.example/mine")
        engine.databases.choose(DatabaseChoice(EMBEDDED))
    assert (read_settings().database_url, read_settings().workers) == (None, 2)


def test_after_another_data_folder_is_chosen_the_rest_is_kept_there(tmp_path: Path, home: Path) -> None:
    other = tmp_path / "other"
    with Engine(read_settings()) as engine:
        engine.choices.choose({"BACKTEST_WORKERS": "3"})
        engine.choices.choose({"BACKTEST_HOME": str(other), "BACKTEST_RUN_TIMEOUT_S": "60"})
        then = {one.variable: one.at_next_start for one in engine.choices.all()}
    started = read_settings()
    assert (started.home, started.run_timeout_s) == (other, 60)
    assert then["BACKTEST_RUN_TIMEOUT_S"] == "60"
    assert then["BACKTEST_WORKERS"] == str(started.workers) == str(Settings().workers), (
        "the other folder begins empty"
    )
    assert (home / "settings.env").read_text().count("BACKTEST_WORKERS=3") == 1
