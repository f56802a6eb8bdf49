"""What of a task travels: its candles and its strategy's modules by content, and nothing else of this machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.jobs import parcels
from engine.jobs.parcels import pack, program_source, unpack
from engine.loader import BUNDLED
from engine.loader.modules import sources_of
from engine.model.account import Costs
from engine.model.combinations import Combinations
from engine.model.market import CandleFile, SideFile
from engine.model.portfolio_rules import PortfolioRules
from engine.parallel.content import ContentFolder
from engine.parallel.parcel import Unfit
from engine.parallel.portfolio_tasks import (
    PlayedLeg,
    PortfolioTask,
    PortfolioTrialsTask,
    SaidSignals,
    SweptLeg,
)
from engine.parallel.tasks import DescribeTask, RunTask
from tests.support.builders import random_candles

FILES = {
    "mine.py": "from package.part import X\nimport importlib\nlib = importlib.import_module('_lib')\n",
    "_lib.py": "def late():\n    import _late\n",
    "_late.py": "",
    "package/__init__.py": "",
    "package/part.py": "from . import other\nimport numpy\n",
    "package/other.py": "",
    "neighbour.py": "import secrets_of_others\n",
    "package2/x.py": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plug-in folder with one strategy's modules, and others."""
    folder = tmp_path / "plugins"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def there(tmp_path: Path, task: object) -> tuple[Any, Any]:
    """The task as it arrives in an empty folder."""
    parcel, contents = pack(task), ContentFolder(tmp_path / "there")
    assert str(tmp_path / "scratch").encode() not in parcel.letter
    for name in contents.lacking(parcel.contents):
        *first, last = parcel.contents[name].messages()
        for piece in first:
            contents.receive(name, "t", piece, last=False)
        contents.receive(name, "t", last, last=True)
    return unpack(parcel.letter, contents)


def test_a_strategy_brings_the_modules_that_it_names_and_no_others(folder: Path):
    wanted = {"mine.py", "_lib.py", "_late.py", "package/__init__.py", "package/part.py", "package/other.py"}
    assert set(sources_of(folder / "mine.py")) == wanted
    assert sources_of(folder / "neighbour.py") == {"neighbour.py": FILES["neighbour.py"].encode()}
    assert set(sources_of(BUNDLED / "ema_cross.py")) == {"ema_cross.py"}
    assert sources_of(folder / "gone.py") == {}


def test_candles_arrive_bit_for_bit_and_only_those_that_are_used(tmp_path: Path, folder: Path):
    candles, scratch = random_candles(500, 1), tmp_path / "scratch"
    scratch.mkdir()
    candles.save(scratch / "whole.npy")
    task = RunTask(
        strategy=folder / "mine.py", params={"n": 3}, candles=CandleFile(scratch / "whole.npy", 7, 100, 300),
        warmup=7, engine="compiled", timeframe="1h",
    )  # fmt: skip
    arrived, _ = there(tmp_path, task)
    assert replace(arrived, strategy=task.strategy, candles=task.candles) == task
    found = arrived.candles.load()
    assert found.sha256() == candles.slice(100, 300).sha256()
    assert (arrived.candles.warmup, len(found)) == (7, 200)
    assert found.timestamp.dtype == np.int64
    assert arrived.candles.path.stat().st_size < 200 * 48 + 200


def test_a_strategy_arrives_under_its_names_and_answers_speak_of_the_folder_here(
    tmp_path: Path, folder: Path
):
    arrived, places = there(tmp_path, DescribeTask(path=folder / "mine.py"))
    assert arrived.path.name == "mine.py"
    assert (arrived.path.parent / "package" / "part.py").read_text() == FILES["package/part.py"]
    assert not (arrived.path.parent / "neighbour.py").exists()
    assert places.as_there(f'File "{arrived.path}", line 2') == f'File "{folder / "mine.py"}", line 2'


def test_an_edited_module_is_another_strategy(tmp_path: Path, folder: Path):
    before, _ = there(tmp_path, DescribeTask(path=folder / "mine.py"))
    (folder / "_late.py").write_text("X = 2\n")
    after, _ = there(tmp_path, DescribeTask(path=folder / "mine.py"))
    assert before.path != after.path
    assert (after.path.parent / "_late.py").read_text() == "X = 2\n"


