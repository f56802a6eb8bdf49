"""Homes for servers of a test's own."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.database.embedded import release_embedded, start_embedded
from tests.engine.database.homes import cluster_of, discard


@contextlib.contextmanager
def new_home() -> Iterator[Path]:
    """A home that the server's account can reach, whatever pytest's own folder allows."""
    folder = Path(tempfile.mkdtemp(prefix="backtest-home-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        discard(folder)
        shutil.rmtree(folder)


@pytest.fixture
def empty_home() -> Iterator[Path]:
    """A home where no server has been."""
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def created() -> Iterator[Path]:
    """The data of a server that was started once and stopped in order: creating it takes longer than most tests."""
    with new_home() as home:
        start_embedded(home)
        release_embedded(home)
        yield cluster_of(home)


@pytest.fixture
def home(empty_home: Path, created: Path) -> Path:
    """A home with the data of a server, which does not run."""
    subprocess.run(["cp", "-a", created, empty_home], check=True)
    return empty_home
