"""Sweeps over the legs of a portfolio: each trial is that portfolio, and the rest is as of any sweep."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import InputError
from engine.events import CancelToken
from engine.model.parameters import Assignment
from engine.model.run import CANCELLED, FINISHED, STOPPED
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import NSGA2, SAMPLERS, SweepSpec
from engine.service import Engine
from tests.engine.research.killing import killed, wait_for_sweeps
from tests.engine.research.portfolio_sweeping import (
    assert_trial_is,
    engine,
    four_markets,
    made,
    portfolio,
    sweep_of,
    two_legs,
)
from tests.engine.research.sweeping import STUMBLING, plug_in
from tests.engine.research.test_resume import assert_equal
from tests.support.database import execute

__all__ = ["engine", "four_markets"]

READING = '''
import numpy as np
from engine.indicators import ema
from engine.strategy import Param, Strategy


class Reading(Strategy):
    """Follows a longer timeframe, with a rank of its own."""

    timeframes = ("4h",)
    build_timeframes = True
    fast = Param(8, low=2, high=50)
    slow = Param(20, low=3, high=200)

    def warmup(self):
        return {"": 3 * self.fast, "4h": 2 * self.slow}

    def indicators(self, candles):
        above = self.on("4h", lambda c: ema(c["close"], self.slow))
        return {"quick": ema(candles["close"], self.fast), "long": above, "strength": candles["close"] / above}

    def signals(self, candles, indicators):
        over = indicators["quick"] > indicators["long"]
        return {"signal_up_buy": over, "exit_long": ~over}
'''
LATE = '''
from engine.strategy import Param, Strategy
import engine.indicators


class Late(Strategy):
    """Changes what other strategies compute with, as far as it can."""

    length = Param(3, low=1, high=9)

    def signals(self, candles, indicators):
        engine.indicators.ema = engine.indicators.sma
        return {"signal_x_buy": candles["close"] > candles["open"], "exit_long": candles["close"] < candles["open"]}
'''


def compare(engine: Engine, sweep: SweepResult, *, every: int = 1) -> None:
    """Trials beside the portfolios with their parameters."""
    assert (sweep.status, sweep.failed) == (FINISHED, 0), (sweep.error, sweep.errors)
    assert sweep.spec.portfolio is not None
    for position in range(0, len(sweep), every):
        assert_trial_is(sweep, position, made(engine, sweep.spec.portfolio, sweep.params_of(position)))


def test_every_trial_has_the_figures_of_the_portfolio_with_its_parameters(engine: Engine) -> None:
    ranges = {"slow.fast": "5,20", "quick.weight": "0.2:0.5:0.3", "wallet.max_open": "1,2"}
    sweep = engine.research.optimize(sweep_of(two_legs(rebalance="7d"), ranges), fetch=False)
    assert sweep.done == 8
    compare(engine, sweep)
    stored = engine.research.sweep(sweep.id[:8])
    assert stored.spec == sweep.spec
    assert [one.id for one in engine.research.sweeps()] == [sweep.id]
    assert engine.research.statistics(stored).compared >= 4
    assert stored.heat_map("slow.fast", "quick.weight")[2].shape == (2, 2)


@pytest.mark.long
@pytest.mark.parametrize(
    ("wallet", "ranges"),
    [
        ({"allocation": "equal"}, {"slow.fast": "5,20", "slow.slow": "30,200", "quick.fast": "3,9"}),
        ({"allocation": "inverse_volatility"}, {"wallet.lookback": "20,100", "quick.slow": "30,90"}),
        ({"allocation": "risk"}, {"slow.weight": "0.1,0.5", "wallet.contention": "scale,rank"}),
        ({"rebalance": "band:0.05"}, {"slow.weight": "0.1,0.5", "quick.slow": "40,150"}),
    ],
)
def test_trials_are_portfolios_by_every_rule_of_the_wallet(
    engine: Engine, wallet: dict[str, Any], ranges: dict[str, str]
) -> None:
    compare(engine, engine.research.optimize(sweep_of(two_legs(**wallet), ranges), fetch=False))


@pytest.mark.long
def test_legs_that_read_longer_candles_rank_and_trade_other_timeframes_are_those_of_the_portfolio(
    engine: Engine,
) -> None:
    """With their own warm-up, though other combinations ask for a longer one."""
    name = plug_in(engine, "reads_longer", READING)
    spec = portfolio(
        {"name": "a", "symbol": "SOLUSDT", "strategy": name, "rank": "strength"},
        {"name": "b.c", "symbol": "BTCUSDT", "strategy": name, "rank": "strength", "params": {"fast": 4}},
        {"name": "ema_cross-ADAUSDT", "symbol": "ADAUSDT"},
        contention="rank",
        max_open=2,
    )
    ranges = {"a.fast": "3,40", "a.slow": "5,60", "b.c.slow": "4,30", "ema_cross-ADAUSDT.fast": "5,25"}
    limits = (
        "a.fast < a.slow + 30 and ema_cross-ADAUSDT.fast < ema_cross-ADAUSDT.slow and b.c.slow > b.c.fast - 1"
    )
    sweep = engine.research.optimize(sweep_of(spec, ranges, constraint=limits), fetch=False)
    assert 8 <= sweep.done < 16
    compare(engine, sweep, every=3)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
@pytest.mark.long
def test_every_sampler_tries_only_weights_that_fit(engine: Engine, sampler: str) -> None:
    more = {"second_objective": "max_drawdown_pct"} if sampler == NSGA2 else {}
    ranges = {"slow.weight": "0:1:0.05", "quick.weight": "0:1:0.05", "slow.fast": "5:20:1"}
    asked = sweep_of(two_legs(), ranges, sampler=sampler, trials=12, seed=2, objective="return_pct", **more)
    sweep = engine.research.optimize(asked, fetch=False)
    total = sweep.params["slow.weight"] + sweep.params["quick.weight"]
    assert (sweep.done, sweep.failed) == (12, 0), sweep.errors
    assert ((total > 0) & (total <= 1 + 1e-9)).all()


def test_weights_of_which_none_fit_are_refused_before_anything_runs(engine: Engine) -> None:
    with pytest.raises(
        InputError, match=r"weights whose sum is above 0 and at most 1: none of 2 combinations"
    ):
        engine.research.optimize(sweep_of(two_legs(), {"slow.weight": "0.8,0.9"}), fetch=False)


@pytest.mark.parametrize(
    ("wallet", "ranges", "words"),
    [
        ({}, {"slwo.fast": "1,2"}, "the portfolio has no leg 'slwo'; did you mean slow?"),
        ({}, {"fast": "1,2"}, "names no leg; write LEG.fast, there are the legs slow, quick"),
        ({}, {"slow.speed": "1,2"}, "there is no such parameter; there are: slow.fast, slow.slow"),
        ({}, {"slow.fast": "0,1"}, "slow.fast must be a whole number from 1 to 500"),
        ({}, {"slow.weight": "-1,1"}, "slow.weight must be a number of at least 0"),
        ({"allocation": "equal"}, {"slow.weight": "0.1,0.2"}, "allocation = 'equal' reads no weights"),
        ({}, {"wallet.lookback": "10,20"}, "allocation = 'fixed' looks back at nothing"),
        ({}, {"wallet.cash": "10,20"}, "there are: wallet.max_open, wallet.contention"),
        ({}, {}, "nothing to sweep"),
        ({}, {"slow.fast": "5,6"}, "constraint 'slow.fast > 9': none of 2 combinations fulfils it"),
    ],
)
def test_what_is_no_range_of_a_portfolio_is_one_line(
    engine: Engine, wallet: dict[str, Any], ranges: dict[str, str], words: str
) -> None:
    limits = "slow.fast > 9" if "constraint" in words else ""
    with pytest.raises(InputError) as refused:
        engine.research.optimize(sweep_of(two_legs(**wallet), ranges, constraint=limits), fetch=False)
    assert words in str(refused.value)


def test_a_fixed_value_beside_its_range_and_unknown_ones_are_refused(engine: Engine) -> None:
    asked = sweep_of(two_legs(), {"slow.fast": "5,6"})
    for text, words in (
        ("slow.fast=7", "slow.fast: either a range or a fixed value, not both"),
        ("nobody.fast=7", "the leg 'nobody' is not selected"),
        ("quick.wait=0.2", "no selected leg has a parameter 'wait'"),
    ):
        with pytest.raises(InputError, match=words):
            engine.research.optimize(asked, Assignment.parse_all([text]), fetch=False)
    sweep = engine.research.optimize(asked, Assignment.parse_all(["quick.fast=7"]), fetch=False)
    assert sweep.params_of(0)["quick.fast"] == 7
    compare(engine, sweep)


@pytest.mark.long
def test_a_leg_that_breaks_dies_or_hangs_fails_those_trials_alone_and_is_named(engine: Engine) -> None:
    name = plug_in(engine, "stumbling", STUMBLING)
    spec = portfolio(
        {"name": "calm", "symbol": "BTCUSDT"}, {"name": "wild", "symbol": "ETHUSDT", "strategy": name}
    )
    asked = sweep_of(spec, {"wild.number": "2,3,5,7", "calm.fast": "5,9"})
    with Engine(replace(engine.settings, run_timeout_s=4)) as hasty:
        sweep = hasty.research.optimize(asked, fetch=False)
    assert (sweep.status, sweep.done, sweep.failed) == (FINISHED, 8, 6), sweep.error
    said = {int(sweep.params["wild.number"][place]): line for place, line in sweep.errors.items()}
    assert said[3].startswith("leg 'wild': stumbling.py:14: ValueError: three is too many")
    assert said[5] == "leg 'wild': worker died, exit code 3"
    assert said[7] == "leg 'wild': exceeded 4 s"
    for place in np.flatnonzero(sweep.params["wild.number"] == 2).tolist():
        assert_trial_is(sweep, place, made(engine, spec, sweep.params_of(place)))


def test_a_leg_that_dies_with_some_parameters_is_not_asked_for_them_again_and_again(engine: Engine) -> None:
    name = plug_in(engine, "stumbling", STUMBLING)
    spec = portfolio(
        {"name": "calm", "symbol": "BTCUSDT"}, {"name": "wild", "symbol": "ETHUSDT", "strategy": name}
    )
    sweep = engine.research.optimize(
        sweep_of(spec, {"wild.number": "2,5", "calm.fast": "5:40:1"}), fetch=False
    )
    assert (sweep.status, sweep.done, sweep.failed) == (FINISHED, 72, 36), sweep.error
    assert set(sweep.errors.values()) == {"leg 'wild': worker died, exit code 3"}


@pytest.mark.long
def test_no_leg_changes_what_another_computes_with(engine: Engine) -> None:
    name = plug_in(engine, "late", LATE)
    spec = portfolio(
        {"name": "a patch", "symbol": "SOLUSDT", "strategy": name}, {"name": "cross", "symbol": "BTCUSDT"}
    )
    sweep = engine.research.optimize(
        sweep_of(spec, {"cross.fast": "5,9", "a patch.length": "1,2"}), fetch=False
    )
    compare(engine, sweep)


def test_trials_are_counted_as_portfolios_and_as_what_their_legs_tried(engine: Engine) -> None:
    asked = sweep_of(two_legs(name="mine"), {"slow.fast": "5,9", "quick.weight": "0.1:0.5:0.1"})
    first = engine.research.optimize(asked, fetch=False)
    assert (first.done, first.trials_of_strategy) == (10, 10)
    assert "10 trials of portfolio mine have been made in all" in first.cautions[0]
    assert engine._resources.store.sweeps.trial_count("ema_cross") == 3  # two of one leg, one of the other
    again = engine.research.optimize(asked, fetch=False)
    assert again.trials_of_strategy == 10
    assert engine._resources.store.sweeps.trial_count("ema_cross") == 3
    # the file's own values of what is swept, its costs and the order of its legs make no new portfolio
    assert asked.portfolio is not None
    legs = [
        replace(
            leg,
            params={**leg.params, **({"fast": 5} if leg.name == "slow" else {})},
            costs=replace(leg.costs, commission=0.002),
        )
        for leg in asked.portfolio.legs[::-1]
    ]
    edited = replace(asked, portfolio=replace(asked.portfolio, legs=tuple(legs)))
    assert engine.research.optimize(edited, fetch=False).trials_of_strategy == 10
    alone = engine.research.optimize(replace(asked, seed=1, ranges={"slow.fast": (5, 9, 12)}), fetch=False)
    assert alone.trials_of_strategy == 11  # two of the three stood in the ranges before
    engine.research.delete_sweep(first.id)
    assert engine._resources.store.sweeps.trial_count("portfolio mine") == 11


# -- stopped and gone on with


def stopped(engine: Engine, asked: Any, after: int) -> SweepResult:
    """A sweep that its user stopped once so many trials were made."""
    cancel = CancelToken()

    def look(sweep: SweepResult) -> None:
        if sweep.done >= after:
            cancel.cancel()

    sweep = engine.research.optimize(asked, fetch=False, cancel=cancel, on_trials=look)
    assert sweep.status == CANCELLED
    assert after <= sweep.done < sweep.planned
    return sweep


SLOWLY = '''
import os, time
import numpy as np
from engine.strategy import Param, Strategy


class Slowly(Strategy):
    """Takes its time."""

    number = Param(3, low=1, high=1000)

    def signals(self, candles, indicators):
        time.sleep(float(os.environ.get("TRIAL_S", 0.05)))
        buy = np.arange(len(candles)) % (10 + self.number) == 0
        return {"signal_x_buy": buy, "exit_long": np.roll(buy, 3)}
'''
STARTED = """
from concurrent.futures import ThreadPoolExecutor
from engine.model.sweep_spec import SAMPLERS
from engine.service import Engine
from tests.engine.research.test_portfolio_sweeps import slow_sweep

