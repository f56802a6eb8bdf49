"""What an exchange really has of one series: a candle or a hole for every cell, revisions, and an end that may pass."""

from collections.abc import Iterable

import numpy as np

from engine.model.market import Candles, Float64Array, Int64Array, Timeframe

BESIDE_MS = 14_800  # as on 2018-02-09
NEVER = 2**40  # a cell that never comes
PRICE_SCALES = (1e-12, 3.7e-6, 1.0, 41_237.9, 1e9)
VOLUME_SCALES = (1e-3, 1.0, 1e12, 1e18)
Row = tuple[float, float, float, float, float]


class Truth:
    """Cells carry the numbers of their timeframe's grid. Values depend on the seed, the cell and its revision only."""

    def __init__(self, timeframe: Timeframe, seed: int, listed: int) -> None:
        self.timeframe, self.seed, self.listed = timeframe, seed, listed
        self.absent: list[tuple[int, int]] = []  # cells [first, end) without a candle
        self.off_grid: set[int] = set()  # cells whose candle opens beside the grid
        self.revisions: dict[int, int] = {}

    def answers(self, cell: int) -> bool:
        """Whether the exchange has anything for a cell."""
        return cell >= self.listed and not any(first <= cell < end for first, end in self.absent)

    def has(self, cell: int) -> bool:
        """Whether the exchange has a candle that opens where the cell does."""
        return self.answers(cell) and cell not in self.off_grid

    def last_answer(self, now_ms: int) -> int:
        """The newest cell that the exchange has anything for at a time."""
        cell = self.timeframe.index(now_ms)
        if cell in self.off_grid and now_ms < self.timeframe.open_ms(cell) + BESIDE_MS:
            cell -= 1
        while not self.answers(cell):
            cell = min((first for first, end in self.absent if first <= cell < end), default=cell) - 1
        return cell

    def row(self, cell: int) -> Row:
        """Open, high, low, close, volume of a cell."""
        values = self._values(np.array([cell]))
        return tuple(column.item() for column in values)  # type: ignore[return-value]

    def candles(self, end: int) -> Candles:
        """The first candle, and the newest thousand cells to before `end`, as they opened: older ones nobody asks for."""
        recent = np.arange(max(self.listed + 1, end - 1000), end)
        cells = np.concatenate([np.arange(self.listed, min(self.listed + 1, end)), recent])
        keep = np.ones(len(cells), dtype=np.bool_)
        for first, stop in self.absent:
            keep &= (cells < first) | (cells >= stop)
        cells = cells[keep]
        opened = self._opens(cells)
        beside = np.isin(cells, list(self.off_grid))
        return Candles(opened + np.where(beside, BESIDE_MS, 0), *self._values(cells))

    def _opens(self, cells: Int64Array) -> Int64Array:
        if self.timeframe.name == "1M":
            return cells.astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64)
        start, step = self.timeframe.open_ms(0), self.timeframe.open_ms(1) - self.timeframe.open_ms(0)
        return start + cells * step

    def _values(self, cells: Int64Array) -> list[Float64Array]:
        revisions = (
            np.array([self.revisions.get(cell, 0) for cell in cells.tolist()]) if self.revisions else 0
        )
        draw = [_uniform(cells, np.int64(self.seed * 7 + column) + 1000 * revisions) for column in range(5)]
        scale = PRICE_SCALES[self.seed % len(PRICE_SCALES)]
        open_, close = scale * (1 + draw[0]), scale * (1 + draw[1])
        high, low = np.maximum(open_, close) * (1 + draw[2]), np.minimum(open_, close) * (1 - draw[3] / 2)
        return [open_, high, low, close, VOLUME_SCALES[self.seed % len(VOLUME_SCALES)] * draw[4]]


def _uniform(cells: Int64Array, salt: Int64Array | np.int64) -> Float64Array:
    """Repeatable numbers in [0, 1): splitmix64."""
    with np.errstate(over="ignore"):
        x = cells.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.asarray(salt).astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def runs(cells: Iterable[int]) -> list[tuple[int, int]]:
    """Cells as maximal runs [first, end)."""
    found: list[tuple[int, int]] = []
    for cell in sorted(cells):
        if found and found[-1][1] == cell:
            found[-1] = (found[-1][0], cell + 1)
        else:
            found.append((cell, cell + 1))
    return found
