"""How the tests of orders, margin, funding and protections write a scene, and through which simulators it is played.

Every scene goes through all of SIMULATORS, and one by hand through backtesting.py too where that can play it; they must
agree, and a test looks at what the first of them made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pytest

from engine.backtest.detail import Detail
from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.library.reference import run_reference
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Mark, Perpetual, settlements
from engine.backtest.plain.simulator import run_plain
from engine.backtest.rules import DEFAULT, carries
from engine.errors import RunError
from engine.model.account import Costs, Protections
from engine.model.brackets import Brackets
from engine.model.filters import Filters
from engine.model.market import HOUR_MS, Candles, Float64Array, Int64Array
from engine.model.orders import TARGETS
from engine.strategy import Signals
from tests.engine.backtest.playing import BUY, SELL, ending, hours, mirrored, near, short
from tests.support.builders import candles_from, signals_for

SIMULATORS: Final[list[Callable[..., Outcome]]] = [run_plain, run_compiled]

FLAT: Final = (100.0, 100.0, 100.0, 100.0)
# BTC's of 2026-05, the lowest three
BTC: Final = Brackets.of([(0, 0.004, 125), (300_000, 0.005, 100), (800_000, 0.0065, 75)])
Rows = Sequence[Sequence[float]]


def play(
    rows: Rows | Candles,
    columns: Mapping[str, Any],
    *,
    reverse: bool = False,
    reading: int = DEFAULT,
    funding: Mapping[str, Mapping[int, float]] | Funding | None = None,
    mark: Rows | Candles | None = None,
    brackets: Brackets | None = BTC,
    grid: Mapping[str, int] | None = None,
    protect: Mapping[str, Any] | None = None,
    filters: Filters | None = None,
    filtered: bool = False,
    detail: Mapping[int, Rows] | Detail | None = None,
    **terms: Any,
) -> Outcome:
    """Play a scene: half of 1000 at no costs, so at a price of 100 five coins, unless `terms` (fields of Costs) say else.

    `columns` as `signals_for` takes them. `funding`: what a long of one coin pays, by field of Funding and candle. `mark`:
    rows (open, high, low, close) or candles. `grid`: start and step of the candles. `filtered`: whether orders are held to
    `filters`. `detail`: rows of the finer candles that make a candle.
    """
    candles = rows if isinstance(rows, Candles) else candles_from(rows, **(grid or {}))
    signals = signals_for(candles, {BUY: (), SELL: ()} | dict(columns))
    given: dict[str, Any] = {"cash": 1000.0, "commission": 0.0, "size": 0.5} | terms
    costs = Costs(**given, protect=Protections(**(protect or {})))
    paid = funding if isinstance(funding, Funding) or funding is None else funding_of(len(candles), funding)
    marked = None if mark is None else mark_of(mark if isinstance(mark, Candles) else candles_from(mark))
    perpetual = Perpetual(paid, marked, brackets, filters, filtered)
    inside = detail if isinstance(detail, Detail) or detail is None else detail_of(candles, detail)
    plain = reading == DEFAULT and inside is None
    also = [_by_library] if plain and carries(costs, perpetual) is None else []
    return run_all(candles, signals, costs, reverse, perpetual, reading, also, inside)


def _by_library(*scene: Any, perpetual: Perpetual, reading: int) -> Outcome:
    assert reading == DEFAULT
    return run_reference(*scene, perpetual=perpetual)


def run_all(
    candles: Candles,
    signals: Signals,
    costs: Costs,
    reverse: bool = False,
    perpetual: Perpetual | None = None,
    reading: int = DEFAULT,
    also: Sequence[Callable[..., Outcome]] = (),
    detail: Detail | None = None,
) -> Outcome:
    """What every simulator makes of it, and `also` these, alike; raises what all raise."""
    scene = candles, signals, costs, reverse
    terms: dict[str, Any] = {"perpetual": perpetual, "reading": reading}
    if detail is not None:
        terms["detail"] = detail
    endings = [ending(run, *scene, **terms) for run in (*SIMULATORS, *also)]
    first = endings[0]
    for other in endings[1:]:
        if isinstance(first, RunError) or isinstance(other, RunError):
            assert str(first) == str(other)
        else:
            assert_alike(first, other, costs)
    if isinstance(first, RunError):
        raise first
    return first


def funding_of(n: int, given: Mapping[str, Mapping[int, float]]) -> Funding:
    """Funding over n candles; `inside_paid` follows from `inside` and `edge` from `at_open` where they are not given."""
    given = dict(given)
    inside = given.get("inside", {})
    given.setdefault("inside_paid", {i: max(0.0, value) for i, value in inside.items()})
    given.setdefault("edge", given.get("at_open", {}))
    columns = {}
    for name in ("at_open", "edge", "inside", "inside_paid"):
        column = np.zeros(n)
        for i, value in given.get(name, {}).items():
            column[i] = value
        columns[name] = column
    return Funding(**columns)


def charged(
    candles: Candles,
    closes: Int64Array,
    times: Int64Array,
    rates: Float64Array,
    served: Float64Array,
    marks: Candles | None = None,
) -> tuple[Funding, dict[str, int]]:
    """What settlements charge, and where their mark prices are from: both as `settlements` takes and gives them."""
    times, paid, sources = settlements(candles, closes, times, rates, served, marks)
    return Funding.laid(candles.timestamp, closes, times, paid), sources


def detail_of(candles: Candles, rows: Mapping[int, Rows], perpetual: Perpetual | None = None) -> Detail:
    """Finer candles of some candles, by position: as many as there are rows, of equal length."""
    parts = []
    for i, inner in sorted(rows.items()):
        step = HOUR_MS // len(inner)
        parts += [(int(candles.timestamp[i]) + k * step, *row, 1.0) for k, row in enumerate(inner)]
    return Detail.of(candles.timestamp, Candles.from_rows(parts), perpetual)  # type: ignore[arg-type]


def mark_of(candles: Candles) -> Mark:
    """Mark prices as a simulator takes them."""
    return Mark(candles.open, candles.high, candles.low)


def fills(outcome: Outcome, trade: int = 0) -> list[tuple[int, float, float, str]]:
    """The fills of a trade as (candle, price, size, reason)."""
    return [(hours(f.time), f.price, f.size, f.reason) for f in outcome.trades[trade].fills]


def assert_alike(one: Outcome, other: Outcome, costs: Costs, rel: float = 1e-9) -> None:
    """The same trades, fills, equity and figures of terms, within `rel`; sizes to one unit of 1e-8 coin."""
    a, b = one.table, other.table
    for name in ("side", "entry", "exit", "signal", "reason"):
        assert getattr(a, name).tolist() == getattr(b, name).tolist(), name
    np.testing.assert_allclose(a.size, b.size, rtol=rel, atol=1.001e-8)
    for name in ("entry_price", "exit_price"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rel, err_msg=name)
    unit = np.where(np.abs(a.size - b.size) > 1e-9, 1e-8 * a.entry_price, 0.0)
    allowed = rel * np.maximum(a.size * a.entry_price, 1e-6 * costs.cash) + 2 * unit
    for name in ("pnl", "commission", "slippage"):
        assert (np.abs(getattr(a, name) - getattr(b, name)) <= allowed).all(), name
    for name in ("mae_pct", "mfe_pct"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rel, atol=1e-7, err_msg=name)
    assert (
        np.abs(one.equity - other.equity) <= rel * np.maximum(costs.cash, np.abs(one.equity)) + unit.sum() * 2
    ).all()
    assert abs(one.shortfall - other.shortfall) <= rel * max(costs.cash, one.shortfall) + unit.sum() * 2
    if one.walked is not None or other.walked is not None:
        _assert_walked_alike(one, other)
    if one.terms is not None and other.terms is not None:
        _assert_terms_alike(one, other, allowed, rel)


def _assert_walked_alike(one: Outcome, other: Outcome) -> None:
    assert one.walked is not None
    assert other.walked is not None
    for name in ("walked", "doubted", "settled"):
        assert getattr(one.walked, name).tolist() == getattr(other.walked, name).tolist(), name


def _assert_terms_alike(one: Outcome, other: Outcome, allowed: Any, rel: float) -> None:
    a, b = one.table, other.table
    assert (a.funding is None) == (b.funding is None)
    if a.funding is not None and b.funding is not None:
        assert (np.abs(a.funding - b.funding) <= allowed).all()
    if a.ambiguous is not None and b.ambiguous is not None:
        assert a.ambiguous.tolist() == b.ambiguous.tolist()
    assert one.terms is not None
    assert other.terms is not None
    for name in ("clipped", "dropped", "blocked", "no_volume", "below_minimum", "above_maximum"):
        assert getattr(one.terms, name) == getattr(other.terms, name), name
    np.testing.assert_allclose(one.terms.nearest_pct, other.terms.nearest_pct, rtol=1e-6, atol=1e-6)
    assert abs(one.terms.funding_edge - other.terms.funding_edge) <= allowed.sum() + rel
    assert one.fills is not None
    assert other.fills is not None
    for name in ("trade", "time", "kind", "enters"):
        assert getattr(one.fills, name).tolist() == getattr(other.fills, name).tolist(), name
    np.testing.assert_allclose(one.fills.price, other.fills.price, rtol=rel, atol=1e-9)
    np.testing.assert_allclose(one.fills.size, other.fills.size, rtol=rel, atol=1.001e-8)
    a_unit = np.where(one.fills.size != other.fills.size, 1e-8 * one.fills.price, 0.0)
    allowed = 1e-7 * one.fills.commission + 1e-6 + a_unit
    assert (np.abs(one.fills.commission - other.fills.commission) <= allowed).all()


LONG, SHORT = "long", "short"
PRICES = {"stop_loss", "take_profit", "entry_limit", "entry_stop", "stop_now", *TARGETS}


def seen(
    side: str,
    rows: Sequence[Sequence[float]],
    columns: Mapping[str, Any],
    **terms: Any,
) -> list[tuple[Any, ...]]:
    """The trades of a long scene, or of the same one upside down around 100, told as if it were the long one."""
    if side == LONG:
        outcome = play(rows, columns, **terms)
    else:
        turned = {"signal_test_buy": SELL, "exit_long": "exit_short", "add_more_buy": "add_more_sell"}
        flipped = {
            turned.get(name, name): {i: 200 - price for i, price in dict(marks).items()}
            if name in PRICES
            else marks
            for name, marks in columns.items()
        }
        outcome = play(mirrored(rows), flipped, **terms)
    told = short(outcome)
    assert {row[0] for row in told} <= {side}
    own = (lambda price: price) if side == LONG else (lambda price: 200 - price)
    return [(entry, near(own(a)), left, near(own(b)), why) for _, entry, a, left, b, why in told]


both_sides = pytest.mark.parametrize("side", [LONG, SHORT])
