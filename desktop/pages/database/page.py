"""The Database page: asks what is in use, tries connections, keeps the choice for the next start."""

from __future__ import annotations

from functools import partial

from desktop.pages.database.panel import DatabasePanel
from desktop.pages.page import Context, Page, Place
from engine.model.database_choice import CurrentDatabase, DatabaseChoice, DatabaseSeen


class DatabasePage(Page[DatabasePanel]):
    """Embedded, the container's, or any other address; works while no database can be reached."""

    title = "Database"
    place = Place.RESULTS

    def __init__(self, context: Context) -> None:
        super().__init__(context, DatabasePanel())
        self.panel.test_wanted.connect(self._test)
        self.panel.choose_wanted.connect(self._choose)
        self.panel.shown.connect(self._ask)
        context.database_changed.connect(self._opened)

    def _opened(self, ok: bool, _text: str) -> None:
        """Where there is no database, this is the page that says what to do."""
        if not ok:
            self.show()
            self.bridge.ask(self.engine.databases.current, self._try_again)

    def _try_again(self, current: CurrentDatabase) -> None:
        self.panel.show_current(current)
        self.panel.try_it()

    def _ask(self) -> None:
        """Every time it is looked at: `.env` may have changed."""
        self.bridge.ask(self.engine.databases.current, self.panel.show_current)

    def _test(self, choice: DatabaseChoice) -> None:
        self.bridge.ask(
            lambda: self.engine.databases.test(choice), partial(self.panel.show_seen, choice), self._failed
        )

    def _failed(self, error: Exception) -> None:
        self.panel.show_seen(self.panel.choice(), DatabaseSeen(ok=False, text=str(error)))

    def _choose(self, choice: DatabaseChoice) -> None:
        def choose() -> CurrentDatabase:
            self.engine.databases.choose(choice)
            return self.engine.databases.current()

        self.bridge.ask(choose, self._chosen)

    def _chosen(self, current: CurrentDatabase) -> None:
        self.panel.show_chosen(current)
        self.context.said.emit("The database is chosen; the next start uses it")
