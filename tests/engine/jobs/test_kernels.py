"""Compiled kernels are never older than the program, nor another processor's; the environment's are taken where they fit."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import UserProvidedCacheLocator

import engine
from engine.jobs import kernels

SOURCE = Path(engine.__file__).parent
FILES = ("backtest_1/a.py311.nbi", "backtest_1/a.py311.1.nbc", "indicators_2/b.py311.nbi")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel folder of an environment that root made and nobody may write."""
    monkeypatch.delenv(kernels.VARIABLE)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    folder = kernels.installed_folder()
    assert folder.is_relative_to(tmp_path)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    kernels.say_whole(folder)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def test_another_constant_another_processor_or_library_is_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(kernels.VARIABLE)
    before = kernels.kernel_folder(tmp_path)
    assert before == kernels.kernel_folder(tmp_path)
    assert before.parent == tmp_path
    names = {before.name}
    for name, other in (
        ("_SOURCES", ("engine.model.market",)),
        ("_processor", lambda: "another"),
        ("version", lambda _: "0.1"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(kernels, name, other)
            names.add(kernels.kernel_folder(tmp_path).name)
    with monkeypatch.context() as changed:
        changed.setenv("NUMBA_CPU_FEATURES", "+sse2")
        names.add(kernels.kernel_folder(tmp_path).name)
    assert len(names) == 5


def test_kernels_of_a_named_processor_serve_on_every_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(host: str) -> str:
        (tmp_path / "cpuinfo").write_text(host)
        return kernels.kernel_folder(tmp_path).name

    class Cpuinfo(type(tmp_path)):  # type: ignore[misc]
        def read_text(self, *options: object) -> str:
            return (
                str(super().read_text(*options))
                if str(self) != "/proc/cpuinfo"
                else (tmp_path / "cpuinfo").read_text()
            )

    monkeypatch.setattr(kernels, "Path", Cpuinfo)
    monkeypatch.delenv(kernels.VARIABLE)
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    assert of("flags: avx2") != of("flags: avx512")
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    generic = of("flags: avx2")
    assert generic == of("flags: avx512")
    monkeypatch.setenv(
        "NUMBA_CPU_NAME", "x86-64-v3"
    )  # its features are still those at hand, unless they are named
    assert of("flags: avx2") != of("flags: avx512")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    assert generic != of("flags: avx2") == of("flags: avx512")


def test_the_environment_names_the_place_and_may_name_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kernels.VARIABLE, str(tmp_path / "theirs"))
    folder = kernels.kernel_folder(tmp_path / "usual")
    assert folder.parent == tmp_path / "theirs"
    monkeypatch.setenv(kernels.VARIABLE, str(folder))
    assert kernels.kernel_folder(tmp_path / "usual") == folder


def placed(folder: Path, name: str) -> Path:
    return folder.joinpath(*kernels._here(Path(name).parts))


def test_kernels_of_a_program_that_was_moved_are_put_where_numba_looks_for_them() -> None:
    for folder in ("backtest/kernel", "indicators"):
        source = kernels._PROGRAM / folder / "compiled.py"
        looked_for = UserProvidedCacheLocator.get_suitable_cache_subpath(str(source))
        name = f"{source.parent.name}_0123456789abcdef/compiled.run-1.py311.nbi"
        assert placed(Path(), name).parent.name == looked_for


def test_kernels_of_the_environment_are_copied_to_where_they_can_be_written(
    tmp_path: Path, environment: Path
) -> None:
    folder = kernels.kernel_folder(tmp_path / "home" / "cache")
    assert not kernels.has_kernels(folder)
    assert kernels.bring_kernels(folder)
    assert [placed(folder, name).read_text() for name in FILES] == list(FILES)
    assert all(path.stat().st_mode & 0o200 for path in folder.rglob("*"))
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    (folder / "own.nbi").write_text("a strategy's own kernel")
    assert kernels.bring_kernels(folder)
    assert (folder / "own.nbi").exists()


def test_kernels_are_copied_once_into_a_folder_inside_the_environments(environment: Path) -> None:
    for folder in (environment, *filter(Path.is_dir, environment.rglob("*"))):
        folder.chmod(0o755)
    inside = environment / "own"
    assert kernels.bring_kernels(inside)
    copied = sorted(file.name for file in inside.rglob("*") if file.is_file())
    assert copied == sorted([*(Path(name).name for name in FILES), kernels._WHOLE])


def test_kernels_that_a_power_cut_left_empty_are_brought_again(tmp_path: Path, environment: Path) -> None:
    folder = kernels.kernel_folder(tmp_path / "home")
    assert kernels.bring_kernels(folder)
    placed(folder, FILES[1]).write_bytes(b"")
    assert not kernels.has_kernels(folder)
    assert kernels.bring_kernels(folder)
    assert placed(folder, FILES[1]).read_text() == FILES[1]


@pytest.mark.parametrize("damage", ["cut short", "not whole", "of another program", "not there"])
def test_an_environment_without_these_kernels_gives_none_and_takes_none(
    tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    if damage == "cut short":
        (environment / FILES[0]).chmod(0o644)
        (environment / FILES[0]).write_bytes(b"")
    elif damage == "not whole":
        (environment / kernels._WHOLE).unlink()
    elif damage == "of another program":
        monkeypatch.setattr(kernels, "_processor", lambda: "another")
    else:
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "elsewhere"))
    folder = kernels.kernel_folder(tmp_path / "home")
    folder.mkdir(parents=True)
    (folder / "begun.nbc").write_text("another program is compiling here")
    (folder / "empty.nbc").touch()
    assert not kernels.bring_kernels(folder)
    assert [path.name for path in folder.iterdir()] == ["begun.nbc"]


def test_a_home_that_cannot_take_the_kernels_is_told_as_having_none(
    tmp_path: Path, environment: Path
) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    assert not kernels.bring_kernels(kernels.kernel_folder(tmp_path / "home"))


def test_the_environment_of_these_tests_has_every_kernel() -> None:
    assert kernels.has_kernels(kernels.installed_folder())
    again = subprocess.run(
        [sys.executable, "-m", "engine.jobs.compile"], capture_output=True, text=True, check=True
    )
    assert (again.stdout, again.stderr) == ("", "")  # what `make` does every time is done once


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCE.rglob("*.py") if "numba.njit" in path.read_text()],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_kernels_and_the_constants_in_them_are_of_files_that_are_watched(path: Path) -> None:
    assert ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) in kernels._SOURCES
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("engine"):
            constants = [name.name for name in node.names if name.name.isupper()]
            watched = not constants or node.module in kernels._SOURCES
            # names and their order, not numbers: a row of a summary is taken apart by the same
            assert watched or constants == ["SUMMARY"], f"{constants} of {node.module}"
