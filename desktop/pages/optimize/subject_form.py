"""Which strategy is varied on which of the set-up's symbols, or that the portfolio's legs are."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop.pages.optimize.subject import PORTFOLIO_KEY, LegsSubject, StrategySubject, Subject
from desktop.pages.optimize.values import market_choices
from desktop.pages.setup.values import Setup
from desktop.widgets.buttons import narrow_combo
from desktop.widgets.labels import PlainLabel
from engine.model.parameters import StrategyInfo
from engine.model.portfolio import PortfolioSpec


class SubjectForm(QWidget):
    """Signals: `changed()` another subject, or other parameters of it; `market_changed()`; `strategy_chosen(name)` by the
    user. `wanted`: the key of what is to be chosen, be it known now or later; only the user changes their mind.
    """

    changed = Signal()
    market_changed = Signal()
    strategy_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.infos: dict[str, StrategyInfo] = {}
        self.wanted = ""
        self._known: dict[str, StrategyInfo] = {}
        self._portfolio: PortfolioSpec | None = None
        self._legs: LegsSubject | None = None
        self._setup = Setup()
        self.strategy = narrow_combo("Strategy to optimise")
        self.strategy.setToolTip(
            "A strategy on the set-up's markets, or the legs of the portfolio on its page"
        )
        self.symbol = narrow_combo("Symbol to optimise on")
        self.symbol.setToolTip("One of the symbols that are checked in the set-up, or across all of them")
        self.series = PlainLabel(wordWrap=True)
        self.series.setProperty("role", "muted")
        self._on = PlainLabel("on")
        top = QHBoxLayout()
        top.setSpacing(5)
        top.addWidget(self.strategy, 3)
        top.addWidget(self._on)
        top.addWidget(self.symbol, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(top)
        layout.addWidget(self.series)
        self.strategy.activated.connect(lambda _: self._choose())
        self.symbol.currentIndexChanged.connect(lambda _: self.market_changed.emit())

    @property
    def key(self) -> str:
        """Of what is wanted, known or not; of what stands there where nobody chose yet."""
        return self.wanted or self.strategy.currentData() or ""

    def subject(self) -> Subject | None:
        """What is chosen."""
        if self.strategy.currentData() == PORTFOLIO_KEY:
            return self._legs
        info = self.infos.get(self.strategy.currentText())
        return None if info is None else StrategySubject(info)

    def market(self) -> tuple[str, str]:
        """Which symbol, or the words for all of them, and what is taken across them, "" of one."""
        return self.symbol.currentText(), self.symbol.currentData() or ""

    def choose_market(self, symbol: str, across: str) -> None:
        """That symbol, or across all there are."""
        at = self.symbol.findData(across) if across else self.symbol.findText(symbol)
        self.symbol.setCurrentIndex(max(0, at))

    def set_infos(self, infos: Sequence[StrategyInfo]) -> None:
        """The strategies, those that do not load too; what is chosen stays chosen."""
        self._known = {info.name: info for info in reversed(infos)}  # of two of one name the first counts
        first = [info for info in infos if self._known[info.name] is info]
        self.infos = {info.name: info for info in first if info.error is None and info.params}
        self._read_legs()
        self._offer()
        self._show()

    def set_portfolio(self, portfolio: PortfolioSpec | None, *, gone: bool = False) -> None:
        """What stands on the Portfolio page now; None: nothing that can be read, or nothing at all where it is `gone`."""
        before, shown, self._portfolio = self._legs, self.strategy.currentData(), portfolio
        if gone:
            self._legs = None
        self._read_legs()
        if self._legs != before:
            self._offer()
            if PORTFOLIO_KEY in (shown, self.strategy.currentData()):
                self._show()

    def _read_legs(self) -> None:
        """Once the strategies are known."""
        if self._legs is not None:
            self._legs = self._legs.now(self._portfolio, self._known)
        elif self._portfolio is not None and self._known:
            self._legs = LegsSubject.of(self._portfolio, self._known)

    def set_setup(self, setup: Setup) -> None:
        """The symbols that can be chosen are the set-up's; the chosen one stays."""
        self._setup = setup
        chosen, offered = self.market(), market_choices(setup.symbols)
        if [text for text, _ in offered] != [self.symbol.itemText(at) for at in range(self.symbol.count())]:
            self.symbol.blockSignals(True)
            self.symbol.clear()
            for text, across in offered:
                self.symbol.addItem(text, across)
            self.choose_market(*chosen)
            self.symbol.blockSignals(False)
        self._tell()

    def choose(self, key: str) -> None:
        """Choose that strategy, or the portfolio, now or once it is known."""
        self.wanted = key
        self._offer()
        self._show()

    def _offer(self) -> None:
        """All there are; chosen is what is wanted, without it what was chosen, or one that is checked in the set-up."""
        titles = {name: name for name in self.infos}
        if self._legs is not None:
            titles[self._legs.key] = self._legs.title
        liked = (self.wanted, self.strategy.currentData(), *self._setup.strategies, *titles)
        key = next((one for one in liked if one in titles), "")
        self.strategy.clear()
        for one, title in titles.items():
            self.strategy.addItem(title, one)
        self.strategy.setCurrentIndex(self.strategy.findData(key))

    def _choose(self) -> None:
        self.wanted = self.strategy.currentData()
        self._show()
        if self.strategy.currentData() in self.infos:
            self.strategy_chosen.emit(self.strategy.currentText())

    def _show(self) -> None:
        legs = self.strategy.currentData() == PORTFOLIO_KEY
        for part in (self._on, self.symbol):
            part.setVisible(not legs)
        self._tell()
        self.changed.emit()

    def _tell(self) -> None:
        """On what, in words."""
        subject = self.subject()
        if subject is not None:
            self.series.setText(subject.words(self._setup))
            self.series.setToolTip(f"What does not vary is said by {subject.source}")
