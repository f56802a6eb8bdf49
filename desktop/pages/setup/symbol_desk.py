"""What is done with symbols beside choosing them: favourites, lists under names, what is held of each, their menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.pages.page import Context
from desktop.pages.setup.panel import SetupPanel
from desktop.pages.setup.period_form import preset_period
from desktop.pages.setup.values import clock_ms
from desktop.widgets.undo import Undo
from engine.model.coverage import Coverage

_STARRED: Final = "favourites"  # {exchange: [symbols]}
_LISTS: Final = "symbol lists"  # {name: {"exchange": ..., "symbols": [...]}}
_SETTLE_MS: Final = 300
SeriesKey = tuple[str, str, str]


class SymbolDesk(QObject):
    """Joins the list of symbols to what is remembered and to the engine. `overwrite(text, change)` changes the set-up so
    that it can be undone. Signals, with the key of a series: `gaps_wanted`, `delete_wanted`.
    """

    gaps_wanted = Signal(object)
    delete_wanted = Signal(object)

    def __init__(
        self, context: Context, panel: SetupPanel, overwrite: Callable[[str, Callable[[], object]], object]
    ) -> None:
        super().__init__(panel)
        self._context, self._panel, self._overwrite = context, panel, overwrite
        self._form, self._preferences = panel.market, context.preferences
        self._asked = 0
        self._asking = False
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._timer.timeout.connect(self._ask_held)
        form = self._form
        form.exchange_changed.connect(lambda _: self._exchange_changed())
        form.starred_changed.connect(self._keep_stars)
        form.lists.chosen.connect(self.use_list)
        form.lists.save_wanted.connect(self.save_list)
        form.lists.delete_wanted.connect(lambda name: self._put_list(name, None))
        form.max_wanted.connect(self.use_all_of)
        form.gaps_wanted.connect(lambda name: self.gaps_wanted.emit(self._key(name)))
        form.delete_wanted.connect(lambda name: self.delete_wanted.emit(self._key(name)))
        panel.period.changed.connect(self._timer.start)
        context.candles_changed.connect(self._timer.start)
        context.bridge.phase_changed.connect(lambda _: self._timer.start())

    def open(self) -> None:
        """Show what is remembered, and ask what is held."""
        self._form.lists.set_names(sorted(self.lists()))
        self._exchange_changed()

    def _key(self, name: str) -> SeriesKey:
        return self._form.exchange_id(), name, self._panel.period.chosen_timeframe().name

    def _exchange_changed(self) -> None:
        starred = self._stars().get(self._form.exchange_id())
        self._form.model.set_starred([str(name) for name in starred] if isinstance(starred, list) else [])
        self._timer.start()

    # -- favourites and lists ----------------------------------------------------------------------------------------

    def _stars(self) -> dict[str, Any]:
        found = self._preferences.read(_STARRED)
        return found if isinstance(found, dict) else {}

    def _keep_stars(self) -> None:
        mine = {self._form.exchange_id(): self._form.model.starred}
        self._preferences.save(_STARRED, self._stars() | mine)

    def lists(self) -> dict[str, dict[str, Any]]:
        """The lists of symbols by name, each with its exchange."""
        found = self._preferences.read(_LISTS)
        if not isinstance(found, dict):
            return {}
        return {
            name: one
            for name, one in found.items()
            if isinstance(one, dict) and {"exchange", "symbols"} <= one.keys()
        }

    def save_list(self, name: str) -> None:
        """Keep the checked symbols under a name."""
        symbols = list(self._form.symbols())
        if not symbols:
            self._context.reported.emit("warning", "No symbol is checked; no list was saved", "")
            return
        self._put_list(name, {"exchange": self._form.exchange_id(), "symbols": symbols})

    def use_list(self, name: str) -> None:
        """Check the symbols of a list, and no others."""
        one = self.lists().get(name)
        if one is not None:
            symbols = tuple(map(str, one["symbols"]))
            self._overwrite(
                f"The symbols are those of {name} now",
                lambda: self._form.set_choice(str(one["exchange"]), symbols),
            )

    def _put_list(self, name: str, one: Mapping[str, Any] | None, *, offer: bool = True) -> None:
        """Put a list (None: nothing) in the place of what has the name, and offer to take that back."""
        lists = self.lists()
        before = lists.pop(name, None)
        self._preferences.save(_LISTS, lists if one is None else lists | {name: dict(one)})
        self._form.lists.set_names(sorted(self.lists()))
        self._form.lists.set_name("" if one is None else name)
        done = "deleted" if one is None else "overwritten" if before else "saved"
        if offer and before != one:
            take_back = lambda: self._put_list(name, before, offer=False)  # noqa: E731
            self._context.undo_offered.emit(Undo(f"The list {name} was {done}", take_back))

    # -- periods and what is held ------------------------------------------------------------------------------------

    def use_all_of(self, name: str) -> None:
        """Test a symbol from its first candle to now."""
        exchange = self._form.exchange_id()
        listed = next(
            (market.listed_ms for market, _ in self._form.model.markets if market.name == name), None
        )
        period = preset_period("Max", clock_ms(exchange) - 1, listed)

        def use() -> None:
            if name not in self._form.symbols():
                self._form.model.set_chosen([*self._form.symbols(), name])
            self._panel.period.set_values(
                self._panel.period.timeframe.currentText(), period.start, period.end
            )

        self._overwrite(f"The period is all of {name} now", use)

    def _ask_held(self) -> None:
        """Ask what is held of the period, of every symbol; a later question makes earlier answers void."""
        setup, timeframe = self._panel.setup(), self._panel.period.chosen_timeframe()
        self._asked += 1
        if self._asking or setup.unreadable or setup.start >= setup.end:
            return
        self._asking, asked = True, self._asked

        def show(held: Mapping[str, Coverage]) -> None:
            self._end(asked)
            if asked == self._asked and setup.exchange == self._form.exchange_id():
                self._form.model.set_held(held)

        self._context.bridge.ask(
            lambda: self._context.bridge.engine.candles.held(
                timeframe, setup.period, exchange=setup.exchange
            ),
            show,
            lambda _: self._end(asked),
        )

    def _end(self, asked: int) -> None:
        self._asking = False
        if asked != self._asked:
            self._timer.start()
