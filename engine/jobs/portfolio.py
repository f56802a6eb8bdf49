"""The bodies of a portfolio's jobs inside workers: what a leg's strategy says; and all legs played on one wallet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.backtest.perpetual import Perpetual
from engine.backtest.portfolio.book import LegInput, PortfolioOutcome, PortfolioRules
from engine.backtest.questions import ask_whole, asking_again, plain_signals, signals_of
from engine.backtest.rules import Report
from engine.backtest.stitching import ruled_spans
from engine.checks.verdicts import SWITCHED_OFF, run_checks, unmade_checks
from engine.errors import RunError
from engine.jobs.leg_signals import ranked
from engine.jobs.run import band_of, terms_checks
from engine.model.market import Candles, Float64Array, Timeframe
from engine.model.portfolio_rules import WEIGHT
from engine.model.reads import longer_wanted
from engine.model.simulators import PLAIN
from engine.model.window_params import WindowParams
from engine.parallel.portfolio_tasks import (
    LegAnswer,
    LegTask,
    PlayedLeg,
    PortfolioAnswer,
    PortfolioTask,
)
from engine.reproduction.inputs import portfolio_source, versions_for

if TYPE_CHECKING:
    from engine.backtest.metrics import Metrics


def leg_job(task: LegTask, report: Report) -> LegAnswer:
    """Ask a leg's strategy. Raises RunError with its file and line where its code fails."""
    started = time.monotonic()
    if len(task.candles.load()) <= task.candles.warmup:
        raise RunError("the period holds no candle; fetch it or choose another")
    answer = ask_whole(task, report)
    if answer.outcome is not None:
        raise RunError("a backtesting.Strategy trades an account of its own and cannot be a leg")
    held, wanted = answer.first, max(task.warmup, 0)
    if task.checks:
        fresh, longer = partial(asking_again, task), longer_wanted(task.candles)
        checks = run_checks(fresh, answer.candles, answer.said, held, wanted, answer.own_s, longer)
    else:
        checks = unmade_checks(held, wanted, SWITCHED_OFF)
    signals = answer.said.signals.slice(held, None)
    return LegAnswer(
        params=answer.params,
        said=plain_signals(signals),
        rank=None if task.rank is None else ranked(task.rank, answer.said, answer.first),
        reverse=answer.reverse,
        signals={name: int(column.sum()) for name, column in signals.raw.items()},
        checks=checks,
        versions=versions_for({name: source.tobytes() for name, source in answer.sources.items()}),
        sources=answer.sources,
        elapsed_s=time.monotonic() - started,
    )


# -- all legs together


def portfolio_job(task: PortfolioTask, report: Report) -> PortfolioAnswer:
    """Play the legs on their wallet; by the plain simulator only its trades and equity are told."""
    started = time.monotonic()
    asked = task.legs
    task = replace(
        task, legs=sorted(asked, key=lambda leg: leg.name)
    )  # whatever the file's order, one order of sums
    legs = [_input(leg) for leg in task.legs]
    outcome = _play(legs, task.rules, task.engine)

    from engine.backtest.portfolio.figures import open_times

    opens = open_times(outcome, legs)
    answer = PortfolioAnswer(
        metrics={},
        time=opens,
        series={name: getattr(outcome, name) for name in ("equity", "exposure", "margin")},
        pnl=outcome.leg_pnl,
        trades=[one.columns() for one in outcome.legs],
        legs=[],
        requests={},
        figures={},
        source=portfolio_source(),
        elapsed_s=0.0,
    )
    if task.engine != PLAIN:
        answer = _measured(task, legs, outcome, answer, report)
    places = {leg.name: place for place, leg in enumerate(task.legs)}
    answer = _told_as(answer, [places[leg.name] for leg in asked])
    return replace(answer, elapsed_s=time.monotonic() - started)


def _told_as(answer: PortfolioAnswer, places: Sequence[int]) -> PortfolioAnswer:
    """The same with what is told of legs in the order in which they were asked for; `places`: of each in the answer."""
    told = np.empty(len(places), dtype=np.int64)
    told[list(places)] = np.arange(len(places))
    requests = dict(answer.requests)
    if "leg" in requests:
        requests["leg"] = told[requests["leg"]]
    figures = dict(answer.figures)
    if "correlation" in figures:
        figures["correlation"] = [[figures["correlation"][a][b] for b in places] for a in places]
    return replace(
        answer,
        pnl=np.ascontiguousarray(answer.pnl[:, list(places)]),
        trades=[answer.trades[place] for place in places],
        legs=[answer.legs[place] for place in places] if answer.legs else [],
        requests=requests,
        figures=figures,
    )


