"""Charts of a report as SVG: no script, colours by class, as many points as there are pixels however long a run is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from engine.model.market import Candles, Float64Array, Int64Array
from engine.model.trade import Trade

WIDTH: Final = 1200
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 40, 10, 24
_MOST_CANDLES: Final = 400  # more are drawn as the band between high and low
_MOST_LINKS: Final = 1000  # lines from entry to exit
_BUCKETS: Final = 1100
_TIME_STEPS: Final = (
    ("m", 5), ("m", 15), ("h", 1), ("h", 3), ("h", 6), ("h", 12), ("D", 1), ("D", 2), ("D", 7), ("D", 14), ("M", 1),
    ("M", 2), ("M", 3), ("M", 6), ("Y", 1), ("Y", 2), ("Y", 5), ("Y", 10), ("Y", 25),
)  # fmt: skip
_MOST_TIMES: Final = 10
_ABOUT_MS: Final = {"m": 6e4, "h": 3.6e6, "D": 8.64e7, "M": 2.6e9, "Y": 3.15e10}


@dataclass(frozen=True, slots=True)
class Frame:
    """Where times (ms) and values are drawn."""

    start: float
    end: float
    low: float
    high: float
    height: int

    @classmethod
    def over(cls, time: Int64Array, values: Iterable[Float64Array], height: int) -> Frame:
        """Room for all of these values over these times, and a little more."""
        arrays = [array[np.isfinite(array)] for array in values]
        known = np.concatenate(arrays) if arrays else np.zeros(0)
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        room = (high - low) * 0.04 or abs(high) * 0.01 or 1.0
        start, end = float(time[0]), float(time[-1])
        return cls(start, end if end > start else start + 1.0, low - room, high + room, height)

    def x(self, time: Int64Array) -> Float64Array:
        """Pixels from the left, (n,)."""
        across = (time.astype(np.float64) - self.start) / (self.end - self.start)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT)

    def y(self, values: Float64Array) -> Float64Array:
        """Pixels from the top, (n,)."""
        up = (np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low)
        return self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM)


def envelope(time: Int64Array, values: Float64Array) -> tuple[Int64Array, Float64Array]:
    """At most two points a pixel: the smallest and the largest of each bucket, in the order they came; the last one."""
    n = len(values)
    if n <= 2 * _BUCKETS:
        return time, values
    step = -(-n // _BUCKETS)
    whole = n // step * step
    rows = values[:whole].reshape(-1, step)
    offsets = np.arange(0, whole, step)
    places = np.sort(np.stack([rows.argmin(1) + offsets, rows.argmax(1) + offsets], 1), 1).ravel()
    rest = np.arange(whole, n)
    tail = [int(rest[values[whole:].argmin()]), int(rest[values[whole:].argmax()])] if len(rest) else []
    kept = np.unique(np.concatenate([places, np.array([*tail, n - 1], dtype=np.int64)]))
    return time[kept], values[kept]


def line(frame: Frame, time: Int64Array, values: Float64Array, css: str) -> str:
    """A curve."""
    return f'<path class="{css}" d="{_path(frame, *envelope(time, values))}"/>'


def area(frame: Frame, time: Int64Array, values: Float64Array, css: str) -> str:
    """A curve filled up to zero."""
    time, values = envelope(time, values)
    zero = float(frame.y(np.zeros(1))[0])
    ends = frame.x(time[[0, -1]])
    return f'<path class="{css}" d="{_path(frame, time, values)}L{ends[1]:.1f} {zero:.1f}L{ends[0]:.1f} {zero:.1f}Z"/>'


def _path(frame: Frame, time: Int64Array, values: Float64Array) -> str:
    points = zip(frame.x(time).tolist(), frame.y(values).tolist(), strict=True)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def candles_of(frame: Frame, candles: Candles) -> str:
    """Candles where they have room, else the band between high and low and the close."""
    if len(candles) > _MOST_CANDLES:
        return _band(frame, candles)
    x = frame.x(candles.timestamp).tolist()
    half = min(5.0, (WIDTH - _LEFT - _RIGHT) / len(candles) * 0.35)
    levels = [frame.y(column).tolist() for column in (candles.open, candles.high, candles.low, candles.close)]
    paths: dict[bool, list[str]] = {True: [], False: []}
    for at, opened, high, low, close in zip(x, *levels, strict=True):
        tall = max(abs(close - opened), 0.6)
        body = f"M{at - half:.1f} {min(opened, close):.1f}h{2 * half:.1f}v{tall:.1f}h{-2 * half:.1f}z"
        paths[close <= opened].append(f"M{at:.1f} {high:.1f}V{low:.1f}{body}")
    return "".join(
        f'<path class="{"up" if rose else "down"}" d="{"".join(found)}"/>'
        for rose, found in paths.items()
        if found
    )


def _band(frame: Frame, candles: Candles) -> str:
    step = max(1, -(-len(candles) // _BUCKETS))
    starts = np.arange(0, len(candles), step)
    high, low = np.maximum.reduceat(candles.high, starts), np.minimum.reduceat(candles.low, starts)
    time = candles.timestamp[starts]
    there = _path(frame, time, high)
    back = _path(frame, time[::-1], low[::-1]).replace("M", "L", 1)
    return f'<path class="band" d="{there}{back}Z"/>' + line(frame, candles.timestamp, candles.close, "close")


def marks_of(frame: Frame, trades: Sequence[Trade]) -> str:
    """Entries as triangles, exits as crosses, up to a thousand trades joined by a line that is dashed where they lost; no
    two marks of a kind on the same pixel.
    """
    if not trades:
        return ""
    entry, exit_ = (
        np.array([getattr(one, f"{end}_time") for one in trades], dtype=np.int64) for end in ("entry", "exit")
    )
    entered, left = (np.array([getattr(one, f"{end}_price") for one in trades]) for end in ("entry", "exit"))
    long = np.array([one.side == "long" for one in trades])
    won = np.array([one.pnl > 0 for one in trades])
    begin, end = (frame.x(entry), frame.y(entered)), (frame.x(exit_), frame.y(left))
    parts = []
    if len(trades) <= _MOST_LINKS:
        parts = [
            f'<path class="{css}" d="{_links(begin, end, wanted)}"/>'
            for css, wanted in (("won", won), ("lost", ~won))
            if wanted.any()
        ]
    shapes = (
        ("long", begin, long, "l-4 8h8z"),
        ("short", begin, ~long, "l-4 -8h8z"),
        ("exit", end, long | ~long, ""),
    )
    return "".join([*parts, *(_marks(css, *where, wanted, shape) for css, where, wanted, shape in shapes)])


def _links(
    begin: tuple[Float64Array, Float64Array], end: tuple[Float64Array, Float64Array], wanted: np.ndarray
) -> str:
    rows = np.stack([*begin, *end], 1)[wanted].tolist()
    return "".join(f"M{x:.1f} {y:.1f}L{to:.1f} {down:.1f}" for x, y, to, down in rows)


def _marks(css: str, x: Float64Array, y: Float64Array, wanted: np.ndarray, shape: str) -> str:
    places = {(round(at), round(down / 4)): (at, down) for at, down in np.stack([x, y], 1)[wanted].tolist()}
    cross = "m-3 -3l6 6m0 -6l-6 6"
    drawn = "".join(f"M{at:.1f} {down:.1f}{shape or cross}" for at, down in places.values())
    return f'<path class="{css}" d="{drawn}"/>' if drawn else ""


def chart(frame: Frame, parts: Iterable[str], label: str, unit: str) -> str:
    """The drawing with its axes; `label` tells people who cannot see it what it shows. A narrow page scrolls it."""
    return (
        f'<div class="scroll"><svg viewBox="0 0 {WIDTH} {frame.height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(_grid(frame, unit))}{''.join(parts)}</svg></div>"
    )


def _grid(frame: Frame, unit: str) -> Iterator[str]:
    for value in _levels(frame.low, frame.high):
        y = float(frame.y(np.array([value]))[0])
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
        yield f'<text class="level" x="{_LEFT - 6}" y="{y + 4:.1f}">{_short(value)}{escape(unit)}</text>'
    times, pattern = _times(frame.start, frame.end)
    for time, x in zip(times, frame.x(times.astype(np.int64)).tolist(), strict=True):
        words = np.datetime_as_string(time.astype("datetime64[m]"))
        text = str(words)[pattern].replace("T", " ")
        yield f'<path class="grid" d="M{x:.1f} {_TOP}V{frame.height - _BOTTOM}"/>'
        yield f'<text class="time" x="{x:.1f}" y="{frame.height - 7}">{text}</text>'


def _levels(low: float, high: float) -> list[float]:
    """Round values, four to eight of them."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _times(start: float, end: float) -> tuple[np.ndarray, slice]:
    """Round times, as many as have room, and which characters of an ISO time tell them apart."""
    room = (end - start) / _MOST_TIMES
    for unit, step in (
        one for one in _TIME_STEPS if one[1] * _ABOUT_MS[one[0]] * 1.5 > room or one == _TIME_STEPS[-1]
    ):
        first, last = (np.datetime64(round(ms), "ms").astype(f"datetime64[{unit}]") for ms in (start, end))
        numbers = np.arange(first.astype(np.int64), last.astype(np.int64) + 1)
        found = numbers[numbers % step == 0].astype(f"datetime64[{unit}]").astype("datetime64[ms]")
        inside = found[(found.astype(np.int64) >= start) & (found.astype(np.int64) <= end)]
        if len(inside) <= _MOST_TIMES:
            break
    short = {"m": slice(5, 16), "h": slice(5, 16), "D": slice(0, 10), "M": slice(0, 7), "Y": slice(0, 4)}
    return inside, short[unit]


def _short(value: float) -> str:
    for limit, sign in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / limit * (10 if sign == 'k' else 1):,.4g} {sign}"
    return f"{value:,.6g}"
