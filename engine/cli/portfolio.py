"""The command that trades many legs on one wallet: portfolio; and what people see of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Cluster, Json, NoFetch, app, cancel_on_interrupt, given
from engine.cli.terminal import print_json, print_line, print_note, progress, table
from engine.cli.values import file_argument
from engine.model.market import short_time
from engine.model.parameters import Assignment
from engine.model.portfolio_file import read_portfolio
from engine.model.portfolio_result import PortfolioResult
from engine.model.portfolio_rules import ADDED
from engine.model.run import FINISHED
from engine.service import Engine

_MOST_CORRELATED = 12  # legs whose correlations fit into a table
_LEG_FIGURES = {
    "trades": "trades",
    "win %": "win_rate_pct",
    "profit f.": "profit_factor",
    "max dd %": "max_drawdown_pct",
}
_WALLET_FIGURES = (
    "final_equity", "return_pct", "buy_hold_return_pct", "cagr_pct", "sharpe", "sortino", "calmar", "max_drawdown_pct",
    "max_drawdown_days", "trades", "win_rate_pct", "profit_factor", "exposure_pct", "commission", "slippage", "funding",
)  # fmt: skip


@app.command()
def portfolio(
    file: Annotated[Path, file_argument(help="A TOML file with the portfolio and its legs.")],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="LEG.name=value, in place of what the file says; repeat."),
    ] = None,
    no_fetch: NoFetch = False,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Fetch what is missing, then trade all legs of a portfolio on one wallet, and store what became of it."""
    read, assignments = read_portfolio(file), Assignment.parse_all(param or ())
    with (
        Engine(**given(cluster=cluster)) as engine,
        cancel_on_interrupt() as cancel,
        progress(quiet=json) as on_event,
        read.located(),
    ):
        made = engine.portfolios.make(
            read.spec, assignments, fetch=not no_fetch, on_event=on_event, cancel=cancel
        )
        titles = metric_titles(engine)
    if json:
        print_json(made.to_json())
    else:
        portfolio_details(made, {name: titles[name] for name in _WALLET_FIGURES})
    if made.status != FINISHED:
        raise typer.Exit(1)


def show_portfolio(engine: Engine, portfolio_id: str, *, json: bool) -> None:
    """A stored portfolio exactly as it was."""
    found, titles = engine.portfolios.get(portfolio_id), metric_titles(engine)
    if json:
        print_json(found.to_shown_json())
    else:
        portfolio_details(found, titles)


def metric_titles(engine: Engine) -> dict[str, str]:
    """What each metric is called, with its unit."""
    return {name: f"{one.title} ({one.unit})" for name, one in engine.runs.metric_definitions().items()}


def portfolio_details(result: PortfolioResult, titles: Mapping[str, str]) -> None:
    """A portfolio for people; `titles`: of the metrics to be shown."""
    spec, period = result.spec, result.period
    span = f"{short_time(period.start)} to {short_time(period.end)}"
    print_line(
        f"{result.id[:8]}  {spec.name}: {len(result.legs)} leg{'s' * (len(result.legs) != 1)}, {span}: {result.status}",
        bold=True,
    )
    if result.error:
        print_line(result.error)
    if result.status == FINISHED:
        _legs_table(result)
        _wallet_tables(result, titles)
    for name, check in result.checks.items():
        note = check.get("note")
        print_line(f"check {name}: {check['status']}{f' ({note})' if note else ''}")
    for note in result.notes:
        print_note(note)


def _legs_table(result: PortfolioResult) -> None:
    columns = ("leg", "strategy", "symbol", "tf", "weight", "pnl", "share %", "risk %", *_LEG_FIGURES)
    rows = [
        (
            leg.name,
            leg.spec.strategy,
            leg.market.name,
            leg.spec.timeframe.name,
            leg.weight,
            leg.pnl,
            leg.profit_share_pct,
            leg.risk_share_pct,
            *(leg.metrics.get(name) for name in _LEG_FIGURES.values()),
        )
        for leg in result.legs
    ]
    table("", columns, rows, left=4)
    names, windows = result.changing()
    if names:
        rules = [(short_time(start), *map(str, values)) for start, values in windows]
        table("what rules from when on", ("from", *names), rules)


def _wallet_tables(result: PortfolioResult, titles: Mapping[str, str]) -> None:
    rows: list[tuple[Any, ...]] = [
        (title, result.metrics[name]) for name, title in titles.items() if name in result.metrics
    ]
    for name, told in result.use.items():
        rows.append((f"{name} of the equity, at most (%)", told["max_pct"]))
        rows.append((f"{name} of the equity, mean (%)", told["mean_pct"]))
    table("the wallet", ("metric", "value"), rows)
    asked = [(leg.name, leg.contention) for leg in result.legs]
    table(
        "what the legs asked of the wallet, in money",
        ("leg", "requests", "asked for", "got", "scaled", "dropped", "why"),
        [
            (
                name,
                one.requests,
                one.requested,
                one.filled,
                one.scaled,
                one.dropped,
                ", ".join(f"{why} {count}" for why, count in one.reasons.items()),
            )
            for name, one in asked
        ],
    )
    names = [leg.name for leg in result.legs]
    if 1 < len(names) <= _MOST_CORRELATED:
        rows = [(name, *row) for name, row in zip(names, result.correlation, strict=True)]
        table("correlation of the legs' days", ("leg", *names), rows)
    if result.marginal:
        adds = [(row["leg"], *(row["adds"][name] for name in ADDED)) for row in result.marginal]
        table("what each leg adds, with it less without it", ("leg", "return %", "sharpe", "max dd %"), adds)


def portfolios_table(results: list[PortfolioResult]) -> None:
    """One row per portfolio; failed ones below, with their reason."""
    columns = ("portfolio", "name", "legs", "from", "to (excl.)", "return %", "max dd %", "sharpe", "trades")
    figures = ("return_pct", "max_drawdown_pct", "sharpe", "trades")
    rows = [
        (
            one.id[:8],
            one.spec.name,
            str(len(one.legs)),
            *(short_time(t).removesuffix(" UTC") for t in (one.period.start, one.period.end)),
            *(one.metrics.get(name) for name in figures),
        )
        for one in results
        if one.status == FINISHED
    ]
    if rows:
        table("", columns, rows, left=5)
    for one in results:
        if one.status != FINISHED:
            print_line(f"{one.id[:8]}  {one.spec.name}: {one.status}: {one.error}")