with Engine() as engine, ThreadPoolExecutor(len(SAMPLERS)) as threads:
    list(threads.map(lambda sampler: engine.research.optimize(slow_sweep(sampler), fetch=False), SAMPLERS))
"""


def slow_sweep(sampler: str = "grid") -> SweepSpec:
    """60 trials, of which hardly two ask the same of a leg."""
    legs = [
        {"name": coin, "symbol": f"{coin}USDT", "strategy": "slowly", "weight": 0.3}
        for coin in ("SOL", "ADA")
    ]
    ranges = {"SOL.number": "1:30:1", "ADA.weight": "0.3,0.4"}
    if sampler != "grid":
        ranges = {"SOL.number": "1:300:1", "ADA.weight": "0.1:0.8:0.1"}
    more: dict[str, Any] = {} if sampler == "grid" else {"sampler": sampler, "trials": 60, "seed": 4}
    if sampler == NSGA2:
        more["second_objective"] = "max_drawdown_pct"
    return sweep_of(portfolio(*legs, allocation="fixed"), ranges, objective="return_pct", **more)


@pytest.mark.long
def test_killed_sweeps_of_every_sampler_go_on_and_end_as_the_whole_ones(engine: Engine) -> None:
    plug_in(engine, "slowly", SLOWLY)
    with killed(engine, STARTED, "0.2") as process:
        wait_for_sweeps(engine, process, len(SAMPLERS), done=1)
    left = {sweep.spec.sampler: sweep for sweep in engine.research.sweeps()}
    for sampler in SAMPLERS:
        found = left[sampler]
        assert (found.status, 0 < found.done < 60) == (STOPPED, True), (sampler, found.status, found.done)
        ended = engine.research.resume_sweep(found.id)
        assert (ended.id, ended.status) == (found.id, FINISHED)
        assert_equal(engine, ended, engine.research.optimize(slow_sweep(sampler), fetch=False))


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_a_sweep_that_was_stopped_ends_as_the_whole_one(engine: Engine, sampler: str) -> None:
    plug_in(engine, "slowly", SLOWLY)
    asked = slow_sweep(sampler)
    part = stopped(engine, asked, 8)
    ended = engine.research.resume_sweep(part.id)
    whole = engine.research.optimize(asked, fetch=False)
    assert_equal(engine, ended, whole)


@pytest.mark.long
def test_what_has_changed_since_is_named_and_nothing_goes_on(engine: Engine) -> None:
    plug_in(engine, "slowly", SLOWLY)
    asked = slow_sweep()
    part = stopped(engine, asked, 4)
    plug_in(engine, "slowly", SLOWLY.replace("np.roll(buy, 3)", "np.roll(buy, 4)"))
    with pytest.raises(InputError, match=r"cannot go on: strategy source changed \(slowly\.py\)"):
        engine.research.resume_sweep(part.id)
    plug_in(engine, "slowly", SLOWLY)
    for place, words in (
        ("{portfolio,portfolio source}", "cannot go on: portfolio source x -> "),
        ("{legs,ADA,candles}", "leg ADA: candles changed: 2024-02 "),
    ):
        value = "'\"x\"'" if "source" in place else "inputs #> '{legs,SOL,candles}'"
        execute(
            str(engine.settings.database_url),
            f"UPDATE sweeps SET inputs = jsonb_set(inputs, '{place}', {value}) WHERE id = '{part.id}'",
        )
        with pytest.raises(InputError, match=words):
            engine.research.resume_sweep(part.id)
