"""The Compare page: asks for two runs, or for the source of one."""

from __future__ import annotations

from desktop.pages.compare.panel import ComparePanel
from desktop.pages.page import Context, Page, Place
from engine.model.comparison import RunComparison, SourceFile
from engine.model.run import RunResult


class ComparePage(Page[ComparePanel]):
    """Two runs side by side; of one, its source beside today's."""

    title = "Compare"
    place = Place.CENTRE

    def __init__(self, context: Context) -> None:
        super().__init__(context, ComparePanel(context.workspace))
        self._wanted: list[str] = []
        context.compare_wanted.connect(self.compare)
        self.panel.swap_wanted.connect(lambda: self.compare(self._wanted[::-1]))
        self.panel.trade_wanted.connect(self._show_trade)

    def compare(self, ids: list[str]) -> None:
        """Show two runs side by side, or the source of one; whoever asked last is answered."""
        self._wanted = list(ids[:2])
        wanted = self._wanted
        runs = self.engine.runs
        if len(wanted) == 2:
            self.bridge.ask(lambda: runs.compare(*wanted), lambda found: self._compared(wanted, found))
        else:
            self.bridge.ask(
                lambda: (runs.get(wanted[0]), runs.sources(wanted[0])),
                lambda found: self._sourced(wanted, *found),
            )

    def _compared(self, wanted: list[str], found: RunComparison) -> None:
        if wanted is self._wanted:
            self.panel.show_comparison(found)
            self.show()

    def _sourced(self, wanted: list[str], run: RunResult, files: list[SourceFile]) -> None:
        if wanted is self._wanted:
            self.panel.show_source(run, files)
            self.show()

    def _show_trade(self, run: RunResult, place: int) -> None:
        workspace = self.context.workspace
        if run.id in workspace.runs:  # not deleted meanwhile
            workspace.put([run])
            workspace.show(run.id)
            workspace.select_trade(place)
            self.context.show_wanted.emit("Chart")
