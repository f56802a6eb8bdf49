"""How the processes that share the tests find them: each reads the files from another place on, and none looks for garbage.

Every process has to import every test. In a fresh checkout that compiles them all; beginning at the same one, each process
would compile what the others are compiling. So each begins elsewhere and finds the rest done. What collecting makes lives
as long as the session: looking through it again and again was a quarter of the time, then and in every test.
"""

import gc
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest


def files_of(config: pytest.Config) -> list[Path]:
    """The test files in the folders that are asked for, in one order for all."""
    folders = (config.invocation_params.dir / argument for argument in config.args)
    return sorted(file for folder in folders for file in folder.rglob("test_*.py"))


def begin_elsewhere(config: pytest.Config) -> None:
    """Import all test files, beginning at the share of this process; collecting says what is wrong with one."""
    worker: dict[str, str | int] = getattr(config, "workerinput")  # noqa: B009 - only processes of pytest-xdist have it
    files = files_of(config)
    first = len(files) * int(str(worker["workerid"]).removeprefix("gw")) // int(worker["workercount"])
    for file in files[first:] + files[:first]:
        with suppress(Exception, pytest.skip.Exception):
            import_module(".".join(file.relative_to(config.rootpath).with_suffix("").parts))


def pytest_collectstart(collector: pytest.Collector) -> None:
    """From here on pytest compiles test files its own way."""
    if isinstance(collector, pytest.Session) and hasattr(collector.config, "workerinput"):
        begin_elsewhere(collector.config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing of what is made meanwhile is looked at by the collector of garbage, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
