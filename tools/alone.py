"""Runs the tests that failed beside others once more, alone; `make check` calls it where its tests failed.

A test may fail because three others want the same two processors. One that passes alone is named, loudly, for somebody to
mend, and refuses nobody's work; one that fails again fails the check. Where more than a few fail, it is not the neighbours.
The texts of the first failures stand above, in what the run itself printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

MOST: Final = 5
LAST_FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")


def failed() -> set[str]:
    """The tests that failed when they last ran, by their ids."""
    return set(json.loads(LAST_FAILED.read_text(encoding="utf-8"))) if LAST_FAILED.exists() else set()


def main() -> int:
    """0 where every test that failed passes alone; in the folder that pytest ran in."""
    before = failed()
    if not 0 < len(before) <= MOST:
        print(f"{len(before)} tests failed; up to {MOST} are run once more, alone")
        return 1
    print(f"\n== once more, alone: {', '.join(sorted(before))}", flush=True)
    again = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "--last-failed"], check=False
    ).returncode
    after = failed()
    for name in sorted(before - after):
        print(f"== failed beside others, passed alone: {name}")
    for name in sorted(after):
        print(f"== failed beside others and alone: {name}")
    return 1 if after else again


if __name__ == "__main__":
    sys.exit(main())
