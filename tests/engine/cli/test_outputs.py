"""What cannot be written - the screen, the log, a file, the home - is one line and an exit code, never a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.loader.sources import BUNDLED
from tests.support.plain_process import PlainProcess, error_line, run_plain

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="/dev/full and closed files are a Unix shell's"
)

DATA = Path(".local/share/backtest-desktop")
LONG = "x" * 300
# a file can hold a block and not grow any more, as on a full disk; Python's own files are left alone
NO_MORE = 'ulimit -f 1; PYTHONDONTWRITEBYTECODE=1 "$@"'
MONTH = (
    "SAMPLEUSDT", "-t", "1h", "--exchange", "sample", "--start", "2023-03-01", "--end", "2023-03-31",
)  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home that remembers what the strategies are: no worker is needed to list them."""
    home = tmp_path_factory.mktemp("known")
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "BACKTEST_HOME": str(home / "data")}
    assert run_plain(["strategies"], environment, home).returncode == 0
    return {"BACKTEST_HOME": str(home / "data")}


@pytest.mark.long_except("> /dev/full-the disk is full-False")
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("shell", "why"), [(">&-", "standard output is closed"), ("> /dev/full", "the disk is full")]
)
def test_an_output_that_cannot_be_written_is_one_line(
    plain_process: PlainProcess, known: dict[str, str], shell: str, why: str, as_json: bool
):
    ended = plain_process("strategies", *(["--json"] if as_json else []), shell=shell, **known)
    assert ended.returncode == 1
    assert error_line(ended) == f"error: the output cannot be written: {why}"


@pytest.mark.long
@pytest.mark.parametrize("shell", ["2>&-", "2> /dev/full"])
def test_without_a_place_for_errors_the_answer_still_comes(
    plain_process: PlainProcess, known: dict[str, str], shell: str
):
    ended = plain_process("strategies", "--json", shell=shell, **known)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(json.loads(ended.stdout)) == 11
    assert plain_process("show", "?", shell=shell, **known).returncode == 2


def test_with_everything_closed_the_exit_code_still_tells(plain_process: PlainProcess):
    ended = plain_process("runs", "--nonsense", shell="<&- >&- 2>&-")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "")


@pytest.mark.long
def test_nothing_is_printed_into_a_file_that_got_the_number_of_a_closed_one(
    plain_process: PlainProcess, user_home: Path, database_url: str
):
    ended = plain_process(
        "run", "-s", *MONTH, "-S", "buy_and_hold", shell=">&- 2>&-", DATABASE_URL=database_url
    )
    assert ended.returncode == 1  # the table could not be printed; the run is stored
    listed = plain_process("runs", "--json", DATABASE_URL=database_url)
    assert [run["status"] for run in json.loads(listed.stdout)["runs"]] == ["finished"]
    for file in (user_home / DATA).rglob("*"):
        if file.is_file():
            assert b"return %" not in file.read_bytes(), file


def test_who_has_read_enough_is_not_told_anything(plain_process: PlainProcess, known: dict[str, str]):
    ended = plain_process("strategies", "--json", shell="| true; exit ${PIPESTATUS[0]}", **known)
    assert (ended.returncode, ended.stderr) == (1, "")
    ended = plain_process("strategies", shell="| head -1", **known)
    assert ended.stdout.startswith("strategy")
    assert ended.stderr == ""


@pytest.mark.long
def test_a_screen_that_knows_no_unicode_gets_valid_json_and_a_table(
    plain_process: PlainProcess, known: dict[str, str]
):
    for arguments in (("strategies", "--json"), ("strategies",)):
        ended = plain_process(*arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C", **known)
        assert (ended.returncode, ended.stderr) == (0, "")
    script = "from engine.cli.terminal import print_json\nprint_json({'name': '币\U0001f600'})"
    printed = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": "/usr/bin", "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(printed.stdout) == {"name": "币\U0001f600"}


@pytest.mark.long_except("/dev/null/c{}-.csv", "place0-.parquet")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("place", [f"{LONG}{{}}", f"{LONG}/c{{}}", "/dev/null/c{}", "/proc/c{}"])
def test_a_place_for_candles_that_cannot_be_is_refused(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, suffix: str
):
    monkeypatch.chdir(tmp_path)
    answer = cli("candles", *MONTH, "--out", place.format(suffix))
    assert answer.code == 2
    assert answer.error.startswith("error: cannot write ")
    assert "nothing was changed there" in answer.error
    assert answer.error.count(place.format(suffix)) == 1
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".writing-")] == []


