"""What a strategy declares that it reads, what of that a run can have, and how much of each it wants before its period."""

from typing import Any

import pytest

from engine.errors import InputError, RunError
from engine.model.market import HOUR_MS, Market, Period, Timeframe, format_time, parse_time
from engine.model.reads import Reads, Warmup, latest_closed, series_of, warmup_start
from engine.strategy import Param

SOL, BTC = (
    Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"),
    Market("binanceusdm", "BTCUSDT", "BTC/USDT:USDT"),
)
HOUR = Timeframe("1h")


def kind(**said: Any) -> type:
    return type("Mine", (), said)


def test_a_class_declares_timeframes_and_symbols():
    reads = Reads.declared(kind(timeframes=("1d", "4h", "4h"), symbols_read=["BTCUSDT"]))
    assert list(reads.series()) == [
        ("", "4h"), ("", "1d"), ("BTCUSDT", ""), ("BTCUSDT", "4h"), ("BTCUSDT", "1d"),
    ]  # fmt: skip
    assert not Reads.declared(kind())
    assert Reads.from_json(reads.to_json()) == reads


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"timeframes": "4h"}, r'`timeframes` is a tuple of texts, timeframes = \("4h", "1d"\), not \'4h\''),
        ({"timeframes": ("4x",)}, "unknown timeframe '4x'"),
        ({"timeframes": (4,)}, "`timeframes` is a tuple of texts"),
        ({"timeframes": Param(3)}, "`timeframes` is a tuple of texts"),
        ({"symbols_read": "BTCUSDT"}, "`symbols_read` is a tuple of texts"),
        ({"symbols_read": ("",)}, "`symbols_read` is a tuple of texts"),
        (
            {"timeframes": ("4h",), "build_timeframes": "yes"},
            "`build_timeframes` is True or False, not 'yes'",
        ),
        ({"symbols_read": tuple(map(str, range(40)))}, "more than 32 series"),
    ],
)
def test_what_cannot_be_read_is_said(said: dict[str, Any], wanted: str):
    with pytest.raises(InputError, match=wanted):
        Reads.declared(kind(**said))


@pytest.mark.parametrize(
    ("base", "timeframe", "wanted"),
    [
        (
            "4h",
            "4h",
            "mine reads 4h candles: those are the candles of the run itself; choose a shorter timeframe",
        ),
        ("1d", "4h", "mine reads 4h candles: those are shorter than the 1d candles of the run"),
        ("3d", "1w", "mine reads 1w candles: those are not made of whole 3d candles"),
        ("1w", "1M", "mine reads 1M candles: those are not made of whole 1w candles"),
        ("8h", "12h", "mine reads 12h candles: those are not made of whole 8h candles"),
    ],
)
def test_a_timeframe_that_does_not_fit_is_refused_in_words(base: str, timeframe: str, wanted: str):
    with pytest.raises(InputError, match=wanted + ".*; nothing was run"):
        Reads((timeframe,)).check(Timeframe(base), "binanceusdm", "mine")


@pytest.mark.parametrize(
    ("base", "timeframe"), [("5m", "1h"), ("1d", "1w"), ("1d", "1M"), ("12h", "3d"), ("1h", "1M")]
)
def test_a_timeframe_of_whole_candles_of_the_run_fits(base: str, timeframe: str):
    Reads((timeframe,)).check(Timeframe(base), "binanceusdm", "mine")


def test_a_timeframe_that_the_exchange_lacks_can_only_be_built():
    with pytest.raises(InputError, match="bybit has none; `build_timeframes = True` builds them"):
        Reads(("3d",)).check(HOUR, "bybit", "mine")
    Reads(("3d",), build=True).check(HOUR, "bybit", "mine")


