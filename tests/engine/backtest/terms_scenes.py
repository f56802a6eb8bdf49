"""Any market with any orders, margin, funding and protections, as Hypothesis strategies.

Prices lie on a coarse grid, and so do levels: extremes, opens and levels often meet exactly.
"""

from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.backtest.plain.simulator import run_plain
from engine.backtest.rules import DEFAULT
from engine.errors import RunError
from engine.model.account import Costs, Protections
from engine.model.brackets import Brackets
from engine.model.filters import Filters
from engine.model.market import HOUR_MS, Candles, Float64Array
from engine.model.orders import DISTANCES, ORDER_COLUMNS, PRICES, Orders
from engine.strategy import Signals
from tests.engine.backtest.terms_playing import charged, run_all
from tests.engine.backtest.test_engine_equality import ENTRIES, wild_candles

TICKS = (20, 1000)  # per typical price: so far apart that levels are often met exactly, and not
ADDS = ("add_a_buy", "add_b_sell")


@dataclass(frozen=True)
class Scene:
    """All that a simulator is given."""

    candles: Candles
    signals: Signals
    costs: Costs
    reverse: bool
    perpetual: Perpetual
    tick: float

    def play(self, reading: int = DEFAULT) -> Outcome:
        """What the plain simulator makes of it."""
        terms: dict[str, Any] = {"perpetual": self.perpetual, "reading": reading}
        return run_plain(self.candles, self.signals, self.costs, self.reverse, **terms)

    def compare(self, reading: int = DEFAULT) -> None:
        """Play it through every simulator; they have to agree."""
        with suppress(RunError):  # of all, in the same words
            run_all(self.candles, self.signals, self.costs, self.reverse, self.perpetual, reading)


def wild_orders(
    rng: np.random.Generator, candles: Candles, tick: float, density: float, richness: float
) -> Signals:
    """Entries anywhere; each of the other columns with the chance of `richness`; few of them cannot be."""
    n = len(candles)
    raw = {name: rng.random(n) < density for name in (*ENTRIES, "exit_long", "exit_short", *ADDS)}
    for name in ("exit_long", "exit_short"):
        raw[name] &= rng.random(n) < 0.5
    entry, add = np.zeros(n, dtype=np.int16), np.zeros(n, dtype=np.int16)
    for k in (2, 1, 0):
        entry[raw[ENTRIES[k]]] = -(k + 1) if ENTRIES[k].endswith("sell") else k + 1
    add[raw[ADDS[1]]] = -2
    add[raw[ADDS[0]]] = 1
    side = np.where(entry < 0, -1, 1)
    steps = np.round(candles.close / tick)
    away = np.array([0, 1, 2, 5, 0.02, 0.1, 0.4])  # in ticks, then in parts of the price

    def apart(base: Float64Array, sign: int | npt.NDArray[np.int64], least: int = 1) -> Float64Array:
        """Prices, in ticks, that lie on one side of others."""
        chosen = rng.choice(away, n)
        far = np.where(chosen < 1, np.round(base * chosen), chosen)
        return np.maximum(base + sign * np.maximum(far, least), 1)

    def some(values: Float64Array) -> Float64Array:
        """Those of them that are given: of a column that is used at all, most."""
        share = 0.8 if rng.random() < richness else 0.0
        return np.where(rng.random(n) < share, values, np.nan)

    given: dict[str, Float64Array] = {name: np.full(n, np.nan) for name in ORDER_COLUMNS}
    kind = rng.choice(["market", "limit", "stop"], n, p=[1 - richness * 0.7, *[richness * 0.35] * 2])
    base = steps.copy()
    for name, sign in (("limit", -side), ("stop", side)):
        wrong = np.where(rng.random(n) < 0.1, -1, 1)
        prices = apart(steps, sign * wrong, 0)
        base = np.where(kind == name, prices, base)
        given[f"entry_{name}"] = np.where(kind == name, prices * tick, np.nan)
    slip = np.where(rng.random(n) < 0.002, -1, 1)  # on the wrong side
    stop_loss, take_profit = some(apart(base, -side * slip) * tick), some(apart(base, side) * tick)
    given["stop_now"] = some(apart(steps, rng.choice([-1, 1], n, p=[0.2, 0.8]) * -side) * tick)
    above = base
    for k, part in enumerate((0.9, 0.6, 0.5)):
        above = apart(above, side)
        held = np.isnan(given[f"target_{k}"]) if k else np.zeros(n, dtype=np.bool_)
        prices = np.where(above > 1, above * tick, np.nan)
        given[f"target_{k + 1}"] = np.where(held | (rng.random(n) > part), np.nan, prices)
    if rng.random() > richness:
        given |= {f"target_{k}": np.full(n, np.nan) for k in (1, 2, 3)}
    given["part_1"], given["part_2"] = some(rng.choice([0.1, 0.25, 0.5], n)), some(np.full(n, 0.3))
    for name in ("trail", "trail_from", "break_even"):
        given[name] = some(np.maximum(np.round(steps * rng.choice([0.02, 0.1, 0.2], n)), 1) * tick)
    given["size"] = some(rng.choice([0.01, 0.3, 1.0], n))
    given["risk"] = np.where(np.isnan(stop_loss), np.nan, some(rng.choice([0.001, 0.02, 0.5], n)))
    given["add_size"] = some(rng.choice([0.05, 0.3, 1.0], n))
    for name in ("entry_expiry", "max_adds", "max_candles"):
        given[name] = some(rng.integers(1, 6, n).astype(np.float64))
    rows = np.arange(len(ORDER_COLUMNS))
    orders = Orders(np.full(len(rows), np.nan), np.stack(list(given.values())), rows, ADDS, add)
    asked = {name: raw[name] for name in raw if name not in ADDS}
    return Signals(ENTRIES, entry, raw["exit_long"], raw["exit_short"], stop_loss, take_profit, asked, orders)


