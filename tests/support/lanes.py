"""The two lanes: `make test` leaves out what is long, `make check` runs all.

`@pytest.mark.long` is a test of the second lane; `@pytest.mark.long_except("a", "b")` one whose cases are, except those
with these ids, which stand for them in the first. `@pytest.mark.longest` begins before all others where processes share the
tests: a minute that begins last is waited for by all.
"""

import os
from collections import defaultdict

import pytest
from hypothesis import settings

LIMIT_S = 1800  # a long test that hangs is ended too, but none because a machine is busy; the long profile has no end


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, because every third test waits for something; at most four."""
    return min(4, (os.cpu_count() or 1) + 1)


def case_of(item: pytest.Item) -> str:
    """The id of a parametrized test's case."""
    return item.callspec.id if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""


class LongestFirst:
    """After the order of the run was made."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: item.get_closest_marker("longest") is None)


def pytest_configure(config: pytest.Config) -> None:
    """One process alone keeps the order that it was given."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(LongestFirst())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the cases that are long, before `-m` asks for them, and give all that is long its time."""
    limit_s = 0 if settings.get_current_profile_name() == "long" else LIMIT_S
    cases: defaultdict[str, set[str]] = defaultdict(set)
    kept: dict[str, set[str]] = {}
    for item in items:
        marker = item.get_closest_marker("long_except")
        if marker:
            test = item.nodeid.partition("[")[0]
            cases[test].add(case_of(item))
            kept[test] = set(marker.args)
            if case_of(item) not in marker.args:
                item.add_marker(pytest.mark.long)
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(limit_s))
    if not any("[" in argument for argument in config.args):
        unknown = {test: left for test, names in kept.items() if (left := names - cases[test])}
        if unknown:
            raise pytest.UsageError(f"long_except names cases that are not there: {unknown}")
