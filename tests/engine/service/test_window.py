"""What a user is told who has no window: its packages, a system library and a screen are three causes, with three texts."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.service.window import SYSTEM_LIBRARIES
from tests.support.plain_process import ROOT, Ended, PlainProcess, error_line

# as where the packages were never installed: neither found nor imported
WITHOUT = """
import importlib.util, sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nowhere())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {names!r} else found(name, package)
from engine.__main__ import main
main()
"""


def without(packages: tuple[str, ...], home: Path, url: str, *arguments: str) -> Ended:
    """The command where these packages are not installed."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "DATABASE_URL": url, "DISPLAY": ":77"}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=packages), *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.long_except("packages0")
@pytest.mark.parametrize("packages", [("PySide6",), ("PySide6", "pyqtgraph", "qasync")])
def test_desktop_names_the_packages_that_are_not_installed(
    packages: tuple[str, ...], user_home: Path, database_url: str
):
    ended = without(packages, user_home, database_url, "desktop")
    assert ended.returncode == 2
    assert f"the window's packages are not installed ({', '.join(packages)})" in error_line(ended)
    assert "make desktop" in ended.stderr
    assert "apt-get" not in ended.stderr


def test_an_installation_of_the_engine_alone_says_so(user_home: Path, database_url: str):
    assert "engine alone" in error_line(without(("desktop",), user_home, database_url, "desktop"))


def test_the_libraries_that_are_named_are_those_that_make_installs():
    packages = subprocess.run(
        ["make", "-s", "qt-packages"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert packages.stdout.split() == SYSTEM_LIBRARIES.split()


@pytest.mark.long
def test_the_demo_works_without_the_windows_packages_and_says_why_there_is_no_picture(
    user_home: Path, database_url: str
):
    out = user_home / "demo"
    ended = without(("PySide6", "pyqtgraph", "qasync"), user_home, database_url, "demo", "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    assert "no picture: the window's packages are not installed (PySide6, pyqtgraph, qasync)" in ended.stderr
    assert "system library" not in ended.stderr
    assert "window.png" not in {file.name for file in out.iterdir()}
    seen = without(("PySide6",), user_home, database_url, "doctor")
    assert "the window's packages are not installed (PySide6)" in seen.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the loader's environment variable is Linux's")
def test_a_system_library_that_cannot_be_loaded_is_named_with_how_to_get_it(
    plain_process: PlainProcess, user_home: Path, tmp_path: Path
):
    (tmp_path / "broken").mkdir()
    for name in ("libEGL.so.1", "libGL.so.1", "libxkbcommon.so.0"):
        (tmp_path / "broken" / name).touch()  # the loader finds it first, and refuses it
    ended = plain_process("desktop", LD_LIBRARY_PATH=str(tmp_path / "broken"), QT_QPA_PLATFORM="offscreen")
    assert ended.returncode == 2
    line = error_line(ended)
    assert "the window needs a system library" in line
    assert "apt-get install -y libegl1" in line
    assert "not installed" not in line


@pytest.mark.long_except("libxcb-cursor.so.0")
@pytest.mark.skipif(sys.platform != "linux", reason="the loader's environment variable is Linux's")
@pytest.mark.parametrize("name", ["libxcb-cursor.so.0", "libxcb-icccm.so.4", "libxcb-keysyms.so.1"])
def test_a_library_that_only_a_screen_needs_is_named_before_qt_ends_the_program(
    name: str, plain_process: PlainProcess, tmp_path: Path
):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / name).touch()
    ended = plain_process("desktop", LD_LIBRARY_PATH=str(tmp_path / "broken"), DISPLAY=":77")
    assert ended.returncode == 2
    assert "the window needs a system library" in error_line(ended)


def test_no_screen_is_said_before_qt_ends_the_program(plain_process: PlainProcess):
    ended = plain_process("desktop")
    assert ended.returncode == 2
    assert "there is no screen here" in error_line(ended)
