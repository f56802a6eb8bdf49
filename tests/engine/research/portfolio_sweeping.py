"""An engine whose database holds four random markets, portfolios on them, and what a trial must be equal to."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine.model.market import Market, Period, Timeframe
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import ParamValue
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_document import spec_of
from engine.model.portfolio_result import PortfolioResult
from engine.model.ranges import parse_range
from engine.model.run import FINISHED
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import SweepSpec
from engine.service import Engine
from tests.engine.research.sweeping import PERIOD, engine_with
from tests.support.database import execute
from tests.support.lent_workers import Lender

MARKETS = [Market("binance", f"{coin}USDT", f"{coin}/USDT") for coin in ("BTC", "ETH", "SOL", "ADA")]
QUARTER = Timeframe("4h")
# what is told of closes and counts; the others are sums of many numbers, in another order
EXACT = (
    "final_equity",
    "peak_equity",
    "return_pct",
    "buy_hold_return_pct",
    "max_drawdown_pct",
    "exposure_pct",
    "trades",
)
CROSS = {"strategy": "ema_cross", "timeframe": "1h", "exchange": "binance"}


@pytest.fixture(scope="module")
def four_markets(
    embedded_url: str, tmp_path_factory: pytest.TempPathFactory, lender: Lender
) -> Iterator[Engine]:
    """Two workers, warm for all tests of a module."""
    markets = {market: seed for seed, market in enumerate(MARKETS)}
    with lender.lending(), engine_with(markets, embedded_url, tmp_path_factory.mktemp("home")) as engine:
        yield engine


@pytest.fixture
def engine(four_markets: Engine) -> Engine:
    """The shared engine without sweeps, trials, runs and portfolios."""
    url = four_markets.settings.database_url
    assert url is not None
    execute(url, "TRUNCATE sweeps, trials, backtest_runs, portfolios")
    return four_markets


def portfolio(*legs: dict[str, Any], period: Period = PERIOD, **wallet: Any) -> PortfolioSpec:
    """Legs as in a file, hours and EMA crosses where they do not say."""
    return spec_of({**period.to_json(), **wallet, "legs": [CROSS | leg for leg in legs]})


def two_legs(**wallet: Any) -> PortfolioSpec:
    """Two crosses on two markets with weights that are read."""
    weights = {} if wallet.get("allocation", "fixed") not in ("fixed", "risk") else {"weight": 0.5}
    return portfolio(
        {"name": "slow", "symbol": "BTCUSDT", **weights},
        {"name": "quick", "symbol": "ETHUSDT", "params": {"slow": 40}, **weights},
        **{"allocation": "fixed", **wallet},
    )


def sweep_of(spec: PortfolioSpec, ranges: dict[str, str], **more: Any) -> SweepSpec:
    """A sweep over a portfolio, ranges as text."""
    return SweepSpec.of_portfolio(
        spec, ranges={name: parse_range(text) for name, text in ranges.items()}, **more
    )


def made(engine: Engine, spec: PortfolioSpec, params: dict[str, ParamValue]) -> PortfolioResult:
    """The portfolio with these parameters."""
    return engine.portfolios.make(spec.with_values(params), fetch=False)


def assert_trial_is(sweep: SweepResult, position: int, result: PortfolioResult) -> None:
    """Every figure of a trial is that of the portfolio: to the last bit where it is told of closes and counts."""
    assert result.status == FINISHED, result.error
    for name in SUMMARY:
        value, right = float(sweep.metrics[name][position]), result.metrics[name]
        right = np.nan if right is None else right
        if name in EXACT:
            assert value == right or (np.isnan(value) and np.isnan(right)), name
        else:
            np.testing.assert_allclose(value, right, rtol=1e-9, atol=1e-9, err_msg=name)
