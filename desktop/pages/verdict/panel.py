"""The facts of the current run, one below the other: a sign, what it is about, the figure, a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from PySide6.QtWidgets import QFrame, QTextBrowser, QVBoxLayout, QWidget

from desktop.pages.page import Panel
from desktop.tables import formats
from desktop.tables.run_names import names_in
from desktop.theme.colours import DARK, Theme
from desktop.widgets.when_seen import WhenSeen
from desktop.workspace import Workspace
from engine.analysis.verdict import AGAINST, FOR, OPEN, PLAIN, Fact, verdict
from engine.model.run import FINISHED

HINT: Final = "No finished run is selected: run the set-up (F5), or pick one in the Runs tab."
_SIGNS: Final = {FOR: "✓", AGAINST: "⚠", OPEN: "?", PLAIN: "·"}
_GATHER_MS: Final = 50


class VerdictPanel(Panel):
    """Follows the current run."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.heading, self.facts = HINT, list[Fact]()
        self._theme = DARK
        self.text = QTextBrowser(openLinks=False)
        self.text.setFrameShape(QFrame.Shape.NoFrame)
        self.text.setAccessibleName("Facts for and against the run")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        self._drawing = WhenSeen(self, self.refresh, _GATHER_MS)
        workspace.current_changed.connect(self._drawing.wish)
        workspace.runs_changed.connect(self._runs_changed)
        self._draw()

    def _runs_changed(self, ids: list[str]) -> None:
        if self.workspace.current in ids:
            self._drawing.wish()

    def refresh(self) -> None:
        """Show the facts of the current run; what is shown already stays, and what is selected in it."""
        run = self.workspace.current_run()
        finished = run is not None and run.status == FINISHED
        heading = names_in(self.workspace, [run])[0] if finished and run is not None else HINT
        facts = [] if run is None else verdict(run, data_changed=self.workspace.has_changed_candles(run.id))
        if (heading, facts) != (self.heading, self.facts):
            self.heading, self.facts = heading, facts
            self._draw()

    def _draw(self) -> None:
        self.text.setHtml("".join(_page(self.heading, self.facts, self._theme)))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self._draw()


def _page(heading: str, facts: Sequence[Fact], theme: Theme) -> Iterator[str]:
    colours = {FOR: theme.positive, AGAINST: theme.warning, OPEN: theme.muted, PLAIN: theme.muted}
    yield f'<p style="margin: 4px">{escape(heading)}</p><table cellpadding="4" width="100%">'
    for fact in facts:
        yield f'<tr><td style="color: {colours[fact.speaks]}">{_SIGNS[fact.speaks]}</td>'
        yield f"<td>{escape(fact.about.capitalize())}</td><td><b>{escape(formats.with_minuses(fact.figure))}</b></td>"
        yield f'<td width="70%">{escape(formats.with_minuses(fact.words))}</td></tr>'
    yield "</table>"
