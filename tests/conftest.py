"""Fixtures shared by all tests; each plug-in file holds one kind of real part."""

import os
from pathlib import Path

from hypothesis import settings

from engine.parallel.kernels import VARIABLE, kernel_folder

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# kernels are compiled once and not once per data folder
os.environ[VARIABLE] = str(kernel_folder(Path(__file__).parents[1] / ".pytest_cache" / "numba"))

# the same examples in every run, and new ones for whoever asks: BACKTEST_TEST_PROFILE=long
settings.register_profile("ci", derandomize=True, deadline=None, stateful_step_count=16)
settings.register_profile("long", max_examples=2000, deadline=None, stateful_step_count=40, print_blob=True)
settings.load_profile(os.environ.get("BACKTEST_TEST_PROFILE", "ci"))

pytest_plugins = [
    "tests.support.own_home",
    "tests.support.order",
    "tests.support.database",
    "tests.support.fake_exchange",
    "tests.support.fake_archive",
    "tests.support.builders",
    "tests.support.lent_workers",
    "tests.support.command_line",
]
