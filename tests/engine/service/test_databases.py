"""A database is tried out before it is chosen, and chosen for the next start; its password is seen nowhere."""

import stat
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.model.database_choice import (
    ADDRESS,
    CONTAINER,
    EMBEDDED,
    START_CONTAINER,
    DatabaseChoice,
)
from engine.service import Engine
from engine.settings import Settings, read_settings
from tests.support.password_server import PASSWORD, PasswordServer, free_port


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without `.env`, and an environment that says nothing of databases."""
    for name in ("DATABASE_URL", "POSTGRES_PASSWORD", "POSTGRES_PORT"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)


def engine_of(home: Path) -> Engine:
    return Engine(read_settings(home=home, workers=1))


def test_what_is_chosen_is_used_by_the_next_start_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    home, address = tmp_path / "home", "postgresql://me@db.example:5433/mine?sslmode=require"
    with engine_of(home) as engine:
        assert engine.databases.current().choice == DatabaseChoice(EMBEDDED)
        engine.databases.choose(DatabaseChoice(ADDRESS, address, PASSWORD))
        current = engine.databases.current()
        assert current.choice == DatabaseChoice(EMBEDDED), "the open one stays until the next start"
        assert current.next_choice == DatabaseChoice(ADDRESS, address)
    file = home / "settings.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path for path in home.iterdir() if path.name.startswith(".settings")] == []
    with engine_of(home) as engine:
        assert engine.databases.current().choice == DatabaseChoice(ADDRESS, address)
        assert PASSWORD not in repr(engine.settings)
        engine.databases.choose(DatabaseChoice(ADDRESS, address))  # no password: the one that is kept
        kept = file.read_text()
        engine.databases.choose(DatabaseChoice(EMBEDDED))
    assert "p%40ss%2Fw%3Aord%20%27x%27%20%24HOME@db.example" in kept
    assert read_settings(home=home).database_url is None


@pytest.mark.parametrize(
    "address", ["postgresql://o'neil@h/d", "postgresql://u@h/d${HOME}", 'postgresql://u@h/d"#x']
)
def test_an_address_of_any_characters_is_kept_as_it_is(tmp_path: Path, address: str) -> None:
    with engine_of(tmp_path / "home") as engine:
        engine.databases.choose(DatabaseChoice(ADDRESS, address, PASSWORD))
        assert engine.databases.current().next_choice == DatabaseChoice(ADDRESS, address)
    assert read_settings(home=tmp_path / "home").database_url is not None


def test_a_password_among_the_options_of_an_address_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d?password=s3cret&sslmode=require")
    with engine_of(tmp_path / "home") as engine:
        current = engine.databases.current()
    assert current.choice == DatabaseChoice(ADDRESS, "postgresql://u@h/d?sslmode=require")
    assert "s3cret" not in repr(current)


def test_trying_an_embedded_database_that_was_never_started_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/d")
    with engine_of(tmp_path / "home") as engine:
        seen = engine.databases.test(DatabaseChoice(EMBEDDED))
    assert seen.ok
    assert "the next start makes it" in seen.text
    assert not (tmp_path / "home" / "postgres").exists()


def test_the_environment_and_the_env_file_come_first_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with engine_of(home) as engine:
        engine.databases.choose(DatabaseChoice(ADDRESS, "postgresql://a@chosen/b"))
    Path(".env").write_text("DATABASE_URL=postgresql://u:secret@file/d\n")
    assert read_settings(home=home).database_url == "postgresql://u:secret@file/d"
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@environment/d")
    for where in ("the environment", ".env"):
        with engine_of(home) as engine:
            current = engine.databases.current()
            assert current.set_by == where
            assert "secret" not in repr(current)
            with pytest.raises(InputError, match=f"set in {where} and wins"):
                engine.databases.choose(DatabaseChoice(EMBEDDED))
        monkeypatch.delenv("DATABASE_URL", raising=False)
    Path(".env").unlink()
    assert read_settings(home=home).database_url == "postgresql://a@chosen/b"


def test_a_container_that_does_not_run_names_the_command_that_starts_it(tmp_path: Path) -> None:
    Path(".env").write_text(f"POSTGRES_PORT={free_port()}\nPOSTGRES_PASSWORD=secret\n")
    with engine_of(tmp_path / "home") as engine:
        current = engine.databases.current()
        assert current.knows_password
        seen = engine.databases.test(DatabaseChoice(CONTAINER, current.container))
    assert not seen.ok
    assert "connection was refused" in seen.text
    assert seen.command == START_CONTAINER == "docker compose up -d postgres"
    assert "secret" not in repr((current, seen))


def test_an_address_that_answers_says_what_it_holds(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    with engine_of(tmp_path / "home") as engine:
        ours = engine.databases.test(DatabaseChoice(ADDRESS, database_url))
        none = engine.databases.test(DatabaseChoice(ADDRESS, empty_database_url))
    assert ours.ok
    assert "with the tables of this program" in ours.text
    assert none.ok
    assert "without tables yet" in none.text


@pytest.mark.parametrize(
    ("address", "password", "words"),
    [
        ("mysql://u@h/d", "", "must start with postgresql://"),
        ("postgresql://h/d", "x", "a password needs a user"),
        ("postgresql://u:secret@h/d", "", "the password stands in the address"),
        ("postgresql://u@h/d?password=secret", "", "the password stands in the address"),
        ("postgresql://u@h/d?sslmode=require&pass%77ord=secret", "", "the password stands in the address"),
        ("postgresql://u@h:99999/d", "", "names the port 99999"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_before_it_is_kept(
    tmp_path: Path, address: str, password: str, words: str
) -> None:
    choice = DatabaseChoice(ADDRESS, address, password)
    with engine_of(tmp_path / "home") as engine:
        seen = engine.databases.test(choice)
        assert not seen.ok
        assert words in seen.text
        assert "secret" not in repr(seen)
        with pytest.raises(InputError, match=words):
            engine.databases.choose(choice)
    assert not (tmp_path / "home" / "settings.env").exists()


@pytest.mark.long
def test_the_containers_server_takes_the_password_of_the_env_file_or_says_whose_it_wants(
    tmp_path: Path, password_server: PasswordServer, caplog: pytest.LogCaptureFixture
) -> None:
    home, port = tmp_path / "home", password_server.port
    caplog.set_level("DEBUG")
    Path(".env").write_text(f"POSTGRES_PORT={port}\nPOSTGRES_PASSWORD=another\n")
    with engine_of(home) as engine:
        refused = engine.databases.test(DatabaseChoice(CONTAINER))
        assert not refused.ok
        assert "POSTGRES_PASSWORD that it was first started with" in refused.advice
        assert not refused.command
        assert engine.databases.test(DatabaseChoice(CONTAINER, password=PASSWORD)).ok
        engine.databases.choose(DatabaseChoice(CONTAINER, password=PASSWORD))
    with Engine(Settings(home=home, database_url=read_settings(home=home).database_url)) as engine:
        assert engine.runs.stored() == []
        assert engine.databases.current().choice.kind == CONTAINER
        assert (
            "with the tables of this program"
            in engine.databases.test(DatabaseChoice(CONTAINER, password=PASSWORD)).text
        )
    for text in (caplog.text, *(file.read_text() for file in home.glob("logs/*"))):
        assert PASSWORD not in text
        assert "another" not in text


@pytest.mark.long
def test_doctor_advises_by_who_chose_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_of(tmp_path / "home") as engine:
        engine.databases.choose(DatabaseChoice(ADDRESS, "postgresql://u@127.0.0.1:1/d"))
    with engine_of(tmp_path / "home") as engine:
        assert "Database tab" in database_advice(engine)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/d")
    with engine_of(tmp_path / "home") as engine:
        assert "check DATABASE_URL in the environment" in database_advice(engine)


def database_advice(engine: Engine) -> str:
    found = {one.name: one for one in engine.doctor.examine()}
    assert not found["database"].ok
    return found["database"].advice
