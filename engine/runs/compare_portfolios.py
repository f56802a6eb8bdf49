"""A stored portfolio and the same made once more: which inputs of which leg differ, and how the results do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.portfolio_result import PortfolioRerun, PortfolioResult
from engine.runs.compare import changed_values, changes, metric_rows, series_rows, trade_rows, value_rows


def compare_portfolios(before: PortfolioResult, after: PortfolioResult, *notes: str) -> PortfolioRerun:
    """How they compare."""
    changed, differing = (
        tuple(portfolio_changes(before.inputs, after.inputs)),
        list(_differences(before, after)),
    )
    if differing and not changed:
        again = "a strategy answers otherwise each time (by the time, threads, chance)"
        notes += (f"no recorded input changed: {again}, or a file that it reads changed",)
    return PortfolioRerun(before, after, changed, differing, notes)


def portfolio_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    """Every input that changed, in words; one that all legs share is said once."""
    if before is None or after is None:
        return
    yield from changed_values("", _told(before["portfolio"]), _told(after["portfolio"]))
    told = {
        name: changes(before["legs"][name], after["legs"][name])
        for name in before["legs"]
        if name in after["legs"]
    }
    shared = set.intersection(*map(set, told.values())) if len(told) > 1 else set()
    first = next(iter(told.values()), ())
    yield from (text for text in first if text in shared)
    for name, texts in told.items():
        yield from (f"leg {name}: {text}" for text in texts if text not in shared)


def _told(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules with the weights of each window by when they began to rule."""
    windows = {f"weights from {one['start']} on": one["weights"] for one in rules.get("windows", ())}
    return {name: value for name, value in rules.items() if name != "windows"} | windows


def _differences(before: PortfolioResult, after: PortfolioResult) -> Iterator[dict[str, Any]]:
    """Where two results are not exactly equal, as rows `{name, before, after}`."""
    ends = [{"status": one.status, "error": one.error} for one in (before, after)]
    yield from value_rows("", ends[0], ends[1])
    yield from metric_rows("metrics.", before.metrics, after.metrics)
    for one, other in zip(before.legs, after.legs, strict=True):
        yield from value_rows(f"{one.name}: signals.", one.signals, other.signals)
        yield from metric_rows(f"{one.name}: metrics.", one.metrics, other.metrics)
        for row in trade_rows(one.trades, other.trades):
            yield row | {"name": f"{one.name}: {row['name']}"}
    yield from series_rows("wallet", before.series, after.series)
    yield from series_rows("pnl", before.pnl, after.pnl)
