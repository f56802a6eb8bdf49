"""Two runs: which inputs differ, and how the results do; of a run and the same run made again, or of any two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from engine.model.comparison import MetricDifference, RunComparison, SourceFile, TradeDifference
from engine.model.market import format_time
from engine.model.metric_definitions import OF_TRIALS
from engine.model.plots import LEVELS
from engine.model.rerun import Rerun
from engine.model.run import FINISHED, RunResult, Series, json_ready
from engine.model.trade import Trade

_MOST_NAMED: Final = 6
_PROGRAM: Final = "engine source"


def compare(before: RunResult, after: RunResult, *notes: str) -> Rerun[RunResult]:
    """How a stored run and the same run made again compare."""
    changed, differing = changes(before.inputs, after.inputs), differences(before, after)
    if before.inputs is None and before.status == FINISHED:
        notes += (
            "the run was made by an older version, which did not record its inputs: no change can be named",
        )
    elif differing and not changed:
        again = "the strategy answers otherwise each time (by the time, threads, chance)"
        elsewhere = "or a file that it reads changed"
        notes += (f"no recorded input changed: {again}, {elsewhere}",)
    return Rerun(before, after, changed, differing, notes)


def side_by_side(left: RunResult, right: RunResult, sources: Sequence[SourceFile]) -> RunComparison:
    """How any two runs compare. `sources`: their files, as `SourceFile.then` and `now`."""
    known = left.inputs is not None and right.inputs is not None
    trades, equal = _trades_side_by_side(left.trades, right.trades)
    return RunComparison(
        left,
        right,
        (*_market_changes(left, right), *changes(left.inputs, right.inputs)) if known else None,
        [
            MetricDifference(name, left.metrics.get(name), right.metrics.get(name))
            for name in dict.fromkeys([*left.metrics, *right.metrics])
        ],
        trades,
        equal,
        sources,
    )


def _market_changes(left: RunResult, right: RunResult) -> Iterator[str]:
    yield from _moved("strategy", left.strategy, right.strategy)
    yield from _moved("exchange", left.exchange, right.exchange)
    yield from _moved("symbol", left.symbol, right.symbol)


def _trades_side_by_side(left: Sequence[Trade], right: Sequence[Trade]) -> tuple[list[TradeDifference], int]:
    """Trades that differ, by entry, and how many do not. Entry and side name a trade; of several such, as a strategy of the
    library makes them by adding and by closing in parts, the first is compared with the first.
    """
    others = _by_entry(right)
    pairs = [(trade, others.pop(name, None)) for name, trade in _by_entry(left).items()]
    found = [TradeDifference(one, other, _differing(one, other)) for one, other in pairs]
    differing = [row for row in found if row.right is None or row.columns]
    only_right = [TradeDifference(None, trade) for trade in others.values()]
    rows = sorted([*differing, *only_right], key=lambda row: (row.trade.entry_time, row.trade.side))
    return rows, len(found) - len(differing)


def _by_entry(trades: Sequence[Trade]) -> dict[tuple[int, str, int], Trade]:
    numbers = Counter[tuple[int, str]]()
    found = {}
    for trade in trades:
        found[trade.entry_time, trade.side, numbers[trade.entry_time, trade.side]] = trade
        numbers[trade.entry_time, trade.side] += 1
    return found


_LATER: Final = ("slippage", "price_pnl", "ambiguous")  # which trades of older versions do not say


def _differing(one: Trade, other: Trade | None) -> tuple[str, ...]:
    if other is None:
        return ()
    then, now = (json_ready(asdict(trade)) for trade in (one, other))  # NaN is NaN
    known = {name for name in then if name not in _LATER or None not in (then[name], now[name])}
    return tuple(name for name in then if name in known and then[name] != now[name])


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Every input that changed, in words. `before`, `after`: of `inputs.run_inputs`; None (unknown): nothing."""
    if before is None or after is None:
        return ()
    return (
        *_candle_changes("candles", before["candles"], after["candles"]),
        *_read_changes(before["candles"].get("reads", {}), after["candles"].get("reads", {})),
        *_moved("period", _span(before["period"]), _span(after["period"])),
        *_moved("timeframe", before["timeframe"], after["timeframe"]),
        *_moved("warm-up", before["warmup"], after["warmup"]),
        *_source_changes(before["source"], after["source"]),
        *changed_values("parameter ", before["params"], after["params"]),
        *changed_values("windows: ", *(_ruled(one.get("windows", ())) for one in (before, after))),
        *changed_values("", before["costs"], after["costs"]),
        *changed_values("", before.get("perpetual", {}), after.get("perpetual", {})),
        *_detail_changes(before.get("detail", {}), after.get("detail", {})),
        *_moved("engine", before["engine"], after["engine"]),
        *_version_changes(before["versions"], after["versions"]),
        *_moved("random seed", before["seed"], after["seed"]),
    )


