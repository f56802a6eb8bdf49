"""What tests of the checks of a run share."""

import pytest

from engine.checks import verdicts as checks


@pytest.fixture
def all_the_time_in_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many cuts are made must not depend on what else this machine does."""
    monkeypatch.setattr(checks, "LEAST_S", 3600.0)
    monkeypatch.setattr(checks, "MOST_S", 3600.0)
