"""A user who has set nothing: the program writes into the platform's data folder and runs no Python that lies elsewhere."""

import json
import os
from pathlib import Path

import pytest

from engine.settings import VARIABLES
from tests.support.plain_process import PlainProcess

DATA = Path(".local/share/backtest-desktop")


def written_below(home: Path) -> set[Path]:
    return {file.relative_to(home) for file in home.rglob("*") if file.is_file()}


@pytest.mark.long
def test_nothing_lands_in_the_home_folder_but_below_the_data_folder(
    plain_process: PlainProcess, user_home: Path, database_url: str
):
    stranger = user_home / "strategies" / "stranger.py"
    stranger.parent.mkdir()
    stranger.write_text("from pathlib import Path\nPath(__file__).with_name('was-run').touch()\n")
    before = written_below(user_home)
    listed = plain_process("strategies", "--json")
    assert listed.returncode == 0, listed.stderr
    assert "compiling" not in listed.stderr  # the environment has the kernels
    assert len(json.loads(listed.stdout)) == 11
    fetched = plain_process(
        "run", "-s", "SAMPLEUSDT", "-S", "ema_cross", "-t", "1h", "--exchange", "sample",
        "--start", "2023-03-01", "--end", "2023-03-31", "--json", DATABASE_URL=database_url,
    )  # fmt: skip
    assert fetched.returncode == 0, fetched.stderr
    written = written_below(user_home) - before
    assert written
    assert [path for path in written if not path.is_relative_to(DATA)] == []
    assert {path.name for path in user_home.iterdir()} == {".local", "strategies"}


@pytest.mark.long_except("environment")
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_bare_names_set_nothing(plain_process: PlainProcess, user_home: Path, tmp_path: Path, place: str):
    elsewhere = tmp_path / "elsewhere"
    bare = {name.upper(): str(elsewhere) for name in VARIABLES if name not in ("home", "database_url")}
    bare |= {name: str(elsewhere) for name in VARIABLES} | {"workers": "none", "CROSSCHECK": "sometimes"}
    if place == ".env":
        lines = (bare | {"HOME": str(elsewhere)}).items()
        (user_home / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines))
        bare = {}
    ended = plain_process("strategies", "--json", **bare)
    assert ended.returncode == 0, ended.stderr
    assert not elsewhere.exists()
    assert (user_home / DATA / "cache").is_dir()


@pytest.mark.long
def test_the_documented_names_count_in_a_real_process(plain_process: PlainProcess, tmp_path: Path):
    home, plug_ins = tmp_path / "data", tmp_path / "plug-ins"
    plug_ins.mkdir()
    (plug_ins / "mine.py").write_text((Path(__file__).parents[3] / "strategies" / "ema_cross.py").read_text())
    ended = plain_process(
        "strategies", "--json", BACKTEST_HOME=str(home), BACKTEST_STRATEGIES=os.fspath(plug_ins)
    )
    assert ended.returncode == 0, ended.stderr
    assert "mine" in {info["name"] for info in json.loads(ended.stdout)}
    assert (home / "cache").is_dir()
