"""How much worse than its price an order fills: by a fixed fraction of it, or by a model of what it means to the market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from engine.errors import InputError
from engine.model.numerals import is_number, read_number

FIXED, HALF_SPREAD, VOLUME_SHARE, SQUARE_ROOT = "fixed", "half-spread", "volume-share", "square-root"
MODELS: Final = (FIXED, HALF_SPREAD, VOLUME_SHARE, SQUARE_ROOT)
SLIPPAGES: Final = "a fraction, half-spread[:FRACTION], volume-share[:IMPACT] or square-root[:Y]"

MOST_SHARE: Final = 0.025  # of a candle's volume, beyond which `volume-share` grows no more
MOST_SLIPPAGE: Final = (
    0.05  # of `square-root`: an exchange refuses market orders that would fill further away
)
MOST_SPREAD: Final = 0.5  # of `half-spread`: today's tick may be more than what a coin once cost
MARKET_DAYS: Final = 20  # that `square-root` looks back over

_USUAL: Final = {HALF_SPREAD: 0.0, VOLUME_SHARE: 0.1, SQUARE_ROOT: 1.0}
_MOST: Final = {HALF_SPREAD: 0.1, VOLUME_SHARE: 10.0, SQUARE_ROOT: 10.0}


@dataclass(frozen=True, slots=True)
class SlippageModel:
    """A model and its number. FIXED: that fraction. HALF_SPREAD: that fraction, at least half a tick. VOLUME_SHARE: it times
    the squared share of the last candle's volume. SQUARE_ROOT: it times a day's volatility times the root of the share of a
    day's volume.
    """

    kind: str = FIXED
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From what SLIPPAGES names; raises InputError. The bounds of a fixed fraction are those of `Costs`."""
        if is_number(text):
            return cls(FIXED, read_number(text))
        kind, colon, number = text.partition(":")
        if kind not in _USUAL:
            raise InputError(f"slippage must be {SLIPPAGES}, not {text!r}")
        try:
            value = read_number(number) if colon else _USUAL[kind]
        except ValueError:
            raise InputError(
                f"{kind} takes a number, as {kind}:{_MOST[kind] / 100:g}, not {number!r}"
            ) from None
        least_open = kind != HALF_SPREAD  # of which nothing means half a tick
        if not (0 <= value < _MOST[kind]) or (least_open and value == 0):
            bounds = f"{'above' if least_open else 'at least'} 0 and below {_MOST[kind]:g}"
            raise InputError(f"the number of {kind} must be {bounds}, not {value:g}")
        return cls(kind, value)

    def __str__(self) -> str:
        """What `parse` reads, without the usual number."""
        return self.kind if _USUAL.get(self.kind) == self.value else f"{self.kind}:{self.value!r}"

    @property
    def by_volume(self) -> bool:
        """Whether it grows with the size of an order."""
        return self.kind in (VOLUME_SHARE, SQUARE_ROOT)
