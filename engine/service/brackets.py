"""Leverage brackets: which are known, and fetching newer ones."""

from __future__ import annotations

from engine.data.brackets import BracketList, list_of, named_in
from engine.errors import InputError
from engine.model.brackets import Brackets
from engine.model.market import DEFAULT_EXCHANGE
from engine.service.resources import Resources


class LeverageBrackets:
    """`Engine.brackets`."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def known(self, exchange: str = DEFAULT_EXCHANGE) -> BracketList:
        """All that are known of an exchange; raises InputError where none are."""
        found = list_of(exchange, self._resources.settings.home)
        if found is None:
            raise InputError(f"no leverage brackets of {exchange} are known; those of {DEFAULT_EXCHANGE} are")
        return found

    def of(self, symbol: str, exchange: str = DEFAULT_EXCHANGE) -> tuple[str, Brackets]:
        """A market's name and its brackets, the symbol in any spelling; raises InputError with the nearest names."""
        known = self.known(exchange)
        name = named_in(known, symbol, exchange)
        brackets = known.of(name)
        assert brackets is not None
        return name, brackets

    def update(self) -> BracketList:
        """Fetch those of Binance's USD-M perpetuals and keep them; raises ExchangeError or OutputError, and keeps the old
        ones then.
        """
        from engine.data.bracket_update import update_brackets

        return update_brackets(self._resources.settings.home, self._resources.settings.brackets_url)
