"""Strategies of one column, put to the checks that every run goes through."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from engine.backtest.checks import run_checks
from engine.backtest.evaluation import CandleFrame, Evaluation, evaluate
from engine.market import Candles
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


def checks_of(
    kind: type[Strategy], candles: Candles = CANDLES, held: int = HELD, path: Path = Path(__file__)
) -> dict[str, dict[str, Any]]:
    frame = CandleFrame(candles)

    def ask(part: CandleFrame) -> Evaluation:
        return evaluate(kind(), path, part)

    return run_checks(ask, frame, ask(frame), held, kind().warmup(), own_s=0.01)
