"""Our statistics beside those of libraries: arch for the best of many, statsmodels for the mean trade, ffn and purgedcv for
overfitting, purgedcv for the least lengths. Their own probabilistic and deflated ratios estimate the moments otherwise.

They are imported by the tests that ask them, and not where tests are collected: every process does that, and ffn alone, with
the fonts of matplotlib, takes as long as a third of all the rest.
"""

import math

import numpy as np
import pandas as pd
import pytest

from engine.statistics.overfitting import long_run_variance, overfitting, superiority
from engine.statistics.sharpe import ALPHA, Sharpe, least_backtest_years
from engine.statistics.trade_mean import default_lags, mean_test


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_trade_has_the_t_and_p_of_statsmodels(seed: int) -> None:
    import statsmodels.api as sm

    values = np.random.default_rng(seed).standard_normal(300).cumsum()[::3] / 10 + 0.2
    lags = default_lags(len(values))
    kinds = {"maxlags": lags, "use_correction": False}
    fitted = sm.OLS(values, np.ones(len(values))).fit(cov_type="HAC", cov_kwds=kinds)
    assert mean_test(values, lags) == pytest.approx((fitted.tvalues[0], fitted.pvalues[0]), rel=1e-9)


@pytest.mark.parametrize("edge", [0.0, 0.15, 0.3])
def test_the_best_of_many_has_the_p_values_of_arch_up_to_the_draws(edge: float) -> None:
    """arch judges all columns by one measure unless they are scaled before: it ignores `studentize` (arch 8.0.0)."""
    from arch.bootstrap import SPA

    rng = np.random.default_rng(3)
    returns = rng.standard_normal((365, 20)) * rng.uniform(0.5, 3, 20)
    returns[:, 0] += edge * returns[:, 0].std()
    scaled = returns / np.sqrt(long_run_variance(returns, 1 / np.sqrt(365)))
    test = SPA(
        np.zeros(365), -scaled, reps=2_000, block_size=int(np.sqrt(365)), bootstrap="stationary", seed=1
    )
    test.compute()
    ours = superiority(returns, 2_000, 1)
    assert ours is not None
    told = {name: float(value) for name, value in test.pvalues.items()}
    for name in ("lower", "consistent", "upper"):
        assert getattr(ours, name) == pytest.approx(told[name], abs=0.04), name


@pytest.mark.parametrize(("days", "trials", "blocks"), [(320, 50, 8), (160, 11, 8), (120, 12, 4)])
@pytest.mark.parametrize("edge", [0.0, 0.15])
def test_overfitting_is_that_of_ffn_and_purgedcv(days: int, trials: int, blocks: int, edge: float) -> None:
    import ffn
    import purgedcv

    returns = np.random.default_rng(days).standard_normal((days, trials))
    returns[:, 3] += edge
    ours = overfitting(returns, blocks)
    of_ffn = ffn.core.calc_prob_backtest_overfitting(pd.DataFrame(returns), n_blocks=blocks, full_output=True)
    of_purgedcv = purgedcv.probability_of_backtest_overfitting(returns.T, n_splits=blocks)
    assert ours.logits == pytest.approx(of_ffn["logits"].to_numpy(), abs=1e-12)
    assert ours.pbo == of_ffn["pbo"]
    # purgedcv counts a rank in the middle as not overfitted, we and ffn as overfitted
    assert of_purgedcv.pbo == (ours.logits < 0).mean()
    assert np.sort(ours.logits) == pytest.approx(np.sort(of_purgedcv.logits), abs=1e-12)
    chosen, achieved = np.asarray(of_purgedcv.is_oos_performance).T
    assert (ours.slope, ours.loss) == pytest.approx((of_purgedcv.slope, (achieved < 0).mean()), abs=1e-9)
    assert np.sort(ours.chosen) == pytest.approx(np.sort(chosen), abs=1e-9)


@pytest.mark.parametrize("benchmark", [0.0, 0.05])
@pytest.mark.parametrize(
    ("value", "skew", "kurtosis"), [(0.1, 0.0, 3.0), (0.158, -2.448, 10.164), (0.06, 1.2, 5.0)]
)
def test_least_track_is_that_of_purgedcv(
    value: float, skew: float, kurtosis: float, benchmark: float
) -> None:
    import purgedcv

    track = Sharpe(value, 365, skew, kurtosis).least_track(benchmark)
    assert track is not None
    assert math.ceil(track) == purgedcv.min_track_record_length(value, benchmark, ALPHA, skew, kurtosis)


@pytest.mark.parametrize("trials", [2, 10, 45, 1_000, 20_000])
@pytest.mark.parametrize("annual", [0.5, 1.0, 2.0])
def test_least_backtest_is_that_of_purgedcv(trials: int, annual: float) -> None:
    import purgedcv

    years = least_backtest_years(trials, annual)
    assert years == pytest.approx(purgedcv.minimum_backtest_length(trials, annual), rel=1e-8)
