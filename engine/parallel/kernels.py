"""Where numba keeps what it compiled, from one process to the next."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import engine

VARIABLE: Final = "NUMBA_CACHE_DIR"  # as numba calls it
# the files whose constants are compiled into the kernels of other files
_CONSTANTS: Final = (
    "market.py",
    "backtest/rules.py",
    "backtest/metric_definitions.py",
    "backtest/compiled.py",
)


def kernel_folder(usual: Path) -> Path:
    """The folder for the program as it is, inside the one that the environment names, else inside `usual`.

    numba believes a kernel while the file that it stands in is unchanged; a constant from another file would stay as it was.
    So each state of the constants has a folder of its own.
    """
    source, state = Path(engine.__file__).parent, hashlib.sha256()
    for name in _CONSTANTS:
        state.update((source / name).read_bytes())
    base, name = Path(os.environ.get(VARIABLE) or usual), f"kernels-{state.hexdigest()[:12]}"
    return base if base.name == name else base / name


def has_kernels(folder: Path) -> bool:
    """Whether something is compiled there. Empty files, as a power cut leaves them, would keep workers from starting: they
    are removed.
    """
    left = [file for file in folder.rglob("*.nb[ic]") if not _removed_empty(file)]
    return bool(left)


def _removed_empty(file: Path) -> bool:
    try:
        if file.stat().st_size:
            return False
        file.unlink(missing_ok=True)
    except OSError:
        pass
    return True
