"""What is asked of a strategy: each question is answered in a process of its own, in plain data.

The worker, which calls the public functions, executes no line of a plug-in file: what a strategy does to libraries, to this
program or to its own memory reaches neither another run nor what is computed of its answers.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.backtest.evaluation import Evaluation, ask_warmup, asking, evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.outcome import Outcome, Terms, TradeTable
from engine.backtest.perpetual import Perpetual
from engine.backtest.rules import Report
from engine.backtest.stitching import evaluate_windows
from engine.errors import RunError
from engine.loader import LoadedStrategy, open_strategy, strategy_process
from engine.loader.class_variables import native_params
from engine.model.market import Candles
from engine.model.orders import Orders
from engine.model.parameters import complete
from engine.model.reads import Reads, Warmup
from engine.parallel.isolated import in_worker
from engine.parallel.seed import seed_random
from engine.parallel.tasks import StrategyTask
from engine.strategy import Signals, Strategy

Ask = Callable[[int, int], Evaluation]  # for the candles at positions start..stop; raises RunError
_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a strategy says over the candles of a task, with its warm-up; a native one over those of the period alone.

    `candles` are the ones it was asked about, `first` is the position of its first decision. `outcome` and `orders`: what a
    native strategy made of its account, None of one that only gives signals.
    """

    said: Evaluation
    candles: Candles
    first: int
    reverse: bool
    params: Mapping[str, Any]
    sources: Mapping[str, npt.NDArray[np.uint8]]
    own_s: float
    outcome: Outcome | None = None
    orders: Mapping[str, Any] | None = None


def ask_whole(task: StrategyTask, report: Report) -> Answer:
    """A strategy's answer over all candles of a task."""
    with strategy_process(task.strategy) as process:
        answer = process.call(_whole, task, report=report)
    said, candles, trades = _evaluation(answer.pop("said")), task.candles.load(), answer.pop("trades", None)
    if trades is None:
        return Answer(said, candles, **answer)
    table = TradeTable(**trades | {"names": tuple(trades["names"])})
    terms = answer.pop("terms")
    known = None if terms is None else Terms(**terms | {"blocked": tuple(terms["blocked"])})
    outcome = Outcome(table, answer.pop("equity"), answer.pop("shortfall"), terms=known)
    return Answer(said, _period(task, candles), outcome=outcome, **answer)


@contextmanager
def asking_again(task: StrategyTask, timeout_s: float | None = None) -> Iterator[Ask]:
    """A fresh process that is asked for one part of the candles after another, and may remember what it was asked before."""
    number = next(_numbers)
    with strategy_process(task.strategy, timeout_s) as process:
        try:
            yield lambda start, stop: _evaluation(process.call(_part, number, task, start, stop))
        finally:
            if not in_worker():  # it was this very process, which lives on
                _close()


