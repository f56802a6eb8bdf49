"""t and p of a mean: published figures, and what must hold of any."""

import math

import numpy as np
import pytest

from engine.statistics.trade_mean import default_lags, mean_test, trade_mean


def judged(values, lags):
    return mean_test(values, lags)


def of_trades(returns):
    return trade_mean(returns)


SAMPLE = np.array([1.2, -0.5, 0.8, 0.3, -1.1, 0.9, 1.4, -0.2, 0.6, 0.1])


@pytest.mark.parametrize(("lags", "t"), [(0, 1.481005), (1, 1.862203), (2, 2.662283)])
def test_t_of_the_sample(lags, t):
    assert judged(SAMPLE, lags)[0] == pytest.approx(t, abs=1e-6)


def test_p_of_the_sample_is_two_sided():
    assert judged(SAMPLE, 1)[1] == pytest.approx(0.062575, abs=1e-6)
    assert judged(-SAMPLE, 1) == pytest.approx((-judged(SAMPLE, 1)[0], judged(SAMPLE, 1)[1]))


def test_without_lags_it_is_the_classic_t_but_for_ddof():
    assert judged(SAMPLE, 0)[0] * math.sqrt(9 / 10) == pytest.approx(1.405004, abs=1e-6)


def test_lags_follow_the_rule():
    assert [default_lags(n) for n in (30, 100, 365)] == [3, 4, 5]


def test_trades_are_judged_by_the_rule_from_twenty_on():
    trades = np.tile(SAMPLE, 2)
    assert of_trades(trades) == judged(trades, default_lags(20))
    assert of_trades(trades[:19]) is None


def test_equal_trades_and_those_whose_variance_vanishes_tell_nothing():
    assert of_trades(np.full(30, 1.5)) is None
    assert judged(np.full(30, 1.5), 0) is None
    assert judged(np.array([1.0, 1.0]), 5) is None
