"""Folders of one program: kept while it runs, whatever number its process has elsewhere, and removed after it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from engine.parallel.own_folder import OwnFolder

OTHER = """
import sys
from pathlib import Path
from engine.parallel.own_folder import OwnFolder
print(OwnFolder(Path(sys.argv[1]), "batch").path, flush=True)
sys.stdin.read()
"""


@contextmanager
def other_program(parent: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A program that holds a folder until it is killed."""
    command = [sys.executable, "-c", OTHER, str(parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Path(process.stdout.readline().strip()), process
        process.kill()


def test_a_running_programs_folder_is_kept_where_its_process_cannot_be_seen(tmp_path: Path) -> None:
    with other_program(tmp_path) as (theirs, process):
        (theirs / "candles").write_text("in use")
        with mock.patch("psutil.pid_exists", return_value=False):  # as from another container
            ours = OwnFolder(tmp_path, "batch")
        assert (theirs / "candles").exists()
        process.kill()
        process.wait()
        again = OwnFolder(tmp_path, "batch")
    assert not theirs.exists(), "a killed program's folder is removed, whoever has its number now"
    assert ours.path.is_dir()
    for folder in (ours, again):
        folder.remove()
        folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_another_kind_and_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "pool-1-left").mkdir()
    (tmp_path / "batch-of-mine.csv").write_text("not a folder of ours")
    folder = OwnFolder(tmp_path, "batch")
    assert (tmp_path / "pool-1-left").is_dir()
    folder.remove()
    assert (tmp_path / "batch-of-mine.csv").exists()


def test_where_nothing_can_be_locked_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(37, "No locks available")

    left = tmp_path / "batch-1-left"
    left.mkdir()
    monkeypatch.setattr("fcntl.flock", refuse)
    OwnFolder(tmp_path, "batch").remove()
    assert left.is_dir()
