"""What a report says in sentences beside its tables: where the profit comes from, what was liquidated, what stays open."""

from __future__ import annotations

from engine.model.run import RunResult

_LESS = ("commission", "slippage", "funding")


def profit_split(run: RunResult, quote: str) -> str:
    """The net profit by its parts, which add up to it; empty for a run that did not keep them (of an older version)."""
    metrics = run.metrics
    net, price = metrics.get("net_profit"), metrics.get("price_pnl")
    if net is None or price is None:
        return ""
    text = f"Net profit {net:+,.2f} {quote} = price {price:+,.2f}"
    for name in _LESS:
        value = metrics.get(name)
        if value is not None:
            text += f" {'−' if value >= 0 else '+'} {name} {abs(value):,.2f}"
    owed = metrics.get("shortfall")
    return text + (f" + still owed after the ruin {owed:,.2f}" if owed else "")


def liquidated(run: RunResult, quote: str) -> str:
    """How many positions the exchange took and what they lost; empty where it took none."""
    taken = int(run.metrics.get("liquidations") or 0)
    if not taken:
        return ""
    lost = run.metrics.get("liquidation_loss") or 0.0
    return f"{taken:,} position{'s' * (taken != 1)}, {lost:,.2f} {quote} lost"


def left_open(run: RunResult) -> str:
    """Between which returns the unknown inside of candles leaves the run; and how many trades finer candles settled;
    empty where no trade is ambiguous, or was.
    """
    settled = int(run.metrics.get("settled_trades") or 0)
    ambiguous = int(run.metrics.get("ambiguous_trades") or 0) + settled
    if not ambiguous:
        return ""
    text = f"{ambiguous:,} of {len(run.trades):,} trades ambiguous"
    low, high = run.metrics.get("equity_low"), run.metrics.get("equity_high")
    told = f"; {run.costs.detail} candles settle {settled:,} of them" if run.costs.detail else ""
    if low is None or high is None:
        return f"{text}{told}"
    worst, best = ((end / run.costs.cash - 1) * 100 for end in (low, high))
    return f"{text}: the return lies between {worst:+,.2f} and {best:+,.2f} %{told}"
