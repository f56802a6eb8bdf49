"""Strategies of one column, put to the checks that every run goes through."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from engine.backtest.evaluation import Evaluation, evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.questions import Ask
from engine.checks.lookahead import Fresh
from engine.checks.verdicts import run_checks
from engine.model.market import Candles
from engine.model.reads import Reads, Warmup
from engine.strategy import Strategy
from tests.support.builders import random_candles

HELD: Final = 300
CANDLES: Final = random_candles(1500, 4)
Column = Callable[[pd.DataFrame], Any]


def strategy_of(column: Column, warmup: int = 0) -> type[Strategy]:
    """One drawn column, and entries where it rises above the close."""

    class Mine(Strategy):
        def warmup(self) -> int:
            return warmup

        def indicators(self, candles: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"drawn": np.asarray(column(candles), dtype=float)}, index=candles.index)

        def signals(self, candles: pd.DataFrame, indicators: pd.DataFrame) -> dict[str, Any]:
            drawn = indicators["drawn"]
            return {"signal_up_buy": drawn > drawn.shift(1), "exit_long": drawn < drawn.shift(1)}

    return Mine


Asked = list[tuple[int, int]]


def fresh_of(
    kind: type[Strategy], candles: Candles = CANDLES, path: Path = Path(__file__), asked: Asked | None = None
) -> Fresh:
    """Asks new instances in this very process; `asked` learns the parts."""
    frame = CandleFrame(candles)

    def ask(start: int, stop: int) -> Evaluation:
        if asked is not None:
            asked.append((start, stop))
        return evaluate(kind(), path, frame.part(start, stop))

    @contextmanager
    def fresh(_limit_s: float | None) -> Iterator[Ask]:
        yield ask

    made: Callable[[float | None], AbstractContextManager[Ask]] = fresh
    return made


def whole_of(kind: type[Strategy], candles: Candles = CANDLES, path: Path = Path(__file__)) -> Evaluation:
    return evaluate(kind(), path, CandleFrame(candles))


def wanted_by(kind: type[Strategy]) -> int:
    return Warmup.read(kind().warmup(), Reads()).candles


def checks_of(
    kind: type[Strategy], candles: Candles = CANDLES, held: int = HELD, path: Path = Path(__file__)
) -> dict[str, dict[str, Any]]:
    full = whole_of(kind, candles, path)
    return run_checks(
        fresh_of(kind, candles, path), candles, full, held, wanted_by(kind), own_s=0.01, longer={}
    )