def wild_market(rng: np.random.Generator, candles: Candles) -> Perpetual:
    """Settlements now and then, in holes too; mark prices that depart from the last ones; brackets that bite."""
    n, hours = len(candles), (candles.timestamp[-1] - candles.timestamp[0]) // HOUR_MS + 1
    funding = mark = None
    if rng.random() < 0.7:
        at = np.flatnonzero(rng.random(4 * hours) < 0.15)
        at = np.where(rng.random(len(at)) < 0.5, at // 4 * 4, at)  # full hours, and quarters
        times = candles.timestamp[0] + at * (HOUR_MS // 4)
        rates = rng.normal(0, 1, len(at)) * rng.choice([1e-4, 1e-2])
        price = np.interp(times, candles.timestamp, candles.close) * np.exp(rng.normal(0, 0.01, len(at)))
        served = np.where(rng.random(len(at)) < 0.5, price, np.nan)
        funding, _ = charged(candles, candles.timestamp + HOUR_MS, times, rates, served)
    if rng.random() < 0.6:
        drift = np.exp(rng.normal(0, 0.02, n))
        opened = candles.open * drift
        mark = Mark(
            opened,
            np.maximum(opened, candles.high * drift * np.exp(rng.normal(0, 0.01, n))),
            np.minimum(opened, candles.low * drift * np.exp(rng.normal(0, 0.01, n))),
        )
    tiers = np.cumsum(rng.choice([1e3, 1e5, 1e7], 3))
    rate = np.cumsum(rng.choice([0.004, 0.02, 0.05], 4))
    rows = zip([0.0, *tiers.tolist()], rate.tolist(), [150.0, 50.0, 20.0, 5.0], strict=True)
    return Perpetual(funding, mark, Brackets.of(list(rows)))


def wild_protections(rng: np.random.Generator) -> Protections:
    """None mostly, or some."""
    if rng.random() < 0.6:
        return Protections()
    chosen = {
        "daily_loss": 0.05, "max_drawdown": 0.3, "cooldown": 3, "trades_per_day": 4, "hours": (20, 12),
        "after_losses": (2, 5),
    }  # fmt: skip
    return Protections(**{name: value for name, value in chosen.items() if rng.random() < 0.4})  # type: ignore[arg-type]


@st.composite
def terms_scenes(draw: st.DrawFn) -> Scene:
    """Any of all that: one seed decides, so that thousands are quickly made."""
    return scene_of(np.random.default_rng(draw(st.integers(0, 2**32))), draw(st.integers(1, 70)))


def scene_of(rng: np.random.Generator, n: int = 70) -> Scene:
    """A scene of n candles."""
    ticks, scale = rng.choice(TICKS), rng.choice([1e-4, 1.0, 100.0, 1e5])
    candles = wild_candles(rng, n, rng.choice([0.005, 0.03, 0.1, 0.3]), scale, int(ticks))
    signals = wild_orders(rng, candles, scale / ticks, rng.choice([0.1, 0.3]), rng.choice([0.0, 0.2, 0.5]))
    commission = float(rng.choice([0.0, 0.0005, 0.01]))
    leverage, maker = rng.choice([0.0, 1.0, 3.0, 10.0, 50.0, 100.0]), rng.choice([-1.0, 0.0, 0.5])
    costs = Costs(
        cash=float(rng.choice([1000.0, 123_456.7, 1e7])),
        commission=commission,
        size=float(rng.choice([0.01, 0.5, 1.0])),
        slippage=float(rng.choice([0.0, 0.001, 0.02])),
        leverage=float(leverage) or None,
        maker=None if maker < 0 else float(maker * commission),
        side=str(rng.choice(["both", "both", "long", "short"])),
        protect=wild_protections(rng),
    )
    turns, market = bool(rng.random() < 0.5), wild_market(rng, candles)
    return wild_exchange(rng, Scene(candles, signals, costs, turns, market, scale / ticks))


def calm_scene(rng: np.random.Generator, n: int = 60) -> Scene:
    """One in which little happens, so that positions are held over many candles."""
    candles = wild_candles(rng, n, 0.004, 100.0, 2000)
    signals = wild_orders(rng, candles, 0.05, 0.05, float(rng.choice([0.2, 0.5])))
    costs = Costs(
        cash=1000.0,
        commission=float(rng.choice([0.0, 0.0005])),
        size=0.5,
        leverage=float(rng.choice([0.0, 3.0, 20.0])) or None,
    )
    return Scene(candles, signals, costs, bool(rng.random() < 0.5), wild_market(rng, candles), 0.05)


def silent_scene(rng: np.random.Generator) -> Scene:
    """One of long silences, where the compiled simulator passes several candles at once: that takes a strategy which moves
    no stop itself, and only the columns that are given. Now and then something settles, trades, ruins or liquidates.
    """
    n, volatility = 120, float(rng.choice([0.002, 0.01, 0.03]))
    candles = wild_candles(rng, n, volatility, 100.0, int(rng.choice([100, 2000])))
    signals = wild_orders(rng, candles, 0.05, 0.02, 0.0)
    first = int(rng.integers(0, 5))
    signals.entry[first], far = (
        int(rng.choice([1, -2])),
        candles.close * volatility * float(rng.choice([3, 10])),
    )
    wanted: dict[str, Any] = {"trail": far, "break_even": far / 2, "max_candles": np.full(n, 60.0)}
    side = np.where(signals.entry < 0, -1, 1)
    wanted |= {"target_1": candles.close + side * far, "add_size": np.full(n, 0.1)}
    orders = signals.orders
    assert orders is not None
    given = {name: column for name, column in wanted.items() if name == "add_size" or rng.random() < 0.4}
    adds = {name: column for name, column in orders.named().items() if name in ADDS and rng.random() < 0.5}
    signals = replace(signals, orders=Orders.check(given | adds, n))
    leverage = float(rng.choice([0.0, 0.0, 3.0, 20.0, 50.0])) or None
    costs = Costs(cash=1000.0, commission=0.0005, size=float(rng.choice([0.5, 1.0])), leverage=leverage)
    market, sparse = wild_market(rng, candles), rng.random(n) < float(rng.choice([0.0, 0.1]))
    if market.funding is not None:
        thin = Funding(*(getattr(market.funding, field.name) * sparse for field in fields(market.funding)))
        market = replace(market, funding=thin)
    return Scene(candles, signals, costs, bool(rng.random() < 0.5), market, 0.05)


def wild_exchange(rng: np.random.Generator, scene: Scene) -> Scene:
    """Now and then a model of slippage, in a market that is thin or not and stands still at times; and filters."""
    if rng.random() < 0.4:
        model = str(rng.choice(["half-spread:0.001", "volume-share:5", "square-root", "square-root:0.1"]))
        bought, n = scene.costs.cash / scene.candles.close, len(scene.candles)
        traded = bought * rng.random(n) * rng.choice([0.01, 1.0, 1000.0]) * (rng.random(n) < 0.9)
        traded[: int(rng.choice([0, 0, n // 3]))] = 0.0
        candles = replace(scene.candles, volume=traded)
        scene = replace(
            scene, candles=candles, costs=replace(scene.costs, slippage=0.0, slippage_model=model)
        )
    if rng.random() < 0.3:
        coarse, price = float(rng.choice([0.5, 2.0, 5.0])), float(scene.candles.close[0])
        filters = Filters(
            tick=float(f"{scene.tick * coarse:.6g}"),
            step=float(f"{scene.costs.cash / price * rng.choice([1e-4, 0.05]):.3g}"),
            most=scene.costs.cash / price * 0.7,
            notional=scene.costs.cash * float(rng.choice([0.0, 0.05])),
        )
        scene = replace(scene, perpetual=replace(scene.perpetual, filters=filters, filtered=True))
    return scene


def in_ticks(scene: Scene) -> Scene:
    """The same with prices in whole ticks, which mirror without rounding."""
    candles, orders = scene.candles, scene.signals.orders
    assert orders is not None
    columns = orders.columns.copy()
    for k, name in enumerate(ORDER_COLUMNS):
        if name in (*PRICES, *DISTANCES):
            columns[k] = np.round(columns[k] / scene.tick)
    prices = [
        np.round(price / scene.tick) for price in (candles.open, candles.high, candles.low, candles.close)
    ]
    signals = replace(
        scene.signals,
        stop_loss=np.round(scene.signals.stop_loss / scene.tick),
        take_profit=np.round(scene.signals.take_profit / scene.tick),
        orders=replace(orders, columns=columns),
    )
    whole = Candles(candles.timestamp, *[*prices, candles.volume])
    return replace(scene, candles=whole, signals=signals)


def upside_down(scene: Scene, top: float) -> Scene:
    """The same with long and short exchanged, prices mirrored: `top` less each."""
    candles, signals = scene.candles, scene.signals
    orders = signals.orders
    assert orders is not None
    columns = orders.columns.copy()
    for k, name in enumerate(ORDER_COLUMNS):
        if name in PRICES:
            columns[k] = top - columns[k]
    flipped = replace(
        signals,
        entry=-signals.entry,
        exit_long=signals.exit_short,
        exit_short=signals.exit_long,
        stop_loss=top - signals.stop_loss,
        take_profit=top - signals.take_profit,
        orders=replace(orders, columns=columns, add=-orders.add),
    )
    prices = [top - price for price in (candles.open, candles.low, candles.high, candles.close)]
    turned = Candles(candles.timestamp, *[*prices, candles.volume])
    return replace(scene, candles=turned, signals=flipped)
