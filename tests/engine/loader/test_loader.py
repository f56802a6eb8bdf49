"""Plug-in files, good and broken, found without importing them and described by real workers."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import StrategyError
from engine.loader import (
    find_strategy_files,
    known_infos,
    load,
    load_strategy,
    strategy_infos,
)
from engine.model.parameters import StrategyInfo
from engine.parallel.pool import WorkerPool
from tests.engine.loader.asking import Asked
from tests.support.builders import GOOD_STRATEGY as GOOD

NATIVE = """
from backtesting import Strategy
from backtesting.lib import crossover
from backtesting.test import SMA

class Crossing(Strategy):
    '''SMA crossing'''
    n1 = 10
    n2 = 20.5
    flag = True
    word = "close"
    _private = 3

    def init(self):
        self.fast = self.I(SMA, self.data.Close, self.n1)

    def next(self):
        if crossover(self.data.Close, self.fast):
            self.buy()
"""


def broken(signals: str) -> str:
    return GOOD.replace('pd.DataFrame({"signal_up_buy": candles["close"] > candles["open"]})', signals)


@pytest.fixture
def describe(pool: WorkerPool, tmp_path: Path) -> Callable[[str], StrategyInfo]:
    """Describe one file with that text."""

    def one(text: str) -> StrategyInfo:
        file = tmp_path / "plug_ins" / "mine.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        (info,) = strategy_infos(find_strategy_files([file.parent]), Asked(pool), tmp_path / "cache")
        return info

    return one


# -- loading


def test_an_edited_file_is_read_anew_even_within_the_same_second(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    for low in ("1", "2", "3"):
        file.write_text(GOOD.replace("low=1", f"low={low}"))
        os.utime(file, (1e9, 1e9))
        loaded = load(file)
        assert vars(loaded.strategy)["length"].low == int(low)
        assert loaded.sources == {"mine.py": file.read_bytes()}
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]  # and no byte code is left behind


def test_an_edited_module_beside_the_file_is_read_anew_and_counts(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD.replace("Param(5", "Param(LENGTH") + "\nVALUE = 1\n")
    (tmp_path / "mine.py").write_text(
        "from _lengths import LENGTH\n" + GOOD.replace("Param(5", "Param(LENGTH")
    )
    for length in (3, 4):
        (tmp_path / "_lengths.py").write_text(f"LENGTH = {length}\n")
        loaded = load(tmp_path / "mine.py")
        assert vars(loaded.strategy)["length"].default == length
        assert loaded.sources == {path.name: path.read_bytes() for path in tmp_path.glob("*.py")}


def test_a_file_named_like_a_library_shadows_nothing(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('the wrong one')\n")
    (tmp_path / "mine.py").write_text("import colorsys\ncolorsys.rgb_to_hls\n" + GOOD)
    assert load_strategy(tmp_path / "mine.py").__name__ == "Good"


def test_a_dataclass_in_a_plug_in_finds_its_module(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Level:\n    x: int\n"
    (tmp_path / "mine.py").write_text(text + GOOD)
    assert load_strategy(tmp_path / "mine.py").__name__ == "Good"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1\nimport nothing_such\n", "mine.py:2: ModuleNotFoundError: No module named 'nothing_such'"),
        ("import sys\n\nsys.exit(3)\n", "mine.py:3: SystemExit: 3"),
        ("import _bad\n", "mine.py:1: SyntaxError: invalid syntax (_bad.py, line 1)"),
        ("def f():\n    return 1 / 0\nf()\n", "mine.py:2: ZeroDivisionError: division by zero"),
        ("from engine.strategy import Strategy\nX = Strategy\n", "mine.py: no class derives from Strategy"),
        (
            "from engine.strategy import Param\np = Param('a b', low=1)\nclass A:\n    n = Param(5, low=9)\n",
            "mine.py:4: the default must be a whole number of at least 9, not 5",
        ),
    ],
)
def test_a_file_that_does_not_load_says_where(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    (tmp_path / "_bad.py").write_text("x = = 1\n")
    with pytest.raises(StrategyError) as caught:
        load(tmp_path / "mine.py")
    assert str(caught.value).startswith(error)


# -- describing, in workers


def test_a_good_file_is_described(describe: Callable[[str], StrategyInfo]) -> None:
    info = describe(GOOD)
    assert (info.name, info.title, info.description, info.kind) == (
        "mine",
        "A good one",
        "With a description.",
        "signals",
    )
    assert info.error is None
    assert [(param["name"], param["type"], param["default"]) for param in info.params] == [
        ("length", "int", 5),
        ("mode", "choice", "calm"),
    ]
    assert info.params[1]["choices"] == ["calm", "wild"]


def test_a_strategy_says_where_its_columns_are_drawn_or_is_told_what_is_wrong(
    describe: Callable[[str], StrategyInfo],
) -> None:
    lines = GOOD.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("class ")) + 1
    place += lines[place].count('"""') == 2
    said = '    plots = {"rsi": {"pane": "RSI", "levels": (30, 70)}}'
    info = describe("\n".join([*lines[:place], said, *lines[place:]]))
    assert info.error is None
    assert info.plots["rsi"]["pane"] == "RSI"
    assert info.plots["rsi"]["levels"] == [30.0, 70.0]
    wrong = describe("\n".join([*lines[:place], said.replace("pane", "colour"), *lines[place:]]))
    assert wrong.error is not None
    assert "mine.py:" in wrong.error
    assert "colour" in wrong.error