def test_a_warm_up_is_a_number_or_one_for_each_timeframe():
    reads = Reads(("4h", "1d"))
    assert Warmup.read(200, reads) == Warmup(200)
    said = Warmup.read({"1d": 60, "": 200}, reads)
    assert (said.candles, said.of("4h"), said.of("1d"), said.of("")) == (200, 0, 60, 200)
    assert Warmup.from_json(said.to_json()) == said
    assert said.longest(Warmup(10, (("4h", 5), ("1d", 70)))).to_json() == {"": 200, "1d": 70, "4h": 5}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"2h": 3}, "warmup.. names '2h'; '' is the timeframe of the run, others are 4h"),
        ({"4h": -1}, "whole number of candles from 0"),
        ({"4h": 2.0}, "whole number of candles from 0"),
        (True, "whole number of candles from 0"),
        (None, "whole number of candles from 0"),
    ],
)
def test_any_other_warm_up_is_refused(said: Any, wanted: str):
    with pytest.raises(RunError, match=wanted):
        Warmup.read(said, Reads(("4h",)))


def test_each_series_is_wanted_in_its_own_candles_and_begins_with_what_is_seen_first():
    reads, warmup = Reads(("4h", "1d"), ("BTCUSDT",)), Warmup(200, (("4h", 60),))
    series = {one.name: one for one in series_of(reads, warmup, HOUR, [SOL, BTC])}
    assert {name: one.wanted for name, one in series.items()} == {
        "4h": 60, "1d": 0, "BTCUSDT": 200, "BTCUSDT 4h": 60, "BTCUSDT 1d": 0,
    }  # fmt: skip
    assert series["BTCUSDT 4h"].title == "BTCUSDT 4h"
    assert series["1d"].title == "SOLUSDT 1d"
    period = Period.parse("2024-01-10T03:00", "2024-01-10T13:00")
    spans = {
        name: [format_time(ms)[5:16] for ms in (one.period(HOUR, period).start, one.period(HOUR, period).end)]
        for name, one in series.items()
    }
    assert spans["4h"] == ["01-10T00:00", "01-10T12:00"]  # the hour from 03:00 closes with it
    assert spans["1d"] == ["01-09T00:00", "01-10T00:00"]
    assert spans["BTCUSDT"] == ["01-10T03:00", "01-10T13:00"]


def test_built_candles_lengthen_the_warm_up_of_the_run():
    warmup = Warmup(200, (("4h", 60), ("1d", 3)))
    assert warmup.building(Reads(("4h", "1d")), HOUR) == 200
    assert warmup.building(Reads(("4h", "1d"), build=True), HOUR) == 61 * 4
    assert Warmup(0, (("1M", 1),)).building(Reads(("1M",), build=True), Timeframe("1d")) == 31 * 2 + 30
    assert Warmup(7, (("4h", 0),)).building(Reads(("4h",), build=True), HOUR) == 7


@pytest.mark.parametrize("timeframe", ["4h", "1d", "3d", "1w", "1M"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_wherever_a_period_begins_as_many_built_candles_lie_before_the_one_that_it_sees_first(
    timeframe: str, count: int
):
    longer = Timeframe(timeframe)
    wanted = Warmup(0, ((timeframe, count),)).building(Reads((timeframe,), build=True), HOUR)
    for start in range(parse_time("2024-02-20"), parse_time("2024-04-02"), 5 * HOUR_MS):
        loaded = warmup_start(HOUR, start, wanted)
        first = longer.ceil(loaded)  # the first that is made of whole hours
        assert longer.count(Period(first, latest_closed(longer, HOUR.next(start)))) >= count


def test_a_warm_up_is_typed_as_it_is_printed():
    warmup = Warmup.parse(["200", "4h=800", " 1d = 30"])
    assert warmup == Warmup(200, (("4h", 800), ("1d", 30)))
    assert warmup.words == "--warmup 200 --warmup 4h=800 --warmup 1d=30"
    assert Warmup.parse(["4h=5"]).candles == 0
    for texts, wanted in {
        ("4h=x",): "must read 200 or, of longer candles, 4h=800",
        ("4x=3",): "unknown timeframe",
        ("1", "2"): "warm-up of the run is given twice",
        ("4h=1", "4h=2"): "warm-up of 4h is given twice",
    }.items():
        with pytest.raises(InputError, match=wanted):
            Warmup.parse(texts)
