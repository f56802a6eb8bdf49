"""Runs as one HTML page that needs nothing else: no script, no network, both themes, paper.

Whatever a user or a strategy wrote goes through `text`. Figures are those of `backtest show --json`; the metrics carry
their exact values (`<data value>`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.analysis.account import MONTHS, Account, calendar
from engine.analysis.verdict import AGAINST, FOR, OPEN, PLAIN, verdict
from engine.errors import redacted
from engine.model.market import Candles, Float64Array, format_time, short_time
from engine.model.metric_definitions import DEFINITIONS, group_names
from engine.model.remark import Remark
from engine.model.run import FINISHED, RunResult
from engine.model.trade import COLUMNS
from engine.reports.drawing import Frame, area, candles_of, chart, line, marks_of
from engine.reports.markup import figure, table, text
from engine.reports.sentences import left_open, liquidated, profit_split
from engine.reports.style import RULE, STYLE

_TILES: Final = (
    "return_pct", "buy_hold_return_pct", "cagr_pct", "max_drawdown_pct", "sharpe", "profit_factor", "win_rate_pct", "trades",
)  # fmt: skip
_SIGNED: Final = (
    "return_pct", "buy_hold_return_pct", "excess_return_pct", "cagr_pct", "alpha_pct", "avg_day_pct", "expectancy_pct",
    "avg_trade_pct", "net_profit", "long_pnl", "short_pnl", "expectancy", "max_drawdown_pct",
)  # fmt: skip
_CHECKS: Final = {"data": "Data", "crosscheck": "Cross-check", "lookahead": "Look-ahead", "warmup": "Warm-up"}
_TERMS: Final = {
    "funding": "Funding", "margin": "Margin", "filters": "Filters", "entries": "Entries", "detail": "Inside candles",
}  # fmt: skip
_REFEREES: Final = {"backtesting": "backtesting.py's", "plain": "the plain simulator's"}
_SIGNS: Final = {"passed": "✓ passed", "failed": "⚠ failed", "pending": "… pending", "skipped": "– not made"}
_SPEAKS: Final = {FOR: "✓", AGAINST: "⚠", OPEN: "?", PLAIN: "·"}
_CURVES: Final = 6  # colours; further curves are dashed
_MOST_SIDE_BY_SIDE: Final = 8


@dataclass(frozen=True, slots=True)
class Reported:
    """A run, and what is known beside it: what the user noted, its candles (None: not held any more), whether they changed
    since, and the files that it executed (None: not kept).
    """

    run: RunResult
    remark: Remark
    candles: Candles | None
    data_changed: bool | None
    sources: Mapping[str, str | None]


def report(reported: Sequence[Reported]) -> str:
    """The page. Of several runs it begins with all of them side by side."""
    runs = [one.run for one in reported]
    title = _title(runs[0]) if len(runs) == 1 else f"{len(runs)} backtests"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{RULE}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body><main>",
        *(_side_by_side(runs) if len(runs) > 1 else ()),
        *(part for number, one in enumerate(reported) for part in _article(number, one)),
        "</main></body></html>\n",
    ]
    return "".join(parts)


def _title(run: RunResult) -> str:
    return f"{run.strategy} on {run.symbol} {run.timeframe}"


def _period(run: RunResult) -> str:
    return f"{short_time(run.period.start)} to {short_time(run.period.end)} (excluded)"


def _quote(run: RunResult) -> str:
    """What its money is counted in."""
    return run.market.unified.partition("/")[2].partition(":")[0] or "money"


def _data(run: RunResult, name: str) -> str:
    """A metric that carries its exact value."""
    value = run.metrics.get(name)
    css = ""
    if name in _SIGNED and value:
        css = ' class="good"' if value > 0 else ' class="bad"'
    exact = "" if value is None else repr(value)
    return f'<data value="{exact}"{css}>{figure(value, _unit(name))}</data>'


# -- several runs ----------------------------------------------------------------------------------------------------------


def _side_by_side(runs: Sequence[RunResult]) -> Iterator[str]:
    yield f"<h1>{len(runs)} backtests</h1><ol>"
    for number, run in enumerate(runs):
        words = ", ".join(filter(None, (_title(run), _period(run), _params(run.params))))
        key = f'<svg class="key" viewBox="0 0 34 8" aria-hidden="true"><path class="{_curve(number)}" d="M0 4H34"/></svg>'
        yield f'<li>{key}<a href="#run-{number}">{text(words)}</a>'
    yield "</ol>"
    curves = [
        (number, run) for number, run in enumerate(runs) if run.equity is not None and len(run.equity.time)
    ]
    if curves:
        yield "<h2>Equity, % of the starting cash</h2>"
        yield _overlay(curves)
    shown = runs[:_MOST_SIDE_BY_SIDE]
    if len(shown) < len(runs):
        yield f'<p class="muted">The first {len(shown)} of {len(runs)} side by side; all of them follow.</p>'
    groups = _grouped({name for run in shown for name in run.metrics})
    quotes = {_quote(run) for run in shown}
    money = quotes.pop() if len(quotes) == 1 else "quote currency"
    rows = (
        [_metric_name(name, money), *(_data(run, name) for run in shown)]
        for names in groups.values()
        for name in names
    )
    yield "<h2>Metrics</h2>"
    yield from table(["Metric", *(f"{number + 1}. {_title(run)}" for number, run in enumerate(shown))], rows)


def _overlay(curves: Sequence[tuple[int, RunResult]]) -> str:
    drawn = []
    for number, run in curves:
        assert run.equity is not None
        drawn.append((number, run.equity.time, (run.equity.columns["equity"] / run.costs.cash - 1) * 100))
    ends = np.array([[time[0], time[-1]] for _, time, _ in drawn])
    span = np.array([ends.min(), ends.max()])
    frame = Frame.over(span, [values for _, _, values in drawn], 360)
    lines = [line(frame, time, values, _curve(number)) for number, time, values in drawn]
    return chart(frame, lines, "Equity of all runs in percent of the starting cash", " %")


def _curve(number: int) -> str:
    return f"c{number % _CURVES}" + (" second" if number >= _CURVES else "")


# -- one run ---------------------------------------------------------------------------------------------------------------


def _article(number: int, reported: Reported) -> Iterator[str]:
    run = reported.run
    yield f'<article id="run-{number}">'
    yield f"<h1>{text(_title(run))}</h1>"
    yield f'<p class="muted">{text(run.exchange)} · {_period(run)} · made {short_time(run.created_ms)} · '
    yield f"engine {text(run.engine)} · run {text(run.id)}</p>"
    if reported.remark.name:
        yield f'<p class="note"><b>{text(reported.remark.name)}</b></p>'
    if reported.remark.note:
        yield f'<p class="note">{text(reported.remark.note)}</p>'
    if run.error:
        yield f'<p class="failure">{text(run.status)}: {text(redacted(run.error))}</p>'
    yield from _integrity(reported)
    if run.status == FINISHED:
        yield from _tiles(run)
        if split := profit_split(run, _quote(run)):
            yield f"<p>{text(split)}</p>"
        yield from _verdict(reported)
        yield from _charts(reported)
        yield from _months(run)
        yield from _metrics(run)
    yield from _set_up(run)
    if run.status == FINISHED:
        yield from _trades(run)
    yield from _sources(reported.sources)
    yield "</article>"


def _integrity(reported: Reported) -> Iterator[str]:
    """How far the run can be trusted, in one line of words and signs."""
    run = reported.run
    yield '<ul class="checks" aria-label="Checks">'
    if reported.data_changed:
        yield '<li class="failed"><b>⚠ changed</b> The candles have changed since the run was made'
    terms = {name: words for name, words in _TERMS.items() if name in run.checks}
    for name, words in (_CHECKS | terms).items():
        check = run.checks.get(name, {})
        status = str(check.get("status", "skipped"))
        finding = _finding(name, check)
        yield f'<li class="{text(status)}"><b>{text(_SIGNS.get(status, status))}</b> {words}'
        yield f": {text(finding)}" if finding else ""
    told = [*(run.left_out if "funding" in terms else []), *run.left_unsettled]
    yield from (f"<li>{text(note)}" for note in run.notes if note not in told)
    if taken := liquidated(run, _quote(run)):
        yield f'<li class="failed"><b class="bad">✖ liquidated</b> {text(taken)}'
    if band := left_open(run):
        yield f"<li>{text(band)}"
    yield "</ul>"
    yield f'<p class="muted">Fingerprint {text(run.fingerprint or "none")}</p>'


def _verdict(reported: Reported) -> Iterator[str]:
    """What is known for and against it."""
    yield "<h2>For and against</h2>"
    rows = (
        (f"<b>{_SPEAKS[fact.speaks]}</b>", text(fact.about), text(fact.figure), text(fact.words))
        for fact in verdict(reported.run, data_changed=reported.data_changed)
    )
    yield from table(("", "About", "Figure", "It says"), rows, "facts")


def _finding(name: str, check: Mapping[str, Any]) -> str:
    if name == "data" and check:
        beside = len(check.get("trades_beside_holes") or ())
        return f"{check.get('missing_candles', 0)} candles missing, {beside} trades beside holes"
    if name == "crosscheck" and check.get("status") in ("passed", "failed"):
        referee = _REFEREES.get(str(check.get("referee")), _REFEREES["backtesting"])
        return f"{check.get('equal', 0):,} of {check.get('total', 0):,} trades equal to {referee}"
    return str(check.get("note") or "")


def _unit(name: str) -> str:
    return DEFINITIONS[name].unit if name in DEFINITIONS else "%" if name.endswith("_pct") else ""


def _metric_name(name: str, money: str) -> str:
    known = DEFINITIONS.get(name)
    if known is None:
        return text(name)
    unit = "" if known.unit in ("%", "count", "ratio", "fraction") else f", {known.unit}"
    unit = unit.replace("money", text(money))
    return f'<span title="{text(known.definition)}">{text(known.title)}{unit}</span>'


def _tiles(run: RunResult) -> Iterator[str]:
    yield '<div class="tiles">'
    for name in _TILES:
        yield f"<div><span>{_metric_name(name, _quote(run))}</span>{_data(run, name)}</div>"
    yield "</div>"


def _charts(reported: Reported) -> Iterator[str]:
    run, candles = reported.run, reported.candles
    if run.equity is None or not len(run.equity.time):
        return
    time, equity = run.equity.time, run.equity.columns["equity"]
    hold = None
    if (
        candles is not None and len(candles) and candles.timestamp[0] <= time[0]
    ):  # what is gone would give other figures
        hold = run.costs.cash * candles.close / candles.open[0]
    shown: list[Float64Array] = [equity] if hold is None else [equity, hold]
    frame = Frame.over(time, shown, 340)
    lines = [line(frame, time, equity, "curve")]
    if hold is not None and candles is not None:
        lines.insert(0, line(frame, candles.timestamp, hold, "hold"))
    yield "<h2>Equity</h2>" + chart(frame, lines, "Equity over time", "")
    yield (
        '<p class="muted">Solid: the account. '
        + ("Dashed: buy and hold." if hold is not None else "")
        + "</p>"
    )
    peak = np.maximum.accumulate(np.maximum(equity, run.costs.cash))
    fall = (equity / peak - 1) * 100
    frame = Frame.over(time, [np.append(fall, 0.0)], 150)
    yield "<h2>Drawdown</h2>" + chart(frame, [area(frame, time, fall, "fall")], "Drawdown in percent", " %")
    yield "<h2>Price and trades</h2>"
    if candles is None or not len(candles):
        yield '<p class="muted">The candles of this run are not held any more.</p>'
        return
    if len(candles) < len(run.equity.time):
        yield f'<p class="muted">Only {len(candles):,} of its {len(run.equity.time):,} candles are still held.</p>'
    frame = Frame.over(candles.timestamp, [candles.low, candles.high], 380)
    yield chart(frame, [candles_of(frame, candles), marks_of(frame, run.trades)], "Price with the trades", "")
    yield '<p class="muted">▲ long entry, ▼ short entry, × exit; lines join entry and exit, dashed where the trade lost.</p>'


def _months(run: RunResult) -> Iterator[str]:
    account = Account.of(run)
    if account is None:
        return
    yield "<h2>Returns by month, %</h2>"
    found = calendar(account)
    years = zip(found.years, found.months.tolist(), found.totals.tolist(), strict=True)
    rows = ([str(year), *map(_signed, months), _signed(total)] for year, months, total in years)
    yield from table(["Year", *MONTHS, "Year's"], rows)


def _signed(value: float) -> str:
    if math.isnan(value):
        return ""
    css = "good" if value > 0 else "bad" if value < 0 else ""
    return f'<span class="{css}">{value:+,.2f}</span>'


def _grouped(names: Collection[str]) -> dict[str, list[str]]:
    """Metrics by group, in their order; what has no definition (of another version) comes last."""
    known, groups = group_names(), dict[str, list[str]]()
    for name in [*(name for name in known if name in names), *sorted(set(names).difference(known))]:
        groups.setdefault(known.get(name, "Other"), []).append(name)
    return groups


def _metrics(run: RunResult) -> Iterator[str]:
    yield '<h2>Metrics</h2><div class="groups">'
    for group, names in _grouped(run.metrics.keys()).items():
        rows = ([_metric_name(name, _quote(run)), _data(run, name)] for name in names)
        yield f"<section><h3>{group}</h3>" + "".join(table((), rows)) + "</section>"
    yield "</div>"


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value!r}" if isinstance(value, float) else f"{name} {value}"
        for name, value in params.items()
    )


def _set_up(run: RunResult) -> Iterator[str]:
    yield "<h2>Set-up</h2>"
    warmup = run.inputs.get("warmup") if run.inputs else None
    rows = {
        "Strategy": run.strategy,
        "Parameters": _params(run.params) or "none",
        "Market": f"{run.market.unified} on {run.exchange}, {run.timeframe}",
        "Period": _period(run),
        "Costs": _params(run.costs.told()),
        "Engine": run.engine,
        "Warm-up": "not recorded" if warmup is None else f"{warmup} candles",
        "Signals": _params(run.signals) or "none",
        "Versions": _params(run.inputs.get("versions") or {}) if run.inputs else "not recorded",
    }
    yield "<table><tbody>"
    yield from (f'<tr><td>{name}<td class="text">{text(value)}' for name, value in rows.items())
    yield "</tbody></table>"


_TIMES: Final = ("entry_time", "exit_time")
_TEXTS: Final = ("side", "entry_signal", "exit_reason")
_EXACT: Final = ("size", "entry_price", "exit_price")


def _trades(run: RunResult) -> Iterator[str]:
    names = [name for name in COLUMNS if any(_is_told(getattr(trade, name)) for trade in run.trades)]
    yield f"<h2>Trades ({len(run.trades):,})</h2>"
    if not run.trades:
        yield '<p class="muted">No trade was made.</p>'
        return
    rows = ([str(number), *(_trade_cell(name, getattr(trade, name)) for name in names)]
            for number, trade in enumerate(run.trades, start=1))  # fmt: skip
    yield from table(["#", *(name.replace("_pct", " %").replace("_", " ") for name in names)], rows, "trades")


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
    return _signed(value) if name == "pnl" else figure(value)


def _sources(sources: Mapping[str, str | None]) -> Iterator[str]:
    yield "<h2>Source</h2>"
    for name, source in sources.items():
        if source is None:
            yield f'<p class="muted">{text(name)}: the source was not kept with this run (an older version made it).</p>'
        else:
            yield f"<details><summary>{text(name)}, {len(source.splitlines())} lines</summary>"
            yield f"<pre>{text(source)}</pre></details>"
