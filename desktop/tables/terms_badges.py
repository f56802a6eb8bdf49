"""What the terms of a run did to it, as badges: funding, leverage, entries that were not taken as they were signalled, and
how far the unknown inside of candles could move the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.badge import Badge, Checks, count, maker
from desktop.tables.holdings import GOOD, PLAIN, WARNING
from engine.model.run import RunResult
from engine.model.sweep import SweepResult

_FUNDING: Final = (
    "Who holds a perpetual pays funding at every settlement, or receives it. It is charged where the rate of every "
    "settlement is known; else nothing is charged, and the figures are better or worse than the market would have been."
)
_MARGIN: Final = (
    "With leverage the exchange takes a position whose margin is used up (isolated margin): by the mark price, at the "
    "liquidation price that the symbol's brackets give. Its margin is lost."
)
_ENTRIES: Final = (
    "Entries that were signalled and not taken, or not in the size that was wanted: by protections, by the leverage, by "
    "what the exchange takes, or as the candle opened beyond the stop; and limits on the wrong side of the close, which "
    "fill at an open. Exits are never held back."
)
_LEFT_OUT: Final = ("dropped", "no_volume", "below_minimum")
_CUT: Final = ("clipped", "above_maximum")
_AMBIGUOUS: Final = (
    "A candle tells its high and its low, but not which came first. Where that decides what a trade made, the candle is "
    "read by the rules; here is what the account would have ended with, had all such candles gone against it or for it."
)
_FETCH: Final = (
    "Fetch what is missing (backtest fetch {symbol} --funding) and run again; or have the set-up take a rate for "
    "settlements that nobody knows (zero, constant)."
)
_SOURCES: Final = {
    "served": "at the mark price that came with the rate",
    "mark_candle": "at the open of a mark price candle",
    "candle": "at the last price, for want of a mark price",
    "stale": "at an older price, for want of a candle",
}
_ALIKE_PCT: Final = 0.005  # results nearer to each other read the same
_NARROW_PCT: Final = 0.5


def terms_badges(run: RunResult) -> list[Badge]:
    """Those that a finished run has; none of a spot run with plain orders."""
    found = [
        funding_badge(run),
        _margin(run),
        _entries(run.checks),
        _ambiguity(run),
    ]
    return [badge for badge in found if badge is not None]


def sweep_terms_badges(sweep: SweepResult) -> list[Badge]:
    """What all trials of a sweep share: funding, and the leverage that was asked for."""
    found = [funding_badge(sweep), _sweep_margin(sweep)]
    return [badge for badge in found if badge is not None]


def funding_badge(run: RunResult | SweepResult) -> Badge | None:
    """Whether funding is in the figures of a run, or of all trials of a sweep; None on spot."""
    check = run.checks.get("funding")
    if check is None:
        return Badge("funding", PLAIN, run.left_out[0], meaning=_FUNDING) if run.left_out else None
    note = str(check.get("note") or "")
    if check.get("status") == "skipped":
        symbol = run.symbol if isinstance(run, RunResult) else run.spec.symbol
        make = maker("funding", _FUNDING, f"{note}\n{_FETCH.format(symbol=symbol)}")
        why, _, _ = note.partition(" (")  # the story tells the rest
        return make(WARNING, f"funding {why}", "no funding")
    settlements, assumed = int(check.get("settlements") or 0), int(check.get("assumed") or 0)
    make = maker("funding", _FUNDING, "\n".join(_funding_story(run, check)))
    if assumed:
        return make(
            WARNING,
            f"funding: {formats.whole(assumed)} of {count(settlements, 'settlement')} assumed",
            f"{formats.whole(assumed)} assumed",
        )
    return make(GOOD, f"funding charged, {count(settlements, 'settlement')}", "funding")


def _funding_story(run: RunResult | SweepResult, check: Mapping[str, Any]) -> list[str]:
    lines, costs = [], run.costs if isinstance(run, RunResult) else run.spec.costs
    paid = run.metrics.get("funding") if isinstance(run, RunResult) else None
    if isinstance(run, RunResult) and paid is not None and not formats.is_missing(paid):
        words = "received" if paid < 0 else "paid"
        lines.append(f"{formats.number(abs(paid))} {formats.quote_of(run.market.unified)} {words} in all.")
    if check.get("assumed"):
        lines.append(
            f"Nobody serves the rates of {formats.whole(check['assumed'])} settlements: the set-up's policy, "
            f"{costs.funding}, was taken for them."
        )
    prices = check.get("mark_prices") or {}
    lines += [
        f"{count(number, 'settlement')} {_SOURCES.get(name, name)}"
        for name, number in prices.items()
        if number
    ]
    return lines


def _margin(run: RunResult) -> Badge | None:
    check = run.checks.get("margin")
    if check is None:
        return None
    leverage = f"{run.costs.leverage or 1:g}x"
    taken = int(run.metrics.get("liquidations") or 0)
    nearest = run.metrics.get("nearest_liquidation_pct")
    lines = [str(check.get("note") or ""), f"Brackets: {check.get('brackets', 'not told')}."]
    if taken:
        lost = f"{formats.number(run.metrics.get('liquidation_loss'))} {formats.quote_of(run.market.unified)}"
        lines.insert(
            0,
            f"{count(taken, 'position')} liquidated: {lost} lost. Less leverage or a nearer stop may avoid it.",
        )
    make = maker("margin", _MARGIN, "\n".join(filter(None, lines)))
    if taken:
        return make(WARNING, f"{count(taken, 'liquidation')} at {leverage}", count(taken, "liquidation"))
    if check.get("status") == "failed":
        return make(WARNING, f"leverage {leverage}, liquidation judged by the last price", "no mark price")
    far = "" if formats.is_missing(nearest) else f", nearest {formats.number(nearest, 1)} % away"
    return make(GOOD, f"leverage {leverage}: no liquidation{far}", "margin")


def _sweep_margin(sweep: SweepResult) -> Badge | None:
    check = sweep.checks.get("margin")
    if check is None:
        return None
    note = f"{check.get('note') or ''}\nBrackets: {check.get('brackets', 'not told')}."
    make, leverage = maker("margin", _MARGIN, note), f"leverage {sweep.spec.costs.leverage or 1:g}x"
    if check.get("status") == "failed":
        return make(WARNING, f"{leverage}, liquidation judged by the last price", "no mark price")
    return make(GOOD, leverage, "margin")


def _entries(checks: Checks) -> Badge | None:
    check = checks.get("entries")
    if check is None:
        return None
    blocked = sum((check.get("blocked") or {}).values())
    cut, left_out = (sum(check.get(name) or 0 for name in names) for names in (_CUT, _LEFT_OUT))
    counts = {
        "blocked": blocked,
        "clipped": cut,
        "dropped": left_out,
        "limits beyond the close": check.get("beyond") or 0,
    }
    told = [f"{formats.whole(number)} {word}" for word, number in counts.items() if number]
    finding = "\n".join(str(check.get("note") or "").split("; "))
    return Badge("entries", PLAIN, f"entries: {', '.join(told)}", "entries", _ENTRIES, finding)


def _ambiguity(run: RunResult) -> Badge | None:
    metrics, cash = run.metrics, run.costs.cash
    settled, trades = int(metrics.get("settled_trades") or 0), int(metrics.get("trades") or 0)
    number = int(metrics.get("ambiguous_trades") or 0) + settled
    if not number:
        return None
    made = maker("ambiguous", _AMBIGUOUS, _ambiguity_story(run))
    text = f"{formats.whole(number)} of {count(trades, 'trade')} ambiguous"
    told = f"; {run.costs.detail} candles settle {formats.whole(settled)} of them" if run.costs.detail else ""
    ends = metrics.get("equity_low"), metrics.get("equity_high"), metrics.get("final_equity")
    if any(formats.is_missing(one) for one in ends):
        return made(PLAIN, f"{text}{told}", "ambiguous")
    low, high, ours = ((float(one) / cash - 1) * 100 for one in ends if one is not None)
    if high - low < _ALIKE_PCT:
        return made(PLAIN, f"{text}: the result is the same either way{told}", "ambiguous")
    digits = 2 if high - low < _NARROW_PCT else 1
    band = f"between {formats.signed(low, digits)} and {formats.percent(high, digits)}"
    unknown = low < 0 < high and number > settled  # whether there is a profit
    text = f"{text}: {formats.percent(ours, digits)} lies {band}{told}"
    return made(WARNING if unknown else PLAIN, text, "ambiguous")


def _ambiguity_story(run: RunResult) -> str:
    quote = formats.quote_of(run.market.unified)
    lines = [
        f"{words}: {formats.number(run.metrics[name])} {quote}"
        for name, words in (
            ("equity_low", "Lowest final equity"),
            ("equity_high", "Highest"),
            ("final_equity", "By the rules"),
        )
        if not formats.is_missing(run.metrics.get(name))
    ]
    left = int(run.metrics.get("ambiguous_trades") or 0)
    if run.costs.detail:
        lines.append(f"{run.checks.get('detail', {}).get('note', '')}.")
    elif left:
        lines.append("A detail (a finer timeframe, under Terms) can settle them.")
    marked = ["The trades that stay so are marked “? order” in their table."] if left else []
    return "\n".join([*lines, *marked])
