"""Where numba keeps what it compiled, from one process to the next.

`python -m engine.jobs.compile`, part of making the environment, compiles everything into a folder of it. Programs
copy that into their cache folder, because numba must be able to write where it reads. Where the environment holds
no kernels for this very program and processor, the first program that needs them compiles them there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import engine
from engine.reproduction.own_source import sources_hash

VARIABLE: Final = "NUMBA_CACHE_DIR"  # as numba calls it
# the modules that kernels stand in, and those whose constants are compiled into them
_SOURCES: Final = (
    "engine.backtest.kernel.candle",
    "engine.backtest.kernel.candle_steps",
    "engine.backtest.kernel.compiled",
    "engine.backtest.kernel.decisions",
    "engine.backtest.kernel.excursions",
    "engine.backtest.kernel.filling",
    "engine.backtest.kernel.fine_candles",
    "engine.backtest.kernel.parts",
    "engine.backtest.kernel.positions",
    "engine.backtest.portfolio.book",
    "engine.backtest.portfolio.layout",
    "engine.backtest.portfolio.sharing",
    "engine.backtest.portfolio.wallet",
    "engine.backtest.portfolio.weights",
    "engine.backtest.rules",
    "engine.backtest.kernel.spans",
    "engine.backtest.kernel.seeking",
    "engine.backtest.kernel.sizing",
    "engine.backtest.kernel.state_machine",
    "engine.backtest.kernel.summary",
    "engine.backtest.kernel.worth",
    "engine.indicators.loops",
    "engine.model.account",
    "engine.model.market",
    "engine.model.orders",
    "engine.model.slippage",
)
_PROGRAM: Final = Path(engine.__file__).parent
_WHOLE: Final = "whole"  # the file that is written when every kernel is there


def kernel_folder(usual: Path) -> Path:
    """The folder for the program as it is and where it lies, inside the one that the environment names, else in `usual`."""
    base, name = Path(os.environ.get(VARIABLE) or usual), _name(str(_PROGRAM))
    return base if base.name == name else base / name


def installed_folder() -> Path:
    """The folder of the environment, for the program as it is: a bundle, an environment may be moved with it."""
    return made_with_environment() / _name()


def made_with_environment() -> Path:
    """Where making the environment, a bundle or an image puts what every program would have to make at its first start."""
    return Path(sys.prefix) / "share" / "backtest-desktop"


def _name(place: str = "") -> str:
    """One name per state of all that decides what is compiled, and whether numba believes it.

    numba compares the file that a kernel stands in, but no constant from another file; and it looks for a processor's
    kernels by its features, so that another machine compiles although there is a folder.
    """
    state = hashlib.sha256(f"{place} {platform.python_version()} {_processor()}".encode())
    for package in ("numba", "llvmlite", "numpy"):
        state.update(f" {version(package)}".encode())
    state.update(sources_hash(_SOURCES).encode())
    return f"kernels-{state.hexdigest()[:12]}"


def _processor() -> str:
    """What numba compiles for, without asking LLVM, which takes longer to import than all that is done here.

    Where another one is named whole (the container's image names `generic`), the one at hand does not count.
    """
    name, features = os.environ.get("NUMBA_CPU_NAME", ""), os.environ.get("NUMBA_CPU_FEATURES")
    chosen = (platform.machine(), name, features or "")
    if name.lower() == "generic" or (name and features is not None):
        return "\n".join(chosen)
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        first = platform.processor()
    told = [line for line in first.splitlines() if not line.startswith(("processor", "cpu MHz", "bogomips"))]
    return "\n".join((*chosen, *told))


def has_kernels(folder: Path) -> bool:
    """Whether every kernel is compiled there; not where a power cut left empty files, which keep workers from starting."""
    try:
        return all(file.stat().st_size for file in (folder / _WHOLE, *folder.rglob("*.nb[ic]")))
    except OSError:
        return False


def bring_kernels(folder: Path) -> bool:
    """Make `folder` hold every kernel if the environment has them; whether it does. What is damaged there is removed."""
    if has_kernels(folder):
        return True
    installed = installed_folder()
    with contextlib.suppress(OSError):  # no space, or another program was faster
        for file in folder.rglob("*.nb[ic]"):
            if not file.stat().st_size:
                file.unlink()
        if not has_kernels(installed):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # listed before the copy begins, which may lie among them
        files = [installed / _WHOLE, *installed.glob("*/*.nb[ic]")]
        with tempfile.TemporaryDirectory(prefix="copy-", dir=folder.parent) as new:
            for file in files:
                copy = Path(new, "kernels", *_here(file.relative_to(installed).parts))
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            Path(new, "kernels").rename(folder)
    return has_kernels(folder)


def _here(parts: Sequence[str]) -> Sequence[str]:
    """Where numba looks for a compiled file on this machine: it names a folder by where the sources lie."""
    package, separator, _ = parts[0].rpartition("_")
    if not separator:
        return parts
    place = hashlib.sha1(str(_folder_of(package)).encode(), usedforsecurity=False).hexdigest()
    return f"{package}_{place}", *parts[1:]


def _folder_of(package: str) -> Path:
    """Where the package of that last name lies, of those that hold kernels; any other directly in the program."""
    folders = (_PROGRAM.joinpath(*name.split(".")[1:-1]) for name in _SOURCES)
    return next((folder for folder in folders if folder.name == package), _PROGRAM / package)


def say_whole(folder: Path) -> None:
    """Every kernel was compiled into `folder`; where that cannot be written down, they are compiled again next time."""
    with contextlib.suppress(OSError):
        (folder / _WHOLE).write_text("every kernel is here\n")
