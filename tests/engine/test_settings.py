"""Settings come from the documented names in the environment and `.env`; a wrong one is named, a secret never shown."""

import os
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.settings import VARIABLES, Settings, read_settings


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


def test_the_default_home_is_the_data_folder_of_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert read_settings().home == tmp_path / "data" / "backtest-desktop"


@pytest.mark.parametrize("spelt", [str.lower, str.upper])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_the_bare_name_of_a_field_sets_nothing(monkeypatch, tmp_path, place, spelt):
    usual, bare = read_settings(), {spelt(name): "17" for name in VARIABLES if name != "database_url"}
    bare |= {name.swapcase(): "17" for name in VARIABLES.values()}
    if place == ".env":
        Path(".env").write_text("".join(f"{name}={value}\n" for name, value in bare.items()))
    else:
        for name, value in bare.items():
            monkeypatch.setenv(name, value)
    assert read_settings(home=usual.home) == usual


def test_every_documented_name_counts_in_both_places(monkeypatch):
    values = {
        "DATABASE_URL": "postgresql://h/d", "BACKTEST_HOME": "/somewhere", "BACKTEST_SPOT_URL": "http://spot",
        "BACKTEST_FUTURES_URL": "http://futures", "BACKTEST_BYBIT_URL": "http://bybit", "BACKTEST_ARCHIVE_URL": "http://archive",
        "BACKTEST_BRACKETS_URL": "http://brackets",
        "BACKTEST_STRATEGIES": "/plug-ins", "BACKTEST_WORKERS": "3", "BACKTEST_RUN_TIMEOUT_S": "7.5",
        "BACKTEST_RUN_MEMORY_MB": "300", "BACKTEST_CROSSCHECK": "9", "BACKTEST_CLUSTER": "tcp://h:8786",
        "BACKTEST_API_TOKEN": "t0k,en", "BACKTEST_API_PUBLISHED": "loopback", "BACKTEST_API_HOSTS": "App, [fd00::1]",
        "BACKTEST_API_ORIGINS": "https://example.org,http://localhost:3000",
    }  # fmt: skip
    assert set(VARIABLES.values()) == values.keys()
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    from_file = read_settings()
    Path(".env").unlink()
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert read_settings() == from_file
    assert from_file == Settings(
        "postgresql://h/d", Path("/somewhere"), "http://spot", "http://futures", "http://bybit", "http://archive",
        "http://brackets", (Path("/plug-ins"),), 3, 7.5, 300, 9, "tcp://h:8786", "t0k,en", "loopback", ("app", "[fd00::1]"),
        ("https://example.org", "http://localhost:3000"),
    )  # fmt: skip


def test_a_program_on_top_sets_fields_by_keyword(monkeypatch, tmp_path):
    monkeypatch.setenv("BACKTEST_WORKERS", "5")
    assert read_settings(workers=2, home=tmp_path).workers == 2
    assert Settings(home=tmp_path, workers=2) == read_settings(workers=2, home=tmp_path)
    with pytest.raises(InputError, match="BACKTEST_WORKERS"):
        Settings(workers=0)


def test_the_environment_wins_over_the_env_file(monkeypatch):
    Path(".env").write_text("BACKTEST_WORKERS=3\nBACKTEST_RUN_TIMEOUT_S=7\n")
    monkeypatch.setenv("BACKTEST_WORKERS", "5")
    settings = read_settings()
    assert (settings.workers, settings.run_timeout_s) == (5, 7)


def test_plug_in_folders_are_split_like_a_path(monkeypatch):
    monkeypatch.setenv("BACKTEST_STRATEGIES", os.pathsep.join(["/a", "/b c"]))
    assert read_settings().strategies == (Path("/a"), Path("/b c"))


