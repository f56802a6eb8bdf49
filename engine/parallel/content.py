"""Bytes that jobs need on other machines, named by what they are: sent once, checked, kept on the disk within a limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

LIMIT_BYTES: Final = 4 * 2**30
PART_BYTES: Final = 4 * 2**20  # of one message
_LEFTOVER_S: Final = 600.0  # a transfer that stood still so long has no sender any more
_NAME: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = ".part"

Buffer = bytes | memoryview


class Damaged(Exception):
    """What arrived is not what was announced."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Bytes by their sha256; `parts` gives them, again whenever it is called."""

    sha256: str
    nbytes: int
    parts: Callable[[], Iterable[Buffer]]

    @classmethod
    def of(cls, parts: Callable[[], Iterable[Buffer]]) -> Content:
        """The content that `parts` gives."""
        state, nbytes = hashlib.sha256(), 0
        for part in parts():
            state.update(part)
            nbytes += memoryview(part).nbytes
        return cls(state.hexdigest(), nbytes, parts)

    def messages(self) -> Iterator[bytes]:
        """The bytes in pieces of PART_BYTES at most; one piece of nothing, too, is a piece."""
        for part in self.parts():
            flat = memoryview(part).cast("B")
            for at in range(0, len(flat), PART_BYTES):
                yield bytes(flat[at : at + PART_BYTES])
        if not self.nbytes:
            yield b""


@dataclass(slots=True)
class _Draft:
    file: IO[bytes]
    path: Path
    state: Any = field(default_factory=hashlib.sha256)
    nbytes: int = 0
    touched: float = field(default_factory=time.monotonic)

    def write(self, data: bytes, most: int) -> None:
        self.file.write(data)
        self.state.update(data)
        self.nbytes += len(data)
        self.touched = time.monotonic()
        if self.nbytes > most:
            raise Damaged(f"more than {most:,} bytes")

    def close(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


class ContentFolder:
    """A folder that belongs to this process, as long as it lives; what is in it outlives it. Thread-safe.

    Nobody else may read it: strategies and candles are their owners' own.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder, self._limit_bytes = folder, limit_bytes
        self._lock = threading.RLock()
        self._held: Counter[str] = Counter()
        self._sound: set[str] = set()  # whose bytes this process has seen
        self._drafts: dict[str, _Draft] = {}
        self._trees = folder / "trees"
        for one in (folder, self._trees):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(f"*{_PART}"):
            left.unlink(missing_ok=True)

    @classmethod
    def claimed(cls, base: Path, limit_bytes: int = LIMIT_BYTES) -> ContentFolder:
        """The first folder in `base` that no living process has: with what an earlier one was sent, where there was one."""
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(10_000):
            if _claim(base / f"{number}.lock"):
                return cls(base / str(number), limit_bytes)
        return cls(Path(tempfile.mkdtemp(dir=base)), limit_bytes)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Which of these contents are not here whole; what is damaged is removed."""
        with self._lock:
            return [name for name in names if not self._is_here(name)]

    def _is_here(self, name: str) -> bool:
        if not _NAME.fullmatch(name):
            raise Damaged(f"{name[:80]!r} names no content")
        path = self.folder / name
        try:
            if name in self._sound or _sha256(path) == name:
                self._sound.add(name)
                os.utime(path)  # used now: removed last
                return True
        except OSError:
            pass
        self._sound.discard(name)
        path.unlink(missing_ok=True)
        return False

    @contextmanager
    def held(self, names: Collection[str]) -> Iterator[None]:
        """Keep these contents, whatever else arrives."""
        with self._lock:
            self._held.update(names)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(names)

    def path(self, name: str) -> Path:
        """Where a content lies that is not lacking."""
        return self.folder / name

    def receive(self, name: str, transfer: str, data: bytes, *, last: bool) -> None:
        """One piece of a content, in order; the last one makes it whole. Raises Damaged where the bytes are others."""
        if not _NAME.fullmatch(name):
            raise Damaged(f"{name[:80]!r} names no content")
        with self._lock:
            self._forget_abandoned()
            key = f"{name} {transfer}"
            draft = self._drafts.get(key) or self._drafts.setdefault(key, self._new_draft())
            try:
                draft.write(data, self._limit_bytes)
                if last:
                    self._finish(name, draft)
            except BaseException:
                last = True
                raise
            finally:
                if last:
                    self._drafts.pop(key).close()

    def _new_draft(self) -> _Draft:
        handle, path = tempfile.mkstemp(suffix=_PART, dir=self.folder)  # readable by its owner alone
        return _Draft(os.fdopen(handle, "wb"), Path(path))

    def _finish(self, name: str, draft: _Draft) -> None:
        draft.file.close()
        if draft.state.hexdigest() != name:
            raise Damaged(f"content {name[:12]} arrived with other bytes")
        draft.path.chmod(0o400)
        draft.path.replace(self.folder / name)
        self._sound.add(name)
        self._prune(name)

    def _forget_abandoned(self) -> None:
        old = time.monotonic() - _LEFTOVER_S
        for key in [key for key, draft in self._drafts.items() if draft.touched < old]:
            self._drafts.pop(key).close()

    def _prune(self, newest: str) -> None:
        """Past the limit, remove what was not used for longest and is not needed now."""
        files = [(one.stat(), one) for one in self.folder.iterdir() if _NAME.fullmatch(one.name)]
        total = sum(state.st_size for state, _ in files)
        for state, path in sorted(files, key=lambda found: found[0].st_mtime_ns):
            if total <= self._limit_bytes:
                return
            if path.name != newest and not self._held[path.name]:
                self._sound.discard(path.name)
                path.unlink(missing_ok=True)
                total -= state.st_size

    def tree(self, files: dict[str, str]) -> Path:
        """A folder that holds these contents under these names, "package/part.py"; the same one for the same files.

        Raises Damaged for a name that leads elsewhere.
        """
        named = "".join(f"{name}\n{sha256}\n" for name, sha256 in sorted(files.items()))
        folder = self._trees / hashlib.sha256(named.encode()).hexdigest()
        with self._lock:
            for name, sha256 in files.items():
                source, target = self.path(sha256).read_bytes(), folder / _safe(name)
                with contextlib.suppress(OSError):
                    if target.read_bytes() == source:
                        continue
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle, draft = tempfile.mkstemp(dir=folder)
                with os.fdopen(handle, "wb") as file:
                    file.write(source)
                Path(draft).replace(target)
            os.utime(folder)
            self._prune_trees(folder)
        return folder

    def _prune_trees(self, kept: Path, most: int = 200) -> None:
        trees = sorted(self._trees.iterdir(), key=lambda one: one.stat().st_mtime_ns)
        for one in trees[:-most]:
            if one != kept and time.time() - one.stat().st_mtime > _LEFTOVER_S:
                shutil.rmtree(one, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safe(name: str) -> Path:
    """A file's name below a folder, on every system."""
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") or re.search(r'[\\:*?"<>|\x00-\x1f]', part) for part in parts):
        raise Damaged(f"{name[:80]!r} is no name of a module")
    return Path(*parts)


_claims: Final[list[int]] = []  # descriptors that stay open as long as this process lives


def _claim(lock: Path) -> bool:
    """Whether this process has the lock from now on; the system gives it up when the process ends, however it does."""
    if sys.platform == "win32":
        return False
    import fcntl

    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _claims.append(descriptor)
    return True
