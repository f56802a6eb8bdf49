"""Which trades lie beside missing candles, which warm-up is loaded, what decides an exit code."""

import numpy as np
import pytest

from engine.batch import LoadedSeries, PlannedRun, data_check
from engine.coverage import BEFORE_LISTING, MAINTENANCE, Coverage, MissingRange
from engine.market import HOUR_MS, Candles, Market, Period, Timeframe, format_time, parse_time
from engine.runs import RunSpec, Trade

MARKET = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
START = parse_time("2024-01-10T06:00")


def planned(timeframe: str, warmup: int, start: str = "2024-01-10T06:00") -> PlannedRun:
    spec = RunSpec("s", "SOLUSDT", "binanceusdm", Timeframe(timeframe), Period.parse(start, "2024-02-01"))
    return PlannedRun("id", spec, MARKET, "s.py", {}, warmup)


@pytest.mark.parametrize(
    ("timeframe", "warmup", "first"),
    [
        (
            "1h",
            0,
            "2024-01-10T00:00:00Z",
        ),  # back to 00:00 UTC even without warm-up: daily anchors need whole days
        ("1h", 5, "2024-01-10T00:00:00Z"),
        ("1h", 7, "2024-01-09T00:00:00Z"),
        ("1d", 10, "2024-01-01T00:00:00Z"),  # the period itself begins on the next day's candle
        ("1w", 2, "2024-01-01T00:00:00Z"),
        ("1M", 3, "2023-11-01T00:00:00Z"),
    ],
)
def test_warm_up_is_counted_in_candles_and_begins_at_midnight(timeframe, warmup, first):
    assert format_time(planned(timeframe, warmup).load_period.start) == first


def trade(entry: int, exit_: int) -> Trade:
    return Trade(
        "long", 1.0, START + entry * HOUR_MS, 1.0, START + exit_ * HOUR_MS, 1.0, 0.0, 0.0, 0.0, None, "s", "exit_long",
        exit_ - entry, 0.0, 0.0,
    )  # fmt: skip


def series(*missing: MissingRange) -> LoadedSeries:
    period = Period(START, START + 100 * HOUR_MS)
    coverage = Coverage(MARKET, HOUR, period, 100, (), tuple(missing))
    return LoadedSeries(None, "", Candles.empty(), period, coverage)  # type: ignore[arg-type]


def hole(start: int, end: int, reason: str = MAINTENANCE) -> MissingRange:
    return MissingRange(Period(START + start * HOUR_MS, START + end * HOUR_MS), reason)


def test_only_trades_that_begin_or_end_right_before_or_after_a_hole_are_named():
    trades = [trade(0, 9), trade(1, 8), trade(12, 20), trade(13, 20), trade(5, 30), trade(2, 12)]
    check = data_check(series(hole(10, 12)), trades)
    assert check["trades_beside_holes"] == [0, 2, 5]
    assert check["missing_candles"] == 2
    assert check["status"] == "failed"


def test_missing_candles_that_touch_no_trade_are_counted_but_no_failure():
    check = data_check(series(hole(10, 12)), [trade(20, 30)])
    assert (check["status"], check["missing_candles"]) == ("passed", 2)


def test_cells_before_the_listing_are_no_holes():
    check = data_check(series(hole(0, 10, BEFORE_LISTING)), [trade(10, 12)])
    assert (check["status"], check["missing_candles"], check["trades_beside_holes"]) == ("passed", 0, [])
    assert np.array_equal([gone["reason"] for gone in check["missing"]], [BEFORE_LISTING])
