"""Workers begin and end with their program, however it was started and however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import psutil
import pytest

from engine.errors import Interrupted
from engine.parallel.pool import Died, Done, Job, Stopped, WorkerPool
from tests.support.own_time import within

JOBS = "tests.engine.parallel.jobs"
ROOT = Path(__file__).parents[3]
FORBIDDEN = (
    "PySide6",
    "pyqtgraph",
    "qasync",
    "sqlalchemy",
    "psycopg",
    "ccxt",
    "pydantic",
    "typer",
    "desktop",
)


def wait_until_gone(pids: list[int], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if psutil.pid_exists(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def program(folder: Path, body: str) -> str:
    """A program that owns a pool, submits `body`'s jobs and prints a line."""
    return dedent(
        f"""
        import sys, time, threading
        sys.path.insert(0, {str(ROOT)!r})

        def main():
            from pathlib import Path
            from engine.parallel.pool import WorkerPool
            pool = WorkerPool(2, Path({str(folder)!r}), memory_mb=1024)
        {{body}}

        if __name__ == "__main__":
            main()
        """
    ).replace("{body}", indent(dedent(body), "    "))


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    programs: list[subprocess.Popen[str]] = []
    yield programs
    for one in programs:
        one.kill()
        one.communicate()


def start(started: list[subprocess.Popen[str]], *command: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    one = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=cwd)
    started.append(one)
    return one


def first_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()


@pytest.mark.long_except("endless_loop")
@pytest.mark.parametrize("work", ["echo", "endless_loop", "endless_loop_in_c", "leave_a_child_running"])
def test_workers_are_gone_soon_after_their_program_was_killed(
    tmp_path: Path, started: list[subprocess.Popen[str]], work: str
) -> None:
    body = f"""
        jobs = [pool.submit("{JOBS}:{work}", {{}}, timeout_s=None) for _ in range(2)]
        if "{work}" == "echo":
            [job.result() for job in jobs]
        while sum(one.begun for one in pool._processes) < (0 if "{work}" == "echo" else 2):
            time.sleep(0.01)
        time.sleep(0.5)
        print(*pool.pids(), flush=True)
        time.sleep(60)
    """
    owner = start(started, "-c", program(tmp_path, body))
    pids = [int(pid) for pid in first_line(owner).split()]
    family = [*pids, *(child.pid for pid in pids for child in psutil.Process(pid).children())]
    assert len(pids) == 2
    owner.kill()
    owner.wait()
    try:
        wait_until_gone(family)
    finally:
        for pid in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()


