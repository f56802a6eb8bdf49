"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own, started as a user starts them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import psutil

from engine.jobs.kernels import VARIABLE, made_with_environment
from engine.jobs.parcels import identity, pack
from engine.parallel.dask_cluster import DaskCluster
from tests.support.plain_process import ROOT

T = TypeVar("T")
DASK = str(Path(sys.executable).with_name("dask"))
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "PYTHONPATH": str(ROOT),  # where the jobs of the tests are
    VARIABLE: os.environ.get(VARIABLE, str(made_with_environment())),  # benchmarks have none
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
}


class LocalDask:
    """`address` of its scheduler; workers come and go."""

    def __init__(self, folder: Path, *, tls: Mapping[str, str] = MappingProxyType({})) -> None:
        self._folder, self._tls = folder, dict(tls)
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        options = ["--host", f"{'tls' if tls else 'tcp'}://127.0.0.1:0", "--no-dashboard", "--no-show"]
        self.scheduler = self._start("scheduler", [*options, "--scheduler-file", str(file)], {})
        self.address = str(wait_for(lambda: json.loads(file.read_text())["address"]))

    def _start(
        self, kind: str, options: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        log = self._folder / f"{kind}-{time.monotonic_ns()}.log"
        home = {"HOME": str(self._folder), "BACKTEST_HOME": str(self.home)}
        with log.open("wb") as file:
            return subprocess.Popen(
                [DASK, kind, *options],
                cwd=self._folder,
                env=ENVIRONMENT | home | self._tls | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def home(self) -> Path:
        """The data folder of the workers."""
        return self._folder / "home"

    def add_worker(self, threads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """Start one more worker, without a nanny; it is there a few seconds later."""
        options = ["--host", "127.0.0.1", "--no-nanny", "--nthreads", str(threads), "--no-dashboard"]
        options += ["--local-directory", str(self._folder / "dask")]
        worker = self._start("worker", [self.address, *options], environment)
        self.workers.append(worker)
        return worker

    def connect(self, workers: int | None = None) -> DaskCluster:
        """An executor that sees so many workers, or one for each that was added."""
        wanted = len([one for one in self.workers if one.poll() is None]) if workers is None else workers
        cluster = DaskCluster(self.address, pack=pack, identity=identity())
        cluster.open()
        wait_for(lambda: cluster.size == wanted)
        return cluster

    def processes(self) -> list[psutil.Process]:
        """The workers' processes for jobs, with all that they started."""
        found = []
        for worker in self.workers:
            if worker.poll() is None:
                found += psutil.Process(worker.pid).children(recursive=True)
        return found

    def logs(self) -> str:
        """What scheduler and workers wrote."""
        return "\n".join(file.read_text() for file in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        """End them all."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def wait_for(look: Callable[[], T], seconds: float = 60) -> T:
    """What `look` gives as soon as that is something; what it raises counts as nothing yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except (OSError, ValueError, KeyError):
            found = None
        if found:
            return found
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """As the system would, or somebody with -9."""
    os.kill(process.pid, 9)
    process.wait()
