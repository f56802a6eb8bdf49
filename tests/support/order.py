"""Every run has an order of its own (pytest-randomly), says which, and writes down what each process ran.

A seed per run, not a fixed one: a fixed seed tries one order for ever, and what depends on neighbours stays hidden until
somebody adds a test. `pytest --randomly-seed=N` (`make test SEED=N`) repeats the order. With several processes the split
between them depends on how fast they are; so the tests of each are kept, and
`pytest -p no:randomly @.pytest_cache/order/gw0` runs exactly those of the first, one after the other.
"""

import os
from pathlib import Path

import pytest


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say the seed also where pytest is quiet, and before anything can hang."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    seed = config.getoption("randomly_seed", None)
    if (
        reporter is not None
        and not hasattr(config, "workerinput")
        and config.pluginmanager.hasplugin("randomly")
    ):
        reporter.write_line(f"order of this run: SEED={seed}")


class Diary:
    """The tests of this process in the order in which they ran, as arguments for pytest."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        print(nodeid, file=self._file, flush=True)

    def pytest_unconfigure(self) -> None:
        self._file.close()


def pytest_configure(config: pytest.Config) -> None:
    """Only processes that run tests write a diary."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker or not config.getoption("numprocesses", None):
        folder = config.rootpath / config.getini("cache_dir") / "order"
        config.pluginmanager.register(Diary(folder / (worker or "main")))