def test_a_library_of_another_version_there_is_named(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    parcel = pack(DescribeTask(path=folder / "neighbour.py"))
    monkeypatch.setattr(parcels, "versions_for", lambda _: {"numpy": "0.1"})
    contents = ContentFolder(tmp_path / "there")
    for name, one in parcel.contents.items():
        contents.receive(name, "t", b"".join(one.messages()), last=True)
    with pytest.raises(Unfit, match=r"numpy 0\.1 there, "):
        unpack(parcel.letter, contents)


def test_the_program_is_known_by_all_of_its_source():
    assert len(program_source()) == 16


def test_series_that_are_read_beside_the_candles_travel_with_them(folder: Path, tmp_path: Path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name, seed in (("hours", 1), ("fours", 2)):
        random_candles(200, seed).save(scratch / f"{name}.npy")
    beside = (
        SideFile("", "4h", 60, CandleFile(scratch / "fours.npy", 20, 5, 105)),
        SideFile("BTCUSDT", "4h", 60, CandleFile(scratch / "hours.npy", 0)),
        SideFile("BTCUSDT", "1d", 3, None),
    )
    file = CandleFile(scratch / "hours.npy", 10, 0, 150, timeframe="1h", beside=beside)
    task = RunTask(
        strategy=folder / "neighbour.py",
        params={},
        candles=file,
        warmup=10,
        engine="compiled",
        timeframe="1h",
    )
    found, _ = there(tmp_path, task)
    assert found.candles.timeframe == "1h"
    assert [(one.symbol, one.timeframe, one.wanted) for one in found.candles.beside] == [
        ("", "4h", 60), ("BTCUSDT", "4h", 60), ("BTCUSDT", "1d", 3),
    ]  # fmt: skip
    four, other, built = (one.candles for one in found.candles.beside)
    assert built is None
    assert four.warmup == 20
    for sent, got in ((beside[0].candles, four), (beside[1].candles, other), (file, found.candles)):
        assert sent is not None
        assert sent.load().sha256() == got.load().sha256()
        assert scratch not in got.path.parents


def test_the_legs_of_a_portfolio_travel_with_what_their_strategies_said(tmp_path: Path):
    (tmp_path / "scratch").mkdir()
    candles, said = random_candles(60, 4), np.arange(50) % 5 == 0
    candles.save(tmp_path / "scratch" / "a.npy")
    file = CandleFile(tmp_path / "scratch" / "a.npy", 10)
    signals = SaidSignals(
        raw={"signal_up_buy": said}, prices={"stop_loss": None, "take_profit": None}, orders=None
    )
    legs = [
        PlayedLeg(
            name=name, candles=file, timeframe="1h", said=signals, reverse=False, weight=0.5, costs=Costs()
        )
        for name in ("a", "b")
    ]
    task = PortfolioTask(legs=legs, rules=PortfolioRules(1000.0), engine="compiled", others={"a": {"b": 1.0}})
    arrived, _ = there(tmp_path, task)
    assert (arrived.rules, arrived.others) == (task.rules, task.others)
    for leg in arrived.legs:
        assert leg.candles.path != file.path
        assert leg.candles.load().sha256() == candles.sha256()
        assert np.array_equal(leg.said.raw["signal_up_buy"], said)


def test_the_legs_of_a_sweep_bring_each_its_own_files_as_they_were_when_it_began(
    tmp_path: Path, folder: Path
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    candles = random_candles(60, 1)
    candles.save(scratch / "whole.npy")
    sources = [sources_of(folder / "mine.py"), {"neighbour.py": b"then = 1\n"}]
    legs = [
        SweptLeg(
            name=path.stem, strategy=path, sources=held, candles=CandleFile(scratch / "whole.npy", 7, 0, 60),
            timeframe="1h", start_ms=int(candles.timestamp[7]), sides_ms=(), warmup=7, weight=0.5, costs=Costs(),
        )
        for path, held in zip((folder / "mine.py", folder / "neighbour.py"), sources, strict=True)
    ]  # fmt: skip
    columns = Combinations({"mine.n": np.array([1, 2])}, {})
    task = PortfolioTrialsTask(
        sweep="s",
        legs=legs,
        rules=PortfolioRules(10_000.0),
        combinations=columns,
        memory_bytes=1,
        kept=np.array([0]),
    )
    arrived, _ = there(tmp_path, task)
    for leg, held in zip(arrived.legs, sources, strict=True):
        assert leg.strategy.name == f"{leg.name}.py"
        assert {name: (leg.strategy.parent / name).read_bytes() for name in held} == held
        assert leg.candles.load().sha256() == candles.sha256()
    assert list(arrived.combinations) == [{"mine.n": 1}, {"mine.n": 2}]
