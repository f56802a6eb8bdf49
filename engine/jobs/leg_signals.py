"""What the strategy of a leg says with one set of parameters after another, asked in the process of the leg.

Each is asked over the candles that a portfolio with these parameters would load, its own warm-up in front and no more: so a
trial says what `leg_job` says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from engine.backtest.evaluation import Evaluation, ask_warmup, evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.questions import plain_signals
from engine.backtest.rules import Report
from engine.errors import BacktestError, RunError
from engine.indicators.memory import Memory
from engine.jobs.trials import check_warmup, made_strategy
from engine.loader import open_strategy
from engine.model.market import CandleFile, Timeframe
from engine.model.parameters import ParamValue
from engine.model.reads import OWN, Reads, Warmup, warmup_start
from engine.parallel.portfolio_tasks import SweptLeg
from engine.strategy import Strategy

MOST_FRAMES: Final = 16  # of candles with a warm-up of one length, each with what was computed on them


def leg_signals(
    leg: SweptLeg, combinations: Sequence[Mapping[str, ParamValue]], memory_bytes: int, report: Report
) -> dict[str, Any]:
    """`{said, sources}`: of each combination what `plain_signals` makes of it with `rank` and `reverse`, or `{error}`, a
    line; and the leg's files as they were executed. Raises StrategyError when the file does not load,
    RunError for a native one.
    """
    with open_strategy(leg.strategy) as loaded:
        if not issubclass(loaded.strategy, Strategy):
            raise RunError("a backtesting.Strategy trades an account of its own and cannot be a leg")
        said = []
        for done, params in enumerate(combinations):
            try:
                said.append(_said(leg, loaded.strategy, params, memory_bytes))
            except BacktestError as error:
                said.append({"error": str(error)})
            report(done + 1, len(combinations), f"parameters of leg {leg.name}")
        return {"said": said, "sources": loaded.executed()}


def _said(
    leg: SweptLeg, kind: type[Strategy], params: Mapping[str, ParamValue], memory_bytes: int
) -> dict[str, Any]:
    strategy = made_strategy(kind, params, leg.strategy)
    asked, reads = ask_warmup(strategy, leg.strategy), Reads.declared(kind)
    check_warmup(asked, leg)
    file = own_candles(leg, asked, reads)
    frame, memory = _frame(leg, file, memory_bytes)
    held, wanted = file.warmup, asked.building(reads, Timeframe(leg.timeframe))
    with memory.used():
        said = evaluate(strategy, leg.strategy, frame, held=held, wanted=wanted, lasting=leg.rank is not None)
    return {
        **plain_signals(said.signals.slice(held, None)),
        "rank": None if leg.rank is None else ranked(leg.rank, said, held),
        "reverse": bool(strategy.reverse),
    }


def ranked(name: str, said: Evaluation, first: int) -> Any:
    """The column of the indicators that says who comes first, from the first decision on, float64 (n,)."""
    columns = said.indicators
    if name not in columns:
        known = ", ".join(columns) or "none"
        raise RunError(f"rank names the column {name!r}, which indicators() does not give; it gives: {known}")
    return columns[name][first:]


def own_candles(leg: SweptLeg, asked: Warmup, reads: Reads) -> CandleFile:
    """Of a leg's candles, and of what is read beside them, what a run that asks for that warm-up would load."""
    base = Timeframe(leg.timeframe)
    own = asked.building(reads, base)
    beside = []
    for side, start_ms in zip(leg.candles.beside, leg.sides_ms, strict=True):
        wanted = own if side.timeframe == OWN else asked.of(side.timeframe)
        candle = base if side.timeframe == OWN else Timeframe(side.timeframe)
        file = None if side.candles is None else _later(side.candles, candle, start_ms, wanted)
        beside.append(replace(side, wanted=wanted, candles=file))
    return replace(_later(leg.candles, base, leg.start_ms, own), beside=tuple(beside))


def _later(file: CandleFile, timeframe: Timeframe, start_ms: int, wanted: int) -> CandleFile:
    """The same without what lies before so many candles of warm-up."""
    times = _whole(file).candles.timestamp
    begin = int(np.searchsorted(times, warmup_start(timeframe, start_ms, wanted)))
    left = min(begin, file.warmup)
    return replace(file, warmup=file.warmup - left, first=(file.first or 0) + left)


@lru_cache(maxsize=MOST_FRAMES)
def _whole(file: CandleFile) -> CandleFrame:
    """All that was loaded of a series: what is asked of a part of it looks at the same memory."""
    return CandleFrame(file.load())


_frames: Final[OrderedDict[CandleFile, tuple[CandleFrame, Memory]]] = OrderedDict()


def _frame(leg: SweptLeg, file: CandleFile, memory_bytes: int) -> tuple[CandleFrame, Memory]:
    """The candles of a file, which are the last of the leg's own."""
    if file not in _frames:
        begin = (file.first or 0) - (leg.candles.first or 0)
        frame = CandleFrame.of(file) if file.beside else _whole(leg.candles).part(begin, None)
        _frames[file] = frame, frame.memory(memory_bytes // MOST_FRAMES)
        while len(_frames) > MOST_FRAMES:
            _frames.popitem(last=False)
    _frames.move_to_end(file)
    return _frames[file]
