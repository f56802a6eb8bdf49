"""The body of a run inside a worker: candles and a strategy's file in, trades, equity and metrics out, all plain data."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from engine.backtest.detail import Detail
from engine.backtest.perpetual import Perpetual
from engine.backtest.questions import Answer, ask_whole, asking_again
from engine.backtest.rules import AGAINST, DEFAULT, IN_FAVOUR, Report, carries, ignore_report, limits_beyond
from engine.checks.verdicts import SWITCHED_OFF, native_checks, run_checks, unmade_checks
from engine.errors import RunError
from engine.model.account import BLOCKED
from engine.model.market import Candles, Float64Array, Timeframe
from engine.model.plots import LEVELS
from engine.model.reads import longer_wanted
from engine.model.simulators import PLAIN, REFERENCE, choose_engine
from engine.parallel.tasks import PlayedTask, RunAnswer, RunTask
from engine.reproduction.inputs import versions_for
from engine.strategy import Signals

if TYPE_CHECKING:
    from engine.backtest.outcome import Outcome


def run_job(task: RunTask, report: Report) -> RunAnswer:
    """Run one backtest. Raises RunError with the strategy's file and line where its code fails."""
    started = time.monotonic()
    candles, held = task.candles.load(), task.candles.warmup
    if len(candles) <= held:
        raise RunError("the period holds no candle; fetch it or choose another")
    answer = ask_whole(task, report)
    if answer.outcome is None:
        outcome, parts, band = _play_signals(task, answer, report)
    else:
        outcome, parts, band = answer.outcome, _native_parts(task, answer), {}

    from engine.backtest.metrics import compute_metrics
    from engine.backtest.outcome import Walked

    metrics = compute_metrics(outcome, candles.slice(held, None), task.costs, Timeframe(task.timeframe))
    inside = outcome.walked or Walked.nothing()
    return RunAnswer(
        **parts,
        params=answer.params,
        metrics=metrics | band,
        trades=outcome.columns(),
        equity=outcome.equity,
        versions=versions_for({name: source.tobytes() for name, source in answer.sources.items()}),
        sources=answer.sources,
        elapsed_s=time.monotonic() - started,
        walked=inside.walked,
        doubted=inside.doubted,
    )


class Play(Protocol):
    """A simulator over candles and signals."""

    def __call__(self, report: Report, reading: int = DEFAULT) -> Outcome:
        """The run, with ambiguous candles read that way."""


def _play_signals(
    task: RunTask, answer: Answer, report: Report
) -> tuple[Outcome, dict[str, Any], dict[str, float]]:
    engine = choose_engine(task.engine, native=False)
    held, wanted, candles = answer.first, max(task.warmup, 0), answer.candles
    signals = answer.said.signals.slice(held, None)
    play = player(task, engine, candles.slice(held, None), signals, answer.reverse)
    outcome = play(report)
    if task.checks:
        fresh = partial(asking_again, task)
        checks = run_checks(
            fresh, candles, answer.said, held, wanted, answer.own_s, longer_wanted(task.candles)
        )
    else:
        checks = unmade_checks(held, wanted, SWITCHED_OFF)
    columns = {name: column[held:] for name, column in answer.said.indicators.items()}
    for name in LEVELS:  # stops and targets are drawn as well
        prices = getattr(signals, name)
        if name not in columns and not np.isnan(prices).all():
            columns[name] = prices
    acted_on = signals.only(task.costs.side, answer.reverse)
    beyond = limits_beyond(candles.slice(held, None), acted_on)
    parts = {
        "engine": engine,
        "signals": {name: int(column.sum()) for name, column in signals.raw.items()},
        "indicators": columns if task.keep_indicators else None,
        "checks": {**checks, **terms_checks(outcome, beyond)},
    }
    return outcome, parts, _band(play, outcome)


