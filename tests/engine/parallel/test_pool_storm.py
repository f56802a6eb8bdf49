"""The test that chose this pool: 500 random cancels and killed workers while large results are under way."""

import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engine.parallel.pool import Died, Done, Job, Stopped, WorkerPool

JOBS = "tests.engine.parallel.jobs"


@pytest.mark.long
def test_no_other_job_fails_or_stalls_in_a_storm_of_cancels_and_kills(tmp_path: Path) -> None:
    chance = random.Random(7)
    ended: list[Job[Any]] = []
    with WorkerPool(2, tmp_path, memory_mb=1024) as pool:
        # every 14th job returns 20 to 50 MB
        small = [pool.submit(f"{JOBS}:sleep", {"seconds": 0.02}, timeout_s=30) for _ in range(13)]
        large: list[Job[Any]] = []
        for number in range(46):
            size = {"megabytes": 20 + 10 * (number % 4), "number": number}
            large.append(pool.submit(f"{JOBS}:large", size, timeout_s=30))
            small += [pool.submit(f"{JOBS}:sleep", {"seconds": 0.02}, timeout_s=30) for _ in range(13)]
        mixed = small + large
        for job in mixed:
            job.add_done_callback(ended.append)
        doomed = chance.sample(small, 480) + chance.sample(large, 20)
        chance.shuffle(doomed)
        killed = _storm(pool, doomed, chance)
        innocent = [job for job in mixed if job not in set(doomed)]
        outcomes = {job: job.result(60) for job in mixed}
        assert len(ended) == len(mixed)  # each exactly once
    assert {type(outcomes[job]) for job in doomed} <= {Stopped, Done, Died}
    assert sum(outcomes[job] == Stopped() for job in doomed) > 300
    dead = [job for job in innocent if not isinstance(outcomes[job], Done)]
    assert all(isinstance(outcomes[job], Died) for job in dead)
    assert len(dead) + sum(isinstance(outcomes[job], Died) for job in doomed) <= killed  # only those we shot
    _check_values([outcomes[job] for job in large])
    assert not list(tmp_path.iterdir())


def _storm(pool: WorkerPool, doomed: list[Job[Any]], chance: random.Random) -> int:
    """Cancel the doomed from two threads at random moments, and kill a worker now and then; how many were killed."""
    halves = doomed[::2], doomed[1::2]

    def cancel(jobs: list[Job[Any]], seed: int) -> None:
        moments = random.Random(seed)
        for job in jobs:
            time.sleep(moments.uniform(0, 0.02))
            job.cancel()

    threads = [threading.Thread(target=cancel, args=(jobs, n)) for n, jobs in enumerate(halves)]
    for thread in threads:
        thread.start()
    killed = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(chance.uniform(0.1, 0.4))
        for pid in chance.sample(pool.pids(), k=min(1, len(pool.pids()))):
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()
                killed += 1
    return killed


def _check_values(outcomes: list[object]) -> None:
    done = [outcome.value for outcome in outcomes if isinstance(outcome, Done)]
    assert len(done) >= 10
    for value in done:
        expected = np.arange(len(value["values"]), dtype=np.float64) + value["number"]
        assert np.array_equal(value["values"], expected)
        assert value["nested"][0]["few"].dtype == np.int32
