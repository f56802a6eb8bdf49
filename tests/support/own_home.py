"""The suite lives in a throw-away home with a plain environment, and proves at its end that it left the real one alone.

Nothing of whoever runs the tests reaches them (their settings, their data, their libpq files), and nothing of the tests
reaches them: a program that a test starts finds HOME set and no variable of ours, as on a fresh machine.
"""

import atexit
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

REAL_HOME = (
    "BACKTEST_TEST_REAL_HOME"  # for the processes of pytest-xdist, which begin in the home of the first
)
_OURS = ("BACKTEST_", "DATABASE_URL", "XDG_", "PG")
_KEPT = "BACKTEST_TEST_"
_UNUSUAL = "PYTHONDONTWRITEBYTECODE"  # compiles hundreds of modules anew in every process that a test starts
# where programs put their folders; what stands in these is somebody's, what appears there while tests run is ours
_SHELVES = (".", ".local/share", ".local/state", ".config", ".cache", "Library/Application Support")
_OWN_FOLDER = "backtest-desktop"

Footprint = dict[Path, tuple[int, int]]


def move_in() -> Path:
    """Make the throw-away home of this process, and put it and nothing else of ours into the environment."""
    os.environ.setdefault(REAL_HOME, str(Path.home()))
    for name in list(os.environ):
        if name == _UNUSUAL or (name.startswith(_OURS) and not name.startswith(_KEPT)):
            del os.environ[name]
    sys.dont_write_bytecode = False
    home = Path(tempfile.mkdtemp(prefix="backtest-home-", dir="/tmp"))
    home.chmod(0o755)  # the account of root's server reaches what lies in it
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def real_homes() -> set[Path]:
    """The home of whoever runs the tests: the one of HOME, and the one of the account, for programs without HOME."""
    return {Path(os.environ[REAL_HOME]), Path(pwd.getpwuid(os.geteuid()).pw_dir)}


def footprint(home: Path) -> Footprint:
    """What stands in a home: names on its shelves, and all of our own folders with size and time of change."""
    found: Footprint = {}
    for shelf in (home / name for name in _SHELVES):
        for entry in shelf.iterdir() if shelf.is_dir() else ():
            found[entry] = (0, 0)
            if entry.name == _OWN_FOLDER:
                found |= {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in entry.rglob("*")}
    return found


def written(before: Footprint, after: Footprint) -> list[Path]:
    """What is new or changed; what is gone counts too."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


class LeftAlone:
    """Fails the session when the real home is not as it was."""

    def __init__(self) -> None:
        self._before = self._look()

    @staticmethod
    def _look() -> Footprint:
        return {path: entry for home in real_homes() for path, entry in footprint(home).items()}

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        yield
        found = written(self._before, self._look())
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if found and reporter is not None:
            # of no test, so that none that passes alone excuses it (tools/alone.py)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            names = ", ".join(map(str, found[:10]))
            reporter.write_line(
                f"\nERROR: the real home changed while the tests ran: {names}\n"
                "A test reaches it (a program started without HOME?), or a program of yours wrote there meanwhile.",
                red=True,
            )


def pytest_collection_finish() -> None:
    """Work in an empty folder: the project's may hold a `.env` with somebody's DATABASE_URL."""
    folder = Path.home() / "work"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)


def pytest_configure(config: pytest.Config) -> None:
    """The first process watches; those of pytest-xdist come and go inside."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(LeftAlone())


move_in()
