"""Fixtures shared by all tests; each plug-in file holds one kind of real part."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

pytest_plugins = [
    "tests.support.database",
    "tests.support.fake_exchange",
    "tests.support.fake_archive",
    "tests.support.builders",
    "tests.support.command_line",
]
