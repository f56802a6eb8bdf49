"""How the tests of portfolios write a scene: legs as rows of candles, played by both simulators, which must agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.backtest.portfolio.book import LegInput, PortfolioOutcome, PortfolioRules
from engine.model.account import Costs
from engine.model.market import HOUR_MS
from tests.engine.backtest.portfolio.worlds import World
from tests.support.builders import START_MS, candles_from, signals_for

BUY, SELL = "signal_test_buy", "signal_test_sell"
FLAT = (100.0, 100.0, 100.0, 100.0)
Rows = Sequence[Sequence[float]]


def leg(
    name: str,
    rows: Rows,
    columns: Mapping[str, Any],
    weight: float = 0.5,
    *,
    hours: int = 1,
    without: Sequence[int] = (),
    rank: float | None = None,
    reverse: bool = False,
    **costs: Any,
) -> LegInput:
    """A leg of candles of so many hours, all of its weight put in at no costs unless `costs` say else. `without`: candles
    that its market does not have, by number; `columns` count those that are left.
    """
    candles = candles_from(rows, step_ms=hours * HOUR_MS)
    kept = [i for i in range(len(rows)) if i not in without]
    candles = type(candles)(*(getattr(candles, field)[kept] for field in candles.__dataclass_fields__))
    signals = signals_for(candles, {BUY: (), SELL: ()} | dict(columns))
    terms = Costs(**({"commission": 0.0, "size": 1.0} | costs))
    ranks = None if rank is None else candles.open * 0 + rank
    return LegInput(name, candles, signals, terms, None, reverse, hours * HOUR_MS, weight, ranks)


def play(*legs: LegInput, cash: float = 1000.0, **rules: Any) -> PortfolioOutcome:
    """What both simulators make of it."""
    outcome = World(legs, PortfolioRules(cash, **rules)).compare()
    assert outcome is not None
    return outcome


def flat(n: int, price: float = 100.0) -> list[tuple[float, ...]]:
    """Candles that stand still."""
    return [(price,) * 4] * n


def hour(ms: int) -> int:
    """Of a scene."""
    return (ms - START_MS) // HOUR_MS


def asked(outcome: PortfolioOutcome) -> list[tuple[int, int, float, float, str]]:
    """The requests as (hour, leg, requested, filled, why); a unit of 1e-8 coin is no difference."""
    return [
        (hour(time), k, round(requested, 4), round(filled, 4), why)
        for time, k, requested, filled, why in outcome.requests.rows()
    ]


def fills(outcome: PortfolioOutcome, k: int = 0) -> list[tuple[int, float, float, str]]:
    """The fills of a leg as (hour, price, coins, reason)."""
    table = outcome.legs[k]
    if table.fills is None:
        return [
            row
            for t in table.trades
            for row in (
                (hour(t.entry_time), t.entry_price, round(t.size, 5), "entry"),
                (hour(t.exit_time), t.exit_price, -round(t.size, 5), t.exit_reason),
            )
        ]
    return [(hour(time), price, round(size, 5), why) for _, time, price, size, why, _ in table.fills.rows()]
