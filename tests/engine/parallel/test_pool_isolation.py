"""Strategy code in a process of its own: what one job does to it, the next does not see, and neither does the worker."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.parallel import isolated
from engine.parallel.pool import Died, Done, Raised, Stopped, TimedOut, WorkerPool

JOBS = "tests.engine.parallel.jobs"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    """One worker, so that every job follows another in the same one."""
    with WorkerPool(1, tmp_path_factory.mktemp("scratch"), memory_mb=1024, preload=(JOBS,)) as pool:
        yield pool


def value_of(pool: WorkerPool, name: str, **payload: object) -> Any:
    outcome = pool.submit(f"{JOBS}:apart", {"name": name, **payload}, timeout_s=30).result(60)
    assert isinstance(outcome, Done), outcome
    return outcome.value


def worker_of(pool: WorkerPool) -> Any:
    outcome = pool.submit(f"{JOBS}:pid", {}, timeout_s=30).result(60)
    assert isinstance(outcome, Done)
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
        "leave_a_thread",
        "leave_a_child",
        "patch_numpy",
        pytest.param("patch_builtins", marks=pytest.mark.long),
        "patch_rolling",
        "patch_a_comparison",
        "hide_a_module",
        "remember_on_a_module",
        "leave_files",
        pytest.param("exhaust_memory", marks=pytest.mark.long),
        "close_everything",
        "exit_7",
        "kill_itself",
    ],
)
def test_the_next_job_starts_as_if_there_had_been_none_before(pool: WorkerPool, change: str) -> None:
    before, worker = value_of(pool, "state"), worker_of(pool)
    limit_s = 3 if change == "patch_builtins" else 30  # without `len` its process cannot even answer
    pool.submit(f"{JOBS}:apart", {"name": change, "seed": 5}, timeout_s=limit_s).result(60)
    assert value_of(pool, "state") == before
    assert worker_of(pool) == worker or limit_s == 3, "the worker itself never ran that code"


def test_an_edited_module_of_a_folder_that_a_job_put_on_the_path_is_read_again(
    pool: WorkerPool, tmp_path: Path
) -> None:
    module = tmp_path / "plugged_in.py"
    before = value_of(pool, "state")
    for number in range(3):
        module.write_text(f"VALUE = {number}\n")
        assert value_of(pool, "import_from_a_folder_of_its_own", folder=str(tmp_path)) == number
    assert value_of(pool, "state") == before


def kept_of(pool: WorkerPool, sweep: str, leg: str, name: str) -> Any:
    """What a job tells in the process that is kept for a leg of a sweep."""
    asked = {"key": sweep, "leg": leg, "name": name}
    outcome = pool.submit(f"{JOBS}:apart_with_the_same", asked, timeout_s=30).result(60)
    assert isinstance(outcome, Done), outcome
    return outcome.value


def test_the_kept_processes_of_one_sweep_live_side_by_side_and_none_finds_the_pipe_of_another(
    pool: WorkerPool,
) -> None:
    kept = partial(kept_of, pool)
    first, second = (kept("one", leg, "pid") for leg in ("a", "b"))
    kept("one", "a", "remember_on_a_module")
    assert (kept("one", "a", "pid"), kept("one", "b", "pid")) == (first, second)
    assert kept("one", "a", "state")["memo"] == "known"
    assert kept("one", "b", "state")["memo"] is None
    if isolated.FORKS:  # its own pipe, and none that the worker holds
        pipes = [kept("one", leg, "sockets") for leg in ("a", "b", "c")]
        assert len({len(own) for own in pipes}) == 1, pipes
    assert kept("other", "a", "state")["memo"] is None


@pytest.mark.long
def test_so_many_legs_keep_their_processes_and_one_more_begins_all_of_them_anew(pool: WorkerPool) -> None:
    legs = [str(leg) for leg in range(isolated.MOST_KEPT)]
    first = [kept_of(pool, "one", leg, "pid") for leg in legs]
    assert [kept_of(pool, "one", leg, "pid") for leg in legs] == first
    kept_of(pool, "one", "another", "pid")
    assert kept_of(pool, "one", "0", "pid") not in first


def test_a_kept_process_remembers_until_another_is_asked(pool: WorkerPool) -> None:
    def kept(key: str, name: str) -> Any:
        job = pool.submit(f"{JOBS}:apart_with_the_same", {"key": key, "name": name}, timeout_s=30)
        outcome = job.result(60)
        assert isinstance(outcome, Done), outcome
        return outcome.value

    kept("one", "remember_on_a_module")
    assert kept("one", "state")["memo"] == "known"
    assert kept("another", "state")["memo"] is None
    assert kept("one", "state")["memo"] is None
    assert value_of(pool, "state")["memo"] is None


@pytest.mark.parametrize(
    "name", ["leave_a_child", "leave_a_child_with_a_session_of_its_own", "leave_a_grandchild_of_a_dead_child"]
)
def test_whatever_a_job_started_has_ended_when_the_job_has(
    pool: WorkerPool, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "pid"
    left = value_of(pool, name, path=str(path))
    pid = left if left is not None else int(path.read_text())
    assert not psutil.pid_exists(pid)


@pytest.mark.long_except("cancelled")
@pytest.mark.parametrize("ending", ["cancelled", "out of time", "closed"])
def test_a_daemon_that_a_job_started_ends_with_it_however_that_ends(tmp_path: Path, ending: str) -> None:
    path, begun = tmp_path / "pid", []
    with WorkerPool(1, tmp_path / "scratch", memory_mb=1024, preload=(JOBS,)) as pool:
        job = pool.submit(
            f"{JOBS}:apart",
            {"name": "leave_a_grandchild_of_a_dead_child", "path": str(path), "stay": True},
            timeout_s=8 if ending == "out of time" else None,
            on_progress=lambda *_: begun.append(True),
        )
        while not begun:
            time.sleep(0.01)
        pid = int(path.read_text())
        assert psutil.pid_exists(pid)
        if ending == "cancelled":
            job.cancel()
        if ending != "closed":
            assert isinstance(job.result(60), TimedOut if ending == "out of time" else Stopped)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.long
def test_a_cancelled_job_leaves_no_folder(tmp_path: Path) -> None:
    begun: list[bool] = []
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        for count in range(1, 3):
            job = pool.submit(
                f"{JOBS}:apart",
                {"name": "sleep", "seconds": 60},
                timeout_s=None,
                on_progress=lambda *_: begun.append(True),
            )
            while len(begun) < count:
                time.sleep(0.01)
            assert list(tmp_path.rglob("isolated-*"))
            job.cancel()
            assert job.result(60) == Stopped()
        value_of(pool, "echo")
        assert not list(tmp_path.rglob("isolated-*"))


@pytest.mark.long
def test_a_process_that_speaks_all_the_time_keeps_its_memory_limit(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=500, preload=(JOBS,)) as pool:
        outcome = pool.submit(f"{JOBS}:apart", {"name": "exhaust_memory_aloud"}, timeout_s=60).result(60)
    assert isinstance(outcome, Raised)
    assert outcome.message == "used more than 500 MB of memory"


def test_a_process_of_its_own_keeps_a_time_limit_of_its_own(pool: WorkerPool) -> None:
    job = pool.submit(f"{JOBS}:apart", {"name": "endless_loop", "limit_s": 1.2}, timeout_s=30)
    outcome = job.result(60)
    assert isinstance(outcome, TimedOut)
    assert outcome.message == "exceeded 1.2 s"
    assert "in endless_loop" in outcome.traceback


@pytest.mark.long
def test_where_processes_cannot_be_forked_they_are_started_and_just_as_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What macOS and Windows do, as far as Linux can show it."""
    monkeypatch.setenv(isolated.NO_FORK, "1")
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        before = value_of(pool, "state")
        for change in ("patch_numpy", "leave_a_child_with_a_session_of_its_own", "leave_files"):
            value_of(pool, change)
            assert value_of(pool, "state") == before
        died = pool.submit(f"{JOBS}:apart", {"name": "segfault"}, timeout_s=30).result(60)
        assert isinstance(died, Died)
        assert died.message == "worker died, exit code 139 (SIGSEGV)"
        late = pool.submit(f"{JOBS}:apart", {"name": "endless_loop"}, timeout_s=3).result(60)
        assert isinstance(late, TimedOut)


def test_random_numbers_are_the_same_in_every_job_and_every_process(pool: WorkerPool, tmp_path: Path) -> None:
    with WorkerPool(3, tmp_path, memory_mb=1024, preload=(JOBS,)) as other:
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
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        seen = value_of(pool, "environment")
    assert not secrets.keys() & seen["environ"].keys()
    assert "hunter2" not in seen["initial"]
    assert seen["environ"]["MY_MODEL"] == "kept"
    assert seen["environ"]["TQDM_DISABLE"] == "1"
    assert seen["environ"]["OMP_NUM_THREADS"] == "1"
