"""What the chart says in words, as rich text: the candle under the crosshair, a hole, a trade."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from desktop.charts.timeframes import Joined
from desktop.tables import formats
from desktop.theme.colours import Theme
from engine.model.market import Candles, parse_time
from engine.model.run import RunResult
from engine.model.trade import Fill, Trade

MOST_FILLS: Final = 10  # of one trade that are told
_GAP: Final = " &nbsp;"


def candle_text(candles: Candles, position: int, digits: int, theme: Theme) -> str:
    """Time, prices, change and volume of a candle."""
    opened, closed = float(candles.open[position]), float(candles.close[position])
    change = (closed / opened - 1) * 100 if opened else float("nan")
    colour = theme.up if closed >= opened else theme.down
    prices = " ".join(
        f"{_faint(name[0].upper(), theme)} "
        f"{_coloured(formats.number(float(getattr(candles, name)[position]), digits), colour)}"
        for name in ("open", "high", "low", "close")
    )
    volume = formats.compact(float(candles.volume[position]))
    return (
        f"{_time(int(candles.timestamp[position]))}{_GAP} {prices}{_GAP}{_coloured(formats.percent(change), colour)}"
        f"{_GAP}{_faint('V', theme)} {volume}"
    )


def parts_text(shown: Joined, position: int, theme: Theme) -> str:
    """Of a candle that is made of fewer candles than it could be, of how many; else empty."""
    parts, whole = int(shown.parts[position]), int(shown.whole[position])
    if parts >= whole:
        return ""
    return _GAP + _coloured(f"⚠ {formats.whole(parts)} of {formats.whole(whole)} candles", theme.warning)


def hole_text(run: RunResult, start: int, end: int, theme: Theme) -> str:
    """From when to when candles are missing, and why as far as that is known."""
    known = run.checks.get("data", {}).get("missing", ())
    said = [one for one in known if parse_time(one["start"]) < end and start < parse_time(one["end"])]
    reason = f": {escape(str(said[0].get('reason', '')))}" if said else ""
    words = f"⚠ no candles from {formats.minute(start)} to {formats.minute(end)}{reason}"
    return _coloured(words, theme.warning)


def curve_text(name: str, value: str, colour: str) -> str:
    """A value of a curve in its colour."""
    return f"{_GAP}{_coloured(f'{escape(name)}&nbsp;{value}', colour)}"


def trade_text(run: RunResult, index: int, digits: int, theme: Theme) -> str:
    """All that is to be said of a trade."""
    trade, quote = run.trades[index], formats.quote_of(run.market.unified)
    is_long = trade.side == "long"
    side = _coloured("▲ Long" if is_long else "▼ Short", theme.buy if is_long else theme.sell)
    gain = _coloured(
        f"{formats.signed(trade.pnl)} {quote} ({formats.percent(trade.return_pct)})",
        theme.positive if trade.pnl > 0 else theme.negative,
    )
    costs = [f"commission {formats.number(trade.commission)}"]
    if trade.slippage:
        costs.append(f"slippage {formats.number(trade.slippage)}")
    if trade.funding is not None:
        costs.append(f"funding {formats.signed(trade.funding)}")
    left = "still open, at" if trade.exit_reason == "open" else "exit"
    entry = _fill("entry", trade.entry_time, trade.entry_price, trade.entry_signal, digits)
    closed = _fill(left, trade.exit_time, trade.exit_price, trade.exit_reason, digits)
    if trade.liquidated:
        closed = _coloured(f"✖ {closed}", theme.negative)
    parts = [
        f"<b>Trade {index + 1} of {len(run.trades)}</b> {side}",
        entry,
        closed,
        f"P&amp;L {gain}",
        f"MAE {formats.number(trade.mae_pct)} % MFE {formats.number(trade.mfe_pct)} %".replace(
            " %", "&nbsp;%"
        ),
        f"{', '.join(costs)} {quote}",
        f"{formats.whole(trade.candles)} candle{'s' * (trade.candles != 1)}",
    ]
    if trade.ambiguous:
        parts.append(_coloured("? a candle of it can be read in two ways", theme.warning))
    return " · ".join(parts) + _fills_text(trade, digits, theme)


def _fills_text(trade: Trade, digits: int, theme: Theme) -> str:
    """The fills of a trade that has more than an entry and an exit, in a line of their own; of many the first and last."""
    fills = list(trade.fills)
    if len(fills) <= 2:
        return ""
    told = [_fill_text(fill, digits) for fill in fills]
    if len(told) > MOST_FILLS:
        told[MOST_FILLS - 1 : -1] = [f"and {len(told) - MOST_FILLS} more"]
    return f"<br>{_faint(f'{len(fills)} fills', theme)} " + " · ".join(told)


def _fill_text(fill: Fill, digits: int) -> str:
    """Its reason, coins (+ enters, - leaves), price and when; the year is the entry's."""
    sign = "+" if fill.size > 0 else "−"
    words = f"{escape(_words(fill.reason))} {sign}{formats.price(abs(fill.size))} at {formats.number(fill.price, digits)}"
    return f"{words}, {formats.minute(fill.time)[5:]}".replace(" ", "&nbsp;")


def trades_text(run: RunResult, indices: Sequence[int], theme: Theme) -> str:
    """Of several trades in one marker: how many, their sum, from when to when."""
    trades = [run.trades[index] for index in indices]
    total = sum(trade.pnl for trade in trades)
    times = min(trade.entry_time for trade in trades), max(trade.exit_time for trade in trades)
    wins = sum(trade.pnl > 0 for trade in trades)
    gain = _coloured(formats.signed(total), theme.positive if total > 0 else theme.negative)
    return (
        f"<b>{len(trades)} trades</b> from {formats.minute(times[0])} to {formats.minute(times[1])} · {wins} won · "
        f"P&amp;L {gain} {formats.quote_of(run.market.unified)} · zoom in, or click to go from one to the next"
    )


def _fill(word: str, time: int, price: float, why: str, digits: int) -> str:
    return f"{word} {formats.minute(time)} at {formats.number(price, digits)} ({escape(_words(why))})"


def _words(name: str) -> str:
    return name.removeprefix("signal_").replace("_", " ")


def _time(ms: int) -> str:
    return f"<b>{formats.minute(ms)}</b> {formats.zone_name()}"


def _coloured(text: str, colour: str) -> str:
    whole = text.replace(" %", "&nbsp;%")  # no line begins with a unit
    return f"<span style='color:{colour}'>{whole}</span>"


def _faint(text: str, theme: Theme) -> str:
    return _coloured(text, theme.muted)
