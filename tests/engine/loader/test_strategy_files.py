"""Finding strategy files: which count, which cannot, and that none is executed for it."""

from pathlib import Path

import pytest

from engine.loader import find_strategy_files
from engine.loader.sources import BUNDLED
from engine.service.resources import Resources
from engine.settings import read_settings
from tests.support.builders import GOOD_STRATEGY


def test_folders_are_the_bundled_one_the_named_ones_and_the_users_own(tmp_path: Path) -> None:
    settings = read_settings(strategies=(tmp_path / "one",), home=tmp_path)
    assert Resources(settings).strategy_folders == [BUNDLED, tmp_path / "one", tmp_path / "strategies"]
    assert {file.name for file in find_strategy_files([BUNDLED])} >= {"ema_cross", "vwap_supertrend_ema"}
    assert not [file for file in find_strategy_files([BUNDLED]) if file.error]


def test_finding_executes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\n{GOOD_STRATEGY}")
    (file,) = find_strategy_files([tmp_path])
    assert (file.name, file.path, file.error) == ("mine", tmp_path / "mine.py", None)
    assert not (tmp_path / "trace").exists()


def test_private_files_folders_and_absent_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("_shared.py", "__init__.py", ".hidden.py", "notes.txt"):
        (tmp_path / name).write_text("x = (")
    (tmp_path / "folder.py").mkdir()
    assert find_strategy_files([tmp_path, tmp_path / "absent"]) == []


def test_a_folder_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD_STRATEGY)
    (tmp_path / "link").symlink_to(tmp_path)
    assert len(find_strategy_files([tmp_path, tmp_path, tmp_path / "link"])) == 1


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("mine.py", "x = 1\nif x\n    pass\n", "mine.py:2: invalid syntax: expected ':'"),
        ("mine.py", "x = (", "mine.py:1: invalid syntax: '(' was never closed"),
        ("mine.py", "", "mine.py: no class derives from Strategy"),
        ("mine.py", "import enum\nclass Zone(enum.Enum): pass\n", "mine.py: no class derives from Strategy"),
        (
            "mine.py",
            "class Strategy: pass\nclass A(Strategy): pass\n",
            "mine.py: no class derives from Strategy",
        ),
        (
            "mine.py",
            "import engine.strategy as s\nclass A(s.Strategy): pass\nclass B(s.Strategy): pass\n",
            "mine.py: A and B derive from Strategy; one file holds one strategy",
        ),
        (
            "my-own.py",
            GOOD_STRATEGY,
            "my-own.py: the name of a strategy's file may only hold letters, digits and _, as in my_strategy.py",
        ),
        (
            "class.py",
            GOOD_STRATEGY,
            "class.py: the name of a strategy's file may only hold letters, digits and _, as in my_strategy.py",
        ),
    ],
)
def test_a_file_that_cannot_hold_a_strategy_is_listed_with_the_reason(
    tmp_path: Path, name: str, text: str, error: str
) -> None:
    (tmp_path / name).write_text(text)
    (file,) = find_strategy_files([tmp_path])
    assert file.error == error


@pytest.mark.parametrize("content", [b"x = 1\0", b"x = '\xff'", b"# coding: nonsense\n", b"(" * 5000])
def test_a_file_that_is_no_text_of_python_is_listed_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.py").write_bytes(content)
    (file,) = find_strategy_files([tmp_path])
    assert file.error is not None
    assert file.error.startswith("mine.py:")
    assert "\n" not in file.error


@pytest.mark.parametrize(
    "text",
    [
        "from engine.strategy import Strategy as Plan\nclass A(Plan): pass\n",
        "import engine.strategy\nclass A(engine.strategy.Strategy): pass\n",
        "import backtesting as bt\nclass A(bt.Strategy): pass\n",
        "from backtesting.lib import SignalStrategy\nclass A(SignalStrategy): pass\n",
        "from engine.strategy import Strategy\nclass Base(Strategy): pass\nclass A(Base): pass\n",
        "try:\n    from engine.strategy import Strategy\n    class A(Strategy): pass\nexcept ImportError: pass\n",
        "from _shared import Base\nclass A(Base): pass\n",
        "from engine.strategy import *\nclass A(Strategy): pass\n",
    ],
)
def test_a_strategy_is_recognised_however_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    (file,) = find_strategy_files([tmp_path])
    assert file.error is None


def test_a_name_that_is_taken_is_an_error_that_names_the_other_file(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(GOOD_STRATEGY)
    first, second = find_strategy_files([tmp_path / "first", tmp_path / "second"])
    assert first.error is None
    assert (
        second.error
        == f"mine.py: the name is taken by {tmp_path / 'first' / 'mine.py'}; rename one of the two"
    )
