"""Engine.strategies: what is described anew and what is not, presets, what is watched."""

import json
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.loader import BUNDLED, find_strategy_files
from engine.model.parameters import Assignment, StrategyInfo
from engine.service import Engine
from engine.service.presets import Presets
from engine.settings import Settings


def test_a_fresh_home_lists_the_bundled_strategies_without_executing_anything(tmp_path: Path) -> None:
    with Engine(Settings(home=tmp_path, workers=1)) as engine:
        bundled = {file.name for file in find_strategy_files([BUNDLED])}
        infos = engine.strategies.all()
        assert engine.strategies.known() == infos
        assert {info.name for info in infos} == bundled
        assert all(info.title and info.error is None for info in infos)
        assert engine._resources._pool is None, "no worker was needed"


def test_what_is_watched_ends_somewhere_and_changes_with_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "strategies"
    for name in ("deep/inner/far", ".venv/lib", "__pycache__", "many"):
        (folder / name).mkdir(parents=True)
    for name in ("mine.py", "deep/a.py", "deep/inner/b.py", "deep/inner/far/c.py", ".venv/lib/d.py"):
        (folder / name).write_text("")
    with Engine(Settings(home=tmp_path / "home", strategies=(folder,), workers=1)) as engine:
        files = engine.strategies.files()
        mine = {path.removeprefix(f"{folder}/") for path in files if path.startswith(f"{folder}/")}
        assert mine == {"mine.py", "deep", "deep/a.py", "deep/inner", "deep/inner/b.py", "many"}
        assert str(engine.settings.user_strategies) in files
        assert engine.strategies.files() == files
        (folder / "mine.py").write_text("x = 1\n")
        assert engine.strategies.files() != files


def test_presets_are_plain_files_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    presets = Presets(tmp_path / "presets")
    assert presets.of("mine") == {}
    presets.save("mine", " tight ", {"fast": 9, "share": 0.1, "both": True, "kind": "ema"})
    assert json.loads((tmp_path / "presets" / "mine.json").read_text()) == {
        "tight": {"fast": 9, "share": 0.1, "both": True, "kind": "ema"}
    }
    presets.save("mine", "wide", {"fast": 50})
    presets.delete("mine", "tight")
    presets.delete("mine", "never there")
    assert presets.of("mine") == {"wide": {"fast": 50}}
    for name in ("", "  ", "x" * 61, "a\nb"):
        with pytest.raises(InputError, match="1 to 60 characters"):
            presets.save("mine", name, {})
    for text, words in (
        ("{", "no JSON"),
        ("[]", "must read"),
        ('{"a": 1}', "must read"),
        ('{"a": {"b": []}}', "must read"),
    ):
        (tmp_path / "presets" / "mine.json").write_text(text)
        with pytest.raises(InputError, match=words):
            presets.save("mine", "other", {})
        assert (tmp_path / "presets" / "mine.json").read_text() == text


def test_a_preset_goes_to_every_strategy_that_has_it_and_what_is_typed_wins(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    presets.save("one", "tight", {"fast": 9, "slow": 20, "share": 0.1})
    presets.save("two", "tight", {"fast": 3})
    presets.save("three", "loose", {"fast": 90})
    given = Assignment.parse_all(["one.slow=30", "share=0.2"])
    found = presets.assignments(["one", "two", "three"], "tight", given)
    assert [(one.strategy, one.name, one.value) for one in found] == [
        ("one", "fast", "9"), ("two", "fast", "3"), ("one", "slow", "30"), ("", "share", "0.2"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="did you mean tight"):
        presets.assignments(["one"], "tigth", ())
    with pytest.raises(InputError, match="there are: none"):
        presets.assignments(["four"], "tight", ())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("mine.py:12: SyntaxError: x", 12),
        ("mine.py: cannot be read", None),
        ("other.py:3: x", None),
        (None, None),
    ],
)
def test_the_line_of_an_error_is_that_of_the_strategys_own_file(error: str | None, line: int | None) -> None:
    assert StrategyInfo("mine", "", "", (), "/some/mine.py", error=error).error_line == line