def test_a_run_is_not_exported_to_a_folder_whose_name_is_too_long(cli):
    run = cli("run", "-s", *MONTH, "-S", "buy_and_hold", "--json").json["runs"][0]
    answer = cli("export", run["id"], "--out", LONG)
    assert (answer.code, "File name too long" in answer.error) == (2, True)


@pytest.mark.long_except("a file")
@pytest.mark.parametrize("name", ["a file", "long", "logs", "cache"])
def test_a_home_that_cannot_be_one_is_refused(plain_process: PlainProcess, tmp_path: Path, name: str):
    home = tmp_path / (LONG if name == "long" else "home")
    if name == "a file":
        home.touch()
    elif name != "long":
        home.mkdir()
        (home / name).touch()
    ended = plain_process("strategies", BACKTEST_HOME=str(home))
    assert ended.returncode == 2
    assert "BACKTEST_HOME" in error_line(ended)


@pytest.mark.long
def test_a_log_that_is_a_folder_stops_nothing_and_is_found_by_the_doctor(
    plain_process: PlainProcess, user_home: Path, database_url: str
):
    (user_home / DATA / "logs" / "backtest.log").mkdir(parents=True)
    ended = plain_process("runs", "--json", DATABASE_URL=database_url)
    assert (ended.returncode, ended.stderr, json.loads(ended.stdout)) == (
        0,
        "",
        {"runs": [], "portfolios": []},
    )
    refused = plain_process("show", "abcd", DATABASE_URL=database_url)
    assert refused.returncode == 2
    assert "no run 'abcd'" in error_line(refused)
    seen = plain_process(
        "doctor", "--json", DATABASE_URL=database_url, BACKTEST_FUTURES_URL="http://127.0.0.1:9"
    )
    home = next(found for found in json.loads(seen.stdout)["findings"] if found["name"] == "home")
    assert (seen.returncode, home["ok"]) == (1, False)
    assert "backtest.log cannot be written (Is a directory)" in home["text"]


@pytest.mark.long
def test_a_full_home_is_one_line(plain_process: PlainProcess, user_home: Path, database_url: str):
    """No file can grow beyond a block: as on a full disk, what is there can be read and nothing more be written."""
    assert plain_process("strategies").returncode == 0  # what is remembered is written while there is room
    log = user_home / DATA / "logs" / "backtest.log"
    log.write_text("x" * 4096)
    full = NO_MORE
    listed = plain_process("runs", "--json", DATABASE_URL=database_url, shell=full)
    assert (listed.returncode, listed.stderr) == (0, "")
    refused = plain_process("show", "abcd", DATABASE_URL=database_url, shell=full)
    assert refused.returncode == 2
    assert "no run 'abcd'" in error_line(refused)
    cut = plain_process("run", "-s", *MONTH, "-S", "buy_and_hold", DATABASE_URL=database_url, shell=full)
    assert cut.returncode in (1, 2)
    assert "File too large" in error_line(cut) + cut.stdout
    assert log.read_text() == "x" * 4096


@pytest.mark.long
def test_what_a_full_home_cannot_take_is_not_blamed_on_the_strategies(
    plain_process: PlainProcess, tmp_path: Path
):
    """Where kernels can neither be copied nor compiled, the engine says so, and not that a file is broken."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.py").write_text((BUNDLED / "ema_cross.py").read_text())
    ended = plain_process(
        "strategies", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", BACKTEST_STRATEGIES=str(tmp_path / "mine"),
        shell=NO_MORE,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("compiling the engine, once after installation\n")
    assert "the engine cannot be compiled into" in error_line(ended)
    assert "File too large" in error_line(ended)


def test_an_env_file_that_is_not_text_is_one_line(plain_process: PlainProcess, user_home: Path):
    (user_home / ".env").write_bytes(b"BACKTEST_HOME=\xff\xfe")
    ended = plain_process("runs")
    assert (ended.returncode, error_line(ended)) == (
        2,
        "error: .env is not UTF-8 text; save it as UTF-8, or move it away",
    )


def test_a_working_folder_that_is_gone_stops_nothing(
    plain_process: PlainProcess, known: dict[str, str], tmp_path: Path
):
    (tmp_path / "gone").mkdir()
    ended = plain_process(
        "strategies",
        "--json",
        cwd=tmp_path / "gone",
        shell='rmdir ../gone; "$@"',
        **known,
    )
    assert ended.returncode == 0, ended.stderr