def test_a_native_strategy_is_described_with_its_attributes_as_parameters(
    describe: Callable[[str], StrategyInfo],
) -> None:
    info = describe(NATIVE)
    assert (info.title, info.kind, info.error) == ("SMA crossing", "native", None)
    assert {param["name"]: (param["type"], param["default"]) for param in info.params} == {
        "n1": ("int", 10),
        "n2": ("float", 20.5),
        "flag": ("bool", True),
        "word": ("str", "close"),
    }


def test_odd_class_variables_of_a_native_strategy_stop_nothing(
    describe: Callable[[str], StrategyInfo],
) -> None:
    odd = "best = -float('inf')\n    nan = float('nan')\n    levels = [1]\n    big = 10**30\n    hedging = True\n"
    info = describe(NATIVE.replace("    n1 = 10\n", f"    n1 = 10\n    {odd}"))
    assert info.error is None
    assert [param["name"] for param in info.params] == ["n1", "n2", "flag", "word"]
    assert [one["name"] for one in info.to_json()["not_params"]] == [
        "best",
        "nan",
        "levels",
        "big",
        "hedging",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "import pandas_ta as ta\n" + GOOD,
            "mine.py:1: ModuleNotFoundError: No module named 'pandas_ta'; pandas_ta_classic is here: import",
        ),
        ("import nothing_such\n" + GOOD, "mine.py:1: ModuleNotFoundError: No module named 'nothing_such'"),
        ("import os\nos._exit(7)\n" + GOOD, "mine.py: worker died, exit code 7"),
        (
            "from engine.strategy import Strategy\n\nclass A(Strategy):\n    pass\n",
            "mine.py:3: A does not define signals()",
        ),
        (
            "from _absent import Base\nclass A(Base): pass\n",
            "mine.py:1: ModuleNotFoundError: No module named '_absent'",
        ),
    ],
)
def test_a_broken_file_is_described_by_one_line_with_the_line_number(
    describe: Callable[[str], StrategyInfo], text: str, error: str
) -> None:
    info = describe(text)
    assert info.error is not None
    assert info.error.startswith(error)
    assert "\n" not in info.error
    assert info.traceback or "worker died" in error


@pytest.mark.long
def test_an_endless_loop_at_import_is_ended_and_the_others_load(pool: WorkerPool, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "loop.py").write_text(
        "from engine.strategy import Strategy\nclass A(Strategy): pass\nwhile True: pass\n"
    )
    infos = strategy_infos(find_strategy_files([tmp_path]), Asked(pool, timeout_s=8), tmp_path / "cache")
    assert [(info.name, info.error) for info in infos] == [("good", None), ("loop", "loop.py: exceeded 8 s")]
    assert 'loop.py", line 3' in (infos[1].traceback or "")


@pytest.mark.parametrize("signals", ["None", "1 / 0", "candles[['close']]", "__import__('os')._exit(7)"])
def test_a_file_that_loads_is_no_broken_one_whatever_its_methods_do(
    describe: Callable[[str], StrategyInfo], signals: str
) -> None:
    """Its run fails, and no other (test_neighbours.py)."""
    assert describe(broken(signals)).error is None


# -- remembering


def test_unchanged_files_are_not_described_again_and_changed_ones_are(
    pool: WorkerPool, tmp_path: Path
) -> None:
    folder, other = tmp_path / "plug_ins", tmp_path / "others"
    for one in (folder, other):
        one.mkdir()
    (folder / "mine.py").write_text("from _lengths import LENGTH\n" + GOOD.replace("Param(5", "Param(LENGTH"))
    (folder / "_lengths.py").write_text("LENGTH = 3\n")
    (other / "steady.py").write_text(GOOD)
    (other / "broken.py").write_text("import nothing_such\n" + GOOD)

    def ask() -> tuple[list[str], list[StrategyInfo]]:
        asked = Asked(pool)
        infos = strategy_infos(find_strategy_files([folder, other]), asked, tmp_path / "cache")
        return asked.paths, infos

    first, infos = ask()
    assert first == ["mine.py", "broken.py", "steady.py"]
    assert ask() == (["broken.py"], infos)  # what broke it may be mended elsewhere
    (folder / "_lengths.py").write_text("LENGTH = 7\n")
    again, changed = ask()
    assert again == ["mine.py", "broken.py"]
    assert changed[0].params[0]["default"] == 7