def _input(leg: PlayedLeg) -> LegInput:
    from engine.backtest.metrics import length_ms

    candles, said = leg.candles.load().slice(leg.candles.warmup, None), leg.said
    return LegInput(
        name=leg.name,
        candles=candles,
        signals=signals_of(said.raw, said.prices, said.orders, len(candles)),
        costs=leg.costs,
        perpetual=Perpetual.of_file(leg.perpetual),
        reverse=leg.reverse,
        timeframe_ms=length_ms(candles, Timeframe(leg.timeframe)),
        weight=leg.weight,
        rank=leg.rank,
        weights=_weights_over(leg.weights, candles) if leg.weights else None,
    )


def _weights_over(ruling: Sequence[WindowParams], candles: Candles) -> Float64Array:
    """The weight on each candle: windows rule weights as they rule signals."""
    weights = np.empty(len(candles))
    for window, (start, stop) in ruled_spans(ruling, candles):
        weights[start:stop] = window.params[WEIGHT]
    return weights


def _play(legs: Sequence[LegInput], rules: PortfolioRules, engine: str) -> PortfolioOutcome:
    if engine == PLAIN:
        from engine.backtest.portfolio.plain import run_portfolio_plain

        return run_portfolio_plain(legs, rules)
    from engine.backtest.portfolio.compiled import run_portfolio

    return run_portfolio(legs, rules)


def _measured(
    task: PortfolioTask,
    legs: Sequence[LegInput],
    outcome: PortfolioOutcome,
    answer: PortfolioAnswer,
    report: Report,
) -> PortfolioAnswer:
    """With all figures of the whole and of its legs."""
    from engine.backtest.portfolio import figures

    market, metrics = _of_the_wallet(task, legs, outcome)
    told = [
        {
            "metrics": figures.leg_metrics(own, leg, task.rules.cash, Timeframe(played.timeframe)),
            "checks": terms_checks(own),
            **contribution,
        }
        for own, leg, played, contribution in zip(
            outcome.legs, legs, task.legs, figures.contributions(outcome, answer.time), strict=True
        )
    ]
    of_all = {
        "correlation": figures.correlation(figures.daily_pnl(outcome, answer.time)),
        "use": figures.use_of_money(outcome),
        "marginal": _marginal(task, legs, metrics, report),
    }
    return replace(
        answer,
        metrics=metrics | _band(legs, task.rules, outcome),
        series={**answer.series, "hold": task.rules.cash / market.open[0] * market.close},
        legs=told,
        requests=_requests(outcome),
        figures=of_all,
    )


def _of_the_wallet(
    task: PortfolioTask, legs: Sequence[LegInput], outcome: PortfolioOutcome
) -> tuple[Candles, Metrics]:
    """(the basket, every metric) of legs that were played together."""
    from engine.backtest.portfolio import figures

    market, costs = figures.basket(outcome, legs, task.rules), replace(legs[0].costs, cash=task.rules.cash)
    finest = min(legs, key=lambda leg: leg.timeframe_ms).name
    timeframe = next(Timeframe(leg.timeframe) for leg in task.legs if leg.name == finest)
    return market, figures.wallet_metrics(outcome, legs, market, costs, timeframe)


def _band(legs: Sequence[LegInput], rules: PortfolioRules, outcome: PortfolioOutcome) -> dict[str, float]:
    """Between what the ambiguous candles of all legs, read one way, leave in the wallet; nothing where there are none."""
    from engine.backtest.portfolio.compiled import run_portfolio

    if not any(one.table.ambiguous is not None and one.table.ambiguous.any() for one in outcome.legs):
        return {}
    return band_of(outcome.equity, lambda reading: run_portfolio(legs, rules, reading).equity)


def _requests(outcome: PortfolioOutcome) -> dict[str, Any]:
    from engine.backtest.portfolio.book import WHYS

    table = outcome.requests
    columns = {name: getattr(table, name) for name in ("time", "leg", "requested", "filled")}
    return columns | {"why": [WHYS[k] for k in table.why.tolist()]}


def _marginal(
    task: PortfolioTask, legs: Sequence[LegInput], metrics: Metrics, report: Report
) -> list[dict[str, Any]]:
    """What each leg that is to be left out adds: the same portfolio is played without it."""
    from engine.backtest.portfolio import figures

    found = []
    for done, (left_out, weights) in enumerate(task.others.items()):
        report(done, len(task.others), "legs left out")
        others = [replace(leg, weight=weights[leg.name]) for leg in legs if leg.name != left_out]
        outcome = _play(others, task.rules, task.engine)
        _, without = _of_the_wallet(task, others, outcome)
        found.append({"leg": left_out, **figures.compared(metrics, without)})
    return found
