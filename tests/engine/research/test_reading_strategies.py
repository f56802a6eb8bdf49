"""Sweeps, walk-forwards and other research over strategies that read other series beside their candles."""

from dataclasses import replace

import pytest

from engine.errors import InputError
from engine.model.market import HOUR_MS, Timeframe
from engine.model.monte_carlo import NOISE, MonteCarloSpec
from engine.model.ranges import parse_range
from engine.model.run import RunRequest
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import WalkForwardSpec
from engine.service import Engine
from tests.support.reading import PERIOD, READING, SPEC, ran, write
from tests.support.reading import engine_reading as engine_reading

SWEEP = SweepSpec(
    "reading", "SOLUSDT", "binanceusdm", Timeframe("1h"), PERIOD, {"length": parse_range("3:9:3")},
    objective="return_pct",
)  # fmt: skip
WALK = WalkForwardSpec(SWEEP, 5 * 24 * HOUR_MS, 3 * 24 * HOUR_MS)
SWEPT = READING.replace(
    '{"": 20, "4h": self.length, "1d": 3}', '{"": 10 * self.length, "4h": 5 * self.length}'
)

pytestmark = pytest.mark.long


@pytest.fixture
def engine(engine_reading: Engine) -> Engine:
    return engine_reading


def test_a_sweep_over_two_symbols_reads_the_longer_candles_of_each(engine: Engine):
    symbols = ("SOLUSDT", "BTCUSDT")
    sweep = engine.research.optimize(replace(SWEEP, symbols=symbols, across="mean"))
    assert sweep.status == "finished", sweep.error
    for symbol, one in zip(symbols, sweep.markets, strict=True):
        for at in range(3):
            params = one.params_of(at)
            wanted = replace(SPEC, symbol=symbol, params=params, longer_warmup=(("4h", 9),))
            run = ran(engine, wanted)
            assert run.metrics["trades"] == one.metrics["trades"][at]
            assert run.metrics["final_equity"] == one.metrics["final_equity"][at]
            assert run.metrics["trades"]


@pytest.mark.parametrize("stored", [False, True])
def test_a_trial_is_made_again_with_the_longest_warm_up_of_every_timeframe(engine: Engine, stored: bool):
    text = SWEPT.replace(
        '"other": self.on(symbol="BTCUSDT")', '"other": self.on("", ema_of, symbol="BTCUSDT")'
    )
    text = text.replace("ema_of", 'lambda c: {"close": ema(c["close"], 30)}')
    write(
        engine,
        text.replace('up = indicators["four"] >', 'up = indicators["other"] + indicators["four"] > 2 *'),
    )
    sweep = engine.research.optimize(SWEEP)
    if stored:
        sweep = engine.research.sweep(sweep.id)
    assert (sweep.warmup, sweep.longer_warmup) == (90, (("1d", 0), ("4h", 45)))
    assert sweep.to_json()["longer_warmup"] == {"1d": 0, "4h": 45}
    request = RunRequest(
        ["reading"],
        ["SOLUSDT"],
        "binanceusdm",
        Timeframe("1h"),
        PERIOD,
        warmup=90,
        longer_warmup=(("4h", 45),),
    )
    infos = engine.strategies.chosen({"reading"})
    (asked,) = request.specs(infos)
    for at in range(3):
        run = ran(engine, replace(asked, params=sweep.params_of(at)))
        assert run.metrics["trades"] == sweep.metrics["trades"][at]
        assert run.metrics["final_equity"] == sweep.metrics["final_equity"][at]
        assert run.inputs is not None
        assert run.inputs["candles"]["reads"]["BTCUSDT"]["warmup"] == 90
    with pytest.raises(InputError, match="a warm-up of 2h candles is asked for, which reading does not read"):
        replace(request, longer_warmup=(("2h", 45),)).specs(infos)
    with pytest.raises(InputError, match="the warm-up must be from 0"):
        replace(request, longer_warmup=(("4h", -1),))


def test_the_stitched_run_of_a_swept_warm_up_can_be_made_again(engine: Engine):
    write(engine, SWEPT)
    walk = engine.walk_forwards.make(WALK)
    assert walk.status == "finished", walk.error
    assert walk.run is not None
    assert walk.run.metrics["trades"]
    assert walk.run.inputs is not None
    assert walk.run.inputs["candles"]["reads"]["4h"]["warmup"] == 45  # of the longest
    again = engine.runs.rerun(walk.run.id)
    assert (again.equal, again.changed) == (True, ())
    assert walk.longer_warmup == (("1d", 0), ("4h", 45))
    assert engine.walk_forwards.get(walk.id).longer_warmup == walk.longer_warmup


def test_a_walk_forward_fails_combinations_that_ask_for_more_than_was_loaded(engine: Engine):
    text = READING.replace(
        '"4h": self.length,', '"4h": 5 if current() is None else 50,'
    )  # more while it is tried
    write(engine, text.replace("import numpy as np", "from engine.indicators.memory import current"))
    walk = engine.walk_forwards.make(WALK)
    assert "asks for 50 4h candles of warm-up; other combinations of the sweep ask for at most 5" in str(
        [walk.error, *walk.errors.values()]
    )


def test_the_search_for_look_ahead_counts_the_warm_up_of_what_is_read_as_a_run_does(engine: Engine):
    write(engine, READING.replace('{"": 20, "4h": self.length, "1d": 3}', '{"1d": 4000}'))
    run = ran(engine)
    found = engine.research.lookahead(replace(SPEC, checks=True), cuts=5).warmup
    for check in (run.checks["warmup"], found):
        assert check["status"] == "failed"
        assert "no warm-up wanted" not in check["note"]
        assert "SOLUSDT 1d: " in check["note"]
        assert " of 4,000" in check["note"]


def test_other_candles_are_refused_in_words(engine: Engine):
    run = ran(engine)
    with pytest.raises(
        InputError, match="reads other series beside its candles, which other candles do not have"
    ):
        engine.research.monte_carlo(run.id, MonteCarloSpec(method=NOISE, paths=2))
