"""Jobs on a real Dask cluster: what they answer and how they end is as on one machine, and harm stays where it is done."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.errors import ClusterError
from engine.parallel.dask_cluster import DaskCluster
from engine.parallel.executor import Executor
from engine.parallel.job import Died, Done, Outcome, Raised, Stopped
from engine.parallel.pool import WorkerPool
from tests.support.local_dask import ENVIRONMENT, LocalDask, kill, wait_for
from tests.support.own_time import within
from tests.support.plain_process import ROOT

JOBS = "tests.engine.parallel.jobs"
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDask]:
    """Two workers of one thread; tests that kill one add another."""
    dask = LocalDask(tmp_path_factory.mktemp("dask"))
    dask.add_worker()
    dask.add_worker()
    yield dask
    dask.close()


@pytest.fixture(scope="module")
def cluster(dask: LocalDask) -> Iterator[DaskCluster]:
    cluster = dask.connect()
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    with WorkerPool(2, tmp_path_factory.mktemp("scratch"), memory_mb=4096, preload=(JOBS,)) as pool:
        yield pool


def run(executor: Executor, name: str, timeout_s: float | None = 60, **payload: object) -> Outcome[Any]:
    """A job in a process of its own, as strategies are run."""
    job = executor.submit(
        f"{JOBS}:apart", {"name": name, **payload}, timeout_s=timeout_s, read=lambda one: one
    )
    return job.result(120)


@pytest.mark.parametrize(
    "name",
    [
        "exit_7", "segfault", "abort", "kill_itself", "close_pipe", "sys_exit", "exception_of_two_arguments",
        "unprintable_exception", "result_with_a_function", "result_without_end", "huge_message", "echo",
        "exhaust_memory", "no_such_function",
    ],
)  # fmt: skip
def test_a_job_ends_as_on_one_machine(cluster: DaskCluster, pool: WorkerPool, name: str):
    here, there = run(pool, name), run(cluster, name)
    assert type(there) is type(here)
    if isinstance(here, Done):
        assert there == here
    else:
        assert getattr(there, "message", 0) == getattr(here, "message", 1)
        assert getattr(there, "kind", "") == getattr(here, "kind", "")


def test_an_endless_loop_is_ended_at_its_limit_and_says_where_it_was(cluster: DaskCluster):
    outcome = run(cluster, "endless_loop", timeout_s=1)
    assert outcome.message == "exceeded 1 s"  # type: ignore[union-attr]
    assert "in endless_loop" in outcome.traceback  # type: ignore[union-attr]
    assert isinstance(run(cluster, "echo"), Done)


def test_progress_of_a_job_arrives_and_of_no_other(cluster: DaskCluster):
    heard: dict[int, list[tuple[Any, ...]]] = {0: [], 1: []}
    jobs = [
        cluster.submit(
            f"{JOBS}:sleep",
            {"seconds": 0.5},
            timeout_s=60,
            on_progress=lambda *far, n=n: heard[n].append(far),
        )
        for n in heard
    ]
    assert all(isinstance(job.result(60), Done) for job in jobs)
    assert heard == {0: [(0.0, 1.0, "asleep")], 1: [(0.0, 1.0, "asleep")]}


@pytest.mark.parametrize("name", ["endless_loop_in_c", "leave_a_child_running"])
def test_a_cancelled_job_ends_within_two_seconds_with_all_that_it_started(
    dask: LocalDask, cluster: DaskCluster, name: str
):
    before = {one.pid for one in dask.processes()}
    job = cluster.submit(f"{JOBS}:apart", {"name": name}, timeout_s=None)
    started = wait_for(lambda: [one for one in dask.processes() if one.pid not in before])
    time.sleep(0.5)
    with within(2):
        job.cancel()
        assert job.result(60) == Stopped()
        wait_for(lambda: not any(one.is_running() and one.status() != "zombie" for one in started), 60)
    assert isinstance(run(cluster, "echo"), Done)


def test_a_client_that_is_killed_leaves_no_job_running(dask: LocalDask, cluster: DaskCluster):
    before = {one.pid for one in dask.processes()}
    code = (
        "from engine.parallel.dask_cluster import DaskCluster\n"
        "from engine.jobs.parcels import identity, pack\n"
        f"cluster = DaskCluster({dask.address!r}, pack=pack, identity=identity())\n"
        "cluster.open()\n"
        f"cluster.submit('{JOBS}:apart', {{'name': 'sleep', 'seconds': 600}}, timeout_s=None).result()\n"
    )
    client = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT)
    try:
        started = wait_for(lambda: [one for one in dask.processes() if one.pid not in before])
    finally:
        kill(client)
    wait_for(lambda: not any(one.is_running() and one.status() != "zombie" for one in started), 15)
    assert isinstance(run(cluster, "echo"), Done)


def test_a_worker_that_is_killed_costs_its_own_job_which_is_done_again_elsewhere(
    dask: LocalDask, cluster: DaskCluster, tmp_path: Path
):
    """The job notes each time that it begins."""
    notes = tmp_path / "notes"
    jobs = [
        cluster.submit(f"{JOBS}:note_and_sleep", {"path": str(notes), "name": n, "seconds": 8}, timeout_s=60)
        for n in range(2)
    ]
    wait_for(lambda: len(notes.read_text().splitlines()) == 2)
    victim = dask.workers.pop()
    dask.add_worker()
    kill(victim)
    assert [job.result(90) for job in jobs] == [Done(0), Done(1)]
    assert len(notes.read_text().splitlines()) == 3, "one of them twice"
    wait_for(lambda: cluster.size == 2)


def test_a_job_whose_workers_are_killed_twice_fails_with_the_reason_and_not_with_a_third(
    dask: LocalDask, cluster: DaskCluster, tmp_path: Path
):
    notes = tmp_path / "notes"
    job = cluster.submit(f"{JOBS}:note_and_kill_parent", {"path": str(notes)}, timeout_s=60)
    outcome = job.result(90)
    assert isinstance(outcome, Died)
    assert outcome.message.startswith("the Dask workers that did it were lost: tcp://127.0.0.1:")
    assert outcome.message.count("killed, or out of reach") == 2
    assert len(notes.read_text().splitlines()) == 2
    dask.workers = [one for one in dask.workers if one.poll() is None]
    while len(dask.workers) < 2:
        dask.add_worker()
    wait_for(lambda: cluster.size == 2)


def test_a_worker_that_hangs_is_left_and_its_job_done_elsewhere(
    dask: LocalDask, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("engine.parallel.dask_link._SILENT_S", 3.0)
    stopped = psutil.Process(dask.workers[0].pid)
    stopped.suspend()
    try:
        jobs = [cluster.submit(f"{JOBS}:echo", n, timeout_s=60) for n in range(4)]
        assert [job.result(60) for job in jobs] == [Done(n) for n in range(4)]
    finally:
        stopped.resume()
    monkeypatch.undo()
    wait_for(lambda: cluster.size == 2)


def test_a_worker_with_other_versions_is_refused_by_name(
    dask: LocalDask, cluster: DaskCluster, tmp_path: Path
):
    old = tmp_path / "backtesting-0.1.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: backtesting\nVersion: 0.1\n")
    odd = dask.add_worker(PYTHONPATH=f"{tmp_path}:{ROOT}")
    try:
        (line,) = wait_for(lambda: cluster.refused)
        here = metadata.version("backtesting")
        assert line.endswith(f"is not used: backtesting 0.1 there, {here} here")
        assert cluster.size == 2
        assert isinstance(run(cluster, "echo"), Done)
    finally:
        dask.workers.remove(odd)
        kill(odd)


def test_a_dask_worker_holds_neither_database_nor_exchange_nor_window_and_runs_no_strategy(
    dask: LocalDask, cluster: DaskCluster
):
    from distributed import Client

    run(cluster, "echo")
    with Client(dask.address, set_as_default=False) as client:
        found = client.run(loaded)
    for modules in found.values():
        assert "engine.jobs.run" not in modules
        assert "tests.engine.parallel.jobs" not in modules
        assert not modules & {"psycopg", "sqlalchemy", "ccxt", "PySide6", "engine.database", "engine.data"}


def loaded() -> set[str]:
    return set(sys.modules)


def test_answers_of_fifty_megabytes_and_a_thousand_jobs_come_whole(cluster: DaskCluster):
    big = run(cluster, "large", megabytes=50, number=7)
    assert isinstance(big, Done)
    assert big.value["values"].nbytes == 50 * 2**20
    assert big.value["values"][-1] == 50 * 131_072 + 6
    jobs = [cluster.submit(f"{JOBS}:echo", n, timeout_s=60) for n in range(1_000)]
    assert [job.result(120) for job in jobs] == [Done(n) for n in range(1_000)]


def test_closing_stops_what_runs_and_what_waits_within_seconds(dask: LocalDask, cluster: DaskCluster):
    own = dask.connect()
    running = threading.Event()
    jobs = [
        own.submit(f"{JOBS}:sleep", {"seconds": 60}, timeout_s=None, on_progress=lambda *_: running.set())
        for _ in range(6)
    ]
    assert running.wait(30)
    with within(5):
        own.close()
    assert [job.result(1) for job in jobs] == [Stopped()] * 6
    own.close()
    assert isinstance(run(cluster, "echo"), Done)


def test_a_scheduler_that_dies_ends_every_job_with_one_line(tmp_path: Path):
    dask = LocalDask(tmp_path)
    try:
        dask.add_worker()
        cluster = dask.connect()
        jobs = [cluster.submit(f"{JOBS}:sleep", {"seconds": 60}, timeout_s=None) for _ in range(3)]
        time.sleep(1)
        kill(dask.scheduler)
        with within(10):
            outcomes = [job.result(60) for job in jobs]
        for outcome in outcomes:
            assert isinstance(outcome, Raised)
            assert outcome.kind == ClusterError.__name__
            assert outcome.message.startswith(f"the Dask scheduler at {dask.address} is gone")
        late = cluster.submit(f"{JOBS}:echo", 1, timeout_s=None).result(5)
        assert isinstance(late, Raised)
        cluster.close()
        wait_for(lambda: dask.workers[0].poll() is not None, 40)
    finally:
        dask.close()
