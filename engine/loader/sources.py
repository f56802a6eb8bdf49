"""Makes the modules beside a plug-in file importable, always read anew, and keeps the very bytes that were executed."""

from __future__ import annotations

import hashlib
import linecache
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, Final

from engine.reproduction.own_source import plain_source

BUNDLED: Final = Path(__file__).resolve().parents[2] / "strategies"
_SEARCHING: Final = (
    b"import_module",
    b"__import__",
    b"pkgutil",
    b"glob",
    b"rglob",
    b"iterdir",
    b"listdir",
    b"scandir",
    b"walk",
)


_begun: Final[dict[str, bytes]] = {}  # by path


def go_on_with(sources: Mapping[str, bytes]) -> None:
    """From now on these bytes, by path, are what the files hold, whatever they hold meanwhile: work goes on with the source
    that it began with. Empty: the files themselves.
    """
    for path in _begun:  # what was executed then may stand in the files no more
        linecache.cache.pop(path, None)
    _begun.clear()
    _begun.update(sources)
    for path, source in sources.items():  # tracebacks show lines of what is executed
        linecache.cache[path] = (
            len(source),
            None,
            source.decode(errors="replace").splitlines(keepends=True),
            path,
        )


def begun_with() -> dict[str, bytes]:
    """What `go_on_with` was given last."""
    return dict(_begun)


def read_source(path: Path | str) -> bytes:
    """The bytes of a plug-in's file."""
    begun = _begun.get(str(path))
    return Path(path).read_bytes() if begun is None else begun


@contextmanager
def importable(folder: Path) -> Iterator[dict[str, bytes]]:
    """Make the folder's modules importable for a while; gives the bytes of those that are imported, while they are.

    They go by "_lib.py" or "package/part.py", wherever the folder lies. It comes last on the path, so that a plug-in named
    like a library shadows nothing. Afterwards none of these modules is left in the module cache.
    """
    modules = _Modules(folder)
    path, hooks = list(sys.path), list(sys.path_hooks)
    sys.path.append(str(folder))
    sys.path_hooks.insert(0, modules.finder)
    modules.forget_finders()
    try:
        yield modules.sources
    finally:
        sys.path[:], sys.path_hooks[:] = path, hooks
        modules.forget_finders()
        modules.forget()


def are_unchanged(known: Mapping[str, str], plug_in: Path) -> bool:
    """Whether the files that were executed for a plug-in, by name as above and with their sha256, are what they were."""
    try:
        return all(
            hashlib.sha256(plain_source(file_of(name, plug_in).read_bytes())).hexdigest() == sha256
            for name, sha256 in known.items()
        )
    except OSError:
        return False


def may_import(modules: Iterable[str], executed: Iterable[str], plug_in: Path) -> bool:
    """Whether the files that were executed for a plug-in, by name as above, may import one of these modules of its folder:
    they say its name, or look by themselves for what there is.
    """
    words = b"|".join([*(re.escape(name.encode()) for name in modules), *_SEARCHING])
    named = re.compile(rb"\b(?:" + words + rb")\b")
    try:
        return any(named.search(file_of(name, plug_in).read_bytes()) for name in executed)
    except OSError:  # it is being saved, or gone
        return True


def file_of(name: str, plug_in: Path) -> Path:
    """Where a file that was executed for a plug-in lies, by its name as in `importable`."""
    bundled = name.startswith(f"{BUNDLED.name}/")
    return (BUNDLED.parent if bundled else plug_in.parent) / name


class _Modules:
    """The modules of a plug-in folder, and the bundled strategies, from which plug-ins may derive."""

    def __init__(self, folder: Path) -> None:
        self.sources: dict[str, bytes] = {}
        self._folder = folder
        self._names: list[str] = []
        self._known = {name.partition(".")[0] for name in sys.modules}
        # an environment or a checkout may lie below the folder: its modules are no part of it
        self._others = [Path(entry) for entry in sys.path if folder in Path(entry).parents]

    def finder(self, path: str) -> FileFinder:
        """A path hook: the finder of modules in `path`; raises ImportError where Python's own is to be used."""
        if not self._owns(Path(path)):
            raise ImportError(path)
        loader: Any = partial(_KeepingLoader, self.keep)
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (loader, [".py"]))

    def keep(self, name: str, file: str, source: bytes) -> None:
        """Remember a module that is being executed."""
        if name.partition(".")[0] in self._known and BUNDLED not in Path(file).parents:
            return  # part of a package that was there before: its folder happens to be a plug-in folder too
        self._names.append(name)
        ending = "/__init__.py" if Path(file).stem == "__init__" else ".py"
        self.sources[name.replace(".", "/") + ending] = source

    def forget(self) -> None:
        """Take the modules out of the module cache and out of their packages."""
        for name in self._names:
            sys.modules.pop(name, None)
            package, _, child = name.rpartition(".")
            if package in sys.modules:
                vars(sys.modules[package]).pop(child, None)

    def forget_finders(self) -> None:
        """Have the folders looked through again."""
        begins = str(self._folder), str(BUNDLED)  # told from most others without taking them apart
        held = [path for path in sys.path_importer_cache if path.startswith(begins)]
        for path in held:
            if self._owns(Path(path)):
                del sys.path_importer_cache[path]

    def _owns(self, path: Path) -> bool:
        inside = path.is_relative_to(self._folder) and not any(map(path.is_relative_to, self._others))
        return inside or path.is_relative_to(BUNDLED)


class _KeepingLoader(SourceFileLoader):
    """Compiles what it reads, and neither reads nor writes byte code: its time stamp in seconds would miss a quick edit."""

    def __init__(self, keep: Any, name: str, path: str) -> None:
        super().__init__(name, path)
        self._keep = keep

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code."""
        file = self.get_filename(fullname)
        source = read_source(file)
        self._keep(fullname, file, source)
        return self.source_to_code(source, file)