def _detail_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Finer candles that settled a candle and are others now, or settled it in one of them only."""
    changed = sorted(time for time in before.keys() | after.keys() if before.get(time) != after.get(time))
    if changed:
        yield f"finer candles inside {len(changed):,} candles, first {changed[0]}"


def _moved(name: str, before: Any, after: Any) -> Iterator[str]:
    if before != after:
        yield f"{name} {before} -> {after}"


def _span(period: Mapping[str, str]) -> str:
    return f"{period['start']}..{period['end']}"


def changed_values(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Values by name that are others, new or gone, in words."""
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"{kind}{name} is gone (it was {before[name]})"
        elif name not in before:
            yield f"{kind}{name} is new ({after[name]})"
        else:
            yield from _moved(kind + name, before[name], after[name])


def _version_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Of the program itself nobody knows the hashes; what counts is that it changed."""
    then, now = before.get(_PROGRAM), after.get(_PROGRAM)
    if then != now:
        yield f"program changed (engine source {then} -> {now})"
    yield from changed_values(
        "", *({name: one[name] for name in one if name != _PROGRAM} for one in (before, after))
    )


def _read_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Of the series that a strategy reads beside its candles."""
    for name in dict.fromkeys([*before, *after]):
        then, now = before.get(name), after.get(name)
        if then is None or now is None:
            yield f"{name} is {'read now' if then is None else 'not read any more'}"
        elif then["built"] or now["built"]:
            yield from _moved(f"{name} built of the candles", then["built"], now["built"])
        else:
            yield from _moved(f"{name} warm-up", then["warmup"], now["warmup"])
            yield from _candle_changes(f"{name} candles", then, now)


def _candle_changes(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["sha256"] == after["sha256"]:
        return
    then, now = before["months"], after["months"]
    words = []
    for month in sorted(then | now):
        if then.get(month) != now.get(month):
            had, has = (int(one.get(month, "0").partition(" ")[0]) for one in (then, now))
            words.append(f"{month} ({had:,} then, {has:,} now)" if had != has else f"{month} (revised)")
    more = f" and {len(words) - _MOST_NAMED} more months" if len(words) > _MOST_NAMED else ""
    yield f"{what} changed: {', '.join(words[:_MOST_NAMED])}{more}"


def _ruled(windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters by when they began to rule."""
    return {f"parameters from {window['start']} on": window["params"] for window in windows}


def _source_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"strategy source changed ({name} is not imported any more)"
        elif name not in before:
            yield f"strategy source changed ({name} is imported now)"
        elif before[name] != after[name]:
            yield f"strategy source changed ({name})"


def differences(before: RunResult, after: RunResult) -> list[dict[str, Any]]:
    """Where two results are not exactly equal, as rows `{name, before, after}`; of trades and series the first place."""
    ends = [{"status": run.status, "error": run.error} for run in (before, after)]
    return [
        *value_rows("", ends[0], ends[1]),
        *metric_rows("metrics.", before.metrics, after.metrics),
        *value_rows("signals.", before.signals, after.signals),
        *trade_rows(before.trades, after.trades),
        *series_rows("equity", before.equity, after.equity),
        *series_rows("indicators", before.indicators, after.indicators),
    ]


def metric_rows(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each metric that differs, without those that change with whatever else was tried meanwhile and those that
    an older version did not have.
    """
    then = {name: value for name, value in before.items() if name not in OF_TRIALS}
    return value_rows(kind, then, _kept(after, then))


def value_rows(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each value by name that differs."""
    then, now = json_ready(before), json_ready(after)  # as they are stored: NaN is null
    for name in then | now:
        if then.get(name) != now.get(name):
            yield {"name": kind + name, "before": then.get(name), "after": now.get(name)}


def _kept(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Without what older versions did not store: of that nobody knows whether it differs."""
    return {name: value for name, value in values.items() if name in known}


def trade_rows(before: Sequence[Trade], after: Sequence[Trade]) -> Iterator[dict[str, Any]]:
    """How many there are, where that differs, and what of the first that does."""
    if len(before) != len(after):
        yield {"name": "trades", "before": len(before), "after": len(after)}
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        then, now = one.to_json(), other.to_json()
        known = {name: value for name, value in then.items() if name not in _LATER or value is not None}
        rows = list(value_rows(f"trades[{number}].", known, _kept(now, known)))
        if rows:
            yield from rows
            return


def series_rows(kind: str, before: Series | None, after: Series | None) -> Iterator[dict[str, Any]]:
    """The first value of each column that differs."""
    then, now = ({} if series is None else series.columns for series in (before, after))
    lengths = [0 if series is None else len(series.time) for series in (before, after)]
    if lengths[0] != lengths[1]:
        yield {"name": f"{kind}: values", "before": lengths[0], "after": lengths[1]}
        return
    for name in dict.fromkeys([*then, *now]):
        if name in LEVELS and name not in then:
            continue  # runs of older versions were stored without stops and targets
        if name not in then or name not in now:
            yield {"name": f"{kind}.{name}", "before": name in then, "after": name in now}
        elif not np.array_equal(then[name], now[name], equal_nan=True):
            same = (then[name] == now[name]) | (np.isnan(then[name]) & np.isnan(now[name]))
            first = int(np.argmin(same))
            assert after is not None
            row = {"before": float(then[name][first]), "after": float(now[name][first])}
            yield {"name": f"{kind}.{name} at {format_time(int(after.time[first]))}"} | row
