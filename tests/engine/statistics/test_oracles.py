"""Our statistics beside those of libraries: arch for the best of many, statsmodels for the mean trade."""

import numpy as np
import pytest
import statsmodels.api as sm
from arch.bootstrap import SPA

from engine.statistics.overfitting import long_run_variance, superiority
from engine.statistics.trade_mean import default_lags, mean_test


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_trade_has_the_t_and_p_of_statsmodels(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(300).cumsum()[::3] / 10 + 0.2
    lags = default_lags(len(values))
    kinds = {"maxlags": lags, "use_correction": False}
    fitted = sm.OLS(values, np.ones(len(values))).fit(cov_type="HAC", cov_kwds=kinds)
    assert mean_test(values, lags) == pytest.approx((fitted.tvalues[0], fitted.pvalues[0]), rel=1e-9)


@pytest.mark.parametrize("edge", [0.0, 0.15, 0.3])
def test_the_best_of_many_has_the_p_values_of_arch_up_to_the_draws(edge: float) -> None:
    """arch judges all columns by one measure unless they are scaled before: it ignores `studentize` (arch 8.0.0)."""
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
