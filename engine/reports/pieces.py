"""Pieces that reports of runs and of portfolios share: the page around them, figures, months, trades, sources."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine.analysis.account import MONTHS, Account, calendar
from engine.model.market import Float64Array, Int64Array, format_time
from engine.model.metric_definitions import DEFINITIONS, group_names
from engine.model.trade import COLUMNS, Trade
from engine.reports.drawing import Frame, area, chart
from engine.reports.markup import figure, table, text
from engine.reports.style import RULE, STYLE

_SIGNED: Final = (
    "return_pct", "buy_hold_return_pct", "excess_return_pct", "cagr_pct", "alpha_pct", "avg_day_pct", "expectancy_pct",
    "avg_trade_pct", "net_profit", "long_pnl", "short_pnl", "expectancy", "max_drawdown_pct",
)  # fmt: skip


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page that needs nothing else."""
    head = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{RULE}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body><main>",
    ]
    return "".join([*head, *parts, "</main></body></html>\n"])


def datum(metrics: Mapping[str, Any], name: str) -> str:
    """A metric that carries its exact value."""
    value = metrics.get(name)
    css = ""
    if name in _SIGNED and value:
        css = ' class="good"' if value > 0 else ' class="bad"'
    exact = "" if value is None else repr(value)
    return f'<data value="{exact}"{css}>{figure(value, _unit(name))}</data>'


def _unit(name: str) -> str:
    return DEFINITIONS[name].unit if name in DEFINITIONS else "%" if name.endswith("_pct") else ""


def metric_name(name: str, money: str) -> str:
    """What a metric is called, with its unit and its definition."""
    known = DEFINITIONS.get(name)
    if known is None:
        return text(name)
    unit = "" if known.unit in ("%", "count", "ratio", "fraction") else f", {known.unit}"
    unit = unit.replace("money", text(money))
    return f'<span title="{text(known.definition)}">{text(known.title)}{unit}</span>'


def drawdown_of(time: Int64Array, equity: Float64Array, cash: float) -> str:
    """How far an account was below the most that it had been, over time."""
    peak = np.maximum.accumulate(np.maximum(equity, cash))
    fall = (equity / peak - 1) * 100
    frame = Frame.over(time, [np.append(fall, 0.0)], 150)
    return "<h2>Drawdown</h2>" + chart(frame, [area(frame, time, fall, "fall")], "Drawdown in percent", " %")


def months_of(account: Account | None) -> Iterator[str]:
    """Returns by year and month."""
    if account is None:
        return
    yield "<h2>Returns by month, %</h2>"
    found = calendar(account)
    years = zip(found.years, found.months.tolist(), found.totals.tolist(), strict=True)
    rows = ([str(year), *map(signed, months), signed(total)] for year, months, total in years)
    yield from table(["Year", *MONTHS, "Year's"], rows)


def signed(value: float) -> str:
    """A number with its sign, coloured."""
    if math.isnan(value):
        return ""
    css = "good" if value > 0 else "bad" if value < 0 else ""
    return f'<span class="{css}">{value:+,.2f}</span>'


def grouped(names: Collection[str]) -> dict[str, list[str]]:
    """Metrics by group, in their order; what has no definition (of another version) comes last."""
    known, groups = group_names(), dict[str, list[str]]()
    for name in [*(name for name in known if name in names), *sorted(set(names).difference(known))]:
        groups.setdefault(known.get(name, "Other"), []).append(name)
    return groups


def metric_groups(metrics: Mapping[str, Any], quote: str) -> Iterator[str]:
    """All metrics by group; `quote`: what money is counted in."""
    yield '<h2>Metrics</h2><div class="groups">'
    for group, names in grouped(metrics.keys()).items():
        rows = ([metric_name(name, quote), datum(metrics, name)] for name in names)
        yield f"<section><h3>{group}</h3>" + "".join(table((), rows)) + "</section>"
    yield "</div>"


def listed(params: Mapping[str, Any]) -> str:
    """Values by name in one line."""
    return ", ".join(
        f"{name} {value!r}" if isinstance(value, float) else f"{name} {value}"
        for name, value in params.items()
    )


_TIMES: Final = ("entry_time", "exit_time")
_TEXTS: Final = ("side", "entry_signal", "exit_reason")
_EXACT: Final = ("size", "entry_price", "exit_price")


def trades_of(trades: Sequence[tuple[str | None, Trade]]) -> Iterator[str]:
    """Trades as a table, each with the name of its leg where it has one."""
    names = [name for name in COLUMNS if any(_is_told(getattr(trade, name)) for _, trade in trades)]
    yield f"<h2>Trades ({len(trades):,})</h2>"
    if not trades:
        yield '<p class="muted">No trade was made.</p>'
        return
    legs = ["leg"] * (trades[0][0] is not None)
    rows = (
        [
            str(number),
            *([text(leg)] if legs else ()),
            *(_trade_cell(name, getattr(trade, name)) for name in names),
        ]
        for number, (leg, trade) in enumerate(trades, start=1)
    )
    yield from table(
        ["#", *legs, *(name.replace("_pct", " %").replace("_", " ") for name in names)], rows, "trades"
    )


def _is_told(value: Any) -> bool:
    return value is not None and value is not False


def _trade_cell(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if name in _TIMES:
        return format_time(value)[:16].replace("T", " ")
    if name in _TEXTS:
        return text(value)
    if name in _EXACT:
        return f"{value:,.10g}"
    return signed(value) if name == "pnl" else figure(value)


def sources_of(sources: Mapping[str, str | None]) -> Iterator[str]:
    """The files that were executed; None for what was not kept."""
    yield "<h2>Source</h2>"
    for name, source in sources.items():
        if source is None:
            yield f'<p class="muted">{text(name)}: the source was not kept with this run (an older version made it).</p>'
        else:
            yield f"<details><summary>{text(name)}, {len(source.splitlines())} lines</summary>"
            yield f"<pre>{text(source)}</pre></details>"
