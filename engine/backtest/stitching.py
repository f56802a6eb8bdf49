"""What a strategy says when its parameters change with time: each window's columns from its own, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.backtest.evaluation import Evaluation, asking, evaluate
from engine.backtest.frame import CandleFrame
from engine.errors import RunError
from engine.model.market import Candles, Float64Array
from engine.model.orders import ORDER_COLUMNS, Orders
from engine.model.window_params import WindowParams
from engine.strategy import Signals, Strategy

Span = tuple[int, int]  # positions start..stop
_NO_ORDERS: Final = Orders(
    np.full(len(ORDER_COLUMNS), np.nan),
    np.empty((0, 0)),
    np.full(len(ORDER_COLUMNS), -1, dtype=np.int64),
    (),
    np.zeros(0, dtype=np.int16),
)


def ruled_spans(windows: Sequence[WindowParams], candles: Candles) -> list[tuple[WindowParams, Span]]:
    """Which candles each of the windows rules, those that rule none left out; the first rules all before it too."""
    starts = np.searchsorted(candles.timestamp, [window.start_ms for window in windows[1:]]).tolist()
    bounds = pairwise([0, *starts, len(candles)])
    return [(window, span) for window, span in zip(windows, bounds, strict=True) if span[0] < span[1]]


def evaluate_windows(
    kind: type[Strategy],
    windows: Sequence[WindowParams],
    path: Path,
    frame: CandleFrame,
    *,
    held: int = 0,
    wanted: int = 0,
) -> tuple[Evaluation, bool]:
    """What a strategy says with the parameters of each window over its candles, having seen all before them; and whether
    it reverses. Raises RunError as `evaluate`, and where its windows do not go together.
    """
    said: list[tuple[Evaluation, Span]] = []
    known: dict[str, Evaluation] = {}
    turns = set()
    for window, span in ruled_spans(windows, frame.candles):
        with asking(path):
            strategy = kind(window.params)
        turns.add(bool(strategy.reverse))
        key = repr(sorted(window.params.items()))
        if key not in known:
            known[key] = evaluate(strategy, path, frame, held=held, wanted=wanted)
        said.append((known[key], span))
    if len(turns) > 1:
        raise RunError("`reverse` is not the same in all windows: a run has one for all of its candles")
    return stitched(said), turns.pop()


def stitched(said: Sequence[tuple[Evaluation, Span]]) -> Evaluation:
    """The candles of each span as that evaluation has them; the spans follow each other.

    What only some of them say is empty in the others. Raises RunError where they name signals in different orders.
    """
    if len({id(evaluation) for evaluation, _ in said}) == 1:
        return said[0][0]
    parts = [(one.signals.slice(*span), span[1] - span[0]) for one, span in said]
    raw = {
        name: _joined([(part.raw.get(name), n) for part, n in parts], np.False_)
        for name in _in_order([list(part.raw) for part, _ in parts])
    }
    stop, target = (
        np.concatenate([getattr(part, name) for part, _ in parts]) for name in ("stop_loss", "take_profit")
    )
    orders = [(part.orders or _NO_ORDERS, n) for part, n in parts]
    signals = Signals.of(
        raw, stop, target, _stitched_orders(orders) if any(p.orders for p, _ in parts) else None
    )
    names = dict.fromkeys(name for one, _ in said for name in one.indicators)
    return Evaluation(
        {
            name: _joined([(_cut(one.indicators.get(name), span), span[1] - span[0]) for one, span in said], np.nan)
            for name in names
        },
        signals,
    )  # fmt: skip


def _in_order(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names, each list in the order of the whole: earlier signals win. Raises RunError where no order is that of all."""
    left = [list(one) for one in dict.fromkeys(map(tuple, lists))]
    names = dict.fromkeys(name for one in left for name in one)
    found: list[str] = []
    while names:
        first = next((name for name in names if all(one[0] == name for one in left if name in one)), None)
        if first is None:
            raise RunError(
                "the order of signals() columns changes with the parameters: which of them wins is not clear"
            )
        found.append(first)
        del names[first]
        left = [[name for name in one if name != first] for one in left]
    return found


def _cut(column: Float64Array | None, span: Span) -> Float64Array | None:
    return None if column is None else column[span[0] : span[1]]


def _joined(parts: Sequence[tuple[npt.NDArray[Any] | None, int]], empty: Any) -> npt.NDArray[Any]:
    return np.concatenate([np.full(n, empty) if part is None else part for part, n in parts])


def _stitched_orders(parts: Sequence[tuple[Orders, int]]) -> Orders:
    """Orders of consecutive candles: a number stays one where it is the same for all."""
    fixed, rows = np.full(len(ORDER_COLUMNS), np.nan), np.full(len(ORDER_COLUMNS), -1, dtype=np.int64)
    columns: list[Float64Array] = []
    for k in range(len(ORDER_COLUMNS)):
        numbers = np.array([part.fixed[k] for part, _ in parts])
        alike = np.array_equal(numbers, np.full(len(parts), numbers[0]), equal_nan=True)
        if alike and all(part.rows[k] < 0 for part, _ in parts):
            fixed[k] = numbers[0]
            continue
        rows[k] = len(columns)
        columns.append(
            np.concatenate(
                [part.columns[part.rows[k]] if part.rows[k] >= 0 else np.full(n, part.fixed[k]) for part, n in parts]
            )
        )  # fmt: skip
    n = sum(n for _, n in parts)
    names = _in_order([part.add_names for part, _ in parts])
    adds = np.concatenate([_renamed(part, names, n) for part, n in parts])
    return Orders(fixed, np.stack(columns) if columns else np.empty((0, n)), rows, tuple(names), adds)


def _renamed(part: Orders, names: Sequence[str], n: int) -> npt.NDArray[np.int16]:
    """What adds, with the numbers that `names` give it."""
    if not part.add_names:
        return np.zeros(n, dtype=np.int16)
    numbers = np.array([0, *(names.index(name) + 1 for name in part.add_names)])
    renamed: npt.NDArray[np.int16] = (np.sign(part.add) * numbers[np.abs(part.add)]).astype(np.int16)
    return renamed
