"""How the tests of the engines write a scene: candles as rows, signals by position, trades as short rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.library.reference import run_reference
from engine.backtest.outcome import Outcome
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Candles
from engine.strategy import Signals
from tests.support.builders import START_MS, candles_from, signals_for

BUY, SELL = "signal_test_buy", "signal_test_sell"


def play(
    rows: Sequence[Sequence[float]] | Candles,
    columns: Mapping[str, Mapping[int, Any] | Sequence[int]],
    *,
    reverse: bool = False,
    cash: float = 1000.0,
    commission: float = 0.0,
    size: float = 1.0,
    slippage: float = 0.0,
) -> Outcome:
    """Run both engines; an entry column that the scene does not need is added, empty."""
    candles = rows if isinstance(rows, Candles) else candles_from(rows)
    signals = signals_for(candles, {BUY: (), SELL: ()} | dict(columns))
    return run_both(candles, signals, Costs(cash, commission, size, slippage), reverse)


def run_both(candles: Candles, signals: Signals, costs: Costs, reverse: bool = False) -> Outcome:
    """What both engines make of it, to the last bit the same; raises what both raise."""
    compiled = ending(run_compiled, candles, signals, costs, reverse)
    reference = ending(run_reference, candles, signals, costs, reverse)
    if isinstance(compiled, RunError) or isinstance(reference, RunError):
        assert str(compiled) == str(reference)
        assert isinstance(compiled, RunError)
        raise compiled
    assert compiled.trades == reference.trades
    assert compiled.equity.tolist() == reference.equity.tolist()
    assert compiled.in_position.tolist() == reference.in_position.tolist()
    assert compiled.shortfall == reference.shortfall
    return compiled


def ending(run: Callable[..., Outcome], *scene: Any, **terms: Any) -> Outcome | RunError:
    """What a simulator answers, or why it does not."""
    try:
        return run(*scene, **terms)
    except RunError as error:
        return error


def hours(ms: int) -> int:
    """Position of a candle in a scene of hourly candles."""
    return (ms - START_MS) // HOUR_MS


def short(outcome: Outcome) -> list[tuple[str, int, float, int, float, str]]:
    """Trades as (side, entry candle, entry price, exit candle, exit price, reason)."""
    return [
        (t.side, hours(t.entry_time), t.entry_price, hours(t.exit_time), t.exit_price, t.exit_reason)
        for t in outcome.trades
    ]


def mirrored(rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """The same scene upside down around 100: what a long sees in one, a short sees in the other."""
    return [(200 - o, 200 - low, 200 - high, 200 - c) for o, high, low, c in rows]


def near(value: Any, rel: float | None = None, abs: float | None = None) -> Any:  # noqa: A002 - pytest's own words
    """pytest.approx, usable wherever a number is."""
    return pytest.approx(value, rel=rel, abs=abs)
