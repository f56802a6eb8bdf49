"""A job must not see what an earlier one did to its process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.parallel.pool import Done, WorkerPool

JOBS = "tests.engine.parallel.jobs"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    """One worker, so that every job follows another in the same process."""
    with WorkerPool(1, tmp_path_factory.mktemp("scratch"), memory_mb=1024) as pool:
        yield pool


def value_of(pool: WorkerPool, name: str, **payload: object) -> Any:
    outcome = pool.submit(f"{JOBS}:{name}", payload, timeout_s=30).result(60)
    assert isinstance(outcome, Done), outcome
    return outcome.value


@pytest.mark.parametrize(
    "change",
    [
        "change_directory",
        "change_environment",
        "change_random_state",
        "change_settings",
        "close_streams",
        "close_descriptors",
        "replace_streams",
    ],
)
def test_the_process_is_put_back_as_it_was(pool: WorkerPool, change: str) -> None:
    before, pid = value_of(pool, "state"), value_of(pool, "pid")
    value_of(pool, change, seed=5)
    assert value_of(pool, "state") == before
    assert value_of(pool, "pid") == pid


@pytest.mark.parametrize(
    "change",
    [
        "leave_a_thread",
        "leave_a_child",
        "patch_numpy",
        "patch_builtins",
        "exhaust_memory",
        "close_everything",
    ],
)
def test_the_process_is_replaced_where_it_cannot_be_put_back(pool: WorkerPool, change: str) -> None:
    before, pid = value_of(pool, "state"), value_of(pool, "pid")
    pool.submit(f"{JOBS}:{change}", {}, timeout_s=30).result(60)
    assert value_of(pool, "state") == before
    assert value_of(pool, "pid") != pid
    assert not psutil.pid_exists(pid)


def test_an_edited_module_of_a_folder_that_a_job_put_on_the_path_is_read_again(
    pool: WorkerPool, tmp_path: Path
) -> None:
    module = tmp_path / "plugged_in.py"
    before = value_of(pool, "state")
    for number in range(3):
        module.write_text(f"VALUE = {number}\n")
        assert value_of(pool, "import_from_a_folder_of_its_own", folder=str(tmp_path)) == number
    assert value_of(pool, "state") == before


def test_random_numbers_are_the_same_in_every_job_and_every_process(pool: WorkerPool, tmp_path: Path) -> None:
    with WorkerPool(3, tmp_path, memory_mb=1024) as other:
        states = [value_of(other, "state") for _ in range(4)] + [value_of(pool, "state") for _ in range(2)]
    assert len({(one["random"], one["numpy"], one["hash"]) for one in states}) == 1


def test_no_secret_reaches_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "DATABASE_URL": "postgresql://backtest:hunter2@localhost/db",
        "PGPASSWORD": "hunter2",
        "MY_API_KEY": "hunter2",
        "GITHUB_TOKEN": "hunter2",
        "https_proxy": "http://me:hunter2@proxy:3128",
    }
    for name, value in {**secrets, "MY_MODEL": "kept"}.items():
        monkeypatch.setenv(name, value)
    with WorkerPool(1, tmp_path, memory_mb=1024) as pool:
        seen = value_of(pool, "environment")
    assert not secrets.keys() & seen["environ"].keys()
    assert "hunter2" not in seen["initial"]
    assert seen["environ"]["MY_MODEL"] == "kept"
    assert seen["environ"]["TQDM_DISABLE"] == "1"
    assert seen["environ"]["OMP_NUM_THREADS"] == "1"
