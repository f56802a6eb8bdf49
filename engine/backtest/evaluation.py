"""Where strategy code is called: its columns over candles, checked before anything believes them.

A strategy gets its candles as lazy copies on read-only memory: whatever it does to them with pandas is its own affair, and
nothing is copied as long as it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from engine.errors import BacktestError, RunError
from engine.loader import located
from engine.model.columns import columns_of, float_column
from engine.model.market import Candles, Float64Array
from engine.model.simulators import MAX_WARMUP
from engine.parallel.seed import seed_random
from engine.strategy import Signals, Strategy


class CandleFrame:
    """Candles as strategies see them: `table` has columns open, high, low, close, volume and a UTC index.

    Make it once and use it for many evaluations; the memory is that of the candles where those are read-only.
    """

    def __init__(self, candles: Candles, table: pd.DataFrame | None = None) -> None:
        self.candles: Final = candles
        self.table: Final = _table(candles) if table is None else table

    def __len__(self) -> int:
        return len(self.candles)

    def copy(self) -> pd.DataFrame:
        """The table for one call of a strategy: a lazy copy."""
        return self.table.copy(deep=False)

    @cached_property
    def arrays(self) -> Mapping[str, Float64Array]:
        """The columns by name, for strategies that want arrays."""
        return {str(name): column.to_numpy() for name, column in self.table.items()}

    def given_to(self, strategy: Strategy) -> Any:
        """What one call of the strategy gets as its candles."""
        return dict(self.arrays) if strategy.arrays else self.copy()

    def part(self, start: int | None, stop: int | None) -> CandleFrame:
        """The candles at positions start..stop, on the same memory."""
        return CandleFrame(self.candles.slice(start, stop), self.table.iloc[start:stop])


def _table(candles: Candles) -> pd.DataFrame:
    index = pd.DatetimeIndex(candles.timestamp.astype("datetime64[ms]"), tz="UTC", name="timestamp")
    columns = {name: _frozen(column) for name, column in candles.columns().items()}
    return pd.DataFrame(columns, index=index, copy=False)


def _frozen(column: Float64Array) -> Float64Array:
    """The column on read-only memory: itself where it was mapped or frozen before, else a copy."""
    column = np.array(column) if column.flags.writeable else np.asarray(column)
    column.flags.writeable = False
    return column.view()


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
    seed_random()  # in a sweep as in a run of its own
    with asking(path, strategy.indicators):
        answer = strategy.indicators(frame.given_to(strategy))
        columns = columns_of(answer, frame.table.index, "indicators")
        indicators = {name: float_column(column, name, "indicators") for name, column in columns.items()}
    _check_usable(indicators, len(frame), held, wanted)
    with asking(path, strategy.signals):
        said = strategy.signals(frame.given_to(strategy), _own_copy(answer) if lasting else answer)
        return Evaluation(indicators, Signals.check(said, frame.table))


def _own_copy(answer: Any) -> Any:
    """The indicators as they are handed to `signals`: what it changes in them changes nothing that was kept."""
    if isinstance(answer, pd.DataFrame):
        return answer.copy(deep=False)
    return {
        name: column.copy() if isinstance(column, np.ndarray) else column.copy(deep=False)
        for name, column in answer.items()
    }


def ask_warmup(strategy: Strategy, path: Path) -> int:
    """How many candles the strategy wants before its period; raises RunError where it cannot say."""
    with asking(path, strategy.warmup):
        warmup: Any = strategy.warmup()
        if isinstance(warmup, bool) or not isinstance(warmup, int) or not 0 <= warmup <= MAX_WARMUP:
            raise RunError(
                f"warmup() must return a whole number of candles from 0 to {MAX_WARMUP:,}, not {warmup!r}"
            )
    return warmup


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
