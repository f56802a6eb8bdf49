"""A portfolio as one HTML page that needs nothing else: the wallet as a run, its legs, who asked for how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.analysis.account import Account
from engine.errors import redacted
from engine.model.market import short_time
from engine.model.portfolio_file import portfolio_text
from engine.model.portfolio_result import PortfolioResult
from engine.model.portfolio_rules import ADDED
from engine.model.run import FINISHED
from engine.reports.drawing import Frame, chart, line
from engine.reports.html import CURVES, SIGNS, TILES
from engine.reports.markup import figure, table, text
from engine.reports.pieces import (
    datum,
    drawdown_of,
    metric_groups,
    metric_name,
    months_of,
    page,
    signed,
    sources_of,
    trades_of,
)

_MONEY = "money"


def portfolio_report(result: PortfolioResult, sources: Mapping[str, str | None]) -> str:
    """The page. `sources`: the files that its legs executed, by name, None for what was not kept."""
    return page(result.spec.name, _article(result, sources))


def _article(result: PortfolioResult, sources: Mapping[str, str | None]) -> Iterator[str]:
    yield f"<article><h1>{text(result.spec.name)}</h1>"
    yield f'<p class="muted">{len(result.legs)} legs on one wallet · {short_time(result.period.start)} to '
    yield f"{short_time(result.period.end)} (excluded) · made {short_time(result.created_ms)}"
    yield f" · portfolio {text(result.id)}</p>"
    if result.error:
        yield f'<p class="failure">{text(result.status)}: {text(redacted(result.error))}</p>'
    yield from _checks(result)
    if result.status == FINISHED:
        yield '<div class="tiles">'
        yield from (
            f"<div><span>{metric_name(n, _MONEY)}</span>{datum(result.metrics, n)}</div>" for n in TILES
        )
        yield "</div>"
        yield from _charts(result)
        yield from _legs(result)
        yield from _contention(result)
        yield from _correlation(result)
        yield from months_of(Account.over(result.series, result.spec.cash, result.timeframe))
        yield from metric_groups(result.metrics, _MONEY)
    yield f"<h2>Set-up</h2><pre>{text(portfolio_text(result.spec))}</pre>"
    if result.status == FINISHED:
        yield from trades_of(result.trades)
    yield from sources_of(sources)
    yield "</article>"


def _checks(result: PortfolioResult) -> Iterator[str]:
    yield '<ul class="checks" aria-label="Checks">'
    for name, check in result.checks.items():
        status, note = str(check["status"]), str(check.get("note") or "")
        yield f'<li class="{text(status)}"><b>{text(SIGNS.get(status, status))}</b> {text(name)}'
        yield f": {text(note)}" if note else ""
    yield from (f"<li>{text(note)}" for note in result.notes)
    yield f'</ul><p class="muted">Fingerprint {text(result.fingerprint or "none")}</p>'


def _charts(result: PortfolioResult) -> Iterator[str]:
    series, pnl = result.series, result.pnl
    if series is None or pnl is None:
        return
    time, equity, hold = series.time, series.columns["equity"], series.columns["hold"]
    frame = Frame.over(time, [equity, hold], 340)
    lines = [line(frame, time, hold, "hold"), line(frame, time, equity, "curve")]
    yield "<h2>Equity</h2>" + chart(frame, lines, "Equity over time", "")
    yield '<p class="muted">Solid: the wallet. Dashed: the markets of its legs, bought and held.</p>'
    yield drawdown_of(time, equity, result.spec.cash)
    frame = Frame.over(time, list(pnl.columns.values()), 260)
    curves = [line(frame, time, one, _curve(number)) for number, one in enumerate(pnl.columns.values())]
    yield "<h2>What each leg made</h2>" + chart(frame, curves, "Profit of each leg", "")
    yield "<ol>"
    for number, name in enumerate(pnl.columns):
        path = f'<path class="{_curve(number)}" d="M0 4H34"/>'
        yield f'<li><svg class="key" viewBox="0 0 34 8" aria-hidden="true">{path}</svg>{text(name)}'
    yield "</ol>"


def _curve(number: int) -> str:
    return f"c{number % CURVES}" + (" second" if number % (2 * CURVES) >= CURVES else "")


def _legs(result: PortfolioResult) -> Iterator[str]:
    head = (
        "Leg",
        "Strategy",
        "Market",
        "Weight",
        "Profit",
        "Share %",
        "Risk %",
        "Trades",
        "Win %",
        "Factor",
        "Max DD %",
    )
    rows = (
        [
            text(leg.name),
            text(leg.spec.strategy),
            text(f"{leg.market.name} {leg.spec.timeframe}"),
            figure(leg.weight),
            signed(leg.pnl or 0.0),
            figure(leg.profit_share_pct),
            figure(leg.risk_share_pct),
            *(
                datum(leg.metrics, name)
                for name in ("trades", "win_rate_pct", "profit_factor", "max_drawdown_pct")
            ),
        ]
        for leg in result.legs
    )
    yield "<h2>Legs</h2>"
    yield from table(head, rows)
    names, windows = result.changing()
    if names:
        yield "<h3>What rules from when on</h3>"
        ruling = ([short_time(start), *(text(str(value)) for value in values)] for start, values in windows)
        yield from table(("From", *map(text, names)), ruling)
    if result.marginal:
        yield "<h3>What each leg adds: the same portfolio with it less the same without it</h3>"
        told = ([text(row["leg"]), *(_added(row, name) for name in ADDED)] for row in result.marginal)
        yield from table(("Leg", "Return %", "Sharpe", "Max DD %"), told)
    use = result.use
    if use:
        words = (
            f"{name} {one['mean_pct']:,.1f} % on average, {one['max_pct']:,.1f} % at most"
            for name, one in use.items()
        )
        yield f'<p class="muted">Of the equity: {text("; ".join(words))}.</p>'


def _added(row: Mapping[str, Any], name: str) -> str:
    value = row["adds"][name]
    return figure(None) if value is None else signed(value)


def _contention(result: PortfolioResult) -> Iterator[str]:
    rows = (
        [
            text(leg.name),
            *(
                figure(value)
                for value in (told.requests, told.requested, told.filled, told.scaled, told.dropped)
            ),
            text(", ".join(f"{name} {count}" for name, count in told.reasons.items())),
        ]
        for leg in result.legs
        for told in (leg.contention,)
    )
    yield "<h2>Who asked for how much</h2>"
    yield from table(("Leg", "Requests", "Asked for", "Got", "Scaled", "Dropped", "Why"), rows)


def _correlation(result: PortfolioResult) -> Iterator[str]:
    if len(result.legs) < 2:
        return
    names = [leg.name for leg in result.legs]
    rows = ([text(name), *map(_correlated, row)] for name, row in zip(names, result.correlation, strict=True))
    yield "<h2>Correlation of the legs' days</h2>"
    yield from table(("", *names), rows)


def _correlated(value: float | None) -> str:
    """Two digits, and no sign of what is next to nothing."""
    return figure(None) if value is None else f"{round(value, 2) + 0.0:.2f}"