def player(task: PlayedTask, engine: str, candles: Candles, signals: Signals, reverse: bool) -> Play:
    """The simulator of that name over the period."""
    from engine.backtest.metrics import length_ms

    perpetual, length = Perpetual.of_file(task.perpetual), length_ms(candles, Timeframe(task.timeframe))
    detail = None if task.detail is None else Detail.of_file(task.detail, candles.timestamp)
    if engine == REFERENCE:
        return _reference_player(task, candles, signals, reverse, perpetual, length)
    if engine == PLAIN:
        from engine.backtest.plain.simulator import run_plain as run
    else:
        from engine.backtest.kernel.compiled import run_compiled as run

    def play(report: Report, reading: int = DEFAULT) -> Outcome:
        return run(
            candles, signals, task.costs, reverse, report, perpetual=perpetual, reading=reading, timeframe_ms=length,
            detail=detail if reading == DEFAULT else None,
        )  # fmt: skip

    return play


def _reference_player(
    task: PlayedTask,
    candles: Candles,
    signals: Signals,
    reverse: bool,
    perpetual: Perpetual | None,
    length_ms: int,
) -> Play:
    reason = carries(task.costs, perpetual)
    if reason is not None:
        raise RunError(f"{reason}; choose --engine compiled, which the plain simulator checks")

    from engine.backtest.library.reference import run_reference

    return lambda report, _reading=DEFAULT: run_reference(
        candles, signals, task.costs, reverse, report, perpetual=perpetual, timeframe_ms=length_ms
    )


def _band(play: Play, outcome: Outcome) -> dict[str, float]:
    """Lowest and highest final equity over the ways to read ambiguous candles, by finer ones among them; nothing where there
    are none, or where a reading has no end.
    """
    ambiguous, walked = outcome.table.ambiguous, outcome.walked
    if ambiguous is None or not (ambiguous.any() or (walked is not None and walked.settled.any())):
        return {}
    return band_of(outcome.equity, lambda reading: play(ignore_report, reading).equity)


def band_of(equity: Float64Array, read: Callable[[int], Float64Array]) -> dict[str, float]:
    """Lowest and highest final equity: of `equity`, and of what `read` gives by reading; nothing where one has no end."""
    finals = [float(equity[-1])]
    for reading in (AGAINST, IN_FAVOUR):
        try:
            finals.append(float(read(reading)[-1]))
        except RunError:  # flat where the run was not, that reading met a signal that cannot be
            return {}
    return {"equity_low": min(finals), "equity_high": max(finals)}


def terms_checks(outcome: Outcome, beyond: int = 0) -> dict[str, dict[str, Any]]:
    """What protections and leverage did to entries, where they did anything; and how many limits lie `beyond` the market."""
    terms = outcome.terms
    if terms is None:
        return {}
    blocked = {name: count for name, count in zip(BLOCKED, terms.blocked, strict=True) if count}
    changed = {"clipped": terms.clipped, "dropped": terms.dropped} | ({"beyond": beyond} if beyond else {})
    changed |= {name: count for name in _REFUSED if (count := getattr(terms, name))}
    told = [f"{count:,} entries blocked by {name.replace('_', '-')}" for name, count in blocked.items()]
    told += [f"{count:,} entries {_CHANGED[name]}" for name, count in changed.items() if count]
    return (
        {"entries": {"status": "passed", "note": "; ".join(told), "blocked": blocked, **changed}}
        if told
        else {}
    )


_CHANGED: Final = {
    "clipped": "cut to what the leverage allows",
    "dropped": "dropped, as they opened beyond their stop",
    "beyond": "signalled with a limit on the wrong side of the close: it fills at an open",
    "no_volume": "dropped, as nothing was traded before them",
    "below_minimum": "dropped, as the exchange takes no order so small",
    "above_maximum": "cut to the most that the exchange takes",
}
_REFUSED: Final = ("no_volume", "below_minimum", "above_maximum")


def _native_parts(task: RunTask, answer: Answer) -> dict[str, Any]:
    fresh, skipped = partial(asking_again, task), unmade_checks(0, 0, SWITCHED_OFF)
    checks = (
        native_checks(fresh, answer, task.candles.warmup if task.windows else 0) if task.checks else skipped
    )
    return {
        "engine": choose_engine(task.engine, native=True),
        "signals": {},
        "indicators": None,
        "checks": {**checks, "orders": answer.orders},
    }