@pytest.mark.long
def test_a_folder_of_a_killed_program_is_removed_by_the_next_one(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    body = f"""
        pool.submit("{JOBS}:echo", {{}}, timeout_s=None).result()
        print("ready", flush=True)
        time.sleep(60)
    """
    owner = start(started, "-c", program(tmp_path, body))
    first_line(owner)
    left = set(tmp_path.iterdir())
    assert left
    owner.kill()
    owner.wait()
    with WorkerPool(1, tmp_path, memory_mb=1024) as pool:
        pool.submit(f"{JOBS}:echo", {}, timeout_s=None).result(60)
        assert not left & set(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.long_except("pass")
@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "raise RuntimeError", "pool.close()"])
def test_a_program_that_forgets_to_close_its_pool_ends_at_once_and_leaves_nothing(
    tmp_path: Path, started: list[subprocess.Popen[str]], ending: str
) -> None:
    body = f"""
        jobs = [pool.submit("{JOBS}:endless_loop", {{}}, timeout_s=None) for _ in range(5)]
        time.sleep(0.7)
        print(*pool.pids(), flush=True)
        sys.stderr = open("{os.devnull}", "w")
        {ending}
    """
    owner = start(started, "-c", program(tmp_path, body))
    pids = [int(pid) for pid in first_line(owner).split()]
    assert len(pids) == 2
    owner.wait(timeout=60)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_control_c_reaches_the_program_and_not_its_workers(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    body = f"""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
        job = pool.submit("{JOBS}:sleep", {{"seconds": 1.0}}, timeout_s=None)
        try:
            print("ready", flush=True)
            time.sleep(30)
        except KeyboardInterrupt:
            print(type(job.result()).__name__, flush=True)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", program(tmp_path, body)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        process_group=0,
    )
    started.append(owner)
    first_line(owner)
    time.sleep(0.6)
    os.killpg(owner.pid, signal.SIGINT)  # what a terminal does
    assert first_line(owner) == "Done\n"


def test_closing_stops_what_runs_and_what_waits_and_can_be_repeated(tmp_path: Path) -> None:
    pool = WorkerPool(2, tmp_path / "scratch", memory_mb=1024)
    jobs = [pool.submit(f"{JOBS}:sleep", {"seconds": 60}, timeout_s=None) for _ in range(20)]
    time.sleep(0.5)
    pids = pool.pids()
    with within(2):
        pool.close()
    assert {job.result(0) for job in jobs} == {Stopped()}
    assert not [pid for pid in pids if psutil.pid_exists(pid)]  # ended and waited for: no zombies
    assert not list((tmp_path / "scratch").iterdir())
    pool.close()
    with pytest.raises(Interrupted, match="closed"):
        pool.submit(f"{JOBS}:echo", {}, timeout_s=None)


def test_a_pool_that_was_never_used_starts_and_leaves_nothing(tmp_path: Path) -> None:
    pool = WorkerPool(2, tmp_path / "scratch", memory_mb=1024)
    pool.close()
    pool.close()
    assert not (tmp_path / "scratch").exists()


def test_a_callback_may_close_the_pool(tmp_path: Path) -> None:
    pool = WorkerPool(1, tmp_path, memory_mb=1024)
    closed = threading.Event()

    def close(_: Job[Any]) -> None:
        pool.close()
        closed.set()

    pool.submit(f"{JOBS}:echo", {}, timeout_s=None).add_done_callback(close)
    assert closed.wait(60)
    pool.close()
    assert not pool.pids()


def test_callbacks_run_in_the_supervising_thread_and_may_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = []

    def listen(*_: object) -> None:
        names.append(threading.current_thread().name)
        raise ValueError("a listener's mistake")

    with WorkerPool(1, tmp_path, memory_mb=1024) as pool:
        job = pool.submit(f"{JOBS}:sleep", {"seconds": 0.2}, timeout_s=None, on_progress=listen)
        job.add_done_callback(listen)
        assert isinstance(job.result(60), Done)
        assert isinstance(pool.submit(f"{JOBS}:echo", {}, timeout_s=None).result(60), Done)
    assert names == ["worker-pool"] * 2
    assert "a listener's mistake" in caplog.text


@pytest.mark.long
def test_workers_start_in_parallel_and_ahead_of_need(tmp_path: Path) -> None:
    with WorkerPool(3, tmp_path, memory_mb=1024, preload=("decimal",)) as pool:
        pool.warm_up()
        deadline = time.monotonic() + 60
        while len(pool.pids()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        jobs = [pool.submit(f"{JOBS}:sleep", {"seconds": 1}, timeout_s=None) for _ in range(3)]
        assert len({job.result(60).value for job in jobs}) == 3  # type: ignore[union-attr]


@pytest.mark.long
def test_workers_that_cannot_start_fail_the_jobs_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WorkerPool(2, tmp_path, memory_mb=1024) as pool:
        with monkeypatch.context() as broken:
            broken.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
            outcome = pool.submit(f"{JOBS}:echo", {}, timeout_s=None).result(60)
        assert isinstance(outcome, Died)
        assert outcome.message.startswith("no worker process could be started: ModuleNotFoundError")
        assert isinstance(pool.submit(f"{JOBS}:echo", {}, timeout_s=None).result(60), Done)  # and it recovers


@pytest.mark.long
def test_progress_arrives_at_most_ten_times_a_second_and_ends_with_the_last(tmp_path: Path) -> None:
    seen: list[tuple[float, float | None, str]] = []
    with WorkerPool(1, tmp_path, memory_mb=1024) as pool:
        job = pool.submit(
            f"{JOBS}:progress",
            {"steps": 1000, "pause_s": 0.001},
            timeout_s=30,
            on_progress=lambda *one: seen.append(one),
        )
        started = time.monotonic()
        job.result(60)
        elapsed = time.monotonic() - started
    assert 3 <= len(seen) <= elapsed * 10 + 2
    assert seen[-1] == (1000.0, 1000.0, "steps")
    assert [one[0] for one in seen] == sorted(one[0] for one in seen)


def test_a_payload_larger_than_a_pipe_arrives(tmp_path: Path) -> None:
    with WorkerPool(1, tmp_path, memory_mb=1024) as pool:
        outcome = pool.submit(f"{JOBS}:echo", {"text": "x" * 3_000_000}, timeout_s=30).result(60)
    assert outcome == Done({"text": "x" * 3_000_000})


PRINT_MODULES = f"""
    modules = pool.submit("{JOBS}:modules", {{}}, timeout_s=30).result().value
    print(*modules, flush=True)
    pool.close()
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only there are workers stopped before they are killed")
def test_a_worker_that_its_program_had_stopped_to_kill_ends_when_the_program_is_killed_meanwhile(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    body = f"""
        pool.submit("{JOBS}:echo", {{}}, timeout_s=30).result()
        print(*pool.pids(), flush=True)
        time.sleep(60)
    """
    owner = start(started, "-c", program(tmp_path, body))
    pids = [int(pid) for pid in first_line(owner).split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    owner.kill()
    wait_until_gone(pids)


@pytest.mark.long_except("-m")
@pytest.mark.parametrize("how", ["script", "script without .py", "-c", "-m", "a Qt program"])
def test_a_worker_loads_neither_window_nor_database_nor_exchange(
    tmp_path: Path, started: list[subprocess.Popen[str]], how: str
) -> None:
    text = program(tmp_path / "scratch", PRINT_MODULES)
    if how == "a Qt program":
        text = "import PySide6.QtWidgets, sqlalchemy, ccxt\napp = PySide6.QtWidgets.QApplication([])\n" + text
    file = tmp_path / ("backtest" if how == "script without .py" else "started.py")
    file.write_text(text)
    command = {"-c": ["-c", text], "-m": ["-m", "started"]}.get(how, [str(file)])
    modules = first_line(start(started, *command, cwd=tmp_path)).split()
    assert "engine.parallel.worker" in modules
    assert not [name for name in modules if name.partition(".")[0] in FORBIDDEN]


@pytest.mark.long
def test_a_worker_of_the_real_command_loads_neither_window_nor_database_nor_exchange(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    (tmp_path / "strategies").mkdir()
    names = tmp_path / "modules"
    (tmp_path / "strategies" / "spy.py").write_text(
        f"import sys\nopen({str(names)!r}, 'w').write(' '.join(sys.modules))\n"
        "from engine.strategy import Strategy\nclass Spy(Strategy):\n    pass\n"
    )
    environment = {**os.environ, "BACKTEST_HOME": str(tmp_path)}
    script = Path(sys.executable).with_name("backtest")
    if not script.exists():
        pytest.skip("the console script is not installed here")
    subprocess.run(
        [script, "strategies", "--json"], env=environment, check=True, capture_output=True, timeout=120
    )
    modules = names.read_text().split()
    assert "engine.parallel.worker" in modules
    assert not [name for name in modules if name.partition(".")[0] in FORBIDDEN]