def test_some_files_alone_are_described_and_the_others_remembered(pool: WorkerPool, tmp_path: Path) -> None:
    """A run looks at its strategies only; what was known of the others once got lost, and the next list took long."""
    folder = tmp_path / "plug_ins"
    folder.mkdir()
    for name in ("one", "two", "three"):
        (folder / f"{name}.py").write_text(GOOD)

    def ask(*names: str) -> list[str]:
        asked = Asked(pool)
        files = [file for file in find_strategy_files([folder]) if not names or file.name in names]
        strategy_infos(files, asked, tmp_path / "cache")
        return asked.paths

    assert ask() == ["one.py", "three.py", "two.py"]
    (folder / "one.py").write_text(GOOD.replace("Param(5", "Param(6"))
    assert ask("one") == ["one.py"]
    assert ask() == []
    (folder / "four.py").write_text(GOOD)  # a new name beside them, which none of them says
    assert ask() == ["four.py"]
    (folder / "two.py").unlink()
    (folder / "one.py").write_text(GOOD)
    assert ask() == ["one.py"]
    assert str(folder / "two.py") not in json.loads((tmp_path / "cache" / "strategies.json").read_text())


def test_who_looks_for_modules_by_itself_is_described_again_when_one_appears(
    pool: WorkerPool, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from pathlib import Path\nN = len(list(Path(__file__).parent.glob('*.py')))\n" + GOOD)
    for more in ("a", "b"):
        asked = Asked(pool)
        strategy_infos(find_strategy_files([tmp_path]), asked, tmp_path / "cache")
        assert "mine.py" in asked.paths
        (tmp_path / f"_{more}.py").touch()


def test_descriptions_that_came_with_the_program_hold_until_the_file_differs(
    pool: WorkerPool, tmp_path: Path
) -> None:
    mine = tmp_path / "plug_ins" / "mine.py"
    mine.parent.mkdir()
    mine.write_text(GOOD)
    files, shipped = find_strategy_files([mine.parent]), tmp_path / "shipped"
    made = strategy_infos(files, Asked(pool), shipped)
    asked = Asked(pool)
    assert strategy_infos(files, asked, tmp_path / "cache", shipped) == made
    assert known_infos(files, tmp_path / "cache", shipped) == made
    assert asked.paths == []
    assert known_infos(files, tmp_path / "cache") == []
    mine.write_text(GOOD + "\n")
    assert known_infos(files, tmp_path / "cache", shipped) == []
    strategy_infos(files, asked, tmp_path / "cache", shipped)
    assert asked.paths == ["mine.py"]


@pytest.mark.parametrize("module", ["_deep/inner/lengths", "_deep/inner/more/lengths"])
def test_a_module_however_deep_below_the_folder_is_a_change(
    pool: WorkerPool, tmp_path: Path, module: str
) -> None:
    file = tmp_path / "plug_ins" / f"{module}.py"
    file.parent.mkdir(parents=True)
    name = module.replace("/", ".")
    mine = tmp_path / "plug_ins" / "mine.py"
    mine.write_text(f"from {name} import LENGTH\n" + GOOD.replace("Param(5", "Param(LENGTH"))
    for length in (3, 7):
        file.write_text(f"LENGTH = {length}\n")
        infos = strategy_infos(find_strategy_files([mine.parent]), Asked(pool), tmp_path / "cache")
        assert infos[0].params[0]["default"] == length


def test_a_module_that_appears_is_a_change(pool: WorkerPool, tmp_path: Path) -> None:
    mine = tmp_path / "plug_ins" / "mine.py"
    mine.parent.mkdir()
    optional = "try:\n    from _better import LENGTH\nexcept ImportError:\n    LENGTH = 3\n"
    mine.write_text(optional + GOOD.replace("Param(5", "Param(LENGTH"))
    for length in (3, 7):
        infos = strategy_infos(find_strategy_files([mine.parent]), Asked(pool), tmp_path / "cache")
        assert infos[0].params[0]["default"] == length
        (mine.parent / "_better.py").write_text("LENGTH = 7\n")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "\0"])
def test_a_damaged_memory_is_written_anew(pool: WorkerPool, tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    memory = tmp_path / "cache" / "strategies.json"
    memory.parent.mkdir()
    memory.write_text(content)
    (info,) = strategy_infos(find_strategy_files([tmp_path]), Asked(pool), memory.parent)
    assert info.error is None
    assert [one["title"] for one in json.loads(memory.read_text()).values()] == ["A good one"]
    assert len(list(memory.parent.iterdir())) == 1