def ask_preparation(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """`{params, warmup, reads}` of a strategy, every parameter checked and complete. A native one needs nothing of ours.

    Raises InputError for a parameter that it refuses.
    """
    with strategy_process(path) as process:
        answer: dict[str, Any] = process.call(_preparation, path, dict(params))
        return answer


# -- in the process of the strategy


def _whole(task: StrategyTask, report: Report) -> dict[str, Any]:
    candles, path = task.candles.load(), task.strategy
    with open_strategy(path) as loaded:
        if issubclass(loaded.strategy, Strategy):
            answer = _signals(task, loaded, candles)
        else:
            answer = _native(task, loaded, candles, report)
        return answer | {"sources": loaded.executed()}


def _signals(task: StrategyTask, loaded: LoadedStrategy, candles: Candles) -> dict[str, Any]:
    path, started = task.strategy, time.monotonic()
    held, wanted = task.candles.warmup, max(task.warmup, 0)
    frame, params = CandleFrame.of(task.candles, candles), {}
    if task.windows:
        said, reverse = evaluate_windows(loaded.strategy, task.windows, path, frame, held=held, wanted=wanted)
    else:
        strategy: Strategy = loaded.strategy(task.params)
        said, reverse, params = (
            evaluate(strategy, path, frame, held=held, wanted=wanted),
            bool(strategy.reverse),
            strategy.values(),
        )
    return {
        "said": _plain(said),
        "first": held,
        "reverse": reverse,
        "params": params,
        "own_s": time.monotonic() - started,
    }


def _native(task: StrategyTask, loaded: LoadedStrategy, candles: Candles, report: Report) -> dict[str, Any]:
    from engine.backtest.library.native import play_native, said_by
    from engine.backtest.library.native_windows import play_windows

    started, known = time.monotonic(), native_params(loaded.strategy)
    params = {} if task.windows else complete(known, task.params)
    period, perpetual = _period(task, candles), Perpetual.of_file(task.perpetual)
    seed_random()  # as in every evaluation: what the file drew while it was executed is another matter
    with asking(task.strategy):
        if task.windows:
            run = play_windows(
                candles, loaded.strategy, task.windows, task.costs, report, perpetual, task.candles.warmup
            )
        else:
            run = play_native(period, loaded.strategy, params, task.costs, report, perpetual)
    outcome = run.outcome
    return {
        "said": _plain(said_by(run)),
        "first": run.first,
        "reverse": False,
        "params": params,
        "own_s": time.monotonic() - started,
        "trades": {field.name: getattr(outcome.table, field.name) for field in fields(outcome.table)},
        "equity": outcome.equity,
        "shortfall": outcome.shortfall,
        "terms": None
        if outcome.terms is None
        else {field.name: getattr(outcome.terms, field.name) for field in fields(outcome.terms)},
        "orders": run.orders_check(),
    }


def _period(task: StrategyTask, candles: Candles) -> Candles:
    return candles.slice(task.candles.warmup, None)


def _preparation(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    with open_strategy(path) as loaded:
        if not issubclass(loaded.strategy, Strategy):
            nothing = {"warmup": Warmup().to_json(), "reads": Reads().to_json()}
            return {"params": complete(native_params(loaded.strategy), params), **nothing}
        strategy: Strategy = loaded.strategy(params)
        return {
            "params": strategy.values(),
            "warmup": ask_warmup(strategy, path).to_json(),
            "reads": Reads.declared(loaded.strategy).to_json(),
        }


class _Asked:
    """A strategy that is asked more than once: its file is executed once, each answer comes from a new instance."""

    def __init__(self, task: StrategyTask) -> None:
        self.stack = ExitStack()
        self._task, self._path = task, task.strategy
        self._kind = self.stack.enter_context(open_strategy(self._path)).strategy
        self._native = not issubclass(self._kind, Strategy)
        candles = task.candles.load()
        self._candles = candles
        if self._native:
            self._frame = CandleFrame(_period(task, candles))
        else:
            self._frame = CandleFrame.of(task.candles, candles)

    def part(self, start: int, stop: int) -> Evaluation:
        """What it says of these candles alone."""
        part, params = self._frame.part(start, stop), self._task.params
        if not self._native:
            if self._task.windows:
                return evaluate_windows(self._kind, self._task.windows, self._path, part)[0]
            return evaluate(self._kind(params), self._path, part)

        from engine.backtest.library.native import ask_native
        from engine.backtest.library.native_windows import ask_windows

        perpetual = Perpetual.of_file(self._task.perpetual)
        cut = None if perpetual is None else perpetual.slice(start, stop)
        if self._task.windows:
            held = self._task.candles.warmup
            seen = self._candles.slice(start, held + stop)
            return ask_windows(seen, self._kind, self._task.windows, self._task.costs, self._path, cut, held)
        known = complete(native_params(self._kind), params)
        return ask_native(part.candles, self._kind, known, self._task.costs, self._path, cut)


_asked: Final[dict[int, _Asked]] = {}


def _part(number: int, task: StrategyTask, start: int, stop: int) -> dict[str, Any]:
    if number not in _asked:
        _close()
        _asked[number] = _Asked(task)
    return _plain(_asked[number].part(start, stop))


def _close() -> None:
    while _asked:
        _asked.popitem()[1].stack.close()


# -- an evaluation on its way


def _plain(said: Evaluation) -> dict[str, Any]:
    signals = said.signals
    return {
        "indicators": dict(said.indicators),
        **plain_signals(signals),
        "acts": None
        if signals.raw
        else signals.entry,  # of a native strategy, which has no columns of signals
        "candles": len(signals.entry),
    }


def plain_signals(signals: Signals) -> dict[str, Any]:
    """`{raw, prices, orders}`: signals as they cross borders; a price that is never given is None."""
    prices = {"stop_loss": signals.stop_loss, "take_profit": signals.take_profit}
    return {
        "raw": dict(signals.raw),
        "prices": {name: None if np.isnan(column).all() else column for name, column in prices.items()},
        "orders": None if signals.orders is None else signals.orders.plain(),
    }


def signals_of(
    raw: Mapping[str, Any], prices: Mapping[str, Any], orders: Mapping[str, Any] | None, n: int
) -> Signals:
    """What `plain_signals` made of signals over n candles."""
    given = (prices[name] for name in ("stop_loss", "take_profit"))
    stop, target = (np.full(n, np.nan) if column is None else column for column in given)
    return Signals.of(raw, stop, target, None if orders is None else Orders.of_plain(orders, n))


def _evaluation(plain: Mapping[str, Any]) -> Evaluation:
    n = plain["candles"]
    columns = {**plain["indicators"], **plain["raw"], **plain["prices"], "acts": plain["acts"]}
    if any(column is not None and column.shape != (n,) for column in columns.values()):
        raise RunError("the strategy's process answered in columns of other lengths than its candles")
    signals = signals_of(plain["raw"], plain["prices"], plain["orders"], n)
    if plain["acts"] is not None:
        signals = replace(signals, entry=plain["acts"])
    return Evaluation(plain["indicators"], signals)
