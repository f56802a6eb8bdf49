"""docs/faults.md names every fault once, and only tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
ROWS = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)]


def test_every_fault_has_its_row():
    assert [int(row[1].split()[0]) for row in ROWS] == [*range(1, 64), 80, 81, 82]
    assert all(len(row) == 5 and row[2].strip() for row in ROWS)


def test_every_named_test_exists():
    existing = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for row in ROWS:
        named = re.findall(r"`(\w+)`", row[3])
        assert named, row[1]
        assert all(name.startswith("test_") for name in named)
        assert set(named) <= existing, row[1]
