"""Compiled kernels are never older than the program."""

import ast
from pathlib import Path

import pytest

import engine
from engine.parallel import kernels

SOURCE = Path(engine.__file__).parent


def test_another_constant_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kernels.VARIABLE)
    before = kernels.kernel_folder(tmp_path)
    assert before == kernels.kernel_folder(tmp_path)
    assert before.parent == tmp_path
    monkeypatch.setattr(kernels, "_CONSTANTS", ("market.py",))
    assert kernels.kernel_folder(tmp_path) != before


def test_the_environment_names_the_place_and_may_name_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kernels.VARIABLE, str(tmp_path / "theirs"))
    folder = kernels.kernel_folder(tmp_path / "usual")
    assert folder.parent == tmp_path / "theirs"
    monkeypatch.setenv(kernels.VARIABLE, str(folder))
    assert kernels.kernel_folder(tmp_path / "usual") == folder


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCE.rglob("*.py") if "numba.njit" in path.read_text()],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_kernels_take_constants_only_from_files_that_are_watched(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("engine"):
            constants = [name.name for name in node.names if name.name.isupper()]
            file = "/".join(node.module.split(".")[1:]) + ".py"
            assert not constants or file in kernels._CONSTANTS, f"{constants} of {node.module}"
