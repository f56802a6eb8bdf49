"""A sweep over several markets: figures across them, what fails on one, daily returns of equal parts."""

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from engine.model.across import across, average_returns
from engine.model.market import DAY_MS, Period, Timeframe
from engine.model.sweep import SweepResult, TrialReturns, unmade_checks
from engine.model.sweep_spec import SweepSpec, swept_markets

SPEC = SweepSpec(
    "ema_cross", "AUSDT", "binance", Timeframe("1h"), Period(0, 90 * DAY_MS), {"fast": (1, 2, 3, 4)},
    symbols=("AUSDT", "BUSDT", "CUSDT"), across="mean",
)  # fmt: skip
NAN = float("nan")


def on(symbol, numbers, sharpe, days=(0, 90), errors=None, **more):
    """A sweep on one market; its exposure is 10 times its Sharpe ratio."""
    values = np.array(sharpe, dtype=np.float64)
    return SweepResult(
        id=symbol, spec=SPEC.on(symbol), status="finished", unified=symbol, warmup=0,
        period=Period(days[0] * DAY_MS, days[1] * DAY_MS), numbers=np.array(numbers),
        params={"fast": np.array(numbers) + 1}, fixed={"slow": 9},
        metrics={"sharpe": values, "exposure_pct": 10 * values},
        errors=errors or {}, planned=4, done=len(numbers), failed=len(errors or {}), **more,
    )  # fmt: skip


MARKETS = (
    on("AUSDT", [0, 1, 2, 3], [1.0, 2.0, 3.0, NAN], errors={3: "no luck"}),
    on("BUSDT", [0, 1, 2, 3], [3.0, 2.0, NAN, 4.0], days=(10, 90)),
    on("CUSDT", [0, 1, 3], [8.0, 2.0, 1.0]),
)


@pytest.mark.parametrize(
    ("how", "sharpe", "exposure"), [("mean", 4.0, 40.0), ("median", 3.0, 30.0), ("worst", 1.0, 80.0)]
)
def test_figures_become_one_by_the_chosen_way(how, sharpe, exposure):
    found = across(replace(SPEC, across=how), MARKETS, id="all")
    assert found.numbers.tolist() == [0, 1, 3], "2 was not tried on every market yet"
    assert found.params["fast"].tolist() == [1, 2, 4]
    assert found.metrics["sharpe"][:2].tolist() == [sharpe, 2.0]
    assert found.metrics["exposure_pct"][0] == exposure, (
        "of what is better when lower the worst is the highest"
    )
    assert np.isnan(found.metrics["sharpe"][2])
    assert found.errors == {2: "AUSDT: no luck"}
    assert (found.done, found.failed, found.period) == (3, 1, Period(0, 90 * DAY_MS))
    best = found.best
    assert best is not None
    assert best["markets"] == {"AUSDT": 1.0, "BUSDT": 3.0, "CUSDT": 8.0} if sharpe > 2 else best["trial"] == 1


def test_a_combination_without_a_value_on_one_market_has_none():
    found = across(SPEC, MARKETS[:2], id="all")
    assert np.isnan(found.metrics["sharpe"][2])
    assert 2 not in found.errors


def test_other_periods_and_the_worst_check_are_told():
    held = unmade_checks() | {
        "data": {"status": "failed", "missing_candles": 3, "note": "3 candles are missing"}
    }
    found = across(SPEC, [MARKETS[0], replace(MARKETS[1], checks=held)], id="all")
    assert found.checks["data"] == {
        "status": "failed",
        "missing_candles": 3,
        "note": "BUSDT: 3 candles are missing",
    }
    assert found.warnings[-1] == (
        "the markets were tried over different periods: AUSDT 1970-01-01 to 1970-04-01, BUSDT 1970-01-11 to 1970-04-01"
    )


def listed(first, last):
    """The checks of a market that has candles of these days only."""
    span = Period(first * DAY_MS, last * DAY_MS).to_json()
    return unmade_checks() | {"data": unmade_checks()["data"] | {"span": span}}


def test_a_market_that_was_listed_later_within_the_same_period_is_told():
    later = replace(MARKETS[0], spec=SPEC.on("BUSDT"), checks=listed(10, 90))
    found = across(SPEC, [MARKETS[0], later], id="all")
    assert found.warnings[-1] == (
        "the markets were tried over different periods: AUSDT 1970-01-01 to 1970-04-01, BUSDT 1970-01-11 to 1970-04-01"
    )
    assert "span" not in found.checks["data"], "it is that of one market"
    assert across(SPEC, [MARKETS[0], replace(later, checks=listed(0, 90))], id="all").warnings == []


def test_daily_returns_are_those_of_equal_parts_over_shared_days():
    one = TrialReturns(np.array([0, 2, 3]), np.arange(12.0).reshape(3, 4))
    other = TrialReturns(np.array([0, 3]), np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]))
    markets = [
        on("AUSDT", [0], [1.0], days=(5, 9)),
        on("BUSDT", [0], [1.0], days=(5, 9), checks=listed(6, 9)),
    ]
    found = average_returns(markets, [one, other])
    assert found is not None
    assert found.numbers.tolist() == [0, 3]
    assert found.returns.tolist() == [[5.5, 11.0, 16.5], [24.5, 30.0, 35.5]]
    assert average_returns(markets, [one, None]) is None
    assert average_returns([markets[0], on("BUSDT", [0], [1.0], days=(50, 53))], [one, other]) is None


@pytest.mark.parametrize(
    ("symbols", "how", "said"),
    [
        (["AUSDT"], "worst", "worst is taken across several symbols; give more than one"),
        (["AUSDT", "BUSDT"], "best", "unknown way across markets 'best'; there are: mean, median, worst"),
        (["AUSDT", "AUSDT"], "mean", "names each once"),
        ([], "", "name at least one symbol"),
    ],
)
def test_what_is_no_choice_of_markets_is_refused(symbols, how, said):
    with pytest.raises(InputError, match=said):
        replace(SPEC, **swept_markets(symbols, how))


def test_a_spec_of_one_symbol_says_what_it_always_said_and_one_of_several_reads_back():
    assert not {"symbols", "across"} & SPEC.on("AUSDT").to_json().keys()
    assert SweepSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.markets == "mean of AUSDT, BUSDT, CUSDT"
