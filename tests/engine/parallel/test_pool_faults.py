"""Whatever a job does, it does to itself alone, and the pool says what happened."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.parallel.pool import Died, Done, Outcome, Raised, Stopped, TimedOut, WorkerPool
from tests.support.own_time import within

JOBS = "tests.engine.parallel.jobs"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    """Two workers for the whole file: each test leaves it fit for the next, which is the point."""
    with WorkerPool(2, tmp_path_factory.mktemp("scratch"), memory_mb=1024, preload=(JOBS,)) as pool:
        yield pool


def run(pool: WorkerPool, name: str, timeout_s: float | None = 30, **payload: object) -> Outcome[Any]:
    """A job in a process of its own, as strategies are run."""
    return pool.submit(f"{JOBS}:apart", {"name": name, **payload}, timeout_s=timeout_s).result(60)


def run_in_worker(
    pool: WorkerPool, name: str, timeout_s: float | None = 30, **payload: object
) -> Outcome[Any]:
    """A job in the worker itself: ours, but a library or the system may end it all the same."""
    return pool.submit(f"{JOBS}:{name}", payload, timeout_s=timeout_s).result(60)


RUNS = pytest.mark.parametrize("run", [run, run_in_worker])
Run = Callable[..., Outcome[Any]]


@pytest.mark.long_except(
    "run-exit_7-worker died, exit code 7", "run_in_worker-segfault-worker died, exit code 139 (SIGSEGV)"
)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exit_7", "worker died, exit code 7"),
        ("segfault", "worker died, exit code 139 (SIGSEGV)"),
        ("abort", "worker died, exit code 134 (SIGABRT)"),
        ("kill_itself", "worker died, exit code 137 (SIGKILL; most often the system ran out of memory)"),
        ("close_pipe", "worker was ended: the job closed files that it had not opened"),
    ],
)
@RUNS
def test_a_job_that_ends_its_process_fails_alone_and_says_how(
    pool: WorkerPool, run: Run, name: str, message: str
) -> None:
    neighbours = [pool.submit(f"{JOBS}:sleep", {"seconds": 0.3}, timeout_s=30) for _ in range(3)]
    outcome = run(pool, name)
    assert isinstance(outcome, Died)
    assert outcome.message == message
    assert all(isinstance(job.result(60), Done) for job in neighbours)


@RUNS
def test_a_crash_in_native_code_shows_the_line_of_python_that_called_it(pool: WorkerPool, run: Run) -> None:
    outcome = run(pool, "segfault")
    assert isinstance(outcome, Died)
    assert "Segmentation fault" in outcome.traceback
    assert "in segfault" in outcome.traceback


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("sys_exit", "SystemExit: 3", "SystemExit"),
        ("keyboard_interrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("exception_of_two_arguments", "NeedsTwo: first and second", "NeedsTwo"),
        ("unprintable_exception", "Unprintable (which cannot be printed)", "Unprintable"),
        ("endless_recursion", "RecursionError: maximum recursion depth exceeded", "RecursionError"),
        (
            "result_with_a_function",
            "TypeError: the result holds a value of type function; only plain values and numpy arrays can be returned",
            "TypeError",
        ),
        (
            "result_with_objects",
            (
                "TypeError: the result holds a value of type array of object; "
                "only plain values and numpy arrays can be returned"
            ),
            "TypeError",
        ),
        ("result_without_end", "ValueError: Circular reference detected", "ValueError"),
        pytest.param(
            "exhaust_memory", "used more than 1024 MB of memory", "MemoryError", marks=pytest.mark.long
        ),
        pytest.param(
            "exhaust_shared_memory", "used more than 512 MB of memory", "MemoryError", marks=pytest.mark.long
        ),
        (
            "no_such_function",
            "KeyError: 'no_such_function'",
            "KeyError",
        ),
    ],
)
def test_a_job_that_raises_fails_with_one_line(
    pool: WorkerPool, tmp_path: Path, name: str, message: str, kind: str
) -> None:
    if "512" in message:
        with WorkerPool(1, tmp_path, memory_mb=512, preload=(JOBS,)) as small:
            outcome = run(small, name)
    else:
        outcome = run(pool, name)
    assert isinstance(outcome, Raised)
    assert (outcome.message, outcome.kind) == (message, kind)
    assert "Traceback" in outcome.traceback or name in ("unprintable_exception", "exhaust_shared_memory")


def test_a_message_of_fifty_megabytes_is_cut(pool: WorkerPool) -> None:
    outcome = run(pool, "huge_message")
    assert isinstance(outcome, Raised)
    assert len(outcome.message) <= 500
    assert len(outcome.traceback) <= 20_000


@pytest.mark.long_except("run")
@RUNS
def test_an_endless_loop_is_ended_at_its_limit_and_says_where_it_was(pool: WorkerPool, run: Run) -> None:
    with within(5):
        outcome = run(pool, "endless_loop", timeout_s=1.5)
    assert isinstance(outcome, TimedOut)
    assert outcome.message == "exceeded 1.5 s"
    assert "in endless_loop" in outcome.traceback


@pytest.mark.long_except("run")
@RUNS
def test_a_loop_in_native_code_that_keeps_the_gil_is_ended_too(pool: WorkerPool, run: Run) -> None:
    outcome = run(pool, "endless_loop_in_c", timeout_s=1.5)
    assert isinstance(outcome, TimedOut)
    assert "in endless_loop_in_c" in outcome.traceback


@pytest.mark.long
def test_a_job_within_its_limit_is_not_ended_by_the_watch_of_an_earlier_one(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        assert isinstance(run(pool, "sleep", timeout_s=3, seconds=0.3), Done)
        assert isinstance(run(pool, "sleep", timeout_s=None, seconds=3.5), Done)


@pytest.mark.long_except("endless_loop_in_c-")
@pytest.mark.parametrize("function", ["apart", ""])
@pytest.mark.parametrize("name", ["endless_loop", "endless_loop_in_c", "sleep"])
def test_cancelling_a_running_job_ends_it_within_two_seconds(
    pool: WorkerPool, name: str, function: str
) -> None:
    running = threading.Event()
    job = pool.submit(
        f"{JOBS}:{function or name}",
        {"name": name, "seconds": 60},
        timeout_s=None,
        on_progress=lambda *_: running.set(),
    )
    running.wait(20 if name != "endless_loop" else 1.5)
    with within(2):
        job.cancel()
        assert job.result(60) == Stopped()
    job.cancel()  # twice does no harm
    assert isinstance(run(pool, "echo"), Done)


def test_a_cancelled_job_in_the_queue_never_starts(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path / "scratch", memory_mb=1024, preload=(JOBS,)) as pool:
        first = pool.submit(f"{JOBS}:sleep", {"seconds": 0.5}, timeout_s=None)
        queued = [
            pool.submit(f"{JOBS}:touch", {"path": str(tmp_path / f"touched-{n}")}, timeout_s=None)
            for n in range(50)
        ]
        for job in queued:
            job.cancel()
        assert {job.result(60) for job in queued} == {Stopped()}
        assert isinstance(first.result(60), Done)
        assert isinstance(run(pool, "echo"), Done)
    assert not list(tmp_path.glob("touched-*"))


def test_a_gigabyte_of_output_goes_nowhere_and_fills_no_disk(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        assert isinstance(run(pool, "flood_streams", megabytes=256), Done)
        assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 10_000


def test_what_a_cancelled_job_started_ends_with_it(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        outcome = run(pool, "leave_a_child")
        assert isinstance(outcome, Done)
        run(pool, "echo")
        _wait_until_gone([outcome.value])


@pytest.mark.long
def test_a_worker_killed_while_idle_is_replaced_unnoticed(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        for _ in range(3):
            first = run_in_worker(pool, "pid")
            assert isinstance(first, Done)
            psutil.Process(first.value).kill()
            assert isinstance(run(pool, "echo"), Done)


def test_a_job_waits_while_workers_are_killed_as_they_start(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=1024, preload=(JOBS,)) as pool:
        job = pool.submit(f"{JOBS}:echo", {}, timeout_s=30)
        killed: set[int] = set()
        while len(killed) < 8:
            for pid in set(pool.pids()) - killed:
                psutil.Process(pid).kill()
                killed.add(pid)
        assert isinstance(job.result(60), Done)


def _wait_until_gone(pids: list[int], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, (
            f"still running: {[pid for pid in pids if psutil.pid_exists(pid)]}"
        )
        time.sleep(0.02)
