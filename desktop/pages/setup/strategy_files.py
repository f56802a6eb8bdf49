"""Follows the strategies' files: whoever saves one finds it read a moment later.

The system tells of some changes and not of others (a network folder, an editor that puts a new file in the place of the old
one), and of one save several times. So what it tells only makes us look: what differs from the last look is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QFileSystemWatcher, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from desktop.work.bridge import Bridge
from engine.errors import Interrupted
from engine.events import CancelToken
from engine.model.parameters import StrategyInfo

_SETTLE_MS: Final = 120  # a file is written in several pieces
_LATEST_MS: Final = 480  # of a burst that does not end
_PATIENCE_MS: Final = 1500  # describing takes less, unless a file hangs; stopping it ends a warm worker
State = Mapping[str, tuple[int, int, int]]


class StrategyFiles(QObject):
    """Signals: `loading(bool)` files are being described; `loaded(list[StrategyInfo], bool)` all there are, and whether they
    were asked for or found changed.
    """

    loading = Signal(bool)
    loaded = Signal(list, bool)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._engine = bridge, bridge.engine
        self._seen: State | None = None
        self._describing: CancelToken | None = None
        self._looking = self._again = self._asked = self._closed = False
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._latest = QTimer(self, singleShot=True, interval=_LATEST_MS)
        for signal in (self._watcher.fileChanged, self._watcher.directoryChanged):
            signal.connect(self._touched)
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        for timer in (self._settle, self._latest, self._patience):
            timer.timeout.connect(self.look)
        app = QGuiApplication.instance()
        if isinstance(
            app, QGuiApplication
        ):  # who comes back from an editor may have saved where nothing is told
            app.applicationStateChanged.connect(self._activated)

    def open(self) -> None:
        """Tell what is known at once, then everything."""
        self._bridge.ask(self._engine.strategies.known, self._tell_known)
        self.look()

    def load(self) -> None:
        """Describe what changed or never loaded, whether anything seems to have changed or not."""
        self._seen, self._asked = None, True
        self.loading.emit(True)
        self.look()

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        for timer in (self._settle, self._latest, self._patience):
            timer.stop()
        if self._describing is not None:
            self._describing.cancel()

    def _tell_known(self, infos: list[StrategyInfo]) -> None:
        if infos:
            self.loaded.emit(infos, False)

    def _activated(self, state: Qt.ApplicationState) -> None:
        if state == Qt.ApplicationState.ApplicationActive and self._seen is not None:
            self.look()

    def _touched(self) -> None:
        self._settle.start()
        if not self._latest.isActive():
            self._latest.start()

    def look(self) -> None:
        """Look at the files; what changed is described, one look at a time."""
        self._settle.stop()
        self._latest.stop()
        if self._closed:
            return
        if self._looking:
            self._again = True
            return
        self._looking, self._again = True, False
        self._bridge.ask(self._engine.strategies.files, self._compare, self._looked_in_vain)

    def _compare(self, state: State) -> None:
        self._watch(state)
        self._looked()
        if state == self._seen or self._closed or (self._describing and self._patience.isActive()):
            return  # in the last case the end of what is under way looks again
        asked, self._seen, self._asked = self._asked, state, False
        self._describe(asked=asked)

    def _looked_in_vain(self, _: object) -> None:
        self.loading.emit(False)
        self._looked()

    def _looked(self) -> None:
        self._looking = False
        if self._again:
            self.look()

    def _watch(self, state: State) -> None:
        watched = {*self._watcher.files(), *self._watcher.directories()}
        if gone := watched - state.keys():
            self._watcher.removePaths(sorted(gone))
        if new := state.keys() - watched:
            self._watcher.addPaths(sorted(new))

    def _describe(self, *, asked: bool) -> None:
        """Describe the files as they are now; a description that is under way, of what they were, is stopped."""
        if self._describing is not None:
            self._describing.cancel()
        token, told = CancelToken(), self._bridge.events()
        self._describing = token
        self._patience.start()
        self.loading.emit(True)

        def describe() -> list[StrategyInfo] | None:
            try:
                return self._engine.strategies.all(on_event=told, cancel=token)
            except Interrupted:
                return None

        def show(infos: list[StrategyInfo] | None) -> None:
            if self._describing is token:
                self._describing = None
                self.loading.emit(False)
                if infos is not None and not self._closed:
                    self.loaded.emit(infos, asked)
                    self.look()  # what was saved meanwhile

        def failed(_: object) -> None:
            if self._describing is token:
                self._describing = None
                self._seen = None
                self.loading.emit(False)

        self._bridge.ask(describe, show, failed)


def changed_words(before: Sequence[StrategyInfo], after: Sequence[StrategyInfo]) -> str:
    """Which strategies came, went, changed or broke, in a line; empty where none did."""
    old, new = ({info.path: info for info in infos} for infos in (before, after))
    parts = [f"⚠ {info.error}" for path, info in new.items() if info.error and old.get(path) != info]
    mended = [info.name for path, info in new.items() if not info.error and path in old and old[path] != info]
    came = [info.name for path, info in new.items() if not info.error and path not in old]
    gone = [info.name for path, info in old.items() if path not in new]
    for said, names in (("read again", mended), ("new", came), ("gone", gone)):
        if names:
            parts.append(f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''} {said}")
    return " · ".join(parts)


def all_words(infos: Sequence[StrategyInfo]) -> str:
    """How many strategies there are, and how many of them do not load."""
    broken = sum(info.error is not None for info in infos)
    words = f"{len(infos) - broken} strategies read"
    return f"{words}, {broken} {'does' if broken == 1 else 'do'} not load" if broken else words
