"""Where in its candle a position was entered and left, and so what prices it surely saw, for the compiled simulators."""

from __future__ import annotations

from typing import Any, Final

from engine.backtest.kernel.parts import code, part
from engine.backtest.rules import LIQUIDATION, REASONS, STOP_LOSS, TRAILING_STOP

# where a fill lies in its candle
AT_OPEN, INSIDE, AT_CLOSE = code(0), code(1), code(2)
# and how a position came to be that was entered inside its candle
NOT_LATE, BY_LIMIT, BY_STOP = code(0), code(1), code(2)
# either, on a candle that finer ones settled: what prices it saw there is noted already
WALKED: Final = code(3)

_STOPS: Final = (REASONS.index(STOP_LOSS), REASONS.index(TRAILING_STOP), REASONS.index(LIQUIDATION))


@part
def see(s: Any, entered: int, left: int, high: float, low: float, close: float) -> None:
    """Note the prices of a candle that were surely seen: `entered` inside it, else NOT_LATE; `left`: where in it, AT_CLOSE
    where it was held at its close.
    """
    adverse = favour = True
    if left != AT_CLOSE:
        stopped = s.reason in _STOPS
        adverse, favour = left == INSIDE and not stopped, left == INSIDE and stopped
    if entered != NOT_LATE:
        adverse, favour = adverse and entered == BY_LIMIT, favour and entered == BY_STOP
        if left == AT_CLOSE:
            s.lowest, s.highest = min(s.lowest, close), max(s.highest, close)
    long = s.side > 0
    if adverse if long else favour:
        s.lowest = min(s.lowest, low)
    if favour if long else adverse:
        s.highest = max(s.highest, high)


@part
def excursions(s: Any, i: int, high: Any, low: Any, close: Any) -> tuple[float, float]:
    """(mae_pct, mfe_pct) of the trade left on candle i: what was surely seen while it was held."""
    for j in range(s.entry, i + 1):
        entered, left = s.late if j == s.entry else NOT_LATE, s.left if j == i else AT_CLOSE
        if entered != WALKED and left != WALKED:
            see(s, entered, left, high[j], low[j], close[j])
    # a mean of equal prices may be rounded away from them
    down, up = min(0.0, (s.lowest / s.price - 1) * 100), max(0.0, (s.highest / s.price - 1) * 100)
    return (down, up) if s.side > 0 else (0.0 - up, 0.0 - down)
