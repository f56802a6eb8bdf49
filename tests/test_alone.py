"""What failed beside others is run once more: it really is alone then, and only what passes is forgiven."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.alone import MOST

ROOT = Path(__file__).parents[1]
BESIDE = "assert 'PYTEST_XDIST_WORKER' not in os.environ, 'not beside others'"


def checked(folder: Path, *bodies: str) -> tuple[int, str]:
    """What `make check` does with tests of these bodies: how it ended and what it printed."""
    tests = "".join(f"def test_{number}():\n    {body}\n" for number, body in enumerate(bodies))
    (folder / "test_some.py").write_text(f"import os\n{tests}")
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    line = f"{sys.executable} -m pytest -n 2 --cache-clear || {{ test $? = 1 && {sys.executable} -m tools.alone; }}"
    ended = subprocess.run(
        ["/bin/bash", "-c", line], env=environment | {"PYTHONPATH": str(ROOT)}, cwd=folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.long
def test_what_fails_beside_others_and_passes_alone_is_named_and_forgiven(tmp_path: Path):
    code, told = checked(tmp_path, BESIDE, "pass")
    assert code == 0, told
    assert "== failed beside others, passed alone: test_some.py::test_0" in told
    assert told.index("not beside others") < told.index("once more, alone"), "why it failed stays visible"
    assert "1 passed" in told


@pytest.mark.long
def test_what_fails_again_fails_the_check_and_the_others_are_named(tmp_path: Path):
    code, told = checked(tmp_path, BESIDE, "assert not 'ever'")
    assert code == 1
    assert "== failed beside others, passed alone: test_some.py::test_0" in told
    assert "== failed beside others and alone: test_some.py::test_1" in told


@pytest.mark.long
def test_where_many_fail_it_is_not_the_neighbours(tmp_path: Path):
    code, told = checked(tmp_path, *[BESIDE] * (MOST + 1))
    assert code == 1
    assert f"{MOST + 1} tests failed" in told
    assert "passed alone" not in told


@pytest.mark.long
@pytest.mark.parametrize("ending", ["import pytest; pytest.exit('enough', 2)", "pass"])
def test_a_session_without_a_failed_test_ends_as_it_ended(tmp_path: Path, ending: str):
    code, told = checked(tmp_path, ending)
    assert (code != 0, "alone" in told) == (ending != "pass", False)