def test_an_empty_variable_counts_as_unset(monkeypatch):
    Path(".env").write_text("BACKTEST_WORKERS=3\n")
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("BACKTEST_WORKERS", " ")
    assert read_settings().database_url is None
    assert read_settings().workers == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKTEST_WORKERS", "zero"),
        ("BACKTEST_WORKERS", "0"),
        ("BACKTEST_WORKERS", "2.5"),
        ("BACKTEST_WORKERS", "1_0"),
        ("BACKTEST_WORKERS", "٣"),
        ("BACKTEST_RUN_TIMEOUT_S", "-1"),
        ("BACKTEST_RUN_TIMEOUT_S", "nan"),
        ("BACKTEST_RUN_TIMEOUT_S", "1.2.3"),
        ("BACKTEST_RUN_MEMORY_MB", "1"),
        ("BACKTEST_HOME", "~nobody-of-this-name/data"),
        ("BACKTEST_STRATEGIES", "~nobody-of-this-name/data"),
        ("BACKTEST_FUTURES_URL", "ftp://x"),
        ("BACKTEST_FUTURES_URL", "http://"),
        ("BACKTEST_SPOT_URL", "http://host:port"),
        ("BACKTEST_SPOT_URL", "http://ho st"),
        ("BACKTEST_CROSSCHECK", "sometimes"),
        ("BACKTEST_CROSSCHECK", "-5"),
        ("BACKTEST_API_TOKEN", "two words"),
        ("BACKTEST_API_TOKEN", "schlüssel"),
        ("BACKTEST_API_PUBLISHED", "everywhere"),
        ("BACKTEST_API_HOSTS", "app:8000"),
        ("BACKTEST_API_HOSTS", "http://app"),
        ("BACKTEST_API_HOSTS", "*"),
        ("BACKTEST_API_ORIGINS", "*"),
        ("BACKTEST_API_ORIGINS", "null"),
        ("BACKTEST_API_ORIGINS", "https://example.org/page"),
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


def test_passwords_are_not_in_the_text_of_the_settings(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    for name in ("SPOT", "FUTURES", "ARCHIVE"):
        monkeypatch.setenv(f"BACKTEST_{name}_URL", "http://u:hunter2@h")
    monkeypatch.setenv("BACKTEST_API_TOKEN", "hunter2")
    assert "hunter2" not in repr(read_settings())
    monkeypatch.setenv("BACKTEST_API_TOKEN", "hunter2 ")
    monkeypatch.setenv("BACKTEST_API_HOSTS", "a/b")
    with pytest.raises(InputError) as refused:
        read_settings()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("password", ["hun@ter2", "hun/ter2", "hun ter2", "hun?ter2", "hun#ter2", "hun[ter2"])
def test_a_password_with_special_characters_is_refused_and_not_shown(monkeypatch, password):
    monkeypatch.setenv("BACKTEST_SPOT_URL", f"http://user:{password}@host")
    with pytest.raises(InputError, match=r"BACKTEST_SPOT_URL: .*%40") as refused:
        read_settings()
    assert "hun" not in str(refused.value)


def test_an_env_file_of_windows_notepad_counts(tmp_path):
    Path(".env").write_text("BACKTEST_WORKERS=3\n", encoding="utf-8-sig")
    assert read_settings().workers == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"BACKTEST_HOME=/tmp/\xe4\xf6\n", "not UTF-8"),
        ("BACKTEST_WORKERS=3\n".encode("utf-16"), "not UTF-8"),
        (b"A=1\nBACKTEST_WORKERS ='3\n", r"\.env, line 2"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_refused(content, said):
    Path(".env").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_settings()


def test_another_programs_line_in_the_env_file_says_nothing_to_us(capfd, caplog):
    Path(".env").write_text("what is this\nexport X = 'y\nBACKTEST_WORKERS=3\n")
    assert read_settings().workers == 3
    assert (capfd.readouterr().err, caplog.text) == ("", "")


def test_an_env_folder_is_refused_unless_it_is_a_virtual_environment():
    Path(".env").mkdir()  # as docker makes one where a file to mount is missing
    with pytest.raises(InputError, match=r"\.env cannot be read \(Is a directory\)"):
        read_settings()
    Path(".env/pyvenv.cfg").touch()
    assert read_settings().workers == os.cpu_count()
