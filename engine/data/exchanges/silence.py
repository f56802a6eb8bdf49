"""Exchanges that do not answer, as one piece of work after another finds them."""

from typing import Final

from engine.data.exchanges.answers import Unreachable

_ENOUGH: Final = 2  # questions without an answer


class Silence:
    """What several pieces of work have in common that want something of exchanges one after the other, such as the series of
    one run: whoever left two questions unanswered is asked no more.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, Unreachable]] = {}

    def attempts(self, exchange: str, wanted: int) -> int:
        """How often to ask, at most; raises Unreachable for one that is asked no more."""
        failures, error = self._failures.get(exchange, (0, None))
        if error is not None and failures >= _ENOUGH:
            raise Unreachable(str(error))
        return min(wanted, _ENOUGH - failures) if failures else wanted

    def note(self, exchange: str, failures: int, error: Unreachable) -> None:
        """So many questions were not answered, and no more were asked."""
        self._failures[exchange] = failures + self._failures.get(exchange, (0, None))[0], error
