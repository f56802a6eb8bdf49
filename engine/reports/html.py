"""Runs as one HTML page that needs nothing else: no script, no network, both themes, paper.

Whatever a user or a strategy wrote goes through `text`. Figures are those of `backtest show --json`; the metrics carry
their exact values (`<data value>`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.analysis.account import Account
from engine.analysis.verdict import AGAINST, FOR, OPEN, PLAIN, verdict
from engine.errors import redacted
from engine.model.market import Candles, Float64Array, short_time
from engine.model.remark import Remark
from engine.model.run import FINISHED, RunResult
from engine.reports.drawing import Frame, candles_of, chart, line, marks_of
from engine.reports.markup import table, text
from engine.reports.pieces import (
    datum,
    drawdown_of,
    grouped,
    listed,
    metric_groups,
    metric_name,
    months_of,
    page,
    sources_of,
    trades_of,
)  # fmt: skip
from engine.reports.sentences import left_open, liquidated, profit_split

TILES: Final = (
    "return_pct", "buy_hold_return_pct", "cagr_pct", "max_drawdown_pct", "sharpe", "profit_factor", "win_rate_pct", "trades",
)  # fmt: skip
_CHECKS: Final = {"data": "Data", "crosscheck": "Cross-check", "lookahead": "Look-ahead", "warmup": "Warm-up"}
_TERMS: Final = {
    "funding": "Funding", "margin": "Margin", "filters": "Filters", "entries": "Entries", "detail": "Inside candles",
}  # fmt: skip
_REFEREES: Final = {"backtesting": "backtesting.py's", "plain": "the plain simulator's"}
SIGNS: Final = {"passed": "✓ passed", "failed": "⚠ failed", "pending": "… pending", "skipped": "– not made"}
_SPEAKS: Final = {FOR: "✓", AGAINST: "⚠", OPEN: "?", PLAIN: "·"}
CURVES: Final = 6  # colours; further curves are dashed
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
        *(_side_by_side(runs) if len(runs) > 1 else ()),
        *(part for number, one in enumerate(reported) for part in _article(number, one)),
    ]
    return page(title, parts)


def _title(run: RunResult) -> str:
    return f"{run.strategy} on {run.symbol} {run.timeframe}"


def _period(run: RunResult) -> str:
    return f"{short_time(run.period.start)} to {short_time(run.period.end)} (excluded)"


def _quote(run: RunResult) -> str:
    """What its money is counted in."""
    return run.market.unified.partition("/")[2].partition(":")[0] or "money"


# -- several runs ----------------------------------------------------------------------------------------------------------


def _side_by_side(runs: Sequence[RunResult]) -> Iterator[str]:
    yield f"<h1>{len(runs)} backtests</h1><ol>"
    for number, run in enumerate(runs):
        words = ", ".join(filter(None, (_title(run), _period(run), listed(run.params))))
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
    groups = grouped({name for run in shown for name in run.metrics})
    quotes = {_quote(run) for run in shown}
    money = quotes.pop() if len(quotes) == 1 else "quote currency"
    rows = (
        [metric_name(name, money), *(datum(run.metrics, name) for run in shown)]
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
    return f"c{number % CURVES}" + (" second" if number >= CURVES else "")


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
        yield from months_of(Account.of(run))
        yield from metric_groups(run.metrics, _quote(run))
    yield from _set_up(run)
    if run.status == FINISHED:
        yield from trades_of([(None, trade) for trade in run.trades])
    yield from sources_of(reported.sources)
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
        yield f'<li class="{text(status)}"><b>{text(SIGNS.get(status, status))}</b> {words}'
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


def _tiles(run: RunResult) -> Iterator[str]:
    yield '<div class="tiles">'
    for name in TILES:
        yield f"<div><span>{metric_name(name, _quote(run))}</span>{datum(run.metrics, name)}</div>"
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
    yield drawdown_of(time, equity, run.costs.cash)
    yield "<h2>Price and trades</h2>"
    if candles is None or not len(candles):
        yield '<p class="muted">The candles of this run are not held any more.</p>'
        return
    if len(candles) < len(run.equity.time):
        yield f'<p class="muted">Only {len(candles):,} of its {len(run.equity.time):,} candles are still held.</p>'
    frame = Frame.over(candles.timestamp, [candles.low, candles.high], 380)
    yield chart(frame, [candles_of(frame, candles), marks_of(frame, run.trades)], "Price with the trades", "")
    yield '<p class="muted">▲ long entry, ▼ short entry, × exit; lines join entry and exit, dashed where the trade lost.</p>'


def _set_up(run: RunResult) -> Iterator[str]:
    yield "<h2>Set-up</h2>"
    warmup = run.inputs.get("warmup") if run.inputs else None
    rows = {
        "Strategy": run.strategy,
        "Parameters": listed(run.params) or "none",
        "Market": f"{run.market.unified} on {run.exchange}, {run.timeframe}",
        "Period": _period(run),
        "Costs": listed(run.costs.told()),
        "Engine": run.engine,
        "Warm-up": "not recorded" if warmup is None else f"{warmup} candles",
        "Signals": listed(run.signals) or "none",
        "Versions": listed(run.inputs.get("versions") or {}) if run.inputs else "not recorded",
    }
    yield "<table><tbody>"
    yield from (f'<tr><td>{name}<td class="text">{text(value)}' for name, value in rows.items())
    yield "</tbody></table>"
