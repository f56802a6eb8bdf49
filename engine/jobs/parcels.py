"""What of a task another machine lacks: its candles, what else of their market, and its strategy with
the modules that this imports from its folder.

Every path in a task is one of the three, so that packing a task looks for nothing else. A Dask worker finds them as files of
its own, under other paths; what it answers has the paths of whoever asked.
"""

from __future__ import annotations

import functools
import io
import pickle
import sysconfig
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import engine
from engine.loader import BUNDLED
from engine.loader.modules import sources_of
from engine.model.market import CandleFile
from engine.model.perpetual import PerpetualFile
from engine.parallel.content import Buffer, Content, ContentFolder
from engine.parallel.parcel import Parcel, Places, Unfit, differences
from engine.reproduction.inputs import versions, versions_for
from engine.reproduction.own_source import plain_source

_PROGRAM: Final = Path(engine.__file__).parents[1]
_CANDLES, _PERPETUAL, _STRATEGY = "candles", "perpetual", "strategy"


def pack(task: object) -> Parcel:
    """The task with its paths replaced by what lies there."""
    letter = io.BytesIO()
    packer = _Packer(letter, _sources_of(task))
    packer.dump((_places(), _without_sources(task)))
    return Parcel(letter.getvalue(), packer.contents)


def _sources_of(task: Any) -> dict[Path, Mapping[str, bytes]]:
    """What the files of each strategy held when the work on a task, or on its legs, began."""
    asked = (one for one in (task, *getattr(task, "legs", ())) if getattr(one, "sources", {}))
    return {one.strategy: one.sources for one in asked}


def _without_sources(task: Any) -> Any:
    """They lie in the content."""
    if getattr(task, "sources", {}):
        return replace(task, sources={})
    if any(getattr(leg, "sources", {}) for leg in getattr(task, "legs", ())):
        return replace(task, legs=[replace(leg, sources={}) for leg in task.legs])
    return task


def unpack(letter: bytes, contents: ContentFolder) -> tuple[object, Places]:
    """The task with paths of this machine. Raises Unfit where a library that the strategy imports has another version."""
    unpacker = _Unpacker(io.BytesIO(letter), contents)
    theirs, task = unpacker.load()
    return task, Places({here: theirs[name] for name, here in _places().items()} | unpacker.places)


def identity() -> dict[str, str]:
    """What must be equal for a machine to do another's jobs: versions, and the whole source of this program."""
    return versions() | {"program source": program_source()}


@functools.cache
def program_source() -> str:
    """A short hash over the engine and the bundled strategies, to the last byte: only the program itself reads its tasks."""
    files = [*Path(engine.__file__).parent.rglob("*.py"), *BUNDLED.rglob("*.py")]
    named = ((file.relative_to(_PROGRAM).as_posix(), plain_source(file.read_bytes())) for file in files)
    return Content.of(
        lambda: (f"{name} {len(source)}\n".encode() + source for name, source in sorted(named))
    ).sha256[:16]


def _places() -> dict[str, str]:
    """The folders whose files stand in tracebacks."""
    return {
        "program": str(_PROGRAM),
        "libraries": sysconfig.get_path("purelib"),
        "python": sysconfig.get_path("stdlib"),
    }


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, sources: Mapping[Path, Mapping[str, bytes]]) -> None:
        super().__init__(file)
        self.contents: dict[str, Content] = {}
        self._sources = sources

    def persistent_id(self, item: Any) -> Any:
        """Pickle asks this of every object: what stands for it, None for itself."""
        if isinstance(item, CandleFile):
            content = _candles(item)
            self.contents[content.sha256] = content
            # pickle asks this again of each file among those beside
            return _CANDLES, content.sha256, item.warmup, item.timeframe, item.beside
        if isinstance(item, PerpetualFile):
            content = Content.of(functools.partial(_whole, item.path.read_bytes()))
            self.contents[content.sha256] = content
            return _PERPETUAL, content.sha256, (item.names, item.brackets, item.filters, item.filtered)
        if isinstance(item, Path):
            sources = self._sources.get(item) or sources_of(item)
            contents = {
                name: Content.of(functools.partial(_whole, source)) for name, source in sources.items()
            }
            self.contents |= {content.sha256: content for content in contents.values()}
            names = {name: content.sha256 for name, content in contents.items()}
            return _STRATEGY, str(item.parent), item.name, names, versions_for(sources)
        return None


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, contents: ContentFolder) -> None:
        super().__init__(file)
        self.places: dict[str, str] = {}
        self._contents = contents

    def persistent_load(self, name: Any) -> Any:
        """What stands here for what was replaced."""
        kind, *parts = name
        if kind == _CANDLES:
            sha256, warmup, timeframe, beside = parts
            return CandleFile(self._contents.path(sha256), warmup, timeframe=timeframe, beside=beside)
        if kind == _PERPETUAL:
            sha256, beside = parts
            return PerpetualFile(self._contents.path(sha256), *beside)
        theirs, own, files, wanted = parts
        folder = self._contents.tree(files)
        sources = {name: (folder / name).read_bytes() for name in files}
        if differing := differences(wanted, versions_for(sources)):
            raise Unfit(differing)
        self.places[str(folder)] = theirs
        return folder / own


# -- candles

_candle_contents: Final[OrderedDict[CandleFile, Content]] = OrderedDict()


def _candles(file: CandleFile) -> Content:
    """The candles that the file stands for, as a file of their own; hashed once, as files for workers do not change."""
    if file not in _candle_contents:
        _candle_contents[file] = Content.of(
            functools.partial(_candle_parts, replace(file, warmup=0, beside=()))
        )
        while len(_candle_contents) > 100:
            _candle_contents.popitem(last=False)
    return _candle_contents[file]


def _candle_parts(file: CandleFile) -> Iterator[Buffer]:
    candles = file.load()
    yield candles.file_header(len(candles))
    for column in (candles.timestamp.astype("<i8"), *candles.columns().values()):
        yield column.astype(column.dtype.newbyteorder("<"), copy=False).data


# -- strategies


def _whole(source: bytes) -> list[bytes]:
    return [source]
