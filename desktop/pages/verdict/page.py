"""The Verdict page."""

from __future__ import annotations

from desktop.pages.page import Context, Page, Place
from desktop.pages.verdict.panel import VerdictPanel


class VerdictPage(Page[VerdictPanel]):
    """The facts for and against the current run, each with its figure."""

    title = "Verdict"
    place = Place.RESULTS

    def __init__(self, context: Context) -> None:
        super().__init__(context, VerdictPanel(context.workspace))
