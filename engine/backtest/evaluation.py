"""Where strategy code is called: its columns over candles, checked before anything believes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.backtest.frame import CandleFrame
from engine.errors import BacktestError, RunError
from engine.loader import located
from engine.model.columns import columns_of, float_column
from engine.model.market import Float64Array
from engine.model.reads import Reads, Warmup
from engine.parallel.seed import seed_random
from engine.strategy import Signals, Strategy, reading


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a strategy says over n candles: `indicators` by name, each float64 (n,), and its checked signals."""

    indicators: Mapping[str, Float64Array]
    signals: Signals


def evaluate(
    strategy: Strategy,
    path: Path,
    frame: CandleFrame,
    *,
    held: int = 0,
    wanted: int = 0,
    lasting: bool = True,
) -> Evaluation:
    """Ask a strategy (of the plug-in file `path`) for its indicators and signals over all candles of `frame`.

    Raises RunError with file and line where its code fails or gives what cannot be used; also where it could see nothing
    because only `held` of the `wanted` warm-up candles lie before its period. Not `lasting`: nobody looks at the indicators
    afterwards, so `signals` may get them themselves.
    """
    if frame.reading is not None:
        with reading(frame.reading):
            return _evaluated(strategy, path, frame, held, wanted, lasting)
    return _evaluated(strategy, path, frame, held, wanted, lasting)


def _evaluated(
    strategy: Strategy, path: Path, frame: CandleFrame, held: int, wanted: int, lasting: bool
) -> Evaluation:
    seed_random()  # in a sweep as in a run of its own
    arrays = bool(strategy.arrays)
    with asking(path, strategy.indicators):
        answer = strategy.indicators(frame.given(arrays=arrays))
        columns = columns_of(answer, frame.table.index, "indicators")
        indicators = {name: float_column(column, name, "indicators") for name, column in columns.items()}
    _check_usable(indicators, len(frame), held, wanted)
    with asking(path, strategy.signals):
        said = strategy.signals(frame.given(arrays=arrays), _own_copy(answer) if lasting else answer)
        return Evaluation(indicators, Signals.check(said, frame.table))


def _own_copy(answer: Any) -> Any:
    """The indicators as they are handed to `signals`: what it changes in them changes nothing that was kept."""
    if isinstance(answer, pd.DataFrame):
        return answer.copy(deep=False)
    return {
        name: column.copy() if isinstance(column, np.ndarray) else column.copy(deep=False)
        for name, column in answer.items()
    }


def ask_warmup(strategy: Strategy, path: Path) -> Warmup:
    """How many candles the strategy wants before its period; raises RunError where it cannot say."""
    with asking(path, strategy.warmup):
        said = strategy.warmup()
        return Warmup.read(said, None if type(said) is int else Reads.declared(type(strategy)))


@contextmanager
def asking(path: Path, method: Any = None) -> Iterator[None]:
    """Strategy code runs in here: what it raises becomes a RunError with the place in its file.

    An answer that cannot be used is our own error: it points at the `method` that gave it.
    """
    try:
        yield
    except RunError as error:
        code = getattr(getattr(method, "__func__", None), "__code__", None)
        line = code.co_firstlineno if code and code.co_filename == str(path.absolute()) else None
        raise RunError(located(error, path, line)) from error
    except (BacktestError, MemoryError):
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise RunError(located(error, path) + _advice(error)) from error


def _advice(error: BaseException) -> str:
    if isinstance(error, ValueError) and "read-only" in str(error):
        return "; candles and indicators are shared: change a copy, for example column.to_numpy(copy=True)"
    return ""


def _check_usable(indicators: Mapping[str, Float64Array], candles: int, held: int, wanted: int) -> None:
    """Refuse a run whose strategy could see nothing because too few candles exist. A column may be empty for its own
    reasons: with enough candles that is the strategy's affair.
    """
    if held >= wanted:
        return
    empty = [name for name, column in indicators.items() if np.isnan(column[held:]).all()]
    if empty and (len(empty) == len(indicators) or candles < wanted):
        raise RunError(
            f"no candle of the period has usable values: {', '.join(empty)} would be empty; "
            f"the strategy wants {wanted} candles before its period, {held} are held, the period has {candles - held}"
        )
