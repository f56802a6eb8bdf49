"""Which pages are in front, one of the centre and one of the results: brought there by name, the same after a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from PySide6.QtWidgets import QDockWidget, QTabWidget

from desktop.pages.page import Page, Place
from desktop.widgets.bottom_panel import BottomPanel
from desktop.widgets.preferences import Preferences

_KEY: Final = "in front"


class FrontPages:
    """`docks` by title: those of the pages beside, and that of the results."""

    def __init__(
        self,
        pages: Sequence[Page[Any]],
        centre: QTabWidget,
        results: BottomPanel,
        docks: Mapping[str, QDockWidget],
    ) -> None:
        self._pages, self._centre, self._results, self._docks = pages, centre, results, docks

    def show(self, page: Page[Any]) -> None:
        """Bring a page to the front, whatever was hidden of it."""
        if page.place is Place.SIDE:
            self._docks[page.title].show()
        elif page.place is Place.RESULTS:
            self._docks["Results"].show()
        self._turn_to(page)

    def _turn_to(self, page: Page[Any]) -> None:
        """What is hidden stays hidden."""
        if page.place is Place.CENTRE:
            self._centre.setCurrentWidget(page.panel)
        elif page.place is Place.RESULTS:
            self._results.show_page(page.title)

    def save(self, preferences: Preferences) -> None:
        """Keep their titles for the next start."""
        front = (self._centre.currentWidget(), self._results.pages.currentWidget())
        preferences.save(_KEY, [page.title for page in self._pages if page.panel in front])

    def restore(self, preferences: Preferences) -> None:
        """Be as at the end of the last start; a title that no page has is passed over."""
        kept = preferences.read(_KEY)
        for page in self._pages:
            if isinstance(kept, list) and page.title in kept:
                self._turn_to(page)
