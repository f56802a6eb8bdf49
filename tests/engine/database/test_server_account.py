"""Whose server it is: accounts and permissions, before and after."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from engine.database import embedded, server_account
from engine.database.embedded import release_embedded, start_embedded
from tests.engine.database.homes import (
    PROGRAM,
    PROJECT,
    cluster_of,
    discard,
    recall,
    remember,
    running,
    server_of,
)

AS_ROOT = os.geteuid() == 0
NOBODY = 65534


def permissions(path: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of a folder and all its parents."""
    return {
        folder: (found.st_mode, found.st_uid, found.st_gid)
        for folder in (path, *path.parents)
        for found in [folder.stat()]
    }


@pytest.mark.long
def test_no_parent_of_a_reachable_home_changes_its_permissions(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_account, "SYSTEM_FOLDER", empty_home / "system")
    before = permissions(empty_home)
    start_embedded(empty_home)
    assert permissions(empty_home) == before
    assert cluster_of(empty_home) == empty_home / "postgres"
    assert not (empty_home / "system").exists()


@pytest.mark.long
@pytest.mark.skipif(not AS_ROOT, reason="only root's server needs an account of its own")
def test_root_with_a_private_home_keeps_it_private(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's account cannot reach root's folders: its data goes elsewhere, and no permission is loosened."""
    outer = Path(tempfile.mkdtemp(prefix="backtest-private-", dir="/tmp"))
    system = Path(tempfile.mkdtemp(prefix="backtest-system-", dir="/tmp")) / "backtest-tool"
    system.parent.chmod(0o755)
    monkeypatch.setattr(server_account, "SYSTEM_FOLDER", system)
    home = outer / "deep" / "home"
    home.mkdir(parents=True)
    before = permissions(home)
    remember(start_embedded(home), 23)
    assert outer.stat().st_mode & 0o777 == 0o700
    assert permissions(home) == before
    assert cluster_of(home).parent == system
    release_embedded(home)
    outer.chmod(0o755)  # reachable now, but the data stays where it is
    assert recall(start_embedded(home)) == 23
    discard(home)
    shutil.rmtree(outer)
    shutil.rmtree(system.parent)


@pytest.mark.long
@pytest.mark.skipif(not AS_ROOT, reason="only root's server needs an account of its own")
def test_root_whose_packages_are_private_runs_a_copy_of_the_programs(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = Path(tempfile.mkdtemp(prefix="backtest-packages-", dir="/tmp"))
    package = embedded._package_folder()
    for name in (package.name, f"{package.name}.libs"):
        (private / name).symlink_to(package.with_name(name))
    system = empty_home / "system"
    monkeypatch.setattr(server_account, "SYSTEM_FOLDER", system)
    monkeypatch.setattr(embedded, "_package_folder", lambda: private / package.name)
    before = permissions(private)
    remember(start_embedded(empty_home), 29)
    assert permissions(private) == before
    assert Path(running(empty_home).exe()).is_relative_to(system)
    release_embedded(empty_home)
    assert recall(start_embedded(empty_home)) == 29
    shutil.rmtree(private)


@pytest.mark.long
@pytest.mark.skipif(not AS_ROOT, reason="root is who can become somebody else")
def test_an_ordinary_user_has_a_server_of_its_own(empty_home: Path) -> None:
    os.chown(empty_home, NOBODY, NOBODY)
    python = (
        shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin") or sys.executable
    )
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    try:
        done = subprocess.run(
            [python, "-B", "-c", PROGRAM, str(empty_home)],
            input="31\n",
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
            env={"PYTHONPATH": packages, "PATH": os.environ["PATH"]},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        )
    except PermissionError:
        pytest.skip("python or the project lies in a folder that is private to root")
    assert (done.stdout, done.stderr) == ("ready\n31\n", "")
    assert (empty_home / "postgres").stat().st_uid == NOBODY
    assert server_of(empty_home) is None
    assert recall(start_embedded(empty_home)) == 31  # root joins in, as the data's owner
    assert running(empty_home).username() == "nobody"
