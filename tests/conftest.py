"""Fixtures shared by all tests; each plug-in file holds one kind of real part."""

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.internal.constants_ast import Constants

from engine.jobs.kernels import VARIABLE, bring_kernels, kernel_folder, made_with_environment


def kernels() -> Path | None:
    """Those of the environment, and not compiled once per data folder; None where they are to be compiled.

    Engines write beside them, so they are a copy: in /tmp where the environment is read-only.
    """
    places = (made_with_environment(), Path("/tmp", f"backtest-kernels-{os.getuid()}"))
    return next(filter(bring_kernels, map(kernel_folder, places)), None)


def is_made() -> bool:
    """Whether `make` has looked at what stands here: then no file of ours is newer than the mark that it left."""
    mark = Path(sys.prefix, "ready")
    files = (
        file
        for name in ("engine", "strategies")
        for file in Path(__file__).parents[1].glob(f"{name}/**/*.py")
    )
    return mark.is_file() and all(file.stat().st_mtime <= mark.stat().st_mtime for file in files)


os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ.pop(VARIABLE, None)
    compiled = kernels() if is_made() else None
    if compiled is None:
        subprocess.run([sys.executable, "-m", "engine.jobs.compile"], check=True)
        compiled = kernels()
    os.environ[VARIABLE] = str(compiled)

# the same examples in every run, a quarter of them in `make test`, and new ones for whoever asks: BACKTEST_TEST_PROFILE=long
settings.register_profile("quick", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None, stateful_step_count=16)
settings.register_profile("long", max_examples=2000, deadline=None, stateful_step_count=40, print_blob=True)
settings.load_profile(os.environ.get("BACKTEST_TEST_PROFILE", "ci"))


class SameExamples(HypothesisProvider):
    """Tries no constants of our modules: which are imported by then depends on earlier tests, and so would the examples."""

    _local_constants = Constants()


if settings().derandomize:
    AVAILABLE_PROVIDERS["hypothesis"] = SameExamples

pytest_plugins = [
    "tests.support.own_home",
    "tests.support.order",
    "tests.support.lanes",
    "tests.support.collecting",
    "tests.support.database",
    "tests.support.password_server",
    "tests.support.fake_brackets",
    "tests.support.fake_exchange",
    "tests.support.fake_bybit",
    "tests.support.fake_archive",
    "tests.support.builders",
    "tests.support.lent_workers",
    "tests.support.command_line",
    "tests.support.http_server",
    "tests.support.tasks",
    "tests.support.plain_process",
]
